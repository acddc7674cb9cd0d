"""Distributions on a line and in the plane with known density, to check what a GAN learns.

Each can be sampled endlessly and has a density; none is a finite data set.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Normal:
    """A normal distribution on a line, the data of Goodfellow et al. (2014), Fig. 1.

    Parameters
    ----------
    mean, std : float
        In the units of x; std above 0.
    """

    mean: float = 4.0
    std: float = 1.25

    def __post_init__(self) -> None:
        if self.std <= 0:
            raise ValueError(f"std must be above 0, got {self.std}")

    def sample(self, m: int, rng: torch.Generator) -> Float[Tensor, "batch 1"]:
        """Draw m points, on the device of `rng`."""
        return self.mean + self.std * torch.randn(m, 1, generator=rng, device=rng.device)

    def density(self, x: Float[Tensor, "batch 1"]) -> Float[Tensor, " batch"]:
        """p(x), for points given as a column."""
        u = (x[:, 0] - self.mean) / self.std
        return torch.exp(-0.5 * u**2) / (self.std * math.sqrt(2 * math.pi))


@dataclass(frozen=True)
class Ring:
    """Equal round Gaussians, evenly spaced on a circle: the standard test of mode collapse.

    Parameters
    ----------
    modes : int
        Number of Gaussians.
    radius : float
        Of the circle, in the units of x.
    std : float
        Of each Gaussian, in each direction. 98.9 % of its points lie within 3 std of its centre.
    """

    modes: int = 8
    radius: float = 2.0
    std: float = 0.1

    def __post_init__(self) -> None:
        if self.modes < 1 or self.radius <= 0 or self.std <= 0:
            raise ValueError(f"modes, radius and std must be above 0, got {self}")

    @property
    def centres(self) -> Float[Tensor, "modes 2"]:
        """The centres, counter-clockwise from (radius, 0)."""
        angle = 2 * math.pi * torch.arange(self.modes) / self.modes
        return self.radius * torch.stack([angle.cos(), angle.sin()], dim=1)

    def sample(self, m: int, rng: torch.Generator) -> Float[Tensor, "batch 2"]:
        """Draw m points, on the device of `rng`."""
        mode = torch.randint(self.modes, (m,), generator=rng, device=rng.device)
        spread = torch.randn(m, 2, generator=rng, device=rng.device)
        return self.centres.to(rng.device)[mode] + self.std * spread

    def density(self, x: Float[Tensor, "batch 2"]) -> Float[Tensor, " batch"]:
        """p(x), the mean of the Gaussians' densities."""
        squared = (x[:, None] - self.centres.to(x)).square().sum(dim=2)  # (batch, modes)
        each = torch.exp(-0.5 * squared / self.std**2) / (2 * math.pi * self.std**2)
        return each.mean(dim=1)


def batches(p: Normal | Ring, size: int, rng: torch.Generator) -> Iterator[Tensor]:
    """Endless fresh mini-batches from p: the "sample a minibatch" lines of Algorithm 1.

    Parameters
    ----------
    p : Normal or Ring
        The distribution.
    size : int
        Points per batch.
    rng : torch.Generator
        The only state: pass it to ``loop.train`` to resume a run.
    """
    while True:
        yield p.sample(size, rng)
