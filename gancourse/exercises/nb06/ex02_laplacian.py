"""Exercise 6.2: split an image into its Laplacian pyramid."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gancourse.exercises.base import Case, Exercise, Observation, copied
from gancourse.exercises.nb06._shared import align_corners, bicubic, copy_pixels, observe_list
from gancourse.exercises.observe import images
from gancourse.exercises.parts import Part
from gancourse.papers import lapgan


def image_cases(rng: torch.Generator) -> list[Case]:
    """Images, and noise, whose residuals lie far outside [-1, 1]; sides that differ."""
    return [
        Case((images(rng, 2, 3, 16, 24), 2), note="with levels=2"),
        Case((3 * images(rng, 1, 1, 16, 32), 3), note="on noise with levels=3"),
        Case((images(rng, 3, 2, 8, 4), 1), note="with levels=1"),
        Case((images(rng, 2, 1, 4, 2), 0), note="with levels=0"),
    ]


def observe_pyramid(answer: Callable[..., Any], case: Case) -> Observation:
    x, levels = copied(case.args)
    names = [f"residual {n}" for n in range(1, levels + 1)]
    return observe_list(answer(x, levels), [*names, "coarsest image"])


def laplacian_like(
    x: Tensor,
    levels: int,
    *,
    down: Callable[[Tensor], Tensor] = lapgan.down,
    up: Callable[[Tensor], Tensor] = lapgan.up,
    residual: Callable[[Tensor, Tensor], Tensor] = torch.sub,
    arrange: Callable[[list[Tensor], Tensor], list[Tensor]] = lambda parts, last: [*parts, last],
    more: int = 0,
) -> list[Tensor]:
    """Make a pyramid, with a slip if asked for. `arrange` joins residuals and coarsest image."""
    parts = []
    for _ in range(levels + more):
        smaller = down(x)
        parts.append(residual(x, up(smaller)))
        x = smaller
    return arrange(parts, x)


def recursive(x: Tensor, levels: int) -> list[Tensor]:
    """A pyramid is a residual and the pyramid of the halved image."""
    if levels == 0:
        return [x]
    smaller = lapgan.down(x)
    return [x - lapgan.up(smaller), *recursive(smaller, levels - 1)]


def of_residuals(x: Tensor, levels: int, halve: bool = True) -> list[Tensor]:
    """Continues with the residual instead of the halved image."""
    parts = []
    for _ in range(levels):
        residual = x - lapgan.up(lapgan.down(x))
        parts.append(residual)
        x = lapgan.down(residual) if halve else residual
    return [*parts, x]


def of_one_image(x: Tensor, levels: int, deeper: bool = False) -> list[Tensor]:
    """Each residual is that of the image in full size."""
    coarse = lapgan.gaussian(x, levels)
    parts = []
    for k in range(1, levels + 1):
        low = coarse[k if deeper else 1]
        for _ in range(k if deeper else 1):
            low = lapgan.up(low)
        parts.append(x - low)
    return [*parts, coarse[-1]]


EXERCISE = Exercise(
    id="6.2",
    title="Build a Laplacian pyramid",
    points=3,
    minutes=12,
    reference=lapgan.laplacian,
    cases=image_cases,
    observe=observe_pyramid,
    parts=(
        Part("the coarsest image", 1, ("coarsest image",), cases=(0, 1)),
        Part("the residuals", 1, ("residual*",), cases=(0, 1)),
    ),
    slips={
        "The sign is flipped. A residual is what has to be added to the blurred image: "
        "x - up(down(x)).": partial(laplacian_like, residual=lambda x, low: low - x),
        "The coarsest image is missing. Nothing can be reconstructed without it: append it after "
        "the loop.": [
            partial(laplacian_like, arrange=lambda parts, last: parts),
            partial(laplacian_like, arrange=lambda parts, last: parts[::-1]),
        ],
        "levels=0 should return [x]: append the coarsest image after the loop, in any case.": (
            partial(laplacian_like, arrange=lambda parts, last: [*parts, last] if parts else [])
        ),
        "The last entry should be an image, not a residual: the result of the last halving.": (
            partial(laplacian_like, arrange=lambda parts, last: [*parts, *parts[-1:]])
        ),
        "The last entry is doubled again. Return the result of the last halving as it is.": (
            partial(
                laplacian_like,
                arrange=lambda parts, last: [*parts, lapgan.up(last) if parts else last],
            )
        ),
        "The parts are right, but in the wrong order: finest residual first, coarsest image "
        "last.": [
            partial(laplacian_like, arrange=lambda parts, last: [last, *parts[::-1]]),
            partial(laplacian_like, arrange=lambda parts, last: [*parts[::-1], last]),
            partial(laplacian_like, arrange=lambda parts, last: [last, *parts]),
        ],
        "You continued with the residual. The next round starts with the halved image.": [
            of_residuals, partial(of_residuals, halve=False)
        ],
        "Every residual has the size of the first image. The next round starts with the halved "
        "one: x = smaller.": [of_one_image, partial(of_one_image, deeper=True)],
        "These are the images themselves. A residual is what halving loses: x - up(down(x)).": [
            partial(laplacian_like, residual=lambda x, low: x),
        ],
        "These are the blurred images. A residual is what they lack: x - up(down(x)).": (
            partial(laplacian_like, residual=lambda x, low: low)
        ),
        "You limited the residuals. A difference of two images lies in [-2, 2], and nothing is "
        "clipped.": [
            partial(laplacian_like, residual=lambda x, low: (x - low).clamp(-1, 1)),
            partial(laplacian_like, residual=lambda x, low: (x - low).tanh()),
        ],
        "A residual has a sign, and keeps it: no abs, no square.": [
            partial(laplacian_like, residual=lambda x, low: (x - low).abs()),
            partial(laplacian_like, residual=lambda x, low: (x - low).square()),
        ],
        "You doubled in another way than up does, which is bilinear. Use up, since reconstruct "
        "will use it too.": [
            partial(laplacian_like, up=up) for up in (copy_pixels, align_corners, bicubic)
        ],
        "You halved in another way than down does. Use down: it blurs before it halves.": [
            partial(laplacian_like, down=lambda x: x[:, :, ::2, ::2]),
            partial(laplacian_like, down=lambda x: F.avg_pool2d(x, 2)),
        ],
        "You halve the image once too often. Halve it `levels` times.": [
            partial(laplacian_like, arrange=lambda parts, last: [*parts, lapgan.down(last)]),
            partial(laplacian_like, more=1),
        ],
        "You halve the image one time too few. The list has `levels` residuals and the coarsest "
        "image.": partial(laplacian_like, more=-1),
    },
    alternatives=(laplacian_like, recursive),
    advice="Compare with the sketch above: for levels=1 the list is [x - up(down(x)), down(x)]. "
    "What does yours hold?",
)  # fmt: skip
