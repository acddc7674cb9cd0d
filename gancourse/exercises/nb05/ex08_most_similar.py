"""Exercise 5.8: The nearest words."""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from gancourse.exercises.base import Case, Exercise
from gancourse.metrics.retrieval import most_similar


def words(rng: torch.Generator) -> list[Case]:
    """Vectors of very different lengths, drawn again until every way of SCORES ranks differently.

    The nearest cosines must not be so close that rounding decides.
    """
    while True:
        table = torch.randn(12, 5, generator=rng)
        table = table * torch.logspace(-1.5, 1.5, 12)[torch.randperm(12, generator=rng), None]
        vectors = torch.randn(6, 5, generator=rng) * torch.logspace(-1, 1, 6)[:, None]
        gaps = SCORES["cosine"](vectors, table).sort(dim=1).values.diff(dim=1)
        ways = [ranked(vectors, table, 4, how=how) for how in SCORES]
        if gaps.min() > 1e-3 and not any(way.equal(ways[0]) for way in ways[1:]):
            return [
                Case((vectors, table, 4), note="among 12 words"),
                Case((vectors[:1], table, 3), note="for a single vector"),
            ]


SCORES = {
    "cosine": lambda v, table: F.cosine_similarity(v[:, None], table[None], dim=2),
    "dot": lambda v, table: v @ table.T,
    "distance": lambda v, table: -torch.cdist(v, table),
    "halves": lambda v, table: -torch.cdist(F.normalize(v), table),
    "columns": lambda v, table: F.normalize(v, dim=0) @ F.normalize(table, dim=0).T,
    "one column": lambda v, table: v @ F.normalize(table, dim=0).T,
    "sums": lambda v, table: F.normalize(v, p=1) @ F.normalize(table, p=1).T,
    "largest": lambda v, table: v @ F.normalize(table, p=float("inf")).T,
    "squares": lambda v, table: v @ (table / table.square().sum(dim=1, keepdim=True)).T,
    "sizes": lambda v, table: F.cosine_similarity(v[:, None], table[None], dim=2).abs(),
    "rest": lambda v, table: v @ (table - table.mean(dim=0)).T,
}  # fmt: skip


def ranked(
    vectors: Tensor, table: Tensor, k: int, *, how: str = "cosine", largest: bool = True
) -> Tensor:
    """Find the k rows with the best score."""
    return SCORES[how](vectors, table).argsort(dim=1, descending=largest)[:, :k]


EXERCISE = Exercise(
    id="5.8",
    title="The nearest words",
    points=2,
    minutes=8,
    reference=most_similar,
    cases=words,
    slips={
        "A dot product prefers long word vectors, whatever their direction. Divide each row of "
        "the table by its length first.": partial(ranked, how="dot"),
        "The distance also depends on the lengths of the word vectors. Compare directions only: "
        "the cosine.": [partial(ranked, how="distance"), partial(ranked, how="halves")],
        "Those are the least similar words: the largest cosine comes first.": partial(
            ranked, largest=False
        ),
        "Those are the words at the largest distance, which also depends on the lengths. Take the "
        "largest cosines.": partial(ranked, how="distance", largest=False),
        "You normalized the columns (dim=0). A vector is a row: dim=1.": [
            partial(ranked, how="columns"),
            partial(ranked, how="one column"),
        ],
        "You divided by the sum or the largest of the absolute values. The length of a vector is "
        "the root of the sum of its squares.": [
            partial(ranked, how="sums"),
            partial(ranked, how="largest"),
        ],
        "You divided by the square of the length. Divide each row by its length: norm(dim=1), or "
        "F.normalize.": partial(ranked, how="squares"),
        "A vector in the opposite direction is not similar: don't take absolute values or squares "
        "of the cosine.": partial(ranked, how="sizes"),
        "The right words in the wrong order: the most similar comes first.": [
            lambda vectors, table, k: most_similar(vectors, table, k).flip(1),
            lambda vectors, table, k: most_similar(vectors, table, k).sort(dim=1).values,
            lambda v, table, k: SCORES["cosine"](v, table).topk(k, sorted=False).indices,
        ],
        "The most similar word is missing: begin with the first.": lambda vectors, table, k: (
            most_similar(vectors, table, k + 1)[:, 1:]
        ),
        "Return the indices of the rows, not their scores: topk(k, dim=1).indices.": [
            lambda v, table, k: SCORES["cosine"](v, table).topk(k, dim=1).values,
            lambda v, table, k: SCORES["dot"](v, table).topk(k, dim=1).values,
        ],
        "The indices should be integers: don't change them to floats.": lambda v, table, k: (
            most_similar(v, table, k).float()
        ),
        "cosine_similarity compares row by row. Give it vectors[:, None] and table[None], with "
        "dim=2.": lambda v, table, k: F.cosine_similarity(v, table, dim=1).topk(k).indices,
        "You took the k best vectors for each word (dim=0). Take the k best words for each vector: "
        "dim=1.": lambda v, table, k: SCORES["cosine"](v, table).topk(k, dim=0).indices,
        "Return k words for each vector, not only the best.": [
            lambda v, table, k: SCORES["cosine"](v, table).argmax(dim=1),
            lambda v, table, k: most_similar(v, table, 1),
        ],
        "squeeze() also drops the dimension of a single vector. The shape is always (B, "
        "k).": lambda vectors, table, k: most_similar(vectors, table, k).squeeze(),
        "You returned the ranks of words, not their indices: use a single "
        "argsort(), or topk().": lambda v, table, k: (
            SCORES["cosine"](v, table).argsort(dim=1, descending=True).argsort(dim=1)[:, :k]
        ),
    },
    alternatives=(ranked,),
    advice="Pass table itself as the vectors, with k=1: each row should find its own index, "
    "whatever its length.",
)
