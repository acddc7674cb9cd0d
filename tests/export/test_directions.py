"""Directions: on a linear generator they are known."""

import pytest
import torch
from torch import nn

from gancourse.export.directions import find


class Linear(nn.Module):
    """Each latent variable moves a pattern of its own, with its own strength."""

    def __init__(self, strengths: list[float]) -> None:
        super().__init__()
        patterns, _ = torch.linalg.qr(torch.randn(64, len(strengths)))
        self.patterns = patterns.T * torch.tensor(strengths)[:, None]

    def forward(self, z):
        return (z @ self.patterns).view(-1, 1, 8, 8)


def test_directions_of_a_linear_generator_are_its_variables(rng):
    z = torch.randn(4000, 4, generator=rng)
    found = find(Linear([1.0, 4.0, 0.5, 2.0]), z, count=3)
    order = [1, 3, 0]  # by strength
    torch.testing.assert_close(found.vectors.abs(), torch.eye(4)[order], atol=0.1, rtol=0)
    expected = torch.tensor([16.0, 4.0, 1.0]) / 21.25
    torch.testing.assert_close(found.shares, expected, atol=0.02, rtol=0)


def test_directions_are_orthogonal_unit_vectors(generator, rng):
    G, noise_dim = generator
    vectors, shares = find(G, torch.randn(300, noise_dim, generator=rng))
    k = len(vectors)
    assert 1 <= k <= min(6, noise_dim) and shares.shape == (k,)
    torch.testing.assert_close(vectors @ vectors.T, torch.eye(k), atol=1e-4, rtol=0)
    assert ((shares > 0) & (shares <= 1)).all()


@pytest.mark.parametrize("strengths", [[0.0, 0.0], [1e-5, 0.0]])
def test_a_generator_whose_images_are_all_equal_has_none(rng, strengths):
    vectors, shares = find(Linear(strengths), torch.randn(50, 2, generator=rng))
    assert vectors.shape == (0, 2) and shares.shape == (0,)
