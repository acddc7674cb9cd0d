import json
import sys

import nbformat
import pytest

from gancourse.notebooks import runner


def notebook(*cells: str):
    new = nbformat.v4.new_code_cell
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("#"), *map(new, cells)])


FACTS = """
import json, os, sys
names = ["PROFILE", "STATIC", "RUNS", "DEVICE"]
print(json.dumps({name: os.environ.get(f"GANCOURSE_{name}") for name in names}))
print(sys.executable, os.getcwd())
"""


def test_a_notebook_is_executed_measured_and_its_figures_kept(tmp_path, runs, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "Agg")
    seen = []
    done = runner.run(
        notebook(FACTS, "from gancourse import env; env.report(answer=21)", "import matplotlib"),
        tmp_path,
        "cpu",
        runs,
        lambda done, cells: seen.append((done, cells)),
    )
    assert done.error == "" and done.figures == {"answer": 21.0}
    assert seen == [(0, 3), (1, 3), (2, 3), (3, 3)]
    first, second, third = done.notebook.cells[1:]
    facts, place = first.outputs[0].text.strip().split("\n")
    assert json.loads(facts) == {
        "PROFILE": "cpu", "STATIC": "1", "RUNS": str(runs), "DEVICE": "cpu"
    }  # fmt: skip
    assert place == f"{sys.executable} {tmp_path}"
    assert second.outputs[0].text == "answer = 21\n"
    assert [c.execution_count for c in (first, second, third)] == [1, 2, 3]
    assert "widgets" not in done.notebook.metadata and not third.metadata
    entry = done.record()
    assert entry["profile"] == "cpu" and entry["device"] == "cpu"
    assert 50 < entry["peak_mb"] < 3000 and 0 < entry["seconds"] < 60
    assert "cores" in done.facts["machine"] and "error" not in entry


def test_a_cell_that_fails_is_named_and_ends_the_notebook(tmp_path, runs):
    given = notebook("print('before')", "raise ValueError('why\\nin detail')", "print('after')")
    done = runner.run(given, tmp_path, "smoke", runs)
    assert done.error == "cell 2 of 3: ValueError: why"
    outputs = [cell.outputs for cell in done.notebook.cells[1:]]
    assert outputs[0][0].text == "before\n" and outputs[1][0].ename == "ValueError"
    assert outputs[2] == []
    assert done.record()["error"] == done.error and done.record()["profile"] == "smoke"
    assert all(not cell.get("outputs") for cell in given.cells)


def test_a_kernel_that_dies_is_an_error_of_its_cell(tmp_path, runs):
    done = runner.run(notebook("1", "import os; os._exit(9)", "2"), tmp_path, "smoke", runs)
    assert "cell 2 of 3: the kernel died" in done.error
    assert done.record()["seconds"] > 0


def test_the_readers_choice_of_device_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("GANCOURSE_DEVICE", "mps")
    assert runner.environment("cpu", tmp_path, tmp_path)["GANCOURSE_DEVICE"] == "mps"
    monkeypatch.delenv("GANCOURSE_DEVICE")
    assert "GANCOURSE_DEVICE" not in runner.environment("gpu", tmp_path, tmp_path)


@pytest.mark.parametrize("before", [None, "/somewhere/else"])
def test_the_package_is_found_without_being_installed(tmp_path, monkeypatch, before):
    monkeypatch.setenv("PYTHONPATH", before) if before else monkeypatch.delenv("PYTHONPATH", False)
    path = runner.environment("smoke", tmp_path, tmp_path)["PYTHONPATH"].split(":")
    assert (runner.Path(path[0]) / "gancourse").is_dir() and path[1:] == [before] * bool(before)
