"""Exercise 9.8: recall at k."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from gancourse.exercises.base import Case, Exercise
from gancourse.metrics.retrieval import recall_at


def clouds(rng: torch.Generator) -> list[Case]:
    """Vectors of very different lengths; a shift distinguishes the queries from the gallery."""
    cases = []
    for shift, k in ((4, 3), (4, 7), (0, 5)):
        gallery = torch.randn(60, 5, generator=rng)
        queries = gallery + 0.9 * torch.randn(60, 5, generator=rng) + shift * torch.eye(5)[0]
        lengths = torch.exp(1.2 * torch.randn(2, 60, 1, generator=rng))
        args = lengths[0] * queries, lengths[1] * gallery, k
        cases.append(Case(args, note=f"on 60 pairs, k = {k}"))
    return cases


def recall_like(
    normal: bool = True, order: int = 1, k_is: int | None = None, swapped: bool = False
) -> Callable[[Tensor, Tensor, int], Tensor]:
    """Make a recall, with a slip if asked for."""

    def recall(queries: Tensor, gallery: Tensor, k: int) -> Tensor:
        a, b = (gallery, queries) if swapped else (queries, gallery)
        if normal:
            a, b = F.normalize(a, dim=1), F.normalize(b, dim=1)
        best = (order * (a @ b.T)).topk(k_is or k, dim=1).indices
        return (best == torch.arange(len(a))[:, None]).any(1).float().mean()

    return recall


def recall_by_rank(queries: Tensor, gallery: Tensor, k: int) -> float:
    """The partner's rank: how many are more similar than it is."""
    cosine = F.cosine_similarity(queries[:, None], gallery[None], dim=2)
    better = (cosine > cosine.diagonal()[:, None]).sum(1)
    return float((better < k).float().mean())


def per_k(queries: Tensor, gallery: Tensor, k: int) -> Tensor:
    return recall_like()(queries, gallery, k) / k


EXERCISE = Exercise(
    id="9.8",
    title="Recall",
    points=2,
    minutes=10,
    reference=recall_at,
    cases=clouds,
    slips={
        "That is the dot product, which favours long "
        "vectors. Divide each by its length first.": recall_like(normal=False),
        "You took the k least similar rows.": recall_like(order=-1),
        "You used only the most similar row, not the k most similar.": recall_like(k_is=1),
        "You searched among the queries. Search the gallery for each query.": recall_like(
            swapped=True
        ),
        "You divided by k. A query counts 1 if its partner is among the k, else 0.": per_k,
    },
    alternatives=(recall_like(), recall_by_rank),
)
