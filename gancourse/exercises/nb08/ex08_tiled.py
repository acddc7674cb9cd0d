"""Exercise 8.8: enlarging in tiles."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gancourse.exercises.base import Case, Exercise, Observation, as_tensor
from gancourse.exercises.differences import FACT
from gancourse.exercises.observe import images, integer, seeded
from gancourse.papers import srgan_photos

TOO_LARGE = f"{FACT}The result is right, but G gets more than tile + 2 margin pixels in a row."


def tile_cases(rng: torch.Generator) -> list[Case]:
    """Two rows and three columns of tiles, the last of each smaller than the others.

    The network below reaches 3 pixels far; with a margin of 2 the place of the tiles matters.
    """
    cases = []
    for batch, margin in ((1, 3), (2, 2)):
        tile = integer(rng, 6, 7)
        height, width = tile + integer(rng, 1, 3), 2 * tile + integer(rng, 1, 3)
        x = images(rng, batch, 3, height, width)
        note = f"on {batch} of {width} x {height} pixels, with tile={tile} and margin={margin}"
        cases.append(Case((x, tile, margin, integer(rng, 0, 10**6)), note=note))
    return cases


def observe_tiles(answer: Callable[..., Any], case: Case) -> Observation:
    """With a small network whose reach is 3 pixels and whose output depends on borders."""
    x, tile, margin, seed = case.args
    rng = seeded(seed)
    wide, deep = (torch.randn(c, d, k, k, generator=rng) for c, d, k in ((4, 3, 5), (48, 4, 3)))
    sides = []

    def G(part: Tensor) -> Tensor:  # noqa: N802
        sides.append(max(part.shape[2:]))
        h = F.conv2d(part, wide * 0.2, padding=2).add(0.5).tanh()
        return F.pixel_shuffle(F.conv2d(h, deep * 0.3, padding=1), 4)

    seen = {"result": as_tensor(answer(G, x.clone(), tile, margin))}
    if max(sides, default=0) > tile + 2 * margin:
        seen[TOO_LARGE] = torch.tensor(True)
    return seen


def tiles_like(
    spread: float = 1,
    cut: int = 4,
    keep: bool = False,
    whole_only: bool = False,
    zeros: bool = False,
) -> Callable[[Callable, Tensor, int, int], Tensor]:
    """Make a tiled enlargement, with a slip if asked for."""

    def enlarge(G: Callable, x: Tensor, tile: int, margin: int) -> Tensor:
        batch, channels, height, width = x.shape
        large = x.new_zeros(batch, channels, 4 * height, 4 * width)
        m = int(margin * spread)
        padded = F.pad(x, (m, m, m, m))
        stop = tile - 1 if whole_only else 0
        for top in range(0, height - stop, tile):
            for left in range(0, width - stop, tile):
                bottom, right = min(top + tile, height), min(left + tile, width)
                y0, x0 = max(top - m, 0), max(left - m, 0)
                y1, x1 = min(bottom + m, height), min(right + m, width)
                if zeros:  # a margin of zeros outside the image
                    y = G(padded[:, :, top : bottom + 2 * m, left : right + 2 * m])
                    a, b = 4 * m, 4 * m
                else:
                    y = G(x[:, :, y0:y1, x0:x1])
                    a, b = cut * (top - y0), cut * (left - x0)
                if keep:
                    large[:, :, 4 * y0 : 4 * y1, 4 * x0 : 4 * x1] = y
                    continue
                rows, columns = 4 * (bottom - top), 4 * (right - left)
                piece = y[:, :, a : a + rows, b : b + columns]
                large[:, :, 4 * top : 4 * bottom, 4 * left : 4 * right] = piece
        return large

    return enlarge


def tiles_in_strips(G: Callable, x: Tensor, tile: int, margin: int) -> Tensor:
    """Each tile by slices around it; tiles joined to rows, then the rows."""
    height, width = x.shape[2:]
    strips = []
    for top in range(0, height, tile):
        row = []
        for left in range(0, width, tile):
            above, before = min(margin, top), min(margin, left)
            part = x[:, :, top - above : top + tile + margin, left - before : left + tile + margin]
            y = G(part)[:, :, 4 * above :, 4 * before :]
            row.append(y[:, :, : 4 * tile, : 4 * tile])
        strips.append(torch.cat(row, dim=3))
    # the last tile of a row or column is smaller: cut to the sides of the result
    return torch.cat(strips, dim=2)[:, :, : 4 * height, : 4 * width]


EXERCISE = Exercise(
    id="8.8",
    title="In tiles",
    points=3,
    minutes=20,
    reference=srgan_photos.tiled,
    cases=tile_cases,
    observe=observe_tiles,
    slips={
        "You compute each tile without a margin: G pads with zeros where the image continues, "
        "which leaves seams.": tiles_like(spread=0),
        "You cut off the margin with its width in the input. In G's output it is four times as "
        "wide.": tiles_like(cut=1),
        "You write the margins into the result too, over the correct pixels of neighbouring "
        "tiles. Cut them off.": tiles_like(keep=True),
        "The right and bottom edges are missing: the last tiles may be smaller.": tiles_like(
            whole_only=True
        ),
        "You put zeros around the image. At the image's border a tile has no margin: G pads by "
        "itself, in every layer.": tiles_like(zeros=True),
    },
    alternatives=(tiles_like(), tiles_in_strips),
)
