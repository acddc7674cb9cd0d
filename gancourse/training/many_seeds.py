"""Small GANs on points, with many seeds in parallel: tricks are measured in seconds.

Networks, batches and noise have a first dimension ``seeds``, so 8 runs cost little more time than
one. A loss is the mean over seeds, and Adam is invariant to a loss's scale: the runs are
independent. First used in notebook 10.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.optim import Adam

from gancourse.papers.gan import descend, ema_update, frozen, r1_penalty
from gancourse.papers.tricks import Loss, closeness, log_loss, non_saturating
from gancourse.training.player import linear_decay


class Linear(nn.Module):
    """A linear layer for each seed: (seeds, batch, n_in) to (seeds, batch, n_out)."""

    def __init__(
        self, seeds: int, n_in: int, n_out: int, rng: torch.Generator, slope: float = 0.2
    ) -> None:
        super().__init__()
        std = math.sqrt(2 / (1 + slope**2) / n_in)  # He et al. (2015)
        self.weight = nn.Parameter(torch.empty(seeds, n_in, n_out).normal_(0, std, generator=rng))
        bound = n_in**-0.5
        bias = torch.empty(seeds, 1, n_out).uniform_(-bound, bound, generator=rng)
        self.bias = nn.Parameter(bias)

    def forward(self, x: Float[Tensor, "s b n_in"]) -> Float[Tensor, "s b n_out"]:
        return torch.baddbmm(self.bias, x, self.weight)


def mlp(
    seeds: int,
    *sizes: int,
    rng: torch.Generator,
    norm: Callable[[int], nn.Module] | None = None,
    slope: float = 0.2,
) -> nn.Sequential:
    """Linear layers; each except the last is followed by its norm, if any, and a leaky ReLU."""
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        layers += [Linear(seeds, n_in, n_out, rng, slope)]
        layers += [norm(n_out)] if norm else []
        layers += [nn.LeakyReLU(slope)]
    return nn.Sequential(*layers[: -2 if norm else -1])


class Discriminator(nn.Module):
    """Points to logits (seeds, batch); ``features`` is the network without its last layer."""

    def __init__(self, features: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.features, self.head = features, head

    def forward(self, x: Float[Tensor, "s b n"]) -> Float[Tensor, "s b"]:
        return self.head(self.features(x)).squeeze(-1)


class MinibatchFeatures(nn.Module):
    """Append an example's `closeness` to the batch, in learned directions, to its features."""

    def __init__(
        self, seeds: int, features: int, kernels: int, dims: int, rng: torch.Generator
    ) -> None:
        super().__init__()
        self.kernels = kernels
        self.T = Linear(seeds, features, kernels * dims, rng)

    def forward(self, h: Float[Tensor, "s b f"]) -> Float[Tensor, "s b more"]:
        return torch.cat([h, closeness(self.T(h).unflatten(-1, (self.kernels, -1)))], dim=-1)


class SpectralNorm(nn.Module):
    r"""Divide a weight by its largest singular value (Miyato et al. 2018, Equation 8).

    One step of power iteration at each use in training, as in their Algorithm 1. For one network,
    torch has it as ``torch.nn.utils.parametrizations.spectral_norm``.
    """

    u: Tensor

    def __init__(self, weight: Float[Tensor, "s n_in n_out"], rng: torch.Generator) -> None:
        super().__init__()
        self.register_buffer("u", torch.randn(*weight.shape[:2], 1, generator=rng))
        for _ in range(15):
            self.iterate(weight)

    @torch.no_grad()
    def iterate(self, W: Float[Tensor, "s n_in n_out"]) -> Float[Tensor, "s n_out 1"]:
        """Move u towards the first left singular vector; returns the right one."""
        v = F.normalize(W.mT @ self.u, dim=1)
        if self.training:
            self.u = F.normalize(W @ v, dim=1)
        return v

    def forward(self, W: Float[Tensor, "s n_in n_out"]) -> Float[Tensor, "s n_in n_out"]:
        v = self.iterate(W)
        return W / (self.u.mT @ W @ v)


def spectral(net: nn.Module, rng: torch.Generator) -> nn.Module:
    """Put `SpectralNorm` on every `Linear` of a network, in place; returns the network."""
    for layer in list(net.modules()):
        if isinstance(layer, Linear):
            parametrize.register_parametrization(layer, "weight", SpectralNorm(layer.weight, rng))
    return net


@dataclass(frozen=True)
class Recipe:
    """How two networks are trained. The defaults are the plain run; a trick changes a field."""

    loss_D: Loss = log_loss  # noqa: N815
    loss_G: Loss = non_saturating  # noqa: N815
    k: int = 1
    """Steps of D for each step of G."""
    rate_G: float = 2e-3  # noqa: N815
    rate_D: float = 2e-3  # noqa: N815
    betas: tuple[float, float] = (0.5, 0.9)
    gamma: float = 0.0
    """Weight of the R1 penalty, of points with a dimension of seeds; 0: none."""
    gamma_fake: float = 0.0
    """Weight of R2, the same penalty at the fakes; 0: none."""
    hold: float = 1.0
    """Share of the steps before the learning rates decay linearly to 0; 1: they are constant."""
    ema: float = 0.0
    """Decay of the exponential moving average of G's weights; 0: none."""


def make_step(
    G: nn.Module,
    D: nn.Module,
    batches: Iterator[Tensor],
    sample_z: Callable[[], Tensor],
    recipe: Recipe,
    steps: int = 1,
    average: nn.Module | None = None,
) -> Callable[[], dict[str, Tensor]]:
    """The step of a run, Algorithm 1 of Goodfellow et al. (2014), for `loop.train`.

    Parameters
    ----------
    G, D : nn.Module
        With a dimension of seeds, or single networks: whatever fits the batches and the losses.
    batches : Iterator[Tensor]
        Endless batches of real examples.
    sample_z : Callable[[], Tensor]
        Noise for one batch.
    recipe : Recipe
        The losses, rates and so on.
    steps : int
        Length of the run, for the decay of the learning rates.
    average : nn.Module, optional
        A copy of G, which becomes the moving average of its weights.
    """
    opt_G = Adam(G.parameters(), recipe.rate_G, recipe.betas, fused=True)
    opt_D = Adam(D.parameters(), recipe.rate_D, recipe.betas, fused=True)
    decays = recipe.hold < 1
    schedules = [linear_decay(opt, steps, recipe.hold) for opt in (opt_G, opt_D) if decays]

    def step() -> dict[str, Tensor]:
        for _ in range(recipe.k):
            x = next(batches)
            with torch.no_grad():
                fakes = G(sample_z())
            loss_D = total = recipe.loss_D(D, x, fakes)
            for gamma, points in ((recipe.gamma, x), (recipe.gamma_fake, fakes)):
                if gamma:  # r1_penalty takes the mean over seeds, and the sum over a batch
                    total = total + gamma / 2 * r1_penalty(D, points) / points.shape[1]
            descend(opt_D, total)
        with frozen(D):
            loss_G = recipe.loss_G(D, x, G(sample_z()))
            descend(opt_G, loss_G)
        for schedule in schedules:
            schedule.step()
        if average is not None:
            ema_update(average, G, recipe.ema)
        return {"loss_D": loss_D.detach(), "loss_G": loss_G.detach()}

    return step
