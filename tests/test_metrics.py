"""Numbers against closed forms."""

import pytest
import torch
from torch import nn

from gancourse import metrics


def test_frechet_distance_of_two_gaussians_in_one_dimension(rng):
    """(mu_a - mu_b)^2 + (sigma_a - sigma_b)^2."""
    x = torch.randn(20000, 1, generator=rng)
    x = (x - x.mean()) / x.std()
    assert metrics.frechet_distance(3 + 2 * x, 5 * x) == pytest.approx(9 + 9, rel=1e-4)


def test_frechet_distance_agrees_with_scipy(rng):
    linalg = pytest.importorskip("scipy.linalg")
    a = torch.randn(300, 6, generator=rng)
    b = torch.randn(200, 6, generator=rng) @ torch.randn(6, 6, generator=rng) + 1
    Ca, Cb = torch.cov(a.double().T).numpy(), torch.cov(b.double().T).numpy()
    root = linalg.sqrtm(Ca @ Cb).real
    wanted = (a.mean(0) - b.mean(0)).square().sum().item() + (Ca + Cb - 2 * root).trace()
    assert metrics.frechet_distance(a, b) == pytest.approx(wanted, rel=1e-4)


def test_frechet_distance_to_itself_is_zero_and_one_row_is_refused(rng):
    a = torch.randn(50, 80, generator=rng)  # fewer rows than columns: a singular covariance
    assert metrics.frechet_distance(a, a) == pytest.approx(0, abs=1e-4)
    with pytest.raises(ValueError, match="at least two rows"):
        metrics.frechet_distance(a[:1], a)


def test_mode_coverage_counts_modes_and_points():
    centres = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    points = torch.tensor([[0.1, 0.0], [0.0, 0.2], [10.0, 0.1], [5.0, 5.0]])
    assert metrics.mode_coverage(points, centres, radius=0.5) == (2, 0.75)
    assert metrics.mode_coverage(points, centres, radius=0.5, least=2) == (1, 0.75)


def test_confident_share():
    p = torch.tensor([[0.95, 0.05], [0.5, 0.5], [0.09, 0.91], [0.2, 0.8]])
    assert metrics.confident_share(p) == 0.5


def test_in_batches_scales_bytes_and_puts_the_mode_back():
    net = nn.Sequential(nn.Flatten(), nn.Dropout(0.9))
    images = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1)
    assert metrics.in_batches(net, images, size=1).flatten().tolist() == [-1.0, 1.0]
    assert net.training


def test_nearest_against_scipy(rng):
    from scipy.spatial import cKDTree

    samples = torch.randn(40, 2, 3, generator=rng)
    examples = torch.randn(50, 2, 3, generator=rng)
    distances, indices = metrics.nearest(samples, examples)
    expected, where = cKDTree(examples.flatten(1).numpy()).query(samples.flatten(1).numpy())
    assert indices.tolist() == where.tolist()
    assert distances.tolist() == pytest.approx(expected.tolist(), rel=1e-4)
    with pytest.raises(ValueError, match="no example"):
        metrics.nearest(samples, examples[:0])
