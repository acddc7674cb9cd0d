"""Exercise 5.2: A condition at every place."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gancourse.exercises.base import FACT, Case, Exercise, Observation, observe_call
from gancourse.papers import cgan

BITS = f"{FACT}Your result has 64-bit floats, but layers have 32-bit weights: keep the dtype of h."


def maps_and_labels(rng: torch.Generator) -> list[Case]:
    """D is trained through h, so a gradient has to reach it; the condition is a constant."""
    cases = []
    for b, maps, classes, height, width in ((3, 2, 6, 5, 7), (1, 4, 2, 4, 4)):
        h = torch.randn(b, maps, height, width, generator=rng).requires_grad_()
        c = torch.randn(b, classes, generator=rng)
        note = f"for {b} x {maps} maps of {height} x {width} and conditions of length {classes}"
        cases.append(Case((h, c), note=note))
    return cases


def observe_joined(answer: Callable[..., Any], case: Case) -> Observation:
    seen = observe_call(answer, case)
    result = seen.get("result")
    double = result is not None and result.dtype == torch.float64
    return {**seen, BITS: torch.tensor(True)} if double else seen


def planes(h: Tensor, c: Tensor) -> Tensor:
    """Repeat the condition at every position: (B, classes, H, W)."""
    return c[:, :, None, None].repeat(1, 1, *h.shape[2:])


def wrongly_reshaped(h: Tensor, c: Tensor) -> Tensor:
    """Repeat the vector, then reshape it in the wrong order."""
    side = h.shape[2] * h.shape[3]
    return torch.cat([h, c.repeat(1, side).view(len(c), c.shape[1], *h.shape[2:])], dim=1)


def in_one_corner(h: Tensor, c: Tensor) -> Tensor:
    """Put the condition at the first position only."""
    p = c.new_zeros(len(c), c.shape[1], *h.shape[2:])
    p[:, :, 0, 0] = c
    return torch.cat([h, p], dim=1)


def interpolated(h: Tensor, c: Tensor) -> Tensor:
    """Enlarge the condition from one pixel."""
    return torch.cat([h, F.interpolate(c[:, :, None, None], size=h.shape[2:])], dim=1)


def of_size(h: Tensor, c: Tensor, height: int, width: int) -> Tensor:
    """Planes of another size than the maps."""
    return torch.cat([h, c[:, :, None, None].expand(-1, -1, height, width)], dim=1)


def one_plane(h: Tensor, c: Tensor) -> Tensor:
    """A single plane with the number of the class."""
    return torch.cat([h, planes(h, c.argmax(dim=1, keepdim=True).float())], dim=1)


EXERCISE = Exercise(
    id="5.2",
    title="A condition at every position",
    points=2,
    minutes=10,
    reference=cgan.join_maps,
    cases=maps_and_labels,
    observe=observe_joined,
    slips={
        "Right parts, wrong order: first the channels of h, then those of c.": lambda h, c: (
            torch.cat([planes(h, c), h], dim=1)
        ),
        "Your planes are not constant: the repeated vector is reshaped in the wrong order. Add two "
        "dimensions of length 1 to c first, then expand those.": [
            wrongly_reshaped,
            lambda h, c: torch.cat([h, c.repeat(h[0, 0].numel(), 1).view(planes(h, c).shape)], 1),
        ],
        "The condition is at one position only; repeat it at all H x W positions.": in_one_corner,
        "Every image got the same planes. Each has its own condition.": [
            lambda h, c: torch.cat([h, planes(h, c[:1].expand_as(c))], dim=1),
            lambda h, c: torch.cat([h, planes(h, c[-1:].expand_as(c))], dim=1),
            lambda h, c: torch.cat([h, planes(h, c.mean(dim=0, keepdim=True).expand_as(c))], dim=1),
        ],
        "Join h itself, not detached: D's convolutions are trained through it.": lambda h, c: (
            torch.cat([h.detach(), planes(h, c)], dim=1)
        ),
        "Maps and planes are joined along the channels, dimension 1.": [
            lambda h, c: torch.cat([h, planes(h, c)], dim=0),
            lambda h, c: torch.cat([h, planes(h, c)], dim=2),
            lambda h, c: torch.cat([h, planes(h, c)], dim=3),
        ],
        "Don't add the planes to h: join them, torch.cat([h, planes], dim=1).": lambda h, c: (
            h + planes(h, c)
        ),
        "Join c as it is: a softmax or a division by its length changes the condition.": [
            lambda h, c: torch.cat([h, planes(h, c.softmax(dim=1))], dim=1),
            lambda h, c: torch.cat([h, planes(h, F.normalize(c))], dim=1),
        ],
        "Repeat the numbers of c at each position; don't divide them by the "
        "number of positions.": lambda h, c: torch.cat([h, planes(h, c) / h[0, 0].numel()], dim=1),
        "c has one number per class, and each needs its own plane. You made a single plane, which "
        "holds the number of the class.": one_plane,
        "Your planes hold only 0 and 1. c need not be one-hot: plane j holds the number c[:, j] "
        "itself.": [
            lambda h, c: torch.cat([h, planes(h, F.one_hot(c.argmax(1), c.shape[1]).to(c))], dim=1),
            lambda h, c: torch.cat([h, planes(h, (c > 0).to(c))], dim=1),
        ],
        "That is the planes alone. Join them with h: torch.cat([h, planes], dim=1).": planes,
        "The size of the planes is that of h: h.shape[2:], not always 4 x 4.": lambda h, c: of_size(
            h, c, 4, 4
        ),
        "These maps are wider than they are high: the planes need h.shape[2] rows and h.shape[3] "
        "columns.": [
            lambda h, c: of_size(h, c, h.shape[3], h.shape[2]),
            lambda h, c: of_size(h, c, h.shape[2], h.shape[2]),
            lambda h, c: of_size(h, c, h.shape[3], h.shape[3]),
        ],
        "The planes still have one position. Expand them to the size of h: H x W "
        "positions.": lambda h, c: of_size(h, c, 1, 1),
        "c has two dimensions and h has four. Give c two more of length 1, c[:, :, None, None], "
        "and expand them.": [
            lambda h, c: torch.cat([h, c], dim=1),
            lambda h, c: torch.cat([c, h], dim=1),
            lambda h, c: torch.cat([h, c[:, :, None]], dim=1),
        ],
    },
    alternatives=(lambda h, c: torch.cat([h, planes(h, c)], dim=1), interpolated),
    advice="Print the shape of your planes, and the first plane, planes[0, 0]. Is the shape (B, "
    "classes, H, W), and is the plane constant?",
)
