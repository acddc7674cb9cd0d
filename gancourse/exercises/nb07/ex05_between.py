"""Exercise 7.5: sentences that nobody wrote."""

import torch
from torch import Tensor

from gancourse.exercises.base import Case, Exercise
from gancourse.exercises.observe import integer
from gancourse.papers.text2image import between


def embeddings(rng: torch.Generator) -> list[Case]:
    """An even and an odd batch."""
    beta = 0.15 + 0.2 * torch.rand((), generator=rng).item()
    n = integer(rng, 2, 4)
    return [
        Case((torch.randn(m, 3, generator=rng), beta), note=f"for {m} embeddings")
        for m in (2 * n, 2 * n + 1)
    ]


def between_pairs(phi: Tensor, beta: float) -> Tensor:
    """By lerp."""
    a, b = phi[: len(phi) // 2], phi[len(phi) // 2 :][: len(phi) // 2]
    return b.lerp(a, beta)


EXERCISE = Exercise(
    id="7.5",
    title="Sentences that nobody wrote",
    points=2,
    minutes=8,
    reference=between,
    cases=embeddings,
    slips={
        "beta belongs to the first half, 1 - beta to the second.": lambda phi, beta: between(
            phi, 1 - beta
        ),
        "You pair every text twice, and one of an odd batch with itself. Pair the first half with "
        "the second: B // 2 rows.": lambda phi, beta: beta * phi + (1 - beta) * phi.flip(0),
        "beta is an argument; you always use 1/2.": lambda phi, beta: between(phi, 0.5),
        "You pair neighbours, rows 0 and 1. Pair row 0 "
        "with row B // 2, and so on.": lambda phi, beta: beta * phi[:-1:2] + (1 - beta) * phi[1::2],
        "That is the sum: multiply the two by beta and 1 - beta first.": lambda phi, beta: (
            phi[: len(phi) // 2] + phi[len(phi) // 2 :][: len(phi) // 2]
        ),
    },
    alternatives=(between_pairs,),
)
