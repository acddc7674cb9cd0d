"""Figures: functions that draw arrays or records on Axes; a notebook arranges the panels.

Colours are those of Okabe and Ito, which colour-blind readers can tell apart, and every line also
has its own dash, so each figure can be read in grey.
"""

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from io import BytesIO
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor
from torchvision.utils import make_grid

from gancourse.shapes import Images

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's colours, without yellow, which is too light for a line."""
DASHES = ("-", "--", ":", "-.")
DPI = 160
PAGE_WIDTH = 848
"""Width of a page's text in CSS pixels (96 to the inch): wider figures are shown smaller."""


def style(i: int) -> dict[str, Any]:
    """Colour and dash of the i-th line of a figure: ``ax.plot(x, y, **style(1))``."""
    return {"color": PALETTE[i % len(PALETTE)], "linestyle": DASHES[i % len(DASHES)]}


def panels(
    columns: int, rows: int = 1, width: float = 3.2, height: float = 2.8, **options: Any
) -> tuple[Figure, np.ndarray]:
    """A figure of ``rows`` x ``columns`` axes and the axes as a flat array; sizes in inches."""
    size = (width * columns, height * rows)
    fig, axes = plt.subplots(
        rows, columns, figsize=size, squeeze=False, layout="constrained", **options
    )
    return fig, axes.ravel()


def show_images(images: Images, columns: int = 8, title: str = "", ax: Axes | None = None) -> Axes:
    """Tile images in [-1, 1], row by row.

    The range is fixed, not stretched per call, so a washed-out epoch looks washed out.

    Parameters
    ----------
    images : Images
        (B, C, H, W) with one or three channels.
    columns : int
        Images per row.
    title : str
        Above the images.
    ax : Axes, optional
        Where to draw; by default in a new figure.
    """
    rows = -(-len(images) // columns)
    if ax is None:
        side = min(0.8, PAGE_WIDTH / 96 / columns)  # of an image, in inches
        ax = plt.subplots(figsize=(columns * side, rows * side + 0.2), layout="constrained")[1]
    grid = make_grid(images.detach().float().cpu(), nrow=columns, padding=1, pad_value=1.0)
    pixels = grid.add(1).div(2).clamp(0, 1).permute(1, 2, 0)  # CHW in [-1,1] -> HWC in [0,1]
    ax.imshow(pixels.numpy(), interpolation="nearest")
    ax.set(title=title, xticks=[], yticks=[])
    return ax


def show_top(
    probabilities: Float[Tensor, " classes"],
    names: Sequence[str],
    k: int = 5,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Bars of the k most probable classes, the most probable at the top, with probabilities."""
    ax = ax or plt.subplots(figsize=(4, 0.4 * k + 0.6), layout="constrained")[1]
    top = probabilities.detach().float().cpu().topk(k)
    bars = ax.barh([names[i] for i in top.indices.tolist()], top.values.numpy(), color=PALETTE[0])
    ax.bar_label(bars, fmt="%.2f", padding=3)
    ax.invert_yaxis()
    ax.set(title=title, xlim=(0, 1.2), xlabel="probability")
    return ax


def plot_curves(
    x: Iterable[float],
    curves: Mapping[str, Iterable[float]],
    *,
    xlabel: str,
    ylabel: str,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Lines over one x, distinguished by colour and dash; names are the legend."""
    ax = ax or plt.subplots(figsize=(6, 3), layout="constrained")[1]
    x = list(x)
    for i, (name, y) in enumerate(curves.items()):
        ax.plot(x, list(y), label=name, **style(i))
    ax.set(xlabel=xlabel, ylabel=ylabel, title=title)
    ax.grid(alpha=0.25)
    if len(curves) > 1:
        ax.legend()
    return ax


def plot_records(records: Sequence[Any], title: str = "", ax: Axes | None = None) -> Axes:
    """The losses of a run over its steps, from the records of ``loop.train``."""
    names = records[0].losses if records else {}
    curves = {name: [r.losses[name] for r in records] for name in names}
    steps = [r.step for r in records]
    return plot_curves(steps, curves, xlabel="step", ylabel="loss (nats)", title=title, ax=ax)


def plot_bars(
    values: Mapping[str, Sequence[float]],
    *,
    xlabel: str,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """A horizontal bar per name: the mean of its values, with a dot for each value."""
    ax = ax or plt.subplots(figsize=(6, 0.45 * len(values) + 0.8), layout="constrained")[1]
    for i, repeats in enumerate(values.values()):
        ax.barh(i, float(np.mean(repeats)), color=PALETTE[5], zorder=1)
        ax.scatter(repeats, [i] * len(repeats), color=PALETTE[6], s=14, zorder=2)
    ax.set(xlabel=xlabel, title=title, yticks=range(len(values)), yticklabels=list(values))
    ax.invert_yaxis()
    return ax


def show(figure: Axes | Figure, alt: str) -> None:
    """Display a figure with its text alternative, and close it.

    Parameters
    ----------
    figure : Axes or Figure
        What to show.
    alt : str
        What the image shows, for readers who can't see it. Saved in the notebook.

    Raises
    ------
    ValueError
        If `alt` is empty.
    """
    show_live(figure, alt)


def show_live(figure: Axes | Figure, alt: str, handle: Any = None) -> Any:
    """Display a figure in place of the previous one: ``handle = show_live(fig, alt, handle)``.

    Parameters
    ----------
    figure, alt
        As for `show`.
    handle : optional
        What the previous call returned; None for the first.

    Returns
    -------
    DisplayHandle or None
        For the next call; None outside IPython.

    Raises
    ------
    ValueError
        If `alt` is empty.
    """
    if not alt.strip():
        raise ValueError("a figure needs a text alternative: say what the image shows")
    whole = figure if isinstance(figure, Figure) else figure.get_figure()
    plt.close(whole)
    try:
        from IPython.core.getipython import get_ipython
        from IPython.display import display
    except ImportError:
        return None
    if get_ipython() is None:
        return None
    data = _page(whole, alt)
    metadata = {"image/png": {"alt": alt}}
    if handle is None:
        return display(data, metadata=metadata, raw=True, display_id=True)
    handle.update(data, metadata=metadata, raw=True)
    return handle


def _page(figure: Figure, alt: str) -> dict[str, Any]:
    """A figure for every kind of page: HTML with the alternative text, PNG, and plain text.

    JupyterLab gives no alternative text to a PNG, so the HTML holds the image too, as WebP, which
    is smaller.
    """
    png, webp = BytesIO(), BytesIO()
    figure.savefig(png, format="png", dpi=DPI)
    Image.open(png).convert("RGB").save(webp, format="webp", quality=90, method=4)
    width = min(round(96 * figure.get_figwidth()), PAGE_WIDTH)  # in CSS pixels
    source = f"data:image/webp;base64,{b64encode(webp.getvalue()).decode()}"
    tag = f'<img src="{source}" alt="{escape(alt)}" width="{width}">'
    return {"text/html": tag, "image/png": png.getvalue(), "text/plain": alt}
