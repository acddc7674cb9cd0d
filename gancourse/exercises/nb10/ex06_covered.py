"""Exercise 10.6: inside the cloud."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gancourse.exercises.base import Case, Exercise, Observation, observe_call
from gancourse.metrics import samples

Covered = Callable[..., Any]


def points_and_cloud(rng: torch.Generator) -> list[Case]:
    """A cloud with a dense and a sparse part, and points in and around both; and three edges."""
    cloud = torch.tensor([[0.0, 0], [2, 0], [7, 0], [7, 4], [7, 9]])  # with k = 2: 7, 5, 5, 5, 9
    within = torch.tensor([[-5.0, -4], [2, -6]])  # in the ball of (0, 0) alone
    on_edge = torch.tensor([[0.0, -7], [12, 0], [7, 18]])
    outside = torch.tensor([[0.0, -8], [7, 30]])
    twice = torch.tensor([[0.0, 0], [2, 0], [2, 0], [9, 0], [9, 3]])
    near_twins = torch.tensor([[3.0, 0], [2, 0], [9, -1], [9, 7]])
    return [
        Case(_clear(rng, 40, 20, 3), note="with the default k"),
        Case(
            (torch.cat([within, on_edge, outside]), cloud, 2),
            note="with k = 2 and points at exactly the radius",
        ),
        Case((near_twins, twice, 1), note="where two points of the cloud are equal"),
        Case((*_clear(rng, 12, 5, 2), 4), note="with k = 4, the largest for a cloud of 5"),
        Case((cloud[:1] + 1, cloud, 2), note="for a single point"),
    ]


def _clear(rng: torch.Generator, n: int, m: int, d: int) -> tuple[Tensor, Tensor]:
    """A cloud of m, and n points, none of which is close to the edge of a ball, for any k."""
    far = 3 * m // 5
    while True:
        cloud = torch.randn(m, d, generator=rng) * 0.7
        cloud[far:] = 5 + 3 * torch.randn(m - far, d, generator=rng)
        points = torch.randn(n, d, generator=rng) * 1.5
        points[n // 2 :] = 5 + 5 * torch.randn(n - n // 2, d, generator=rng)
        points[0], points[1] = cloud.mean(0), 1000  # with the largest k in every ball, and in none
        radii = torch.cdist(cloud, cloud).sort(dim=1).values[:, 1:]
        margin = (radii[None] - torch.cdist(points, cloud)[:, :, None]).amax(1)
        if margin.abs().min() > 1e-3:
            return points, cloud


def observe_covered(answer: Covered, case: Case) -> Observation:
    """The result as bools, so that a mask and its float count alike."""
    seen = dict(observe_call(answer, case))
    x = seen.get("result")
    if x is not None and x.numel() and bool(((x == 0) | (x == 1)).all()):
        seen["result"] = x.bool()
    return seen


def radii(cloud: Tensor, k: int) -> Tensor:
    """The distance of each point of the cloud to its k-th nearest other point."""
    return torch.cdist(cloud, cloud).sort(dim=1).values[:, k]


def covered_like(
    radius: Callable[[Tensor, int], Tensor] = radii,
    inside: Callable[[Tensor, Tensor], Tensor] = lambda distance, radius: distance <= radius,
    reduce: Callable[[Tensor], Tensor] = lambda inside: inside.any(1),
) -> Covered:
    """Make a `covered`, with other steps if asked for."""

    def answer(points: Tensor, cloud: Tensor, k: int = 3) -> Tensor:
        return reduce(inside(torch.cdist(points, cloud), radius(cloud, k)))

    return answer


def without_zeros(above: float) -> Callable[[Tensor, int], Tensor]:
    """Radii among the distances above a limit."""

    def radius(cloud: Tensor, k: int) -> Tensor:
        own = torch.cdist(cloud, cloud)
        return own.masked_fill(own <= above, torch.inf).sort(dim=1).values[:, k - 1]

    return radius


def excluded(cloud: Tensor) -> Tensor:
    """Distances within the cloud, with an infinite one of each point to itself."""
    return torch.cdist(cloud, cloud).fill_diagonal_(torch.inf)


def nearest_only(distance: Tensor, radius: Tensor) -> Tensor:
    """Whether each point is in the ball of its nearest point of the cloud."""
    least = distance.min(1)
    return (least.values <= radius[least.indices])[:, None]


def covered_swapped(points: Tensor, cloud: Tensor, k: int = 3) -> Tensor:
    """Which of the cloud's points are covered by the points."""
    return covered_like()(cloud, points, k)


def covered_by_at_least(least: Callable[[int], int]) -> Covered:
    def answer(points: Tensor, cloud: Tensor, k: int = 3) -> Tensor:
        return (torch.cdist(points, cloud) <= radii(cloud, k)).sum(1) >= least(k)

    return answer


def manhattan(points: Tensor, cloud: Tensor, k: int = 3) -> Tensor:
    radius = torch.cdist(cloud, cloud, p=1).sort(dim=1).values[:, k]
    return (torch.cdist(points, cloud, p=1) <= radius).any(1)


def balls_of_points(points: Tensor, cloud: Tensor, k: int = 3) -> Tensor:
    return (torch.cdist(points, cloud) <= radii(points, k)[:, None]).any(1)


def to_the_cloud(shift: int) -> Covered:
    """The radius of each point: the distance to its k-th nearest point of the cloud."""

    def answer(points: Tensor, cloud: Tensor, k: int = 3) -> Tensor:
        distance = torch.cdist(points, cloud)
        return (distance <= distance.kthvalue(k + shift, dim=1, keepdim=True).values).any(1)

    return answer


def balls_in_rows(points: Tensor, cloud: Tensor, k: int = 3) -> Tensor:
    return (torch.cdist(cloud, points) <= radii(cloud, k)).any(0)


def covered_by_loop(points: Tensor, cloud: Tensor, k: int = 3) -> Tensor:
    """Ball by ball."""
    inside = torch.zeros(len(points), dtype=torch.bool, device=points.device)
    for i, centre in enumerate(cloud):
        others = torch.cat([cloud[:i], cloud[i + 1 :]])
        radius = (others - centre).square().sum(1).sqrt().kthvalue(k).values
        inside |= (points - centre).square().sum(1).sqrt() <= radius
    return inside


def covered_by_topk(points: Tensor, cloud: Tensor, k: int = 3) -> Tensor:
    """The point itself excluded by an infinite diagonal; a mask of floats."""
    radius = excluded(cloud).topk(k, dim=1, largest=False).values[:, -1]
    return (torch.cdist(points, cloud) <= radius).any(dim=1).float()


SLIPS = {
    "Off by one: each row of torch.cdist(cloud, cloud) has a 0, from the point to itself. So the "
    "k-th other point is at place k + 1, counted from 1, which is index k after "
    "sort.": covered_like(lambda cloud, k: radii(cloud, k - 1)),
    "That is one neighbour too far. If you exclude the point itself, or count from 0, the k-th "
    "other point is at place k.": [
        covered_like(lambda cloud, k: torch.cdist(cloud, cloud).sort(1).values[:, k + 1]),
        covered_like(lambda cloud, k: torch.cdist(cloud, cloud).kthvalue(k + 2, dim=1).values),
        covered_like(
            lambda cloud, k: torch.cdist(cloud, cloud).topk(k + 2, largest=False).values[:, -1]
        ),
        covered_like(lambda cloud, k: excluded(cloud).kthvalue(k + 1, dim=1).values),
    ],
    "You skipped all distances of 0, or near 0. Skip only the point itself: an equal point is "
    "another point.": [covered_like(without_zeros(limit)) for limit in (0, 1e-3)],
    "The distance may equal the radius: <=, not <.": covered_like(
        inside=lambda distance, radius: distance < radius
    ),
    "The comparison is reversed: a point is inside where distance <= radius.": [
        covered_like(inside=lambda distance, radius: distance >= radius),
        covered_like(inside=lambda distance, radius: distance > radius),
    ],
    "Return True for points inside; yours is True for those outside all balls.": covered_like(
        reduce=lambda inside: ~inside.any(1)
    ),
    "A single ball is enough; you ask for several.": [
        covered_by_at_least(lambda k: k), covered_by_at_least(lambda k: 2),
    ],
    "Take Euclidean distances, the default of torch.cdist; yours add absolute differences.":
        manhattan,
    "You used balls around `points`. The balls are around the points of the cloud; each reaches to "
    "its centre's k-th neighbour in the cloud.": balls_of_points,
    "Your radius reaches from `points` to the cloud. It is a distance within the cloud: "
    "torch.cdist(cloud, cloud).": [to_the_cloud(shift) for shift in (0, 1)],
    "That is one radius for all. Each point of the cloud has its own, small where the cloud "
    "is dense.": [
        covered_like(lambda cloud, k: radii(cloud, k).max()),
        covered_like(lambda cloud, k: radii(cloud, k).mean()),
        covered_like(lambda cloud, k: radii(cloud, k).median()),
        covered_like(lambda cloud, k: radii(cloud, k).min()),
    ],
    "You always take the third neighbour. Use the argument k.": covered_like(
        lambda cloud, k: radii(cloud, 3)
    ),
    "You always take the nearest neighbour. Use the argument k.": covered_like(
        lambda cloud, k: radii(cloud, 1)
    ),
    "That is the distance to one of the farthest points. topk gives the largest first, unless "
    "largest=False.": [
        covered_like(lambda cloud, k: radii(cloud, len(cloud) - 1)),
        covered_like(lambda cloud, k: radii(cloud, len(cloud) - k)),
        covered_like(lambda cloud, k: radii(cloud, len(cloud) - k - 1)),
    ],
    "You took the mean distance to the nearest points. The radius is the distance to the k-th "
    "of them.": covered_like(
        lambda cloud, k: torch.cdist(cloud, cloud).sort(1).values[:, 1 : k + 1].mean(1)
    ),
    "You used only the ball around the nearest point. A larger ball around a point further away "
    "counts too.": covered_like(inside=nearest_only),
    "That says which of the cloud's points are covered by `points`: they are swapped.":
        covered_swapped,
    "A point need not lie in all balls: one is enough (any, not all).": covered_like(
        reduce=lambda inside: inside.all(1)
    ),
    "You reduced over the points, so you have a value for each ball. Reduce over the cloud: "
    "any(dim=1).": [
        covered_like(reduce=lambda inside: inside.any(0)),
        covered_like(reduce=lambda inside: inside.all(0)),
    ],
    "You counted the balls, or took their share. Ask whether a point is in any: any(dim=1).": [
        covered_like(reduce=lambda inside: inside.sum(1)),
        covered_like(reduce=lambda inside: inside.float().mean(1)),
    ],
    "Squared distances go with squared radii; only one of the two is squared.": [
        covered_like(lambda cloud, k: radii(cloud, k).square()),
        covered_like(inside=lambda distance, radius: distance.square() <= radius),
    ],
    "The result has all pairs of a point and a ball. One ball is enough: any(dim=1).":
        covered_like(reduce=lambda inside: inside),
    "kthvalue, topk, sort and min return values and indices: take .values.": [
        covered_like(lambda cloud, k: torch.cdist(cloud, cloud).kthvalue(k + 1, dim=1)),
        covered_like(lambda cloud, k: torch.cdist(cloud, cloud).topk(k + 1, largest=False)),
        covered_like(lambda cloud, k: torch.cdist(cloud, cloud).sort(dim=1)),
    ],
    "You used indices of neighbours as radii: kthvalue and topk return (values, indices). Take "
    ".values.": [
        covered_like(lambda cloud, k: torch.cdist(cloud, cloud).sort(1).indices[:, k]),
        covered_like(lambda cloud, k: torch.cdist(cloud, cloud).kthvalue(k + 1).indices),
    ],
    "Each radius belongs to a ball. In torch.cdist(points, cloud) the balls are the columns, so "
    "compare it with `radius` of shape (m,), without further dimensions.": [
        covered_like(inside=lambda distance, radius: distance <= radius[:, None]), balls_in_rows,
    ],
}  # fmt: skip


EXERCISE = Exercise(
    id="10.6",
    title="Points inside the balls",
    points=2,
    minutes=12,
    reference=samples.covered,
    cases=points_and_cloud,
    observe=observe_covered,
    slips=SLIPS,
    alternatives=(covered_like(), covered_by_loop, covered_by_topk),
    advice="Print the radii for a cloud of three points on a line: is each the distance to the "
    "k-th other point?",
)
