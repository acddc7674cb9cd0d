"""Exercise 10.6: inside the cloud."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gancourse.exercises.base import Case, Exercise, Observation, as_tensor
from gancourse.metrics import samples


def points_and_cloud(rng: torch.Generator) -> list[Case]:
    """A cloud with a dense and a sparse part, and points in and around both."""
    dense, sparse = torch.randn(12, 2, generator=rng), 6 + 4 * torch.randn(8, 2, generator=rng)
    near = torch.randn(40, 2, generator=rng) * 2
    far = 6 + 6 * torch.randn(40, 2, generator=rng)
    cloud, points = torch.cat([0.7 * dense, sparse]), torch.cat([near, far])
    return [Case((points, cloud, k), note=f"for 80 points, a cloud of 20, k = {k}") for k in (2, 4)]


def observe_covered(answer: Callable[..., Any], case: Case) -> Observation:
    """The result as numbers, so that a mask and its float count alike."""
    points, cloud, k = case.args
    return {"result": as_tensor(answer(points.clone(), cloud.clone(), k)).float()}


def covered_like(
    *,
    shift: int = 1,
    balls_of: str = "cloud",
    largest: bool = False,
    nearest_only: bool = False,
    every: bool = False,
) -> Callable[[Tensor, Tensor, int], Tensor]:
    """Make a `covered`, with a slip if asked for."""

    def answer(points: Tensor, cloud: Tensor, k: int) -> Tensor:
        distance = torch.cdist(points, cloud)
        if balls_of == "points":
            radius = torch.cdist(points, points).sort(dim=1).values[:, k]
            return (distance <= radius[:, None]).any(1)
        radius = torch.cdist(cloud, cloud).sort(dim=1).values[:, k + shift - 1]
        radius = radius.max().expand_as(radius) if largest else radius
        if nearest_only:
            least = distance.min(1)
            return least.values <= radius[least.indices]
        inside = distance <= radius
        return inside.all(1) if every else inside.any(1)

    return answer


def covered_swapped(points: Tensor, cloud: Tensor, k: int) -> Tensor:
    """Which of the cloud's points are covered by the points."""
    return covered_like()(cloud, points, k)


def covered_by_loop(points: Tensor, cloud: Tensor, k: int) -> Tensor:
    """Ball by ball."""
    inside = torch.zeros(len(points), dtype=torch.bool)
    for i, centre in enumerate(cloud):
        others = torch.cat([cloud[:i], cloud[i + 1 :]])
        radius = (others - centre).square().sum(1).sqrt().kthvalue(k).values
        inside |= (points - centre).square().sum(1).sqrt() <= radius
    return inside


EXERCISE = Exercise(
    id="10.6",
    title="Inside the cloud",
    points=2,
    minutes=12,
    reference=samples.covered,
    cases=points_and_cloud,
    observe=observe_covered,
    slips={
        "Off by one: the smallest distance within the cloud is 0, of a point to itself. The k-th "
        "neighbour is at place k + 1.": covered_like(shift=0),
        "You took the balls of the points. Each point of the cloud has a ball, as far as its own "
        "k-th neighbour in the cloud.": covered_like(balls_of="points"),
        "That is one radius for all. Each point of the cloud has its own, small where the cloud "
        "is dense.": covered_like(largest=True),
        "You used the ball of the nearest point only. A larger ball of a point further away "
        "counts too.": covered_like(nearest_only=True),
        "That says which of the cloud's points are "
        "covered by `points`: they are swapped.": covered_swapped,
        "A point need not lie in all balls: one is enough (any, not all).": covered_like(
            every=True
        ),
    },
    alternatives=(covered_like(), covered_by_loop),
)
