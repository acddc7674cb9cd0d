"""Exercise 2.8: counting modes."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from gancourse.exercises.base import AnswerError, Case, Exercise, Observation, as_tensor
from gancourse.exercises.observe import integer
from gancourse.metrics.samples import mode_coverage


def points_at_modes(rng: torch.Generator) -> list[Case]:
    """Four modes: one covered, one with a point too few, one only from outside, one just covered.

    Outside: further away than the radius, but the squared distance is smaller than the radius.
    """
    centres = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0], [4.0, 4.0]])
    centres = centres + torch.rand(1, 2, generator=rng)
    radius, least = 0.3, integer(rng, 3, 5)
    counts = (least + integer(rng, 6, 9), least - 1, integer(rng, 2, 6), least)
    offsets = (0.0, 0.0, 0.45, 0.0)
    clusters = []
    for centre, n, offset in zip(centres, counts, offsets, strict=True):
        angle = torch.rand(n, generator=rng) * 6.28
        length = offset + 0.05 * torch.rand(n, generator=rng)
        clusters.append(centre + length[:, None] * torch.stack([angle.cos(), angle.sin()], dim=1))
    points = torch.cat([*clusters, centres[2:3] + 1.2])  # and one stray point
    points = points[torch.randperm(len(points), generator=rng)]
    return [Case((points, centres, radius, least), note=f"With radius {radius}, least = {least}")]


def observe_coverage(answer: Callable[..., tuple[int, float]], case: Case) -> Observation:
    """Both numbers that the answer returns."""
    result = answer(*[arg.clone() if isinstance(arg, Tensor) else arg for arg in case.args])
    if not isinstance(result, tuple) or len(result) != 2:
        as_tensor(result)  # its message where nothing was returned
        raise AnswerError("mode_coverage should return two numbers: modes found, share of points.")
    return {"modes found": as_tensor(result[0]), "share of points": as_tensor(result[1])}


def coverage(
    squared: bool = False,  # the squared distance is compared with the radius
    any_point: bool = False,  # one point is enough for a mode
    strictly_more: bool = False,  # > in place of >=
    nearest_only: bool = False,  # the radius is ignored
    share_of: str = "points",
) -> Callable[[Tensor, Tensor, float, int], tuple[int, float]]:
    """Make a function that counts from squared differences, or one with a slip."""

    def count(points: Tensor, centres: Tensor, radius: float, least: int = 1) -> tuple[int, float]:
        distance = ((points[:, None] - centres[None]) ** 2).sum(dim=2)
        distance = distance if squared else distance.sqrt()
        near = distance <= radius
        if nearest_only:
            near = F.one_hot(distance.argmin(dim=1), len(centres)).bool()
        modes = int((near.sum(dim=0) >= (1 if any_point else least + strictly_more)).sum())
        hits = float(near.any(dim=1).sum())
        share = {
            "points": hits / len(points),
            "modes": modes / len(centres),
            "none": hits,
            "counted": float(near[:, near.sum(dim=0) >= least].any(dim=1).sum()) / len(points),
        }[share_of]
        return modes, share

    return count


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
        "radius should count.": coverage(nearest_only=True),
        "A mode with exactly `least` points counts too: >=, not >.": coverage(strictly_more=True),
        "A single point is enough for your count. A mode needs `least` points near it.": coverage(
            any_point=True
        ),
        "You compare the squared distance with the "
        "radius. Take the root, or square both.": coverage(squared=True),
        "The second number is the share of modes. It should be the share of points that are near "
        "some centre.": coverage(share_of="modes"),
        "The second number is a count. Divide it by the number of points.": coverage(
            share_of="none"
        ),
        "The share should include points near any centre, also near one with fewer than `least` "
        "points.": coverage(share_of="counted"),
    },
    alternatives=(coverage(),),
)
