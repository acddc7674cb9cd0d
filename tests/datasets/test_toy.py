"""The toy distributions against closed forms, torch's own densities, and their own samples."""

import math
from itertools import islice

import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily
from torch.distributions import Normal as TorchNormal

from gancourse.datasets import toy


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def test_normal_density_is_torchs():
    x = torch.linspace(-3, 6, 50)[:, None]
    expected = TorchNormal(1.5, 0.7).log_prob(x[:, 0]).exp()
    torch.testing.assert_close(toy.Normal(1.5, 0.7).density(x), expected)


def test_ring_density_is_torchs_mixture():
    ring = toy.Ring(modes=5, radius=1.5, std=0.3)
    parts = Independent(TorchNormal(ring.centres, 0.3), 1)
    mixture = MixtureSameFamily(Categorical(torch.ones(5)), parts)
    x = torch.randn(40, 2, generator=rng())
    torch.testing.assert_close(ring.density(x), mixture.log_prob(x).exp())


def test_samples_have_the_moments_they_should():
    x = toy.Normal(4.0, 1.25).sample(100_000, rng())
    assert x.shape == (100_000, 1)
    assert x.mean().item() == pytest.approx(4.0, abs=0.03)  # 7 standard errors
    assert x.std().item() == pytest.approx(1.25, abs=0.02)


def test_ring_has_equal_modes_of_the_right_width():
    ring = toy.Ring()
    x = ring.sample(80_000, rng())
    distance, nearest = torch.cdist(x, ring.centres).min(dim=1)
    assert torch.bincount(nearest, minlength=8).float().sub(10_000).abs().max() < 700  # 7 sigma
    inside = (distance <= 3 * ring.std).float().mean().item()
    assert inside == pytest.approx(1 - math.exp(-4.5), abs=0.003)  # Rayleigh, at 3 sigma


def test_centres_lie_on_the_circle_evenly():
    centres = toy.Ring(modes=6, radius=3.0).centres
    torch.testing.assert_close(centres.norm(dim=1), torch.full((6,), 3.0))
    gaps = (centres - centres.roll(1, dims=0)).norm(dim=1)
    torch.testing.assert_close(gaps, torch.full((6,), 3.0))  # a hexagon's side is its radius


def test_batches_come_from_their_generator_alone():
    first = list(islice(toy.batches(toy.Ring(), 5, rng(1)), 3))
    torch.manual_seed(7)
    again = list(islice(toy.batches(toy.Ring(), 5, rng(1)), 3))
    assert all(a.equal(b) for a, b in zip(first, again, strict=True))
    assert not first[0].equal(first[1]) and first[0].shape == (5, 2)


@pytest.mark.parametrize("make", [lambda: toy.Normal(0, 0.0), lambda: toy.Ring(modes=0)])
def test_impossible_distributions_are_refused(make):
    with pytest.raises(ValueError, match="above 0"):
        make()
