"""Exercise 4.5: a turn vector."""

import torch
from torch import Tensor

from gancourse.exercises.base import Case, Exercise
from gancourse.exercises.observe import integer
from gancourse.papers import dcgan_probes


def measured(rng: torch.Generator) -> list[Case]:
    z = torch.randn(11, 6, generator=rng)
    values = torch.randn(11, generator=rng)
    values[integer(rng, 0, 10)] = -1.1 * values.abs().max()  # the largest by size is the smallest
    return [Case((z, values, n), note=f"with {n=}") for n in (1, integer(rng, 2, 5))]


def turn_by_topk(z: Tensor, values: Tensor, n: int) -> Tensor:
    return z[values.topk(n).indices].mean(0) - z[(-values).topk(n).indices].mean(0)


def turn_of_sizes(z: Tensor, values: Tensor, n: int) -> Tensor:
    order = values.abs().argsort()
    return z[order[-n:]].mean(0) - z[order[:n]].mean(0)


def turn_unsorted(z: Tensor, values: Tensor, n: int) -> Tensor:
    high = values.sort().values
    return (high[-n:].mean() - high[:n].mean()) * z.mean(0)


EXERCISE = Exercise(
    id="4.5",
    title="A turn vector",
    points=2,
    minutes=8,
    reference=dcgan_probes.turn_vector,
    cases=measured,
    slips={
        "It points the other way: argsort() puts the smallest value first.": lambda z, values, n: (
            -turn_by_topk(z, values, n)
        ),
        "Its length grows with n: take means, not sums.": lambda z, values, n: (
            n * turn_by_topk(z, values, n)
        ),
        "That is the mean z of the n largest values. A direction has two ends: subtract the mean "
        "z of the n smallest.": lambda z, values, n: z[values.argsort()[-n:]].mean(0),
        "You subtracted the mean of all samples. Subtract the mean "
        "of the n smallest.": lambda z, values, n: z[values.argsort()[-n:]].mean(0) - z.mean(0),
        "You sorted by absolute value. Leaning far "
        "to the left is not leaning to the right.": turn_of_sizes,
        "The values only select: use their order to choose rows of z.": turn_unsorted,
    },
    alternatives=(turn_by_topk,),
)
