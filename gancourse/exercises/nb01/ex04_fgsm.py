"""Exercise 1.4: FGSM."""

import math

import torch
from torch import Tensor

from gancourse.exercises.base import Exercise
from gancourse.exercises.nb01._shared import observe_clean, one_step, step
from gancourse.papers.adversarial import Model, fgsm, input_gradient


def fgsm_where(model: Model, x: Tensor, y: Tensor, eps: float) -> Tensor:
    """FGSM without sign()."""
    up = input_gradient(model, x, y) > 0
    return torch.where(up, (x + eps).clamp(max=1), (x - eps).clamp(min=-1))


EXERCISE = Exercise(
    id="1.4",
    title="FGSM",
    points=3,
    minutes=10,
    reference=fgsm,
    cases=one_step,
    observe=observe_clean,
    slips={
        "The sign is missing: every value should change by eps.": step(lambda g: g),
        "With a minus the loss decreases; the attack should increase it.": step(
            lambda g: -g.sign()
        ),
        "Some values leave [-1, 1]: clamp the result.": step(torch.sign, -math.inf, math.inf),
        "The course's images lie in [-1, 1], not in [0, 1].": step(torch.sign, 0),
        "eps is already in units of [-1, 1]: the caller applied pixels().": step(
            lambda g: g.sign() * 2 / 255
        ),
        "You scaled the gradient. Use only its sign: each value changes by eps.": step(
            lambda g: g / g.abs().amax((1, 2, 3), keepdim=True)
        ),
    },
    alternatives=(fgsm_where, step(lambda g: g / g.abs())),
)
