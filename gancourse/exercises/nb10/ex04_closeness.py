"""Exercise 10.4: the closeness of a batch."""

from collections.abc import Callable

import torch
from torch import Tensor

from gancourse.exercises.base import Case, Exercise
from gancourse.exercises.observe import integer
from gancourse.papers import tricks


def projections(rng: torch.Generator) -> list[Case]:
    b, kernels, dims = integer(rng, 4, 5), integer(rng, 2, 3), integer(rng, 2, 3)
    M = 0.5 * torch.randn(b, kernels, dims, generator=rng)
    M[1] = M[0] + 0.05 * torch.randn(kernels, dims, generator=rng)  # two nearly equal examples
    return [Case((M,), note=f"for {b} examples, {kernels} kernels of {dims} numbers")]


def closeness_like(
    *,
    itself: bool = True,
    mean: bool = False,
    power: int = 1,
    exp_first: bool = False,
    sign: int = -1,
) -> Callable[[Tensor], Tensor]:
    """Make a closeness by loops, with a slip if asked for."""

    def answer(M: Tensor) -> Tensor:
        n, kernels, _ = M.shape
        result = torch.zeros(n, kernels)
        for i in range(n):
            for j in range(n):
                if i == j and not itself:
                    continue
                gap = (M[i] - M[j]).abs() ** power
                if exp_first:
                    result[i] += torch.exp(sign * gap).sum(1)
                else:
                    result[i] += torch.exp(sign * gap.sum(1))
        return result / n if mean else result

    return answer


def closeness_by_cdist(M: Tensor) -> Tensor:
    """L1 distances from cdist, with the kernels as its batch."""
    by_kernel = M.transpose(0, 1)
    return torch.exp(-torch.cdist(by_kernel, by_kernel, p=1)).sum(2).T


EXERCISE = Exercise(
    id="10.4",
    title="How close is the batch?",
    points=2,
    minutes=12,
    reference=tricks.closeness,
    cases=projections,
    slips={
        "You left out j = i. The paper's sum runs over the whole batch.": closeness_like(
            itself=False
        ),
        "That is the mean over j; return the sum.": closeness_like(mean=True),
        "You squared the differences. The paper "
        "takes the L1 distance: absolute values.": closeness_like(power=2),
        "Sum the absolute differences first, then take exp of one number for each pair and "
        "kernel.": closeness_like(exp_first=True),
        "The sign is missing: exp(-distance) is 1 for equal examples and falls to 0 for large "
        "distances.": closeness_like(sign=1),
        "Return one number for each example and kernel: don't sum over the kernels.": lambda M: (
            closeness_like()(M).sum(1, keepdim=True)
        ),
    },
    alternatives=(closeness_like(), closeness_by_cdist),
)
