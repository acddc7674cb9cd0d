"""Exercise 1.6: the L2 step."""

import torch
import torch.nn.functional as F
from torch import Tensor

from gancourse.exercises.base import Exercise
from gancourse.exercises.nb01._shared import observe_clean, one_step, step
from gancourse.papers import adversarial


def length(g: Tensor) -> Tensor:
    """Norm of each image's gradient, of a shape to divide by."""
    return g.flatten(1).norm(dim=1)[:, None, None, None]


EXERCISE = Exercise(
    id="1.6",
    title="The L2 step",
    points=2,
    minutes=10,
    reference=adversarial.fast_l2,
    cases=one_step,
    observe=observe_clean,
    slips={
        "You divided by the norm of the whole batch: each image needs its own.": step(
            lambda g: g / g.norm()
        ),
        "You divided by the squared norm.": step(lambda g: g / length(g) ** 2),
        "You divided by the L1 norm. For the L2 norm square, add, take the root.": step(
            lambda g: g / g.abs().sum((1, 2, 3), keepdim=True)
        ),
        "The step's length should be eps: divide by the norm of g.": step(lambda g: g),
        "That is FGSM: each value changes by eps.": step(torch.sign),
        "F.normalize(g) works along the channels of one pixel: flatten each image first.": step(
            lambda g: F.normalize(g, dim=1)
        ),
    },
    alternatives=(
        step(lambda g: F.normalize(g.flatten(1), dim=1).view_as(g)),
        step(lambda g: g / g.square().sum((1, 2, 3), keepdim=True).sqrt()),
    ),
)
