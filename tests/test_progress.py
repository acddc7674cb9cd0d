"""The progress bar: text and HTML that a saved notebook keeps, no widget."""

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbclient import NotebookClient
from nbconvert import HTMLExporter

from gancourse.progress import Progress

CODE = """
from gancourse.progress import Progress
with Progress(total=40, desc="A <title>", unit="step") as bar:
    for _ in range(30):
        bar.update()
    bar.set_postfix(loss="0.5")
"""


@pytest.fixture
def output(monkeypatch):
    """What the code above leaves in a saved notebook."""
    monkeypatch.delenv("GANCOURSE_STATIC", raising=False)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CODE)])
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    return notebook


def test_a_saved_notebook_shows_the_last_state(output):
    (only,) = output.cells[0].outputs
    assert set(only.data) == {"text/plain", "text/html"}
    assert only.data["text/plain"].startswith("A <title>: 30 of 40 [")
    assert 'value="30" max="40" aria-label="A &lt;title&gt;"' in only.data["text/html"]
    page, _ = HTMLExporter().from_notebook_node(output)
    (bar,) = BeautifulSoup(page, "html.parser").find_all("progress")
    assert bar.attrs | {"value": "30", "max": "40"} == bar.attrs and "loss=0.5" in page


def test_elsewhere_it_is_a_line_of_text(capsys):
    for _ in Progress(range(3), desc="reading"):
        pass
    assert "reading: 100%" in capsys.readouterr().err


def test_static_pages_have_none(monkeypatch, capsys):
    monkeypatch.setenv("GANCOURSE_STATIC", "1")
    assert list(Progress(range(3))) == [0, 1, 2] and not capsys.readouterr().err
