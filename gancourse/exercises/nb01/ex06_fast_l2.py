"""Exercise 1.6: the L2 step."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from gancourse.exercises.base import Exercise
from gancourse.exercises.nb01._shared import observe_clean, one_step, step
from gancourse.papers import adversarial
from gancourse.papers.adversarial import Model, input_gradient, l2_norm


def length(g: Tensor) -> Tensor:
    """Norm of each image's gradient, of a shape to divide by."""
    return l2_norm(g)[:, None, None, None]


def unit(g: Tensor) -> Tensor:
    """The gradient of length 1."""
    return g / length(g)


def stretched(model: Model, x: Tensor, y: Tensor, eps: float) -> Tensor:
    """Slip: the change gets the length eps once more, after the clamp."""
    change = (x + eps * unit(input_gradient(model, x, y))).clamp(-1, 1) - x
    return x + eps * unit(change)


def stretched_inside(model: Model, x: Tensor, y: Tensor, eps: float) -> Tensor:
    """Slip: as `stretched`, with another clamp at the end."""
    return stretched(model, x, y, eps).clamp(-1, 1)


def divided_by_image(model: Model, x: Tensor, y: Tensor, eps: float) -> Tensor:
    """Slip: the norm of the images, not of the gradients."""
    return (x + eps * input_gradient(model, x, y) / length(x)).clamp(-1, 1)


def only_change(model: Model, x: Tensor, y: Tensor, eps: float) -> Tensor:
    """Slip: the change without the image."""
    return (eps * unit(input_gradient(model, x, y))).clamp(-1, 1)


EXERCISE = Exercise(
    id="1.6",
    title="The L2 step",
    points=2,
    minutes=10,
    reference=adversarial.fast_l2,
    cases=one_step(0.2, 0.35),
    observe=observe_clean,
    slips={
        "You divided by the norm of the whole batch: each image needs its own.": [
            step(lambda g: g / g.norm()),
            step(lambda g: g / l2_norm(g).mean()),
            step(lambda g: g / l2_norm(g).max()),
        ],
        "You divided by the squared norm: a root is missing.": step(lambda g: g / length(g) ** 2),
        "You divided by the sum or mean of absolute values. For the L2 norm square, add, take the "
        "root.": [
            step(lambda g: g / g.abs().sum((1, 2, 3), keepdim=True)),
            step(lambda g: g / g.abs().mean((1, 2, 3), keepdim=True)),
        ],
        "The step is longer than eps, by the root of n: divide by the root of the sum of the "
        "squares, not of their mean.": step(
            lambda g: g / g.square().mean((1, 2, 3), keepdim=True).sqrt()
        ),
        "You divided by the largest value, the l-infinity norm. The L2 norm is l2_norm(g).": [
            step(lambda g: g / g.abs().amax((1, 2, 3), keepdim=True)),
            step(lambda g: g / g.abs().max()),
        ],
        "You divided by the standard deviation. The L2 norm is l2_norm(g).": [
            step(lambda g: g / g.std((1, 2, 3), keepdim=True)),
            step(lambda g: g / g.std()),
        ],
        "The step's length should be eps: divide by the norm of g.": step(lambda g: g),
        "You multiplied by the norm: divide by it.": step(lambda g: g * length(g)),
        "You divided by the norm of x: it is the gradient that gets the length 1.": (
            divided_by_image
        ),
        "You took a sign, so all values change by the same size, as in FGSM. Divide the gradient "
        "itself by its norm.": [
            step(torch.sign),
            step(lambda g: unit(g.sign())),
            step(lambda g: g.sign() / math.sqrt(g[0].numel())),
            step(lambda g: unit(g).sign()),
        ],
        "Each norm has to go over all channels and pixels of an image, and yours goes over a part "
        "of them: flatten each image first, or use l2_norm(g).": [
            step(lambda g: F.normalize(g, dim=1)),
            step(lambda g: F.normalize(g, dim=2)),
            step(lambda g: F.normalize(g, dim=3)),
            step(lambda g: F.normalize(g.flatten(2), dim=2).view_as(g)),
            step(lambda g: g / torch.linalg.matrix_norm(g, 2, keepdim=True)),
        ],
        "l2_norm(g) has the shape (B,), and (B, C, H, W) can't be divided by that: give it three "
        "more dimensions, [:, None, None, None].": [
            step(lambda g: g / l2_norm(g)),
            step(lambda g: g / l2_norm(g)[:, None]),
            step(lambda g: g / l2_norm(g)[None, :, None, None]),
        ],
        "With a minus the loss decreases; the step should increase it.": step(lambda g: -unit(g)),
        "Some values leave [-1, 1]: clamp the result.": step(unit, -math.inf, math.inf),
        "The course's images lie in [-1, 1], not in [0, 1].": step(unit, 0),
        "eps is already in units of [-1, 1]: the caller converted it.": step(
            lambda g: unit(g) * 2 / 255
        ),
        "You stretched the change to the length eps again after the clamp. The clamp comes last: "
        "where it cuts, the change may be shorter.": [stretched, stretched_inside],
        "You returned the change alone: add it to x.": only_change,
    },
    alternatives=(
        step(lambda g: F.normalize(g.flatten(1), dim=1).view_as(g)),
        step(lambda g: g / g.square().sum((1, 2, 3), keepdim=True).sqrt()),
    ),
    advice="On grey images: is l2_norm(result - x) equal to eps for every image?",
)
