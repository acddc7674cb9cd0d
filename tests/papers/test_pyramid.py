"""Pyramids: exact reconstruction, against other ways to compute the same."""

import pytest
import torch
import torch.nn.functional as F

from gancourse.papers import lapgan


@pytest.mark.parametrize("shape", [(2, 3, 64, 64), (1, 1, 8, 8), (3, 2, 16, 48)])
@pytest.mark.parametrize("levels", [0, 1, 3])
def test_reconstruction_is_exact(shape, levels, rng):
    x = torch.rand(shape, generator=rng) * 2 - 1
    parts = lapgan.laplacian(x, levels)
    assert [p.shape[-1] for p in parts] == [shape[-1] // 2**k for k in range(levels + 1)]
    assert (lapgan.reconstruct(parts) - x).abs().max() <= 1e-5


def test_the_last_entry_is_the_picture_halved(rng):
    x = torch.rand(2, 3, 32, 32, generator=rng) * 2 - 1
    assert torch.equal(lapgan.laplacian(x, 2)[-1], lapgan.down(lapgan.down(x)))


def test_down_is_three_means_of_two_pixels(rng):
    """[1, 3, 3, 1] / 8 is [1, 1] / 2 convolved with itself three times."""
    x = torch.rand(2, 3, 16, 16, generator=rng)
    blurred = F.pad(x, (1, 1, 1, 1), mode="replicate")
    for stride in (1, 1, 2):
        blurred = F.avg_pool2d(blurred, 2, stride)
    assert torch.allclose(lapgan.down(x), blurred, atol=1e-6)


def test_down_agrees_with_torchs_antialiasing_away_from_the_border(rng):
    x = torch.rand(2, 3, 16, 16, generator=rng)
    oracle = F.interpolate(x, scale_factor=0.5, mode="bilinear", antialias=True)
    inside = (..., slice(1, -1), slice(1, -1))
    assert torch.allclose(lapgan.down(x)[inside], oracle[inside], atol=1e-5)


def test_up_is_the_transpose_of_down_away_from_the_border(rng):
    """<d(x), y> = <x, u(y)> / 4 where y is 0 near the border."""
    x = torch.rand(1, 1, 16, 16, generator=rng)
    y = F.pad(torch.rand(1, 1, 4, 4, generator=rng), (2, 2, 2, 2))
    left, right = (lapgan.down(x) * y).sum(), (x * lapgan.up(y)).sum() / 4
    assert left.item() == pytest.approx(right.item(), rel=1e-5)


def test_a_constant_stays_and_its_residuals_vanish():
    parts = lapgan.laplacian(torch.full((1, 3, 16, 16), 0.7), 2)
    assert parts[-1].sub(0.7).abs().max() < 1e-6
    assert max(h.abs().max() for h in parts[:-1]) < 1e-6


def test_odd_sides_are_refused():
    with pytest.raises(ValueError, match="only even sides"):
        lapgan.laplacian(torch.zeros(1, 3, 12, 12), 3)
