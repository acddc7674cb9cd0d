"""Exercise 6.2: split an image into its Laplacian pyramid."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gancourse.exercises.base import Case, Exercise, Observation
from gancourse.exercises.nb06._shared import copy_pixels, observe_list
from gancourse.exercises.observe import images
from gancourse.papers import lapgan


def observe_pyramid(answer: Callable[..., Any], case: Case) -> Observation:
    x, levels = case.args
    given = x.clone()
    return {
        **observe_list(answer(given, levels), "entry"),
        "inputs left unchanged": torch.tensor(torch.equal(given, x)),
    }


def laplacian_like(
    sign: int = 1, coarse: bool = True, flip: bool = False, up: Callable = lapgan.up
) -> Callable[[Tensor, int], list[Tensor]]:
    """Make a `laplacian`, with a slip if asked for."""

    def laplacian(x: Tensor, levels: int) -> list[Tensor]:
        parts = []
        for _ in range(levels):
            smaller = lapgan.down(x)
            parts.append(sign * (x - up(smaller)))
            x = smaller
        parts += [x] if coarse else []
        return parts[::-1] if flip else parts

    return laplacian


def recursive(x: Tensor, levels: int) -> list[Tensor]:
    """A pyramid is a residual and the pyramid of the halved image."""
    if levels == 0:
        return [x]
    smaller = lapgan.down(x)
    return [x - lapgan.up(smaller), *recursive(smaller, levels - 1)]


def of_residuals(x: Tensor, levels: int) -> list[Tensor]:
    """Continues with the residual instead of the halved image."""
    parts = []
    for _ in range(levels):
        residual = x - lapgan.up(lapgan.down(x))
        parts.append(residual)
        x = lapgan.down(residual)
    return [*parts, x]


EXERCISE = Exercise(
    id="6.2",
    title="Take a picture apart",
    points=3,
    minutes=12,
    reference=lapgan.laplacian,
    cases=lambda rng: [
        Case((images(rng, 2, 3, 16, 16), 2), note="with 2 levels"),
        Case((images(rng, 1, 1, 8, 8), 1), note="with 1 level"),
    ],
    observe=observe_pyramid,
    slips={
        "The sign is flipped. A residual is what has to be added to the blurred image: "
        "x - up(down(x)).": laplacian_like(sign=-1),
        "The coarsest image is missing. Nothing can be reconstructed without it.": laplacian_like(
            coarse=False
        ),
        "The parts are right, but in the wrong order: finest residual first, coarsest image "
        "last.": laplacian_like(flip=True),
        "You continued with the residual. The next level halves the halved image.": of_residuals,
        "You doubled by copying pixels, so their blocks are in the residual. Use up, which "
        "interpolates.": laplacian_like(up=copy_pixels),
    },
    alternatives=(laplacian_like(), recursive),
)
