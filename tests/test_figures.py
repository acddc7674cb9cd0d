"""Figures return Axes and say in words what they show."""

from base64 import b64decode
from io import BytesIO

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
import torch
from bs4 import BeautifulSoup
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from PIL import Image

from gancourse import figures
from gancourse.training import loop


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.mark.parametrize("channels", [1, 3])
def test_range_of_images_is_fixed_not_stretched(channels):
    grey = torch.zeros(3, channels, 4, 4)
    shown = figures.show_images(grey, columns=3).get_images()[0].get_array()
    inside = np.asarray(shown)[1:5, 1:5]
    assert inside == pytest.approx(0.5)


def test_images_outside_the_range_are_clipped_and_bf16_is_shown():
    images = torch.full((1, 1, 2, 2), 7.0, dtype=torch.bfloat16)
    assert np.asarray(figures.show_images(images).get_images()[0].get_array()).max() == 1


def test_top_classes_are_sorted():
    ax = figures.show_top(torch.tensor([0.1, 0.6, 0.3]), ["a", "b", "c"], k=2)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["b", "c"]


def test_lines_differ_in_more_than_colour():
    ax = figures.plot_curves([0, 1], {"x": [0, 1], "y": [1, 0]}, xlabel="s", ylabel="nats")
    first, second = ax.get_lines()
    assert first.get_linestyle() != second.get_linestyle()


def test_records_become_curves_with_units():
    records = [loop.Record(1, 0.1, {"loss_D": 1.0}), loop.Record(2, 0.2, {"loss_D": 0.5})]
    ax = figures.plot_records(records)
    assert list(ax.get_lines()[0].get_ydata()) == [1.0, 0.5] and "nats" in ax.get_ylabel()


def test_bars_show_every_repeat():
    ax = figures.plot_bars({"a": [1.0, 2.0], "b": [3.0, 5.0]}, xlabel="distance")
    assert [p.get_width() for p in ax.patches] == [1.5, 4.0]
    assert len(ax.collections[0].get_offsets()) == 2


def test_show_wants_words_and_closes_the_figure():
    ax = plt.subplots()[1]
    with pytest.raises(ValueError, match="text alternative"):
        figures.show(ax, alt=" ")
    figures.show(ax, alt="an empty frame")
    assert not plt.fignum_exists(ax.figure.number)


FIGURE = """
import matplotlib.pyplot as plt
from gancourse.figures import show, show_live
handle = show_live(plt.subplots(figsize=({width}, 2))[1], alt="before")
_ = show_live(plt.subplots(figsize=({width}, 2))[1], alt='wider than "B" & <C>', handle=handle)
"""


@pytest.mark.parametrize("inches, pixels", [(5.0, 480), (20.0, figures.PAGE_WIDTH)])
def test_a_rendered_page_has_the_alternative_text_and_a_sharp_image(inches, pixels):
    cell = nbformat.v4.new_code_cell(FIGURE.format(width=inches))
    notebook = nbformat.v4.new_notebook(cells=[cell])
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    (output,) = notebook.cells[0].outputs
    page, _ = HTMLExporter().from_notebook_node(notebook)
    (image,) = BeautifulSoup(page, "html.parser").find_all("img")
    assert image["alt"] == output.data["text/plain"] == 'wider than "B" & <C>'
    assert image["width"] == str(pixels)
    png = Image.open(BytesIO(b64decode(output.data["image/png"])))
    webp = Image.open(BytesIO(b64decode(image["src"].partition("base64,")[2])))
    assert png.size == webp.size == (round(inches * figures.DPI), 2 * figures.DPI)
