"""Exercise 6.3: reconstruct an image from its Laplacian pyramid."""

from collections.abc import Callable, Sequence
from functools import partial, reduce
from typing import Any

import torch
from torch import Tensor

from gancourse.exercises.base import Case, Exercise, Observation, copied, observe_result
from gancourse.exercises.differences import FACT
from gancourse.exercises.nb06._shared import align_corners, bicubic, copy_pixels
from gancourse.exercises.observe import images
from gancourse.papers import lapgan


def pyramid_cases(rng: torch.Generator) -> list[Case]:
    """Pyramids whose residuals are larger than those of images, so that clipping shows."""

    def pyramid(count: int, *shape: int) -> tuple[list[Tensor]]:
        sides = [[side * 2**k for side in shape[2:]] for k in range(count - 1, -1, -1)]
        return ([2 * images(rng, *shape[:2], *size) for size in sides],)

    return [
        Case(pyramid(3, 2, 3, 4, 3), note="on a pyramid of 3 parts"),
        Case(pyramid(4, 1, 1, 2, 4), note="on a pyramid of 4 parts"),
        Case(pyramid(2, 3, 2, 3, 2), note="on a pyramid of 2 parts"),
        Case(pyramid(1, 2, 1, 4, 2), note="on a list of one image, as for levels=0"),
    ]


def observe_image(answer: Callable[..., Any], case: Case) -> Observation:
    (parts,) = copied(case.args)
    entries, values = list(parts), copied(parts)
    seen = dict(observe_result(answer(parts)))
    if [id(x) for x in parts] != [id(x) for x in entries]:
        fact = "Your code changes the list, and the caller still needs it: read parts[-1] instead "
        fact += "of parts.pop(), or work on a copy, list(parts)."
        seen[FACT + fact] = torch.tensor(True)
    elif not all(map(torch.equal, parts, values)):
        fact = "Your code changes a tensor of the list, and the caller still needs it: x = x + y "
        fact += "makes a new tensor, x += y does not."
        seen[FACT + fact] = torch.tensor(True)
    return seen


def reconstruct_like(
    parts: list[Tensor],
    *,
    step: Callable[[Tensor, Tensor], Tensor] = lambda x, residual: lapgan.up(x) + residual,
    start: Callable[[list[Tensor]], Tensor] = lambda parts: parts[-1],
    order: Callable[[list[Tensor]], Sequence[Tensor]] = lambda parts: parts[-2::-1],
    end: Callable[[Tensor], Tensor] = lambda x: x,
) -> Tensor:
    """Make a reconstruction, with a slip if asked for."""
    x = start(parts)
    for residual in order(parts) if len(parts) > 1 else []:
        x = step(x, residual)
    return end(x)


def sum_of_all(parts: list[Tensor]) -> Tensor:
    """Doubling is linear, so every part may be doubled to full size by itself."""
    total = torch.zeros_like(parts[0])
    for k, part in enumerate(parts):
        for _ in range(k):
            part = lapgan.up(part)
        total = total + part
    return total


def by_reduce(parts: list[Tensor]) -> Tensor:
    """From the coarsest part on, which is the first of the reversed list."""
    return reduce(lambda x, residual: lapgan.up(x) + residual, reversed(parts))


def only(parts: list[Tensor], used: Callable[[int, int], bool]) -> Tensor:
    """Adds some of the residuals only."""
    x = parts[-1]
    for k in range(len(parts) - 2, -1, -1):
        x = lapgan.up(x)
        x = x + parts[k] if used(k, len(parts)) else x
    return x


def in_turn(x: Tensor, residual: Tensor) -> Tensor:
    return x + residual


def doubled_by(up: Callable[[Tensor], Tensor]) -> Callable[[list[Tensor]], Tensor]:
    return partial(reconstruct_like, step=lambda x, residual: up(x) + residual)


EXERCISE = Exercise(
    id="6.3",
    title="Reconstruct the image",
    points=2,
    minutes=8,
    reference=lapgan.reconstruct,
    cases=pyramid_cases,
    observe=observe_image,
    slips={
        "You limited the values. Clip nothing, neither within the loop nor at the end: pyramids of "
        "noise, and edited pyramids, have values outside [-1, 1].": [
            partial(reconstruct_like, step=lambda x, r: (lapgan.up(x) + r).clamp(-1, 1)),
            partial(reconstruct_like, end=lambda x: x.clamp(-1, 1)),
            partial(reconstruct_like, end=torch.tanh),
            partial(reconstruct_like, step=lambda x, r: lapgan.up(x).clamp(-1, 1) + r),
        ],
        "You took a difference. The residual is x - up(down(x)), so add it.": [
            partial(reconstruct_like, step=lambda x, r: lapgan.up(x) - r),
            partial(reconstruct_like, step=lambda x, r: r - lapgan.up(x)),
        ],
        "Only add the residual: no product, no mean of the two.": [
            partial(reconstruct_like, step=lambda x, r: lapgan.up(x) * r),
            partial(reconstruct_like, step=lambda x, r: (lapgan.up(x) + r) / 2),
        ],
        "You return too early, after the first residual. Put the return after the loop.": [
            lambda parts: reconstruct_like(parts[-2:]),
            lambda parts: reconstruct_like(parts[-2:]) if len(parts) > 1 else None,
        ],
        "You left out residuals. Each level has its own: add all of parts[:-1], the coarsest "
        "first.": [
            partial(only, used=lambda k, n: k == 0),
            partial(only, used=lambda k, n: k == n - 2),
            partial(only, used=lambda k, n: k > 0),
            partial(only, used=lambda k, n: False),
            partial(reconstruct_like, order=lambda parts: parts[-2:0:-1]),
        ],
        "The coarsest image is missing: start with parts[-1].": [
            partial(reconstruct_like, start=lambda parts: torch.zeros_like(parts[-1])),
            partial(
                reconstruct_like, start=lambda parts: parts[-2], order=lambda parts: parts[-3::-1]
            ),
        ],
        "You doubled in another way than up does, which is bilinear. Use the same up that made "
        "the residuals.": [doubled_by(up) for up in (copy_pixels, align_corners, bicubic)],
        "The residual is twice as large as the image that you add it to. Double first: "
        "up(x) + residual.": [
            partial(reconstruct_like, step=in_turn),
            partial(reconstruct_like, step=lambda x, residual: lapgan.up(x + residual)),
        ],
        "You started with the finest residual. Go through them from coarse to fine: "
        "reversed(parts[:-1]).": [
            partial(reconstruct_like, order=lambda parts: parts[:-1]),
            partial(
                reconstruct_like, start=lambda parts: parts[0], order=lambda parts: parts[1:]
            ),
        ],
        "The coarsest image is used twice: once as the start, and once as a residual. Leave it out "
        "of the loop: reversed(parts[:-1]).": lambda parts: reconstruct_like([*parts, parts[-1]]),
    },
    alternatives=(reconstruct_like, sum_of_all, by_reduce),
    advice="What is I_k in h_k = I_k - u(I_{k+1})? Write down the sizes of x and of the residual "
    "in each round.",
)  # fmt: skip
