"""Exercise 11.7: near copies of training examples."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gancourse.exercises.base import Case, Exercise
from gancourse.exercises.observe import observe_number
from gancourse.metrics.copies import copy_share

Threshold = Callable[[Tensor], Tensor]


def features(rng: torch.Generator) -> list[Case]:
    """Samples at all distances from training examples; no honest rounding can move one."""
    notes = {(180, 70, 61, 3): "with 61 unseen examples", (140, 45, 101, 2): "with 101 unseen ones"}
    return [_case(rng, *sizes, note=note) for sizes, note in notes.items()]


def _case(rng: torch.Generator, n: int, m: int, k: int, d: int, note: str) -> Case:
    """With k - 1 a multiple of 20, all definitions of the 5 % quantile agree."""
    while True:
        scale = 0.2 + 1.5 * torch.rand(d, generator=rng)
        train, unseen = (scale * torch.randn(x, d, generator=rng) for x in (m, k))
        distances = apart(unseen, train).amin(1)
        near = 1.2 * distances.amax() * torch.rand(n, 1, generator=rng).square()
        direction = F.normalize(torch.randn(n, d, generator=rng), dim=1)
        start = train[torch.randint(m, (n,), generator=rng)]
        samples = start + near * direction
        low, edge, high = distances.quantile(torch.tensor([1, 3, 5]) / 60)
        gaps = (apart(samples, train).amin(1) / distances.quantile(0.05) - 1).abs()
        if gaps.min() < 1e-3 or low > 0.9 * edge or high < 1.1 * edge:
            continue
        share, *others = (f(samples, train, unseen) for f in (copy_share, *RIVALS))
        different = len({round(float(other), 4) for other in others}) == len(others)
        clear = all(abs(x - y) > 1.5 / n for x in others for y in (share, 1 - share))
        if different and 0.1 < share < 0.7 and clear:
            return Case((samples, train, unseen), note=note)


def apart(a: Tensor, b: Tensor, p: float = 2) -> Tensor:
    """Distances of all pairs."""
    return (a[:, None] - b[None]).norm(p=p, dim=2)


# Shares with and without slips -------------------------------------------------------------------
def share_like(
    threshold: Threshold = lambda d: d.quantile(0.05),
    distances: Callable[[Tensor, Tensor], Tensor] = apart,
    nearest: Threshold = lambda d: d.amin(1),
    unseen_to_train: Callable[..., Tensor] = lambda s, t, u, d: d(u, t),
    sample_to_train: Callable[..., Tensor] = lambda s, t, u, d: d(s, t),
    end: Callable[[Tensor, Tensor], Any] = lambda d, limit: (d < limit).double().mean(),
) -> Callable[[Tensor, Tensor, Tensor], Any]:
    """Make a share of copies, with a slip if asked for."""

    def share(samples: Tensor, train: Tensor, unseen: Tensor) -> Any:
        limit = threshold(nearest(unseen_to_train(samples, train, unseen, distances)))
        return end(nearest(sample_to_train(samples, train, unseen, distances)), limit)

    return share


def standardized(a: Tensor, b: Tensor) -> Tensor:
    """Distances after each feature was divided by its standard deviation in b."""
    return apart(a / b.std(dim=0), b / b.std(dim=0))


RIVALS = (
    share_like(distances=standardized),
    share_like(distances=lambda a, b: apart(a, b, p=1)),
    share_like(sample_to_train=lambda s, t, u, d: d(s, u)),
    share_like(sample_to_train=lambda s, t, u, d: d(t, s)),
    share_like(unseen_to_train=lambda s, t, u, d: d(t, u)),
    share_like(unseen_to_train=lambda s, t, u, d: d(u, u) + 1e9 * torch.eye(len(u))),
    share_like(unseen_to_train=lambda s, t, u, d: d(t, t) + 1e9 * torch.eye(len(t))),
    share_like(nearest=lambda d: d.amin(0)),
    share_like(torch.mean),
    share_like(torch.median),
    share_like(torch.amin),
    share_like(lambda d: d.quantile(0.1)),
    share_like(unseen_to_train=lambda s, t, u, d: d(u, s)),
    share_like(sample_to_train=lambda s, t, u, d: d(s, t).square()),
    share_like(unseen_to_train=lambda s, t, u, d: d(u, t).square()),
)
"""Shares that can be equal by chance, to the right one or to one another: those draws are not used.
"""


def by_sorting(samples: Tensor, train: Tensor, unseen: Tensor) -> float:
    limit = sorted((train - x).norm(dim=1).min().item() for x in unseen)
    near = [(train - x).norm(dim=1).min().item() for x in samples]
    return sum(x < limit[int(0.05 * len(limit))] for x in near) / len(near)


def by_counting(samples: Tensor, train: Tensor, unseen: Tensor) -> Tensor:
    """The share of unseen examples that are farther away than a sample, for each sample."""
    d_s, d_u = (torch.cdist(x, train).min(dim=1).values for x in (samples, unseen))
    return ((d_s[:, None] < d_u[None]).double().mean(1) > 0.95).double().mean()


def by_pieces(samples: Tensor, train: Tensor, unseen: Tensor) -> Tensor:
    """Squares on both sides, twenty rows at a time."""

    def squares(points: Tensor) -> Tensor:
        parts = [(x[:, None] - train).square().sum(-1).amin(1) for x in points.split(20)]
        return torch.cat(parts)

    return (squares(samples) < torch.quantile(squares(unseen), 0.05)).float().mean()


def squares(a: Tensor, b: Tensor) -> Tensor:
    return apart(a, b).square()


SLIPS = {
    "That is the 95 % quantile: 95 % of the unseen examples are nearer than it. Near copies are "
    "nearer than 95 % of them: the 5 % quantile.": share_like(lambda d: d.quantile(0.95)),
    "The threshold is a mean or a median. About half of new samples would count as copies: take "
    "the 5 % quantile.": [share_like(torch.mean), share_like(torch.median)],
    "The threshold is the smallest distance of an unseen example. Take the 5 % quantile, which "
    "does not hang on one example.": share_like(torch.amin),
    "The threshold is 5 % of a distance. The 5 % quantile is the distance that 5 % of the unseen "
    "examples are below.": share_like(lambda d: 0.05 * d.mean()),
    "You measured the samples' distances from the unseen examples. A copy is near to a training "
    "example.": share_like(sample_to_train=lambda s, t, u, d: d(s, u)),
    "The threshold comes from the distances within one set. Take those of the unseen examples from "
    "the training examples.": [
        share_like(unseen_to_train=lambda s, t, u, d: d(t, t) + 1e9 * torch.eye(len(t))),
        share_like(unseen_to_train=lambda s, t, u, d: d(u, u) + 1e9 * torch.eye(len(u))),
    ],
    "The threshold comes from the samples' own distances, so the share is 5 % for every "
    "generator.": share_like(unseen_to_train=lambda s, t, u, d: d(s, t)),
    "For the threshold you took each training example's nearest unseen one. Take each unseen "
    "example's nearest training example: the minimum over the other dimension.": share_like(
        unseen_to_train=lambda s, t, u, d: d(t, u)
    ),
    "You counted training examples with a sample near them. Count samples with a training example "
    "near them.": share_like(sample_to_train=lambda s, t, u, d: d(t, s)),
    "Both minima are over the wrong dimension: each sample, and each unseen example, has one "
    "nearest training example.": share_like(nearest=lambda d: d.amin(0)),
    "One side is squared and the other is not: compare distances with distances.": [
        share_like(sample_to_train=lambda s, t, u, d: squares(s, t)),
        share_like(unseen_to_train=lambda s, t, u, d: squares(u, t)),
    ],
    "Each is compared by its mean distance from all training examples. Take the "
    "nearest.": share_like(nearest=lambda d: d.mean(1)),
    "You took the farthest training example. Take the nearest: the minimum.": share_like(
        nearest=lambda d: d.amax(1)
    ),
    "Near copies have a distance below the threshold; you counted those above.": share_like(
        end=lambda d, limit: (d > limit).double().mean()
    ),
    "Return a share: divide the number by that of the samples.": share_like(
        end=lambda d, limit: (d < limit).sum()
    ),
    "The share is in percent. It should lie between 0 and 1.": share_like(
        end=lambda d, limit: 100 * (d < limit).double().mean()
    ),
    "You divided by the number of training or unseen examples. It is the share of "
    "samples.": [
        lambda s, t, u: copy_share(s, t, u) * len(s) / len(t),
        lambda s, t, u: copy_share(s, t, u) * len(s) / len(u),
    ],
    "That is True or False for each sample. Return their share.": share_like(
        end=lambda d, limit: d < limit
    ),
    "These are sums of absolute differences. Distances are Euclidean: p = 2.": share_like(
        distances=lambda a, b: apart(a, b, p=1)
    ),
    "You compare directions (cosines). Distances are Euclidean, of the features as they "
    "are.": share_like(
        distances=lambda a, b: 1 - F.normalize(a, dim=1) @ F.normalize(b, dim=1).T
    ),
    "The quantile is taken of all distances. Take each unseen example's nearest training example "
    "first.": lambda s, t, u: (
        (apart(s, t).amin(1) < apart(u, t).flatten().quantile(0.05)).double().mean()
    ),
    "Your quantile is that of 10 %. The card asks for 5 %.": share_like(lambda d: d.quantile(0.1)),
    "The threshold comes from the unseen examples' distances from the samples. Take those from the "
    "training examples.": share_like(unseen_to_train=lambda s, t, u, d: d(u, s)),
}  # fmt: skip

EXERCISE = Exercise(
    id="11.7",
    title="Near copies",
    points=3,
    minutes=15,
    reference=copy_share,
    cases=features,
    observe=observe_number,
    slips=SLIPS,
    alternatives=(share_like(), by_sorting, by_counting, by_pieces),
    advice="With the training examples as samples the share is 1, and with the unseen examples as "
    "samples about 0.05. What do you get?",
)
