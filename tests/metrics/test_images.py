"""Measures of images against closed forms and other libraries."""

import math

import pytest
import torch

from gancourse.metrics import images


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
