"""Exercise 10.7: A sign of collapse."""

import torch
import torch.nn.functional as F
from torch import Tensor

from gancourse.exercises.base import Case, Exercise
from gancourse.exercises.observe import integer
from gancourse.training.signs import spread


def two_clouds(rng: torch.Generator) -> list[Case]:
    """Points and pictures; never as many fakes as real examples, and never scaled alike."""
    cases = []
    for shape, what in (((2,), "points of the plane"), ((1, 3, 4), "pictures of 3 x 4")):
        n = integer(rng, 3, 6)
        m = n + integer(rng, 2, 4)
        x = 0.5 + torch.randn(n, *shape, generator=rng)
        fakes = 0.4 * torch.randn(m, *shape, generator=rng) - 0.3
        cases.append(Case((x, fakes), note=f"on {n} real {what} and {m} fakes"))
    return cases


def flat(x: Tensor) -> Tensor:
    return x.flatten(start_dim=1)


def by_cdist(x: Tensor, fakes: Tensor) -> Tensor:
    """All ordered pairs, of which those with itself add nothing to the sum."""

    def within(points: Tensor) -> Tensor:
        n = len(points)
        return torch.cdist(flat(points), flat(points)).sum() / (n * (n - 1))

    return within(fakes) / within(x)


def by_loops(x: Tensor, fakes: Tensor) -> float:
    def within(points: Tensor) -> float:
        pairs = [(a, b) for i, a in enumerate(points) for b in points[:i]]
        return sum((a - b).square().sum().sqrt().item() for a, b in pairs) / len(pairs)

    return within(fakes) / within(x)


EXERCISE = Exercise(
    id="10.7",
    title="A sign of collapse",
    points=2,
    minutes=10,
    reference=spread,
    cases=two_clouds,
    slips={
        "That is the ratio upside down: it should go to 0 when the fakes "
        "become alike.": lambda x, fakes: F.pdist(flat(x)).mean() / F.pdist(flat(fakes)).mean(),
        "Your pairs include each example with itself, at distance 0. That pulls the mean down, "
        "and more so in a small batch: divide the sum by n (n - "
        "1).": lambda x, fakes: (
            torch.cdist(flat(fakes), flat(fakes)).mean() / torch.cdist(flat(x), flat(x)).mean()
        ),
        "That is how far the fakes are from each other. Far or near compared with what? Divide by "
        "the same mean over real examples.": lambda x, fakes: F.pdist(flat(fakes)).mean(),
        "That is the distance from fakes to real examples. Fakes that are all alike can be near "
        "the data: compare fakes with "
        "fakes.": lambda x, fakes: (
            torch.cdist(flat(fakes), flat(x)).mean() / F.pdist(flat(x)).mean()
        ),
        "Those are squared distances. Take the root of each before the mean.": lambda x, fakes: (
            F.pdist(flat(fakes)).square().mean() / F.pdist(flat(x)).square().mean()
        ),
        "That is a standard deviation over all values. Equal fakes have one too, if their own "
        "values "
        "differ from each other: measure between examples.": lambda x, fakes: fakes.std() / x.std(),
        "That is a ratio of sums: it grows with the number of "
        "fakes. Take means.": lambda x, fakes: F.pdist(flat(fakes)).sum() / F.pdist(flat(x)).sum(),
        "Those distances add absolute differences (p = 1). Euclidean ones are asked "
        "for.": lambda x, fakes: F.pdist(flat(fakes), p=1).mean() / F.pdist(flat(x), p=1).mean(),
    },
    alternatives=(
        by_cdist,
        by_loops,
        lambda x, fakes: F.pdist(flat(fakes)).mean() / F.pdist(flat(x)).mean(),
    ),
    advice="Flatten each example to a vector; mean distance of pairs of fakes, then of pairs "
    "of real examples; divide the first by the second.",
)
