"""Exercise 10.7: a sign of collapse."""

import torch
import torch.nn.functional as F
from torch import Tensor

from gancourse.exercises.base import Case, Exercise
from gancourse.exercises.observe import integer
from gancourse.training.signs import spread


def two_clouds(rng: torch.Generator) -> list[Case]:
    """Points and images; more fakes than real examples, and of another scale."""
    cases = []
    for shape, what in (((2,), "points of the plane"), ((1, 3, 4), "images of 3 x 4")):
        n = integer(rng, 3, 6)
        m = n + integer(rng, 2, 4)
        x = 0.5 + torch.randn(n, *shape, generator=rng)
        fakes = 0.4 * torch.randn(m, *shape, generator=rng) - 0.3
        cases.append(Case((x, fakes), note=f"on {n} real {what} and {m} fakes"))
    return cases


def pair_distances(x: Tensor, p: float = 2) -> Tensor:
    """The distance of each pair of different examples."""
    return F.pdist(x.flatten(start_dim=1), p)


def all_distances(x: Tensor, y: Tensor) -> Tensor:
    """The distance of each x from each y."""
    return torch.cdist(x.flatten(start_dim=1), y.flatten(start_dim=1))


def by_cdist(x: Tensor, fakes: Tensor) -> Tensor:
    """All ordered pairs, of which those with itself add nothing to the sum."""

    def within(points: Tensor) -> Tensor:
        n = len(points)
        return all_distances(points, points).sum() / (n * (n - 1))

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
        "become alike.": lambda x, fakes: pair_distances(x).mean() / pair_distances(fakes).mean(),
        "Your pairs include each example with itself, at distance 0, which lowers the mean. "
        "Divide the sum by n (n - 1).": lambda x, fakes: (
            all_distances(fakes, fakes).mean() / all_distances(x, x).mean()
        ),
        "That is how far the fakes are from each other. Divide by the same mean over real "
        "examples.": lambda x, fakes: pair_distances(fakes).mean(),
        "That is the distance from fakes to real examples. Fakes that are all alike can be near "
        "the data: compare fakes "
        "with fakes.": lambda x, fakes: all_distances(fakes, x).mean() / pair_distances(x).mean(),
        "Those are squared distances. Take the root of each before the mean.": lambda x, fakes: (
            pair_distances(fakes).square().mean() / pair_distances(x).square().mean()
        ),
        "That is a standard deviation over all values. It is not 0 for equal fakes: measure "
        "between examples.": lambda x, fakes: fakes.std() / x.std(),
        "That is a ratio of sums: it grows with the number of fakes. "
        "Take means.": lambda x, fakes: pair_distances(fakes).sum() / pair_distances(x).sum(),
        "Those distances add absolute differences (p = 1). Take Euclidean ones.": lambda x, fakes: (
            pair_distances(fakes, 1).mean() / pair_distances(x, 1).mean()
        ),
    },
    alternatives=(
        by_cdist,
        by_loops,
        lambda x, fakes: pair_distances(fakes).mean() / pair_distances(x).mean(),
    ),
    advice="Flatten each example to a vector. Divide the mean distance of pairs of fakes by that "
    "of pairs of real examples.",
)
