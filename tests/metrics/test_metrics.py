"""Numbers against closed forms."""

import math

import pytest
import torch
from torch import nn

from gancourse.metrics import images, retrieval, samples


def test_frechet_distance_of_two_gaussians_in_one_dimension(rng):
    """(mu_a - mu_b)^2 + (sigma_a - sigma_b)^2."""
    x = torch.randn(20000, 1, generator=rng)
    x = (x - x.mean()) / x.std()
    assert samples.frechet_distance(3 + 2 * x, 5 * x) == pytest.approx(9 + 9, rel=1e-4)


def test_frechet_distance_agrees_with_scipy(rng):
    linalg = pytest.importorskip("scipy.linalg")
    a = torch.randn(300, 6, generator=rng)
    b = torch.randn(200, 6, generator=rng) @ torch.randn(6, 6, generator=rng) + 1
    Ca, Cb = torch.cov(a.double().T).numpy(), torch.cov(b.double().T).numpy()
    root = linalg.sqrtm(Ca @ Cb).real
    wanted = (a.mean(0) - b.mean(0)).square().sum().item() + (Ca + Cb - 2 * root).trace()
    assert samples.frechet_distance(a, b) == pytest.approx(wanted, rel=1e-4)


def test_frechet_distance_to_itself_is_zero_and_one_row_is_refused(rng):
    a = torch.randn(50, 80, generator=rng)  # fewer rows than columns: a singular covariance
    assert samples.frechet_distance(a, a) == pytest.approx(0, abs=1e-4)
    with pytest.raises(ValueError, match="at least two rows"):
        samples.frechet_distance(a[:1], a)


def test_mode_coverage_counts_modes_and_points():
    centres = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    points = torch.tensor([[0.1, 0.0], [0.0, 0.2], [10.0, 0.1], [5.0, 5.0]])
    assert samples.mode_coverage(points, centres, radius=0.5) == (2, 0.75)
    assert samples.mode_coverage(points, centres, radius=0.5, least=2) == (1, 0.75)


def test_confident_share():
    p = torch.tensor([[0.95, 0.05], [0.5, 0.5], [0.09, 0.91], [0.2, 0.8]])
    assert samples.confident_share(p) == 0.5


def test_in_batches_scales_bytes_and_puts_the_mode_back():
    net = nn.Sequential(nn.Flatten(), nn.Dropout(0.9))
    images = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1)
    assert samples.in_batches(net, images, size=1).flatten().tolist() == [-1.0, 1.0]
    assert net.training


def test_nearest_against_scipy(rng):
    from scipy.spatial import cKDTree

    samples = torch.randn(40, 2, 3, generator=rng)
    examples = torch.randn(50, 2, 3, generator=rng)
    distances, indices = retrieval.nearest(samples, examples)
    expected, where = cKDTree(examples.flatten(1).numpy()).query(samples.flatten(1).numpy())
    assert indices.tolist() == where.tolist()
    assert distances.tolist() == pytest.approx(expected.tolist(), rel=1e-4)
    with pytest.raises(ValueError, match="no example"):
        retrieval.nearest(samples, examples[:0])


def test_luminance_of_black_white_and_the_primaries():
    """ITU-R BT.601: 16 to 235; red 81.481, green 144.553, blue 40.966."""
    x = torch.tensor([[-1.0, -1, -1], [1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    y = images.luminance(x[:, :, None, None]).flatten()
    assert y.tolist() == pytest.approx([16, 235, 81.481, 144.553, 40.966], abs=1e-3)


def test_psnr_agrees_with_scikit_image_and_ignores_the_border(rng):
    from skimage.metrics import peak_signal_noise_ratio

    real = torch.rand(2, 3, 20, 24, generator=rng) * 2 - 1
    x = (real + 0.2 * torch.randn(real.shape, generator=rng)).clamp(-1, 1)
    for border in (0, 4):
        got = images.psnr(x, real, border)
        for i in range(2):
            inside = slice(border, 20 - border), slice(border, 24 - border)
            a, b = (images.luminance(p)[i][inside].double().numpy() for p in (real, x))
            assert got[i].item() == pytest.approx(peak_signal_noise_ratio(a, b, data_range=255))
    x[:, :, :4] = 1
    assert images.psnr(x, real, 4).equal(got)
    assert images.psnr(real, real).tolist() == [float("inf")] * 2
    with pytest.raises(ValueError, match="leaves nothing"):
        images.psnr(x, real, 10)


def test_halving_the_squared_error_is_3_decibels(rng):
    real = torch.zeros(1, 3, 16, 16)
    noise = torch.randn(real.shape, generator=rng) * 0.1
    gain = images.psnr(noise / 2**0.5, real) - images.psnr(noise, real)
    assert gain.item() == pytest.approx(10 * math.log10(2), abs=1e-4)


def test_ssim_is_wangs_with_an_11_x_11_gaussian_window(rng):
    """Written out: moments under the window, where it fits into the picture."""
    real = torch.rand(1, 3, 40, 44, generator=rng) * 2 - 1
    x = (real + 0.3 * torch.randn(real.shape, generator=rng)).clamp(-1, 1)
    a, b = (images.luminance(p)[:, None, 4:-4, 4:-4].double() for p in (x, real))
    g = torch.exp(-torch.arange(-5, 6).double().square() / (2 * 1.5**2))
    window = torch.outer(g, g)[None, None] / g.sum() ** 2

    def m(p):
        return torch.nn.functional.conv2d(p, window)

    va, vb, cov = m(a * a) - m(a) ** 2, m(b * b) - m(b) ** 2, m(a * b) - m(a) * m(b)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    index = (2 * m(a) * m(b) + c1) * (2 * cov + c2)
    index = index / ((m(a) ** 2 + m(b) ** 2 + c1) * (va + vb + c2))
    assert images.ssim(x, real).item() == pytest.approx(index.mean().item(), abs=1e-5)
    assert images.ssim(real, real).item() == pytest.approx(1)


def test_perceptual_distance_by_hand():
    """Two maps: one whose vectors are at right angles (2), one with equal directions (0)."""
    x, real = torch.zeros(1, 3, 2, 2), torch.ones(1, 3, 2, 2)
    maps = {0.0: [torch.tensor([3.0, 0]), torch.tensor([1.0, 1])]}
    maps[1.0] = [torch.tensor([0, 0.5]), torch.tensor([4.0, 4])]

    def phi(p):
        return [v.view(1, 2, 1, 1).expand(1, 2, 2, 2) for v in maps[p.mean().item()]]

    assert images.perceptual_distance(phi, x, real).item() == pytest.approx(1)
    assert images.perceptual_distance(phi, x, x).item() == 0


def test_recall_by_ranks(rng):
    """Against a loop that counts how many are more similar than the partner."""
    gallery = torch.randn(30, 4, generator=rng)
    queries = 5 * (gallery + 0.8 * torch.randn(30, 4, generator=rng))
    for k in (1, 3, 30):
        hits = 0
        for i, q in enumerate(queries):
            cosine = torch.cosine_similarity(q[None], gallery)
            hits += int((cosine > cosine[i]).sum() < k)
        assert retrieval.recall_at(queries, gallery, k) == pytest.approx(hits / 30)
    assert retrieval.recall_at(gallery, gallery, 1) == 1
    with pytest.raises(ValueError, match="partners"):
        retrieval.recall_at(queries, gallery, 31)
