"""Exercise 5.8: The nearest words."""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from gancourse.exercises.base import Case, Exercise
from gancourse.exercises.observe import integer
from gancourse.metrics.retrieval import most_similar


def words(rng: torch.Generator) -> list[Case]:
    """Word vectors of very different lengths, so that a dot product ranks them differently."""
    table = torch.randn(12, 5, generator=rng)
    table = table * torch.logspace(-1.5, 1.5, 12)[torch.randperm(12, generator=rng), None]
    vectors = torch.randn(6, 5, generator=rng) * torch.logspace(-1, 1, 6)[:, None]
    return [Case((vectors, table, integer(rng, 4, 5)), note="among 12 words")]


def ranked(
    vectors: Tensor, table: Tensor, k: int, *, how: str = "cosine", largest: bool = True
) -> Tensor:
    """Find the k rows with the best score."""
    scores = {
        "dot": lambda: vectors @ table.T,
        "distance": lambda: -torch.cdist(vectors, table),
        "columns": lambda: F.normalize(vectors, dim=0) @ F.normalize(table, dim=0).T,
        "cosine": lambda: F.cosine_similarity(vectors[:, None], table[None], dim=2),
    }[how]()
    return scores.argsort(dim=1, descending=largest)[:, :k]


EXERCISE = Exercise(
    id="5.8",
    title="The nearest words",
    points=2,
    minutes=8,
    reference=most_similar,
    cases=words,
    slips={
        "A dot product prefers long word vectors, whatever their direction. Divide each row by "
        "its length first.": partial(ranked, how="dot"),
        "The distance also depends on the lengths of the vectors. Compare directions only: the "
        "cosine.": partial(ranked, how="distance"),
        "Those are the least similar words: the largest cosine comes first.": partial(
            ranked, largest=False
        ),
        "You normalised the columns (dim=0). A vector is a row: dim=1.": partial(
            ranked, how="columns"
        ),
        "The right words in the wrong order: the most "
        "similar comes first.": lambda vectors, table, k: most_similar(vectors, table, k).flip(1),
    },
    alternatives=(ranked,),
)
