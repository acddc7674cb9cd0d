"""Exercise 3.1: side of a transposed convolution."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from gancourse.exercises.base import Case, Exercise, Observation, observe_call
from gancourse.exercises.differences import FACT
from gancourse.exercises.observe import integer

FIXED = ((7, 6, 3, 2), (5, 4, 2, 1), (1, 4, 1, 0), (6, 5, 2, 0))
"""Paddings 0, 1 and 2; an odd kernel; the blocks of G: the first, and one that doubles the side."""


def transposed_side(side: int, kernel: int, stride: int, padding: int) -> int:
    """Side of the output of a transposed convolution."""
    return (side - 1) * stride - 2 * padding + kernel


def sides(rng: torch.Generator) -> list[Case]:
    drawn = []
    for _ in range(2):
        stride = integer(rng, 2, 3)
        kernel = stride + integer(rng, 1, 4)
        drawn.append((integer(rng, 8, 32), kernel, stride, integer(rng, 0, (kernel - 1) // 2)))
    return [
        Case((side, kernel, stride, padding), note=f"for {side=}, {kernel=}, {stride=}, {padding=}")
        for side, kernel, stride, padding in (*FIXED, *drawn)
    ]


def observe_side(answer: Callable[..., Any], case: Case) -> Observation:
    seen = observe_call(answer, case)
    if "result" in seen and seen["result"].is_floating_point():
        fact = "Return an integer: this is a floating-point number. `/` always gives one; `//` "
        return {**seen, f"{FACT}{fact}divides integers.": torch.tensor(True)}
    return seen


def by_doing(side: int, kernel: int, stride: int, padding: int) -> int:
    """The side of what a transposed convolution of zeros returns."""
    conv = nn.ConvTranspose2d(1, 1, kernel, stride, padding)
    return conv(torch.zeros(1, 1, side, side)).shape[-1]


def last_stamp(side: int, kernel: int, stride: int, padding: int) -> int:
    """Where the last stamp ends, without both margins."""
    begin = stride * (side - 1)
    return len(range(padding, begin + kernel - padding))


EXERCISE = Exercise(
    id="3.1",
    title="Side of a transposed convolution",
    points=1,
    minutes=5,
    reference=transposed_side,
    cases=sides,
    observe=observe_side,
    slips={
        "That is the side of an ordinary convolution's output. A transposed one does the reverse: "
        "solve that formula for the input's side.": [
            lambda side, kernel, stride, padding: (side + 2 * padding - kernel) // stride + 1,
            lambda side, kernel, stride, padding: (side + 2 * padding - kernel) / stride + 1,
        ],
        "In a transposed convolution padding removes pixels from the output, so its sign is "
        "negative.": [
            lambda side, kernel, stride, padding: (side - 1) * stride + 2 * padding + kernel,
            lambda side, kernel, stride, padding: (side - 1) * stride + padding + kernel,
        ],
        "Between `side` stamps there are side - 1 steps, not side. Draw two stamps.": [
            lambda side, kernel, stride, padding: side * stride - 2 * padding + kernel,
            lambda side, kernel, stride, padding: side * stride - padding + kernel,
            lambda side, kernel, stride, padding: side * stride + kernel,
        ],
        "That holds for kernel 4, stride 2, padding 1, our case, but not in general.": [
            lambda side, kernel, stride, padding: side * stride,
            lambda side, kernel, stride, padding: side * 2,
        ],
        "Without parentheses only the 1 is multiplied: (side - 1) * stride.": (
            lambda side, kernel, stride, padding: side - 1 * stride - 2 * padding + kernel
        ),
        "There is no output padding here: the last stamp ends where its kernel ends.": (
            lambda side, kernel, stride, padding: (
                (side - 1) * stride - 2 * padding + kernel + (kernel - stride) % 2
            )
        ),
        "The padding is missing: it crops the "
        "output on both sides.": lambda side, kernel, stride, padding: (side - 1) * stride + kernel,
        "Padding is cut off at both ends: subtract it "
        "twice.": lambda side, kernel, stride, padding: (side - 1) * stride + kernel - padding,
        "The kernel is missing: the last stamp begins at (side - 1) * stride, and it is `kernel` "
        "pixels long.": [
            lambda side, kernel, stride, padding: (side - 1) * stride - 2 * padding,
            lambda side, kernel, stride, padding: side * stride - 2 * padding,
        ],
        "The stamps overlap: each begins `stride` pixels after the one before it, not `kernel` "
        "pixels.": lambda side, kernel, stride, padding: side * kernel - 2 * padding,
        "Neighbouring stamps overlap by kernel - stride pixels, not by "
        "stride.": lambda side, kernel, stride, padding: (
            side * kernel - (side - 1) * stride - 2 * padding
        ),
        "kernel and stride are swapped: the stamps lie stride pixels apart, and each is kernel "
        "pixels long.": lambda side, kernel, stride, padding: (
            (side - 1) * kernel + stride - 2 * padding
        ),
        "Padding is cut off the output, so it is not multiplied by the stride.": [
            lambda side, kernel, stride, padding: (side - 1 - 2 * padding) * stride + kernel,
            lambda side, kernel, stride, padding: (side - 1 - padding) * stride + kernel,
        ],
        "That is one pixel too few: (side - 1) * stride pixels come before the last stamp, which "
        "has `kernel` pixels.": lambda side, kernel, stride, padding: (
            (side - 1) * stride - 2 * padding + kernel - 1
        ),
    },
    alternatives=(
        by_doing,
        last_stamp,
        lambda side, kernel, stride, padding: side * stride - stride - padding * 2 + kernel,
        lambda side, kernel, stride, padding: (
            torch.tensor((side - 1) * stride + kernel) - 2 * padding
        ),
    ),
    advice="Where does the last of the `side` stamps begin, where does it end, and how many pixels "
    "are cut off in all?",
)
