"""Exercise 10.4: the closeness of a batch."""

from collections.abc import Callable

import torch
from torch import Tensor

from gancourse.exercises.base import Case, Exercise
from gancourse.papers import tricks


def projections(rng: torch.Generator) -> list[Case]:
    """Sizes that all differ; one kernel, as in the notebook; and one example."""

    def case(n: int, kernels: int, dims: int, note: str) -> Case:
        M = 0.5 * torch.randn(n, kernels, dims, generator=rng)
        M[1:2] = M[:1] + 0.05 * torch.randn(M[1:2].shape, generator=rng)  # nearly equal examples
        return Case((M.requires_grad_(),), note=note)

    return [
        case(5, 3, 2, "for 5 examples, 3 kernels of 2 numbers"),
        case(3, 2, 4, "for 3 examples, 2 kernels of 4 numbers"),
        case(4, 1, 2, "with a single kernel"),
        case(1, 2, 3, "for a batch of one"),
    ]


def gaps(M: Tensor) -> Tensor:
    """All absolute differences: (i, j, kernels, dims)."""
    return (M[:, None] - M[None]).abs()


def closeness_like(distance: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Make a closeness from distances (i, j, kernels)."""
    return lambda M: torch.exp(-distance(M)).sum(1)


def closeness_by_loops(M: Tensor) -> Tensor:
    rows = [sum(torch.exp(-(a - b).abs().sum(1)) for b in M) for a in M]
    return torch.stack(rows)


def closeness_by_cdist(M: Tensor) -> Tensor:
    """L1 distances from cdist, with the kernels as its batch."""
    by_kernel = M.transpose(0, 1)
    return torch.exp(-torch.cdist(by_kernel, by_kernel, p=1)).sum(2).T


def euclidean(M: Tensor) -> Tensor:
    """L2 distances (i, j, kernels), with a gradient of 0 where they are 0."""
    by_kernel = M.transpose(0, 1)
    return torch.cdist(by_kernel, by_kernel).permute(1, 2, 0)


def without_graph(M: Tensor) -> Tensor:
    with torch.no_grad():
        return torch.exp(-gaps(M).sum(-1)).sum(1)


SLIPS = {
    "You left out j = i. The paper's sum runs over the whole batch.": lambda M: (
        torch.exp(-gaps(M).sum(-1)).sum(1) - 1
    ),
    "That is the mean over j; return the sum.": lambda M: torch.exp(-gaps(M).sum(-1)).mean(1),
    "You squared the differences. The paper takes the L1 distance: the sum of absolute values.": [
        closeness_like(lambda M: gaps(M).square().sum(-1)),
        closeness_like(lambda M: gaps(M).square().sum(-1) / 2),
        closeness_like(lambda M: gaps(M).square().mean(-1)),
        closeness_like(euclidean),
        closeness_like(lambda M: gaps(M).square().sum(-1).sqrt()),
    ],
    "The value is right, but the root of 0 has no finite gradient, and j = i is at distance 0. "
    "Take absolute values with abs().": closeness_like(
        lambda M: (M[:, None] - M[None]).square().sqrt().sum(-1)
    ),
    "Add the absolute differences over dims first, then take exp of one number for each pair "
    "and kernel.": [
        lambda M: torch.exp(-gaps(M)).sum(-1).sum(1), lambda M: torch.exp(-gaps(M)).mean(-1).sum(1),
    ],
    "The distance is the sum over dims; you took the mean.": closeness_like(
        lambda M: gaps(M).mean(-1)
    ),
    "That is the largest difference over dims. The L1 distance is their sum.": closeness_like(
        lambda M: gaps(M).amax(-1)
    ),
    "The minus sign is missing: exp(-distance) is 1 for equal examples and falls to 0 for large "
    "distances.": closeness_like(lambda M: -gaps(M).sum(-1)),
    "Take absolute values of the differences before you add them over dims.": [
        closeness_like(lambda M: (M[:, None] - M[None]).sum(-1)),
        closeness_like(lambda M: (M[None] - M[:, None]).sum(-1)),
        closeness_like(lambda M: (M[:, None] - M[None]).sum(-1).abs()),
    ],
    "You added distances over the batch and then took exp. Take exp of each distance, then the "
    "sum over j.": [
        lambda M: torch.exp(-gaps(M).sum(-1).sum(1)), lambda M: torch.exp(-gaps(M).sum(-1).mean(1)),
    ],
    "exp is missing: you added the distances.": [
        lambda M: gaps(M).sum(-1).sum(1), lambda M: -gaps(M).sum(-1).sum(1),
    ],
    "Return one number for each example and kernel: don't add over the kernels.": [
        lambda M: torch.exp(-gaps(M).sum(-1)).sum(1).sum(1),
        lambda M: torch.exp(-gaps(M).sum(-1)).sum(1).sum(1, keepdim=True),
        lambda M: torch.exp(-gaps(M).sum(-1)).sum((1, 2), keepdim=True),
        lambda M: torch.exp(-gaps(M).sum((-2, -1))).sum(1),
        lambda M: torch.exp(-gaps(M).sum((-2, -1))).sum(1, keepdim=True),
        lambda M: torch.exp(-gaps(M).flatten(2).sum(2, keepdim=True)).sum(1),
        lambda M: torch.exp(-gaps(M).sum(-1)).sum(-1),
        lambda M: torch.exp(-gaps(M).sum((-2, -1))).sum(1, keepdim=True).expand(M.shape[:2]),
    ],
    "The sum over j is missing: the result has a number for each pair of examples.": lambda M: (
        torch.exp(-gaps(M).sum(-1))
    ),
    "You compared each example with the batch's mean. Compare it with each example j, then take "
    "the sum over j.": [
        lambda M: torch.exp(-(M - M.mean(0)).abs().sum(-1)),
        lambda M: len(M) * torch.exp(-(M - M.mean(0)).abs().sum(-1)),
    ],
    "The distance is a sum over dims, the last dimension; you added "
    "over the kernels.": closeness_like(
        lambda M: gaps(M).sum(-2)
    ),
    "You compared the kernels of one example with each other. Compare examples i and j, kernel "
    "by kernel: cdist needs the kernels first.": lambda M: (
        torch.exp(-torch.cdist(M, M, p=1)).sum(2)
    ),
    "The values are right, but D is trained through them: compute distances and sum without "
    "detach() or no_grad().": without_graph,
    "Take exp(-distance). 1 - distance and 1 / (1 + distance) are close to it for small distances "
    "only.": [
        lambda M: (1 - gaps(M).sum(-1)).sum(1), lambda M: (1 / (1 + gaps(M).sum(-1))).sum(1),
    ],
}  # fmt: skip


EXERCISE = Exercise(
    id="10.4",
    title="How close is the batch?",
    points=2,
    minutes=12,
    reference=tricks.closeness,
    cases=projections,
    slips=SLIPS,
    alternatives=(
        closeness_like(lambda M: gaps(M).sum(-1)),
        closeness_by_loops,
        closeness_by_cdist,
    ),
    advice="For one pair i, j and one kernel: is your distance one number, the sum of absolute "
    "differences over dims?",
)
