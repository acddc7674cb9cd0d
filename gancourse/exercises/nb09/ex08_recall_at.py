"""Exercise 9.8: recall at k."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from gancourse.exercises.base import Case, Exercise
from gancourse.metrics.retrieval import recall_at

COUNT = 60


def unit(x: Tensor) -> Tensor:
    return F.normalize(x, dim=1)


def dot(queries: Tensor, gallery: Tensor) -> Tensor:
    return queries @ gallery.T


def cosine(queries: Tensor, gallery: Tensor) -> Tensor:
    return unit(queries) @ unit(gallery).T


def among_best(similar: Tensor, k: int) -> Tensor:
    """Which of the k best of each row is the row's partner: (n, k)."""
    best = similar.topk(k, dim=1).indices
    return best == torch.arange(len(similar), device=similar.device)[:, None]


def share_of_rows(found: Tensor) -> Tensor:
    return found.any(dim=1).float().mean()


def recall_like(
    similarity: Callable[[Tensor, Tensor], Tensor] = cosine,
    k_is: Callable[[int], int] = lambda k: k,
    count: Callable[[Tensor], Tensor] = share_of_rows,
) -> Callable[[Tensor, Tensor, int], Tensor]:
    """Make a recall, with a slip if asked for."""

    def recall(queries: Tensor, gallery: Tensor, k: int) -> Tensor:
        return count(among_best(similarity(queries, gallery), k_is(k)))

    return recall


def recall_by_rank(queries: Tensor, gallery: Tensor, k: int) -> float:
    """The partner's rank: how many are more similar than it is."""
    every = F.cosine_similarity(queries[:, None], gallery[None], dim=2)
    better = (every > every.diagonal()[:, None]).sum(1)
    return float((better < k).float().mean())


def without_axis(queries: Tensor, gallery: Tensor, k: int) -> Tensor:
    best = cosine(queries, gallery).topk(k, dim=1).indices
    return (best == torch.arange(len(queries), device=queries.device)).any(1).float().mean()


RANKINGS = {
    "That is the dot product, which favours long "
    "vectors. Divide each by its length first.": recall_like(dot),
    "Each column is normalized. Divide each row by its length: dim=1.": recall_like(
        lambda q, g: dot(F.normalize(q, dim=0), F.normalize(g, dim=0))
    ),
    "That is the Euclidean distance. Use the cosine.": recall_like(lambda q, g: -torch.cdist(q, g)),
    "You took the k least similar rows. Take those with the highest cosine.": recall_like(
        lambda q, g: -cosine(q, g)
    ),
    "You ignore the sign of the cosine. An opposite vector is the least similar one.": recall_like(
        lambda q, g: cosine(q, g).abs()
    ),
    "You searched among the queries. Search the gallery for each query.": recall_like(
        lambda q, g: cosine(g, q)
    ),
    "You used one row too many: take the k best, no more.": recall_like(k_is=lambda k: k + 1),
}
COUNTS = {
    "You used only the most similar row, not the k most similar.": recall_like(k_is=lambda k: 1),
    "You always use the same number of rows. Use the argument k.": [
        recall_like(k_is=lambda k: 5),
        recall_like(k_is=lambda k: 10),
    ],
    "The result is always 1. Compare queries with the gallery, not rows with themselves, and each "
    "query by itself: any(dim=1).": [
        recall_like(lambda q, g: cosine(q, q)),
        recall_like(count=lambda found: found.any().float()),
    ],
    "No query finds its partner, which is row i of the gallery for query i: don't leave the "
    "diagonal out.": recall_like(lambda q, g: cosine(q, g).fill_diagonal_(-2)),
    "all(dim=1) asks that every one of the k rows is the partner. Use any(dim=1).": recall_like(
        count=lambda found: found.all(dim=1).float().mean()
    ),
    "The value is k times too small: a query counts 1 if its partner is among the k. Use "
    "any(dim=1) before the mean, and don't divide by k.": recall_like(
        count=lambda found: found.float().mean()
    ),
    "That is the number of queries whose partner is found. Divide by the number of queries.": (
        recall_like(count=lambda found: found.any(dim=1).sum())
    ),
    "That is in percent. Return the mean, from 0 to 1.": recall_like(
        count=lambda found: 100 * share_of_rows(found)
    ),
    "That is the share of queries whose partner is not found.": recall_like(
        count=lambda found: 1 - share_of_rows(found)
    ),
    "Return one number: the mean over the queries.": recall_like(
        count=lambda found: found.any(dim=1).float()
    ),
    "The row numbers (n,) are compared with indices (n, k). Make a column of them: "
    "torch.arange(n)[:, None].": without_axis,
}


def clouds(rng: torch.Generator) -> list[Case]:
    return [_cloud(k, rng) for k in (3, 6, 1)]


def _cloud(k: int, rng: torch.Generator) -> Case:
    """Vectors of very different lengths, on which another ranking has another recall.

    The columns have different scales, and every sixth query is opposite to its partner.
    """
    scales = torch.tensor([0.5, 0.7, 1.0, 1.5, 2.0])
    opposite = torch.where(torch.arange(COUNT) % 6 == 0, -1.0, 1.0)[:, None]
    while True:
        gallery, noise = scales * torch.randn(2, COUNT, len(scales), generator=rng)
        queries = opposite * gallery + 0.5 * noise + 0.7
        lengths = torch.exp(1.2 * torch.randn(2, COUNT, 1, generator=rng))
        args = lengths[0] * queries, lengths[1] * gallery, k
        recalls = [recall_at(*args), *(float(other(*args)) for other in RANKINGS.values())]
        if len({0.0, 1.0, *recalls}) == 2 + len(recalls):
            return Case(args, note=f"on {COUNT} pairs with k={k}")


EXERCISE = Exercise(
    id="9.8",
    title="Recall",
    points=2,
    minutes=10,
    reference=recall_at,
    cases=clouds,
    slips=RANKINGS | COUNTS,
    alternatives=(recall_like(), recall_by_rank),
    advice="Print the best k indices of the first query, and its cosines with all rows: are they "
    "the k largest?",
)
