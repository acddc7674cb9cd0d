"""Exercise 5.2: A condition at every place."""

import torch
import torch.nn.functional as F
from torch import Tensor

from gancourse.exercises.base import Case, Exercise
from gancourse.exercises.observe import integer
from gancourse.papers import cgan


def maps_and_labels(rng: torch.Generator) -> list[Case]:
    b, maps, classes = integer(rng, 3, 4), integer(rng, 2, 4), integer(rng, 3, 5)
    h, w = integer(rng, 2, 3), integer(rng, 4, 5)
    return [
        Case(
            (torch.randn(b, maps, h, w, generator=rng), torch.randn(b, classes, generator=rng)),
            note=f"for {maps} maps of {h} x {w} and conditions of length {classes}",
        )
    ]


def planes(h: Tensor, c: Tensor) -> Tensor:
    """Repeat the condition at every position: (B, classes, H, W)."""
    return c[:, :, None, None].repeat(1, 1, *h.shape[2:])


def wrongly_reshaped(h: Tensor, c: Tensor) -> Tensor:
    """Repeat the vector, then reshape it in the wrong order."""
    side = h.shape[2] * h.shape[3]
    return torch.cat([h, c.repeat(1, side).view(len(c), c.shape[1], *h.shape[2:])], dim=1)


def in_one_corner(h: Tensor, c: Tensor) -> Tensor:
    """Put the condition at the first position only."""
    p = torch.zeros(len(c), c.shape[1], *h.shape[2:])
    p[:, :, 0, 0] = c
    return torch.cat([h, p], dim=1)


def interpolated(h: Tensor, c: Tensor) -> Tensor:
    """Enlarge the condition from one pixel."""
    return torch.cat([h, F.interpolate(c[:, :, None, None], size=h.shape[2:])], dim=1)


EXERCISE = Exercise(
    id="5.2",
    title="A condition at every place",
    points=2,
    minutes=10,
    reference=cgan.join_maps,
    cases=maps_and_labels,
    slips={
        "Right parts, wrong order: first the channels of h, then those of c.": lambda h, c: (
            torch.cat([planes(h, c), h], dim=1)
        ),
        "Your planes are not constant: view() reads the repeated vector in the wrong order. "
        "Add two dimensions of length 1 to c first, then expand those.": wrongly_reshaped,
        "The condition is at one position only; repeat it at all H x W positions.": in_one_corner,
        "Every image got the condition of the first one.": lambda h, c: torch.cat(
            [h, planes(h, c[:1]).repeat(len(h), 1, 1, 1)], dim=1
        ),
        "Join c as it is: a softmax changes the condition.": lambda h, c: torch.cat(
            [h, planes(h, c.softmax(dim=1))], dim=1
        ),
    },
    alternatives=(lambda h, c: torch.cat([h, planes(h, c)], dim=1), interpolated),
)
