"""Exercise 6.3: reconstruct an image from its Laplacian pyramid."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gancourse.exercises.base import Case, Exercise, Observation, as_tensor
from gancourse.exercises.nb06._shared import copy_pixels
from gancourse.exercises.observe import images
from gancourse.papers import lapgan


def pyramid_cases(rng: torch.Generator) -> list[Case]:
    """Pyramids whose residuals are larger than those of images, so that clipping shows."""
    residuals = [2 * images(rng, 2, 3, side, side) for side in (16, 8)]
    return [Case(([*residuals, images(rng, 2, 3, 4, 4)],), note="on a pyramid of 16, 8 and 4")]


def observe_reconstruction(answer: Callable[..., Any], case: Case) -> Observation:
    given = [part.clone() for part in case.args[0]]
    result = as_tensor(answer(given))
    unchanged = len(given) == len(case.args[0]) and all(map(torch.equal, given, case.args[0]))
    return {"result": result, "inputs left unchanged": torch.tensor(unchanged)}


def reconstruct_like(
    sign: int = 1, clip: bool = False, up: Callable = lapgan.up, pop: bool = False
) -> Callable[[list[Tensor]], Tensor]:
    """Make a `reconstruct`, with a slip if asked for."""

    def reconstruct(parts: list[Tensor]) -> Tensor:
        x = parts.pop() if pop else parts[-1]
        for residual in reversed(parts if pop else parts[:-1]):
            x = up(x) + sign * residual
            x = x.clamp(-1, 1) if clip else x
        return x

    return reconstruct


def sum_of_all(parts: list[Tensor]) -> Tensor:
    """Doubling is linear, so every part may be doubled to full size by itself."""
    total = torch.zeros_like(parts[0])
    for k, part in enumerate(parts):
        for _ in range(k):
            part = lapgan.up(part)
        total = total + part
    return total


def without_middle(parts: list[Tensor]) -> Tensor:
    """Adds the finest residual only."""
    x = parts[-1]
    for _ in parts[:-1]:
        x = lapgan.up(x)
    return x + parts[0]


EXERCISE = Exercise(
    id="6.3",
    title="Put it together again",
    points=2,
    minutes=8,
    reference=lapgan.reconstruct,
    cases=pyramid_cases,
    observe=observe_reconstruction,
    slips={
        "You clipped on the way. Intermediate values may lie outside [-1, 1].": reconstruct_like(
            clip=True
        ),
        "You subtracted the residual. It is x - up(down(x)), so it is added.": reconstruct_like(
            sign=-1
        ),
        "You added only the finest residual. Each level has its own.": without_middle,
        "You doubled by copying pixels. Use the same up that made the residuals.": reconstruct_like(
            up=copy_pixels
        ),
        "The image is right, but pop() removed the coarsest level from the caller's list. "
        "Read parts[-1] instead.": reconstruct_like(pop=True),
    },
    alternatives=(reconstruct_like(), sum_of_all),
)
