"""Exercise 3.1: side of a transposed convolution."""

import torch
from torch import nn

from gancourse.exercises.base import Case, Exercise
from gancourse.exercises.observe import integer


def transposed_side(side: int, kernel: int, stride: int, padding: int) -> int:
    """Side of the output of a transposed convolution."""
    return (side - 1) * stride - 2 * padding + kernel


def sides(rng: torch.Generator) -> list[Case]:
    cases = []
    for _ in range(6):
        side, stride = integer(rng, 3, 32), integer(rng, 1, 3)
        kernel = stride + integer(rng, 1, 4)
        padding = integer(rng, 1, (kernel - 1) // 2) if kernel > 2 else 0
        note = f"for {side=}, {kernel=}, {stride=}, {padding=}"
        cases.append(Case((side, kernel, stride, padding), note=note))
    return cases


def by_doing(side: int, kernel: int, stride: int, padding: int) -> int:
    """The side of what a transposed convolution of zeros returns."""
    conv = nn.ConvTranspose2d(1, 1, kernel, stride, padding)
    return conv(torch.zeros(1, 1, side, side)).shape[-1]


EXERCISE = Exercise(
    id="3.1",
    title="Side of a transposed convolution",
    points=1,
    minutes=5,
    reference=transposed_side,
    cases=sides,
    slips={
        "That is the side of an ordinary convolution's output. A transposed one does the reverse: "
        "solve that formula for the input's "
        "side.": lambda side, kernel, stride, padding: (side + 2 * padding - kernel) // stride + 1,
        "In a transposed convolution padding removes pixels from the output, so its sign is "
        "negative.": lambda side, kernel, stride, padding: (
            (side - 1) * stride + 2 * padding + kernel
        ),
        "Between `side` stamps there are side - 1 steps, not side. Draw "
        "two stamps.": lambda side, kernel, stride, padding: side * stride - 2 * padding + kernel,
        "That holds for kernel 4, stride 2, padding "
        "1, our case, but not in general.": lambda side, kernel, stride, padding: side * stride,
        "The padding is missing: it crops the "
        "output on both sides.": lambda side, kernel, stride, padding: (side - 1) * stride + kernel,
    },
    alternatives=(
        by_doing,
        lambda side, kernel, stride, padding: side * stride - stride - padding * 2 + kernel,
    ),
)
