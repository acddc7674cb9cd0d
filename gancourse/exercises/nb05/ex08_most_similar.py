"""Exercise 5.8: the nearest words."""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from gancourse.exercises.base import Case, Exercise, Slip
from gancourse.exercises.observe import integer
from gancourse.metrics.retrieval import most_similar


def words(rng: torch.Generator) -> list[Case]:
    """Words of very different lengths, so that a dot product goes astray."""
    table = torch.randn(12, 5, generator=rng)
    table = table * torch.logspace(-1.5, 1.5, 12)[torch.randperm(12, generator=rng), None]
    vectors = torch.randn(6, 5, generator=rng) * torch.logspace(-1, 1, 6)[:, None]
    return [Case((vectors, table, integer(rng, 4, 5)), note="among 12 words")]


def ranked(
    vectors: Tensor, table: Tensor, k: int, *, how: str = "cosine", largest: bool = True
) -> Tensor:
    """The k best rows of a table by a score."""
    scores = {
        "dot": lambda: vectors @ table.T,
        "distance": lambda: -torch.cdist(vectors, table),
        "columns": lambda: F.normalize(vectors, dim=0) @ F.normalize(table, dim=0).T,
        "cosine": lambda: F.cosine_similarity(vectors[:, None], table[None], dim=2),
    }[how]()
    return scores.argsort(dim=1, descending=largest)[:, :k]


backwards = partial(ranked, largest=False)


EXERCISE = Exercise(
    id="5.8",
    title="The nearest words",
    points=2,
    minutes=8,
    reference=most_similar,
    cases=words,
    slips=(
        Slip(
            partial(ranked, how="dot"),
            "A dot product prefers long word vectors, whatever their direction: divide each "
            "row by its length first.",
        ),
        Slip(
            partial(ranked, how="distance"),
            "By distance a generated vector of the wrong length finds the wrong words. "
            "Compare directions: the cosine.",
        ),
        Slip(backwards, "Those are the least similar ones: the largest cosine comes first."),
        Slip(
            partial(ranked, how="columns"),
            "You normalised the columns (dim=0). A vector is a row: dim=1.",
        ),
        Slip(
            lambda vectors, table, k: most_similar(vectors, table, k).flip(1),
            "The right words in the wrong order: the most similar one first.",
        ),
    ),
    alternatives=(ranked,),
)
