"""Tricks that stabilize GAN training: layers, and losses of the form ``loss(D, x, fakes)``.

First built in notebook 10, which measures each. Points may have a first dimension ``seeds``: that
many runs in parallel, see `training.many_seeds`.
"""

import copy
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gancourse.papers.gan import discriminator_loss, non_saturating_loss
from gancourse.shapes import Scalar

Loss = Callable[[nn.Module, Tensor, Tensor], Scalar]
"""A player's loss, from D, real examples and fakes."""
Points = Float[Tensor, "*seeds batch features"]


# Layers --------------------------------------------------------------------------------------
def virtual_batch_norm(h: Tensor, reference: Tensor, eps: float = 1e-5) -> Tensor:
    r"""Normalize each example by the statistics of the reference batch and itself.

    Salimans et al. (2016), Section 3.5. For each row of `h`, mean and variance (divided by n + 1)
    run over the n rows of `reference` and that row alone, so rows of `h` are independent.

    Parameters
    ----------
    h : Float[Tensor, "*seeds batch features"] or Float[Tensor, "batch channels height width"]
        What is normalized. For maps, the positions of an image count like examples.
    reference : Tensor
        The same layer's values for the reference batch, which is chosen once, before training.
    eps : float
        Added to the variance.

    Returns
    -------
    Tensor
        Of the shape of `h`.
    """
    maps = h.dim() == 4
    n, batch = (len(reference), 0) if maps else (reference.shape[-2], -2)

    def pooled(v: Tensor) -> Tensor:
        return v.mean(dim=(2, 3), keepdim=True) if maps else v

    def joined(of_reference: Tensor, of_h: Tensor) -> Tensor:
        return (pooled(of_reference).sum(batch, keepdim=True) + pooled(of_h)) / (n + 1)

    mean, square = joined(reference, h), joined(reference.square(), h.square())
    return (h - mean) / (square - mean.square()).clamp(min=0).add(eps).sqrt()


class BatchNorm(nn.Module):
    """Batch norm by the batch that it is given, until its statistics are fixed.

    It is virtual batch norm with ``reference`` > 0. See `with_fixed_statistics`.

    Parameters
    ----------
    *shape : int
        Of gain and shift: (seeds, 1, features) for points, (1, channels, 1, 1) for maps.
    reference : int
        So many examples at the front of each batch are the reference batch, see `Virtual`.
    """

    def __init__(self, *shape: int, reference: int = 0) -> None:
        super().__init__()
        self.reference = reference
        self.fixed: tuple[Tensor, Tensor] | None = None
        self.gain = nn.Parameter(torch.ones(shape))
        self.shift = nn.Parameter(torch.zeros(shape))

    def forward(self, h: Tensor) -> Tensor:
        batch = 0 if h.dim() == 4 else -2
        n = self.reference or h.shape[batch]
        first, rest = h.narrow(batch, 0, n), h.narrow(batch, n, h.shape[batch] - n)
        var, mean = self.fixed or self.statistics(first)
        normal = (first - mean) * (var + 1e-5).rsqrt()
        if self.reference:
            normal = torch.cat([normal, virtual_batch_norm(rest, first)], dim=batch)
        return self.gain * normal + self.shift

    @staticmethod
    def statistics(h: Tensor) -> tuple[Tensor, Tensor]:
        """Variance and mean of each feature over a batch."""
        dims = (0, 2, 3) if h.dim() == 4 else (-2,)
        return torch.var_mean(h, dim=dims, correction=0, keepdim=True)


@torch.no_grad()
def with_fixed_statistics(G: nn.Module, z: Tensor) -> nn.Module:
    """A copy of a trained G whose `BatchNorm` layers use the statistics of one large batch z.

    An alternative to virtual batch norm at sampling time; Brock et al. (2019) call
    them standing statistics, and average over several batches.
    """
    G = copy.deepcopy(G)

    def fix(layer: BatchNorm, inputs: tuple[Tensor]) -> None:
        layer.fixed = layer.statistics(inputs[0])

    hooks = [m.register_forward_pre_hook(fix) for m in G.modules() if isinstance(m, BatchNorm)]
    G(z)
    for hook in hooks:
        hook.remove()
    return G


class Virtual(nn.Module):
    """A network with virtual batch norm: the reference batch is prepended, and removed again."""

    reference: Tensor

    def __init__(self, net: nn.Module, reference: Tensor) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("reference", reference)

    def forward(self, x: Tensor) -> Tensor:
        batch = x.dim() - 2 if x.dim() < 4 else 0
        n = self.reference.shape[batch]
        y = self.net(torch.cat([self.reference, x], dim=batch))
        return y.narrow(batch, n, y.shape[batch] - n)


def closeness(
    M: Float[Tensor, "*seeds batch kernels dims"],
) -> Float[Tensor, "*seeds batch kernels"]:
    r"""How close each example is to its batch, :math:`\sum_j \exp(-\|M_{i,b} - M_{j,b}\|_1)`.

    Salimans et al. (2016), Section 3.2, minibatch discrimination. j runs over the whole batch,
    including i itself: a value lies between 1 (alone) and the batch's size (all equal).
    """
    distance = (M.unsqueeze(-4) - M.unsqueeze(-3)).abs().sum(-1)  # (..., i, j, kernels)
    return torch.exp(-distance).sum(-2)


def pooled(conv: nn.Module) -> nn.Module:
    """Replaces a strided convolution by one without stride and max-pooling. See `blocks.swap`."""
    if not isinstance(conv, nn.Conv2d) or conv.stride != (2, 2):
        return conv
    plain = nn.Conv2d(conv.in_channels, conv.out_channels, 3, padding=1, bias=conv.bias is not None)
    return nn.Sequential(plain, nn.MaxPool2d(2))


# Losses --------------------------------------------------------------------------------------
def log_loss(D: nn.Module, x: Tensor, fakes: Tensor) -> Scalar:
    """The log loss of Goodfellow et al. (2014); real and fake pass through D as two batches."""
    return discriminator_loss(D(x), D(fakes))


def non_saturating(D: nn.Module, x: Tensor, fakes: Tensor) -> Scalar:
    """The non-saturating loss of Goodfellow et al. (2014)."""
    return non_saturating_loss(D(fakes))


def joint_log_loss(D: nn.Module, x: Tensor, fakes: Tensor) -> Scalar:
    """As `log_loss`, but real and fake pass through D as one batch: batch norm mixes them."""
    batch = 1 if x.dim() == 3 else 0
    real, fake = D(torch.cat([x, fakes], dim=batch)).chunk(2, dim=batch)
    return discriminator_loss(real, fake)


def smoothed_log_loss(D: nn.Module, x: Tensor, fakes: Tensor, label: float = 0.9) -> Scalar:
    """One-sided label smoothing, Salimans et al. (2016), Section 3.4: real is 0.9, fake stays 0."""
    real, fake = D(x), D(fakes)
    return discriminator_loss(real, fake) + (1 - label) * real.mean()


def gradient_penalty(D: nn.Module, x: Tensor, fakes: Tensor, t: Tensor) -> Scalar:
    r"""Mean of :math:`(\|\nabla D(\hat x)\|_2 - 1)^2` between real and fake, without its weight.

    Gulrajani et al. (2017), Equation 3, at :math:`\hat x = t x + (1 - t) \tilde x`.

    Parameters
    ----------
    D : nn.Module
        Treats examples one by one: no batch norm.
    x, fakes : Float[Tensor, "*seeds batch features"]
        Points, one per row.
    t : Float[Tensor, "*seeds batch 1"]
        A number in [0, 1] per row.

    Returns
    -------
    Float[Tensor, ""]
        At least 0, differentiable with respect to D's weights.
    """
    mixed = (t * x.detach() + (1 - t) * fakes.detach()).requires_grad_()
    (gradient,) = torch.autograd.grad(D(mixed).sum(), mixed, create_graph=True)
    return (gradient.norm(dim=-1) - 1).square().mean()


def critic_loss(rng: torch.Generator, weight: float = 10.0) -> Loss:
    """The critic's loss of Gulrajani et al. (2017), Equation 3, for points; 10 is their weight."""

    def loss(D: nn.Module, x: Tensor, fakes: Tensor) -> Scalar:
        t = torch.rand(*x.shape[:-1], 1, generator=rng, device=rng.device)
        return D(fakes).mean() - D(x).mean() + weight * gradient_penalty(D, x, fakes, t)

    return loss


def wasserstein_loss(D: nn.Module, x: Tensor, fakes: Tensor) -> Scalar:
    """The generator's loss of the Wasserstein game: the negative mean of the critic's output."""
    return -D(fakes).mean()


def feature_matching(D: nn.Module, x: Tensor, fakes: Tensor) -> Scalar:
    """Match the mean of ``D.features``, Salimans et al. (2016), Section 3.1."""
    batch = -2 if x.dim() < 4 else 0
    difference = D.features(fakes).mean(batch) - D.features(x).mean(batch)
    return difference.square().flatten(min(1, difference.dim() - 1)).sum(-1).mean()
