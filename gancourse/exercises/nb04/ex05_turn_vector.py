"""Exercise 4.5: a turn vector."""

from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from gancourse.exercises.base import Case, Exercise
from gancourse.exercises.nb04._shared import observe_latent
from gancourse.exercises.observe import integer
from gancourse.papers import dcgan_probes


def measured(rng: torch.Generator) -> list[Case]:
    z = torch.randn(11, 6, generator=rng)
    values = torch.randn(11, generator=rng)
    values[integer(rng, 0, 4)] = -1.1 * values.abs().max()  # the largest by size is the smallest
    values[integer(rng, 5, 10)] = 1.1 * values.abs().max()
    return [Case((z, values, n), note=f"with {n=}") for n in (3, 1)]


def difference(high: Tensor, low: Tensor) -> Tensor:
    return high.mean(0) - low.mean(0)


def turn_by_topk(z: Tensor, values: Tensor, n: int) -> Tensor:
    return difference(z[values.topk(n).indices], z[(-values).topk(n).indices])


def turn_of(z: Tensor, key: Tensor, n: int, skip: int = 0) -> Tensor:
    """Sort by other values, or leave out the outermost."""
    order = key.argsort()
    order = order[skip : len(order) - skip]
    return difference(z[order[-n:]], z[order[:n]])


def weighted(z: Tensor, values: Tensor, n: int) -> Tensor:
    order = values.argsort()
    z = values[:, None] * z
    return difference(z[order[-n:]], z[order[:n]])


def unsorted(z: Tensor, values: Tensor, n: int) -> Tensor:
    return turn_by_topk(values, values, n) * z.mean(0)


def over_entries(z: Tensor, values: Tensor, n: int) -> Tensor:
    order = values.argsort()
    return z[order[-n:]].mean(1) - z[order[:n]].mean(1)


def one_more(z: Tensor, values: Tensor, n: int, high: int = 0, low: int = 0) -> Tensor:
    """Take one sample more than n at one end or at both."""
    order = values.argsort()
    return difference(z[order[-n - high :]], z[order[: n + low]])


EXERCISE = Exercise(
    id="4.5",
    title="A turn vector",
    points=2,
    minutes=8,
    reference=dcgan_probes.turn_vector,
    cases=measured,
    observe=observe_latent,
    slips={
        "It points the other way: argsort() puts the smallest value first. Subtract the mean of "
        "the smallest.": lambda z, values, n: -turn_by_topk(z, values, n),
        "Its length grows with n: take means, not sums.": lambda z, values, n: (
            n * turn_by_topk(z, values, n)
        ),
        "That is the mean z at one end. A direction has two ends: the mean z of the n largest "
        "values, minus that of the n smallest.": [
            lambda z, values, n: z[values.argsort()[-n:]].mean(0),
            lambda z, values, n: z[values.argsort()[:n]].mean(0),
        ],
        "Subtract the mean of the n smallest only, not of all samples or of all the others.": [
            lambda z, values, n: z[values.argsort()[-n:]].mean(0) - z.mean(0),
            lambda z, values, n: difference(z[values.argsort()[-n:]], z[values.argsort()[:-n]]),
        ],
        "You sorted by absolute value. Leaning far to the left is not leaning to the "
        "right.": lambda z, values, n: turn_of(z, values.abs(), n),
        "The values only select: use their order to choose rows of z, and take plain means.": [
            weighted,
            unsorted,
        ],
        "You took the first and the last rows of z as they are. Choose rows by the order of "
        "the values: z[values.argsort()].": lambda z, values, n: difference(z[-n:], z[:n]),
        "n is an argument: take n samples at each end, not always four.": lambda z, values, n: (
            turn_by_topk(z, values, 4)
        ),
        "argsort() gives the rows in order of their values; its own argsort() gives the ranks, "
        "which don't select rows.": lambda z, values, n: turn_of(z, values.argsort().float(), n),
        "You averaged over the entries of each z (dim=1). Average over the samples: dim=0.": [
            over_entries,
            lambda z, values, n: (
                z[values.topk(n).indices].mean(1) - z[(-values).topk(n).indices].mean(1)
            ),
        ],
        "You sorted each entry of z by itself. Sort the values, and take whole rows of "
        "z.": lambda z, values, n: difference(z.sort(0).values[-n:], z.sort(0).values[:n]),
        "Take means of the rows, not medians.": lambda z, values, n: (
            z[values.topk(n).indices].median(0).values
            - z[(-values).topk(n).indices].median(0).values
        ),
        "Average the rows of each end: mean(dim=0).": [
            lambda z, values, n: z[values.argsort()[-n:]] - z[values.argsort()[:n]],
            lambda z, values, n: z[values.topk(n).indices] - z[(-values).topk(n).indices],
        ],
        "You took one sample at each end. Take the mean of n.": lambda z, values, n: turn_by_topk(
            z, values, 1
        ),
        "You divided the samples into two groups. Take only n at each end.": [
            lambda z, values, n: difference(z[values > values.mean()], z[values < values.mean()]),
            lambda z, values, n: difference(
                z[values > values.median()], z[values < values.median()]
            ),
        ],
        "order[n:] leaves out the n smallest and keeps all others. The n smallest are order[:n], "
        "the n largest order[-n:].": [
            lambda z, values, n: difference(z[values.argsort()[n:]], z[values.argsort()[:-n]]),
            lambda z, values, n: difference(z[values.argsort()[n:]], z[values.argsort()[:n]]),
        ],
        "order[-n:-1] leaves out the last one: order[-n:].": lambda z, values, n: difference(
            z[values.argsort()[-n:-1]], z[values.argsort()[:n]]
        ),
        "Each end should have exactly n samples: order[-n:] and order[:n].": [
            partial(one_more, high=high, low=low) for high, low in ((1, 0), (0, 1), (1, 1))
        ],
        "The outermost samples are missing: order[-n:] and order[:n] begin at the ends.": partial(
            turn_of, skip=1
        ),
        "That is the sum of both means. A direction is their difference.": lambda z, values, n: (
            difference(z[values.argsort()[-n:]], -z[values.argsort()[:n]])
        ),
        "Return the difference as it is: don't divide it by its length, or by the difference of "
        "the values.": [
            lambda z, values, n: F.normalize(turn_by_topk(z, values, n), dim=0),
            lambda z, values, n: turn_by_topk(z, values, n) / turn_by_topk(values, values, n),
        ],
    },
    alternatives=(turn_by_topk,),
    advice="Print values[order[-n:]] and values[order[:n]]: are they the n largest and the n "
    "smallest? Average these rows of z over dim=0.",
)
