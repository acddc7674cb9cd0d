"""The runs of notebook 10: GANs on a ring of eight Gaussians, each with one trick.

Eight seeds are trained in parallel (`many_seeds`). ``benchmarks/tricks_ring.py`` measures all of
them, and the notebook trains some.
"""

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam

from gancourse import env
from gancourse.datasets import toy
from gancourse.papers import tricks
from gancourse.papers.gan import descend
from gancourse.training import many_seeds
from gancourse.training.player import linear_decay

SEEDS, BATCH, NOISE, WIDTH = 8, 64, 8, 64
RING = toy.Ring(modes=8, radius=2.0, std=0.05)
"""Modes of half the width of notebook 02's: the plain run fails in both known ways."""
REMEDIES: Mapping[str, Mapping[str, Any]] = {
    "R1": {"gamma": 0.3},
    "EMA": {"ema": 0.995},
    "decay": {"hold": 0.5},
    "beta1 = 0": {"betas": (0.0, 0.9)},
}
"""What notebooks 02 and 03 train with, as fields of a `many_seeds.Recipe`."""


def ring_batches(rng: torch.Generator) -> Iterator[Tensor]:
    """Endless real batches (seeds, batch, 2)."""
    return (x.view(SEEDS, BATCH, 2) for x in toy.batches(RING, SEEDS * BATCH, rng))


def noise_batches(
    rng: torch.Generator, kind: str = "normal", scale: float = 1.0
) -> Callable[..., Tensor]:
    """A sampler of latent vectors, ``sample_z(m)`` of shape (seeds, m, NOISE)."""
    sample_z = env.noise(NOISE, rng, kind)
    return lambda m=BATCH: scale * sample_z(SEEDS * m).view(SEEDS, m, NOISE)


def generator(rng: torch.Generator, **options: Any) -> nn.Module:
    """Two hidden layers; `options` are those of `many_seeds.mlp`."""
    return many_seeds.mlp(SEEDS, NOISE, WIDTH, WIDTH, 2, rng=rng, **options)


def discriminator(
    rng: torch.Generator, seeds: int = SEEDS, n_in: int = 2, **options: Any
) -> many_seeds.Discriminator:
    """Two hidden layers, and one logit per point."""
    *body, head = many_seeds.mlp(seeds, n_in, WIDTH, WIDTH, 1, rng=rng, **options)
    return many_seeds.Discriminator(nn.Sequential(*body), head)


def virtual_generator(rng: torch.Generator, size: int = 64) -> nn.Module:
    """A generator with virtual batch norm, and its reference batch."""
    G = generator(rng, norm=partial(tricks.BatchNorm, SEEDS, 1, reference=size))
    return tricks.Virtual(G, noise_batches(rng)(size))


def spectral_discriminator(rng: torch.Generator) -> nn.Module:
    """A discriminator with spectral norm on each layer."""
    return many_seeds.spectral(discriminator(rng), rng)


def minibatch_discriminator(rng: torch.Generator, kernels: int = 4, dims: int = 3) -> nn.Module:
    """A discriminator whose last layer also sees how close an example is to its batch."""
    D = discriminator(rng)
    more = many_seeds.MinibatchFeatures(SEEDS, WIDTH, kernels, dims, rng)
    head = many_seeds.Linear(SEEDS, WIDTH + kernels, 1, rng)
    return many_seeds.Discriminator(nn.Sequential(D.features, more), head)


@dataclass(frozen=True)
class Trick:
    """What differs from the plain run."""

    recipe: Mapping[str, Any] = field(default_factory=dict)
    make_G: Callable[[torch.Generator], nn.Module] = generator  # noqa: N815
    make_D: Callable[[torch.Generator], nn.Module] = discriminator  # noqa: N815
    make_z: Callable[[torch.Generator], Callable[..., Tensor]] = noise_batches


@dataclass(frozen=True)
class Run:
    """A run that is ready to be trained, by calls of `step`."""

    G: nn.Module
    """The network to sample from: the moving average, if the trick has one."""
    D: nn.Module
    step: Callable[[], dict[str, Tensor]]
    make_z: Callable[[torch.Generator], Callable[..., Tensor]]

    @torch.no_grad()
    def sample(self, batches: int = 32) -> Tensor:
        """Points (seeds, batches * 64, 2), from latent vectors that are the same at each call."""
        sample_z = self.make_z(env.rng(1000, "cpu"))
        return torch.cat([self.G(sample_z()) for _ in range(batches)], dim=1)


def begin(trick: Trick, steps: int, seed: int = 0) -> Run:
    """Networks and the training step for a run of so many steps; all seeds in parallel."""
    rng = env.rng(seed, "cpu")
    G, D, sample_z = trick.make_G(rng), trick.make_D(rng), trick.make_z(rng)
    recipe = many_seeds.Recipe(**trick.recipe)
    average = deepcopy(G) if recipe.ema else None
    step = many_seeds.make_step(G, D, ring_batches(rng), sample_z, recipe, steps, average)
    return Run(G if average is None else average, D, step, trick.make_z)


def remedies(*left_out: str) -> dict[str, Any]:
    """All four remedies in one recipe, except some."""
    kept = [fields for name, fields in REMEDIES.items() if name not in left_out]
    return {key: value for fields in kept for key, value in fields.items()}


with_norm = partial(tricks.BatchNorm, SEEDS, 1)
D_norm = partial(discriminator, norm=with_norm)


def all_tricks() -> dict[str, Trick]:
    """Every run of the table, by name; "recipe" has all four remedies, the others one trick."""
    critic_loss = tricks.critic_loss(env.rng(13, "cpu"), weight=1.0)
    critic = {"loss_D": critic_loss, "loss_G": tricks.wasserstein_loss, "betas": (0.0, 0.9)}
    return {
        "plain": Trick(),
        "recipe": Trick(remedies()),
        **{name: Trick(fields) for name, fields in REMEDIES.items()},
        **{f"recipe without {name}": Trick(remedies(name)) for name in REMEDIES},
        "WGAN-GP": Trick(critic),
        "G virtual norm": Trick(make_G=virtual_generator),
        "cube noise": Trick(make_z=partial(noise_batches, kind="uniform")),
        "short normal noise": Trick(make_z=partial(noise_batches, scale=3**-0.5)),
        "sphere noise": Trick(make_z=partial(noise_batches, kind="sphere")),
        "G norm": Trick(make_G=partial(generator, norm=with_norm)),
        "D norm, apart": Trick(make_D=D_norm),
        "D norm, one batch": Trick({"loss_D": tricks.joint_log_loss}, make_D=D_norm),
        "smoothed labels": Trick({"loss_D": tricks.smoothed_log_loss}),
        "ReLU in D": Trick(make_D=partial(discriminator, slope=0.0)),
        "k = 3": Trick({"k": 3}),
        "rate of D doubled": Trick({"rate_D": 4e-3}),
        "spectral norm in D": Trick(make_D=spectral_discriminator),
        "minibatch discrimination": Trick(make_D=minibatch_discriminator),
        "feature matching": Trick({"loss_G": tricks.feature_matching}),
    }


def wasserstein_estimates(means: Tensor, stds: Tensor, weight: float, steps: int) -> Tensor:
    """Estimated Wasserstein distances of N(0, 1) from other normal distributions on a line.

    Parameters
    ----------
    means, stds : Tensor
        Of the others, (seeds, 1, 1). A critic is trained for each, in parallel.
    weight : float
        Of the gradient penalty. It rises from 0: the penalty asks for a gradient of norm 1, and at
        full weight a slope of -1 would stay there.
    steps : int
        Of training.

    Returns
    -------
    Tensor
        (seeds,), from fresh points.
    """
    rng, seeds = env.rng(12, "cpu"), len(means)

    def pairs(m: int) -> tuple[Tensor, Tensor]:
        x, e = torch.randn(2, seeds, m, 1, generator=rng)
        return x, means + stds * e

    f = discriminator(rng, seeds=seeds, n_in=1)
    opt = Adam(f.parameters(), 3e-3, betas=(0.0, 0.9), fused=True)
    schedule = linear_decay(opt, steps, hold=0.3)
    for step in range(steps):
        x, y = pairs(256)
        current = weight * min(1.0, step / (0.4 * steps))
        descend(opt, tricks.critic_loss(rng, current)(f, x, y))
        schedule.step()
    x, y = pairs(50_000)
    with torch.no_grad():
        return f(x).mean(dim=1) - f(y).mean(dim=1)
