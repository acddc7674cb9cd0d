"""Exercise 1.4: FGSM."""

import math

import torch
from torch import Tensor

from gancourse.exercises.base import Exercise
from gancourse.exercises.nb01._shared import observe_clean, one_step, step
from gancourse.exercises.parts import Part
from gancourse.papers.adversarial import Model, fgsm, input_gradient


def fgsm_where(model: Model, x: Tensor, y: Tensor, eps: float) -> Tensor:
    """FGSM without sign()."""
    g = input_gradient(model, x, y)
    moved = torch.where(g > 0, x + eps, torch.where(g < 0, x - eps, x))
    return torch.minimum(torch.maximum(moved, -torch.ones_like(x)), torch.ones_like(x))


def only_change(model: Model, x: Tensor, y: Tensor, eps: float) -> Tensor:
    """Slip: the change without the image."""
    return (eps * input_gradient(model, x, y).sign()).clamp(-1, 1)


def of_guess(model: Model, x: Tensor, y: Tensor, eps: float) -> Tensor:
    """Slip: the label is not used."""
    return fgsm(model, x, model(x).argmax(1), eps)


def squeezed(model: Model, x: Tensor, y: Tensor, eps: float) -> Tensor:
    """Slip: tanh in place of a clamp."""
    return (x + eps * input_gradient(model, x, y).sign()).tanh()


def sign_of_sum(model: Model, x: Tensor, y: Tensor, eps: float) -> Tensor:
    """Slip: the sign of the whole result."""
    return (x + eps * input_gradient(model, x, y)).sign()


def sign_too_late(model: Model, x: Tensor, y: Tensor, eps: float) -> Tensor:
    """Slip: eps is inside of sign(), where it is lost."""
    return (x + (eps * input_gradient(model, x, y)).sign()).clamp(-1, 1)


EXERCISE = Exercise(
    id="1.4",
    title="FGSM",
    points=3,
    minutes=10,
    reference=fgsm,
    cases=one_step(0.05, 0.15),
    observe=observe_clean,
    parts=(Part("grey images", 2, cases=(0,)),),
    slips={
        "The sign is missing: every value should change by eps.": step(lambda g: g),
        "With a minus the loss decreases; the attack should increase it.": [
            step(lambda g: -g.sign()),
            step(lambda g: -g.sign(), -math.inf, math.inf),
        ],
        "Some values leave [-1, 1]: clamp the result.": step(torch.sign, -math.inf, math.inf),
        "The course's images lie in [-1, 1], not in [0, 1].": step(torch.sign, 0),
        "eps is already in units of [-1, 1], since the caller applied pixels(): use it as it is.": [
            step(lambda g: 2 * g.sign()),
            step(lambda g: g.sign() * 2 / 255),
            step(lambda g: g.sign() / 255),
            step(lambda g: g.sign() / 127.5, -math.inf, math.inf),
        ],
        "You scaled the gradient. Use only its sign: each value changes by eps.": [
            step(lambda g: g / g.abs().amax((1, 2, 3), keepdim=True)),
            step(lambda g: g / g.abs().max()),
            step(lambda g: g / g.norm()),
            step(lambda g: g / g.flatten(1).norm(dim=1)[:, None, None, None]),
        ],
        "Where the gradient is tiny your values change by less than eps, since a small constant is "
        "added to its absolute value. Use sign().": [
            step(lambda g, c=c: g / (g.abs() + c)) for c in (1e-6, 1e-7, 1e-8)
        ],
        "A value whose gradient is exactly 0 should stay as it is, since sign(0) is 0; yours "
        "moves, or becomes nan.": [
            step(lambda g: g / g.abs()),
            step(lambda g: torch.where(g > 0, 1.0, -1.0)),
            step(lambda g: torch.where(g >= 0, 1.0, -1.0)),
        ],
        "You attacked the model's own first guess: use the gradient for y.": of_guess,
        "tanh changes values inside of [-1, 1] too: clamp the result.": squeezed,
        "You returned the change alone: add it to x.": only_change,
        "You took the sign of the whole result: take that of the gradient only, add eps times it "
        "to x, then clamp.": sign_of_sum,
        "Each value should change by eps; yours change by 1. Multiply the gradient's sign by "
        "eps.": sign_too_late,
    },
    alternatives=(fgsm_where, step(lambda g: (g > 0).float() - (g < 0).float())),
    advice="On grey images: does each value change by exactly eps, in the direction of the sign of "
    "its gradient?",
)
