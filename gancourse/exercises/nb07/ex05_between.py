"""Exercise 7.5: sentences that nobody wrote."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from gancourse.exercises.base import Case, Exercise
from gancourse.papers.text2image import between


def embeddings(rng: torch.Generator) -> list[Case]:
    """An even and an odd batch; two and three pairs; no beta of 1/2."""
    beta = 0.15 + 0.2 * torch.rand((), generator=rng).item()
    return [
        Case((torch.randn(6, 4, generator=rng), beta), note="for 6 embeddings"),
        Case((torch.randn(7, 5, generator=rng), 1 - beta), note="for 7 embeddings, an odd number"),
        Case((torch.randn(4, 3, generator=rng), beta), note="for 4 embeddings"),
        Case((torch.randn(2, 3, generator=rng), beta), note="for 2 embeddings"),
        Case((torch.randn(1, 3, generator=rng), beta), note="for a single embedding"),
    ]


def halves(phi: Tensor) -> tuple[Tensor, Tensor]:
    half = len(phi) // 2
    return phi[:half], phi[half : 2 * half]


def mixed(
    phi: Tensor,
    beta: float,
    *,
    pair: Callable[[Tensor], tuple[Tensor, Tensor]] = halves,
    mix: Callable[[Tensor, Tensor, float], Tensor] = lambda a, b, t: t * a + (1 - t) * b,
) -> Tensor:
    """Make interpolations, with a slip if asked for."""
    a, b = pair(phi)
    return mix(a, b, beta)


def by_lerp(phi: Tensor, beta: float) -> Tensor:
    first, second = halves(phi)
    return second.lerp(first, beta)


def one_by_one(phi: Tensor, beta: float) -> Tensor:
    half = len(phi) // 2
    rows = [beta * phi[i] + (1 - beta) * phi[i + half] for i in range(half)]
    return torch.stack(rows) if rows else phi[:0]


def flipped(phi: Tensor) -> tuple[Tensor, Tensor]:
    a, b = halves(phi)
    return a, b.flip(0)


EXERCISE = Exercise(
    id="7.5",
    title="Interpolated embeddings",
    points=2,
    minutes=8,
    reference=between,
    cases=embeddings,
    slips={
        "beta belongs to the first half, 1 - beta to the second.": partial(
            mixed, mix=lambda a, b, t: (1 - t) * a + t * b
        ),
        "You return a row for each of the B rows. Pair only the first half with the second: B // 2 "
        "rows.": [
            partial(mixed, pair=lambda phi: (phi, phi.flip(0))),
            partial(mixed, pair=lambda phi: (phi, phi.roll(-(len(phi) // 2), 0))),
            partial(mixed, pair=lambda phi: (phi, phi.roll(len(phi) // 2, 0))),
            partial(mixed, pair=lambda phi: (phi, phi.roll(-1, 0))),
            partial(mixed, pair=lambda phi: (phi, phi.roll(1, 0))),
        ],
        "beta is an argument; you always use 1/2.": partial(
            mixed, mix=lambda a, b, t: (a + b) / 2
        ),
        "Both halves are multiplied by the same number. The first has beta, the second "
        "1 - beta.": [
            partial(mixed, mix=lambda a, b, t: t * (a + b)),
            partial(mixed, mix=lambda a, b, t: (1 - t) * (a + b)),
        ],
        "You pair neighbours, rows 0 and 1. Pair row 0 with row B // 2, and so on.": [
            partial(mixed, pair=lambda phi: (phi[: len(phi) // 2 * 2 : 2], phi[1::2])),
            partial(mixed, pair=lambda phi: (phi[1::2], phi[: len(phi) // 2 * 2 : 2])),
            partial(mixed, pair=lambda phi: (phi[:-1], phi[1:])),
        ],
        "One of the halves is in reverse order. Row i belongs to row i + B // 2: no flip.": [
            partial(mixed, pair=flipped),
            partial(mixed, pair=lambda phi: (halves(phi)[0], phi.flip(0)[: len(phi) // 2])),
        ],
        "For an odd B your second half is off by a row. It starts at row B // 2, and the last row "
        "is left out: phi[half : 2 * half].": [
            partial(mixed, pair=lambda phi: (halves(phi)[0], phi[-(len(phi) // 2) :])),
        ],
        "For an odd B your two halves have different lengths. Leave the last row out: "
        "phi[half : 2 * half].": [
            partial(mixed, pair=lambda phi: (halves(phi)[0], phi[len(phi) // 2 :])),
            partial(mixed, pair=lambda phi: tuple(phi.chunk(2))),
        ],
        "You leave a row out of an even batch, too. Leave out the last row only if B is odd.": (
            partial(mixed, pair=lambda phi: halves(phi[:-1]))
        ),
        "If B is odd, the last row is left out; you leave the first one out.": partial(
            mixed, pair=lambda phi: halves(phi[len(phi) % 2 :])
        ),
        "You split the columns. The halves are rows: phi[:half] and phi[half : 2 * half].": partial(
            mixed, pair=lambda phi: [x.T for x in halves(phi.T)]
        ),
        "That is the sum: multiply the two by beta and 1 - beta first.": partial(
            mixed, mix=lambda a, b, t: a + b
        ),
        "One factor is missing. The first half has beta, the second 1 - beta.": [
            partial(mixed, mix=lambda a, b, t: t * a + b),
            partial(mixed, mix=lambda a, b, t: a + (1 - t) * b),
        ],
        "You subtracted one half from the other. Add them.": [
            partial(mixed, mix=lambda a, b, t: t * a - (1 - t) * b),
        ],
        "Only one half is used. Add the two: beta * first + (1 - beta) * second.": [
            partial(mixed, mix=lambda a, b, t: t * a),
            partial(mixed, mix=lambda a, b, t: (1 - t) * b),
        ],
        "You concatenated the two halves. Add them: B // 2 rows.": partial(
            mixed, mix=lambda a, b, t: torch.cat([t * a, (1 - t) * b])
        ),
    },
    alternatives=(mixed, by_lerp, one_by_one),
    advice="For phi = torch.tensor([[0., 4], [1, 0], [4, 0], [5, 5]]) and beta = 0.25 the result "
    "is [[3, 1], [4, 3.75]]: which rows do you pair, and which of them has 0.25?",
)  # fmt: skip
