"""Exercise 2.8: counting modes."""

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from gancourse.exercises.base import AnswerError, Case, Exercise, Observation, as_tensor, copied
from gancourse.exercises.observe import integer
from gancourse.metrics.samples import mode_coverage

AXIS, NEAR, CORNER, ROOT, STRAY = 0.8, 0.85, 1.15, 1.5, 4.0
"""Distances in radii: AXIS along an axis, the others along a diagonal. NEAR is outside the diamond
in the circle, CORNER inside the square around it. ROOT is outside the circle, but the square of the
distance is below a radius of 0.3."""


def clusters(
    rng: torch.Generator, centres: Tensor, radius: float, counts: Sequence[dict[float, int]]
) -> Tensor:
    """So many points at each distance from each centre, in random order."""
    points = []
    for centre, distances in zip(centres, counts, strict=True):
        for distance, n in distances.items():
            turns = torch.randint(4, (n,), generator=rng) / 4 + (0 if distance == AXIS else 1 / 8)
            angles = 2 * math.pi * turns
            directions = torch.stack([angles.cos(), angles.sin()], dim=1)
            points.append(centre + directions * distance * radius)
    points = torch.cat(points)
    return points[torch.randperm(len(points), generator=rng)]


def points_at_modes(rng: torch.Generator) -> list[Case]:
    """A small radius, and modes with enough points, just enough, too few, and only from outside.

    Then a radius above 1, where a square is larger than its root, and `least` left at 1.
    """
    least = integer(rng, 3, 4)
    centres = torch.tensor([[0.0, 0], [4, 0], [0, 4], [4, 4], [2, -3], [-3, 2]])
    centres = centres + torch.rand(1, 2, generator=rng)
    counts = [{AXIS: least + integer(rng, 1, 3)}, {NEAR: least}, {NEAR: least - 1, CORNER: least}]
    counts += [{ROOT: least, STRAY: 2}, {NEAR: 1}, {STRAY: least}]
    points = clusters(rng, centres, 0.3, counts)
    wide = torch.tensor([[0.0, 0], [20, 0], [0, 20]]) + torch.rand(1, 2, generator=rng)
    few = clusters(rng, wide, 1.5, [{AXIS: 2, NEAR: 2}, {NEAR: 1}, {CORNER: 2, STRAY: 1}])
    return [
        Case((points, centres, 0.3, least), note=f"with radius 0.3 and least = {least}"),
        Case((few, wide, 1.5), note="with radius 1.5, and least left at 1"),
    ]


def observe_coverage(answer: Callable[..., tuple[int, float]], case: Case) -> Observation:
    """Both numbers that the answer returns."""
    result = answer(*copied(case.args))
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        as_tensor(result)  # its message where nothing was returned
        raise AnswerError("mode_coverage should return two numbers: modes found, share of points.")
    names = ("modes found", "share of points")
    numbers = [as_tensor(part, name) for part, name in zip(result, names, strict=True)]
    return {n: x.reshape(()) if x.numel() == 1 else x for n, x in zip(names, numbers, strict=True)}


def coverage(
    norm: float = 2,  # inf: a square around each centre; 1: a diamond
    squared: bool = False,  # the squared distance is compared with the radius
    any_point: bool = False,  # one point is enough for a mode
    strictly_more: bool = False,  # > in place of >=
    nearest: str = "",  # what counts every point for its nearest centre: "modes", "modes, share"
    by_point: bool = False,  # points with enough centres are counted
    all_points: bool = False,  # the first number is that of points near a centre
    share_of: str = "points",
    swapped: bool = False,  # what is returned
) -> Callable[[Tensor, Tensor, float, int], tuple[float, float]]:
    """Make a function that counts from differences, or one with a slip."""

    def count(points: Tensor, centres: Tensor, radius: float, least: int = 1) -> tuple:
        distance = (points[:, None] - centres[None]).norm(p=norm, dim=2)
        near = (distance.square() if squared else distance) <= radius
        closest = F.one_hot(distance.argmin(dim=1), len(centres)).bool()
        counted = closest if "modes" in nearest else near
        near = closest if "share" in nearest else near
        enough = counted.sum(dim=1 if by_point else 0) >= (
            1 if any_point else least + strictly_more
        )
        covered = near.any(dim=1).double()
        modes = int(covered.sum() if all_points else enough.sum())
        share = {
            "points": lambda: covered.mean(),
            "count": lambda: covered.sum(),
            "percent": lambda: 100 * covered.mean(),
            "all": lambda: near.all(dim=1).double().mean(),
            "points per mode": lambda: covered.sum() / len(centres),
            "modes": lambda: near.any(dim=0).double().mean(),
            "modes found": lambda: modes / len(centres),
            "pairs": lambda: near.double().mean(),
            "counted": lambda: near[:, near.sum(dim=0) >= least].any(dim=1).double().mean(),
        }[share_of]()
        return (float(share), modes) if swapped else (modes, float(share))

    return count


def moves_points(
    points: Tensor, centres: Tensor, radius: float, least: int = 1
) -> tuple[int, float]:
    """Subtracts each centre in place."""
    counts = []
    for centre in centres:
        points -= centre
        counts.append(int((points.norm(dim=1) <= radius).sum()))
    return sum(n >= least for n in counts), sum(counts) / len(points)


EXERCISE = Exercise(
    id="2.8",
    title="Counting modes",
    points=2,
    minutes=12,
    reference=mode_coverage,
    cases=points_at_modes,
    observe=observe_coverage,
    slips={
        "Every point counts for its nearest centre, however far away. Only points within the "
        "radius should count.": [coverage(nearest="modes, share"), coverage(nearest="modes")],
        "A mode with exactly `least` points counts too: >=, not >.": coverage(strictly_more=True),
        "A single point is enough for your count. A mode needs `least` points near it.": coverage(
            any_point=True
        ),
        "You compare the squared distance with the "
        "radius. Take the root, or square both.": coverage(squared=True),
        "That is the larger of the two coordinates' differences, so a square around each centre. "
        "Distances are Euclidean: a circle.": coverage(norm=float("inf")),
        "That is the sum of the coordinates' differences. Distances are Euclidean: the root of "
        "the sum of squares.": coverage(norm=1),
        "For the modes, sum over points (dim=0 of near): how many points has each centre? You ask "
        "how many centres each point has.": coverage(by_point=True),
        "The second number is the share of modes. It should be the share of points that are near "
        "some centre.": [coverage(share_of="modes"), coverage(share_of="modes found")],
        "The second number is a mean over all pairs of a point and a centre. A point is near some "
        "centre if any of its entries is True: near.any(dim=1), then the mean.": coverage(
            share_of="pairs"
        ),
        "The second number is a count. Divide it by the number of points.": coverage(
            share_of="count"
        ),
        "The second number is divided by the number of modes. Divide by that of points.": coverage(
            share_of="points per mode"
        ),
        "The share is in percent. It should lie between 0 and 1.": coverage(share_of="percent"),
        "The share is that of points near every centre: any(dim=1), not all.": coverage(
            share_of="all"
        ),
        "The first number counts points near a centre. Count the modes that have at least `least` "
        "of them.": coverage(all_points=True),
        "The share should include points near any centre, also near one with fewer than `least` "
        "points.": coverage(share_of="counted"),
        "The two numbers are in the wrong order: first the modes, then the share.": coverage(
            swapped=True
        ),
        "points -= centre changes points itself, so that the next centre is subtracted from what "
        "is left. Write points - centre.": moves_points,
    },
    alternatives=(coverage(),),
    advice="Build near = torch.cdist(points, centres) <= radius, of shape (n, modes). Which "
    "dimension do you reduce for each number, and how?",
)
