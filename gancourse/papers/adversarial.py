"""Adversarial examples: small changes of an image that a classifier mistakes for something else.

First built in notebook 01. Every attack is a pure function: it returns new images, leaves the
model, its parameters' gradients and its inputs alone, and works on the device of the images.
``eps`` is in units of the course's range [-1, 1]: write ``pixels(2)`` for two of 255 grey levels.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from gancourse.shapes import ClassLogits, Images, Labels, Scalar

Model = Callable[[Tensor], Tensor]
"""Images (B, C, H, W) in [-1, 1] to logits (B, classes); an `nn.Module` or any function."""

Attack = Callable[[Model, Tensor, Tensor, float], Tensor]
"""Called as ``attack(model, x, y, eps)``; returns images like `x`."""


def pixels(levels: float) -> float:
    """Grey levels of 0 to 255 in the course's units: the range [-1, 1] is 2 wide, not 1."""
    return levels * 2 / 255


def l2_norm(images: Images) -> Float[Tensor, " batch"]:
    """Euclidean length of each image, seen as one long vector."""
    return images.flatten(1).norm(dim=1)


def project(x_adv: Images, x: Images, eps: float) -> Images:
    """The nearest valid image no further than `eps` from `x` in any value.

    The l-infinity ball is a box, and so is the range [-1, 1]: clamping value by value is exact.
    """
    return x_adv.clamp(x - eps, x + eps).clamp(-1, 1)


def random_sign_noise(x: Images, eps: float, rng: torch.Generator) -> Images:
    """The baseline of every attack: each value changes by + or - `eps` at random.

    Parameters
    ----------
    x : Images
        (B, C, H, W) in [-1, 1].
    eps : float
        Size of the change of each value, in units of [-1, 1].
    rng : torch.Generator
        Draws the signs; on its own device.
    """
    bits = torch.randint(2, x.shape, generator=rng, device=rng.device).to(x)  # 0 or 1
    return project(x + eps * (2 * bits - 1), x, eps)


def input_gradient(model: Model, x: Images, y: Labels) -> Images:
    r"""Gradient of each image's own loss with respect to its pixels, :math:`\nabla_x J(x, y)`.

    J is the cross-entropy of the class `y`. The losses of a batch are summed, not averaged, so an
    image's gradient does not depend on the rest of the batch.
    """
    with torch.enable_grad():  # even if the caller uses no_grad
        x = x.detach().requires_grad_()
        loss = F.cross_entropy(model(x), y, reduction="sum")
        # autograd.grad, not backward: nothing is added to the parameters' .grad
        return torch.autograd.grad(loss, x)[0]


def fgsm(model: Model, x: Images, y: Labels, eps: float, targeted: bool = False) -> Images:
    r"""Fast gradient sign method, :math:`x + \epsilon\,\mathrm{sign}(\nabla_x J(x, y))`.

    Goodfellow, Shlens and Szegedy (2014), arXiv 1412.6572, Section 4. Of all changes that move no
    value by more than `eps`, it raises a linear loss the most.

    Parameters
    ----------
    model : Model
        Images to logits. Its normalization, if any, belongs inside, so that `eps` is in the
        units of the images.
    x : Images
        (B, C, H, W) in [-1, 1].
    y : Labels
        (B,): the class to get away from; with `targeted`, the class to go to.
    eps : float
        Largest change of a value, in units of [-1, 1]: ``pixels(2)``.
    targeted : bool
        Step down the loss of `y` instead of up.

    Returns
    -------
    Images
        Like `x`, in [-1, 1]. A value whose gradient is exactly 0 is not changed; nor is a whole
        image where the model is so confident that its gradient rounds to 0 (in float32, from a
        gap of about 17 between the logits).
    """
    step = -eps if targeted else eps
    return project(x + step * input_gradient(model, x, y).sign(), x, eps)


def fast_l2(model: Model, x: Images, y: Labels, eps: float, targeted: bool = False) -> Images:
    r"""One step of length `eps` along the gradient itself, :math:`x + \epsilon g / |g|_2`.

    Of all changes of that length it raises a linear loss the most. Parameters as in `fgsm`, except
    that `eps` bounds the length of the whole change: ``pixels(2) * n ** 0.5`` is the length of an
    FGSM step on n values. Clipping to [-1, 1] can only make it shorter.
    """
    gradient = input_gradient(model, x, y)
    length = l2_norm(gradient).clamp_min(torch.finfo(x.dtype).tiny)  # no 0 / 0 on a flat model
    step = -eps if targeted else eps
    return (x + step * gradient / length[:, None, None, None]).clamp(-1, 1)


def iterate(
    model: Model,
    x: Images,
    y: Labels,
    eps: float,
    step: float,
    steps: int,
    targeted: bool = False,
    rng: torch.Generator | None = None,
) -> Images:
    """Many small FGSM steps, each followed by a projection onto the ball of `eps` around `x`.

    The basic iterative method of Kurakin et al. (2016), arXiv 1607.02533, Section 2. With `rng` it
    starts at a random point of the ball, as the PGD of Madry et al. (2018), arXiv 1706.06083, does.

    Parameters
    ----------
    model, x, y, eps, targeted
        As in `fgsm`.
    step : float
        Size of one step, in units of [-1, 1].
    steps : int
        How many; 0 returns the start.
    rng : torch.Generator, optional
        For the random start; without it the attack starts at `x` and is deterministic.

    Returns
    -------
    Images
        Like `x`, in [-1, 1], within `eps` of `x` in every value.
    """
    start = x.clone()
    if rng is not None:
        noise = torch.rand(x.shape, generator=rng, device=rng.device).to(x) * 2 - 1
        start = project(x + eps * noise, x, eps)
    x_adv = start
    for _ in range(steps):
        x_adv = project(fgsm(model, x_adv, y, step, targeted), x, eps)
    return x_adv


def adversarial_loss(model: Model, x: Images, y: Labels, eps: float, alpha: float = 0.5) -> Scalar:
    r"""Adversarial training, :math:`\alpha J(x, y) + (1 - \alpha) J(x', y)` with x' from FGSM.

    Goodfellow et al. (2014), Section 6, use alpha = 0.5. The attack is made against the current
    model and treated as a constant: the gradient flows through the model, not through x'.

    Returns
    -------
    Scalar
        Mean over the batch, in nats; call ``backward`` on it.
    """
    x_adv = fgsm(model, x, y, eps)
    clean = F.cross_entropy(model(x), y)
    attacked = F.cross_entropy(model(x_adv), y)
    return alpha * clean + (1 - alpha) * attacked


@torch.no_grad()
def correct(model: Model, x: Images, y: Labels) -> Bool[Tensor, " batch"]:
    """Whether the model's most probable class is `y`, for each image."""
    logits: ClassLogits = model(x)
    return logits.argmax(dim=1) == y


def accuracy_curve(
    model: Model, attack: Attack, x: Images, y: Labels, sizes: Sequence[float]
) -> Float[Tensor, " sizes"]:
    """Share of images still classified as `y` after an attack, for each size of the attack.

    Every size starts from the clean images, and the attack and the score use the same true
    labels: an image that is wrong before the attack counts as wrong throughout.

    Parameters
    ----------
    model : Model
        Images to logits.
    attack : Attack
        Called as ``attack(model, x, y, eps)``: `fgsm`, `fast_l2`, or a function of your own.
    x, y : Images, Labels
        Clean images and their true classes.
    sizes : Sequence[float]
        Values of eps, in the attack's own unit.

    Returns
    -------
    Float[Tensor, " sizes"]
        Between 0 and 1, one per size.
    """
    return torch.stack([correct(model, attack(model, x, y, s), y).float().mean() for s in sizes])
