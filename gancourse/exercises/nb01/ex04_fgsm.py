"""Exercise 1.4: FGSM."""

import math

import torch
from torch import Tensor

from gancourse.exercises.base import Exercise
from gancourse.exercises.nb01._shared import observe_clean, one_step, step
from gancourse.papers import adversarial


def fgsm_where(model: adversarial.Model, x: Tensor, y: Tensor, eps: float) -> Tensor:
    """FGSM without a sign."""
    up = adversarial.input_gradient(model, x, y) > 0
    return torch.where(up, (x + eps).clamp(max=1), (x - eps).clamp(min=-1))


EXERCISE = Exercise(
    id="1.4",
    title="FGSM",
    points=3,
    minutes=10,
    reference=adversarial.fgsm,
    cases=one_step,
    observe=observe_clean,
    slips={
        "The sign is missing: every value must move by eps.": step(lambda g: g),
        "Minus makes the loss smaller: the cat more a cat.": step(lambda g: -g.sign()),
        "Some values leave [-1, 1]: clamp.": step(torch.sign, -math.inf, math.inf),
        "The course's pictures lie in [-1, 1], not in [0, 1].": step(torch.sign, 0),
        "eps is already in units of [-1, 1]: pixels() was applied by the caller.": step(
            lambda g: g.sign() * 2 / 255
        ),
        "You scaled the gradient; only its sign counts, so that each value moves by eps.": step(
            lambda g: g / g.abs().amax((1, 2, 3), keepdim=True)
        ),
    },
    alternatives=(fgsm_where, step(lambda g: g / g.abs())),
)
