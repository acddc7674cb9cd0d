"""Exercise 8.3: channels to pixels, the pixel shuffle."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from gancourse.exercises.base import Case, Exercise
from gancourse.exercises.observe import images, integer
from gancourse.papers import srgan


def shuffle_cases(rng: torch.Generator) -> list[Case]:
    cases = []
    for r in (2, 3):
        height, width, channels = integer(rng, 2, 3), integer(rng, 4, 5), 2
        x = images(rng, 2, channels * r * r, height, width)
        cases.append(Case((x, r), note=f"on {tuple(x.shape)}, with r={r}"))
    return cases


def shuffle_like(
    split: str = "crr", order: tuple[int, ...] = (0, 1, 4, 2, 5, 3)
) -> Callable[[Tensor, int], Tensor]:
    """Make a pixel shuffle that splits the channels and orders the six axes as asked for."""

    def shuffle(x: Tensor, r: int) -> Tensor:
        batch, channels, height, width = x.shape
        colours = channels // r**2
        parts = (colours, r, r) if split == "crr" else (r, r, colours)
        x = x.reshape(batch, *parts, height, width)
        return x.permute(*order).reshape(batch, colours, r * height, r * width)

    return shuffle


def shuffle_by_slices(x: Tensor, r: int) -> Tensor:
    """Every r-th pixel of the result is a channel of the input."""
    batch, channels, height, width = x.shape
    large = x.new_zeros(batch, channels // r**2, r * height, r * width)
    for i in range(r):
        for j in range(r):
            large[:, :, i::r, j::r] = x[:, i * r + j :: r * r]
    return large


EXERCISE = Exercise(
    id="8.3",
    title="Channels to pixels",
    points=2,
    minutes=15,
    reference=srgan.pixel_shuffle,
    cases=shuffle_cases,
    slips={
        "A reshape alone keeps the order in memory, where whole channels follow one another. "
        "Permute the axes first.": lambda x, r: x.reshape(
            len(x), -1, r * x.shape[2], r * x.shape[3]
        ),
        "Rows and columns inside a block are swapped: "
        "channel i r + j goes to row i and column j.": shuffle_like(order=(0, 1, 4, 3, 5, 2)),
        "You merged the axes in the wrong order: use (height, i), not (i, height), since "
        "neighbours in the result come "
        "from different channels.": shuffle_like(order=(0, 1, 2, 4, 3, 5)),
        "You took every C-th channel for a colour. The first r r channels belong to the first "
        "colour.": shuffle_like(split="rrc", order=(0, 3, 4, 1, 5, 2)),
        "You copied pixels. Use all r r channels of a colour, one for each pixel of the r x r "
        "block.": lambda x, r: F.interpolate(x[:, :: r * r], scale_factor=r),
    },
    alternatives=(F.pixel_shuffle, shuffle_like(), shuffle_by_slices),
)
