"""Differentiable augmentation: what each part does to an image, and what reaches G."""

import pytest
import torch
from torch import nn

from gancourse import env
from gancourse.papers import diffaugment
from gancourse.papers.gan import gan_step


def images(seed: int = 0, side: int = 16) -> torch.Tensor:
    return torch.rand(64, 3, side, side, generator=env.rng(seed, "cpu")) * 2 - 1


def test_brightness_adds_one_number_to_each_image():
    x = images()
    change = diffaugment.brightness(x, env.rng(1, "cpu")) - x
    assert change.std(dim=(1, 2, 3)).max() < 1e-6
    assert -0.5 <= change.min() < -0.4 and 0.4 < change.max() <= 0.5


def test_saturation_keeps_grey_and_scales_colour():
    x = images()
    grey = x.mean(dim=1, keepdim=True)
    y = diffaugment.saturation(x, env.rng(1, "cpu"))
    factor = (y - grey) / (x - grey)
    assert torch.allclose(y.mean(dim=1, keepdim=True), grey, atol=1e-6)
    assert (factor.amax((1, 2, 3)) - factor.amin((1, 2, 3))).max() < 0.1
    assert factor.min() < 0.2 and factor.max() > 1.8


def test_contrast_keeps_the_mean_of_each_image():
    x = images()
    y = diffaugment.contrast(x, env.rng(1, "cpu"))
    assert torch.allclose(y.mean(dim=(1, 2, 3)), x.mean(dim=(1, 2, 3)), atol=1e-6)
    ratio = y.std(dim=(1, 2, 3)) / x.std(dim=(1, 2, 3))
    assert 0.5 <= ratio.min() < 0.6 and 1.4 < ratio.max() <= 1.5 + 1e-5


def test_translation_moves_by_whole_pixels_and_fills_with_zeros():
    x = images()
    y = diffaugment.translation(x, env.rng(1, "cpu"))
    steps = set()
    for before, after in zip(x, y, strict=True):
        padded = nn.functional.pad(before, (2, 2, 2, 2))
        found = [
            (i, j)
            for i in range(5)
            for j in range(5)
            if torch.equal(padded[:, i : i + 16, j : j + 16], after)
        ]
        assert len(found) == 1
        steps |= set(found)
    assert len(steps) > 15  # of 25


def test_cutout_sets_one_square_to_zero():
    x = images() + 3  # nowhere 0
    y = diffaugment.cutout(x, env.rng(1, "cpu"))
    hidden = (y == 0).all(dim=1)
    assert torch.equal(y[:, 0][~hidden], x[:, 0][~hidden])
    sizes = hidden.sum(dim=(1, 2))
    assert sizes.max() == 64 and sizes.min() >= 16  # 8 x 8, or a quarter of it in a corner
    for mask in hidden:
        rows, columns = mask.any(dim=1).sum(), mask.any(dim=0).sum()
        assert rows * columns == mask.sum()


def test_each_image_of_a_batch_is_changed_by_its_own_numbers_and_the_seed_decides():
    x = images()[:1].expand(8, -1, -1, -1)
    y = diffaugment.augment(x, env.rng(2, "cpu"))
    assert y.shape == x.shape
    assert torch.pdist(y.flatten(1)).min() > 0.1
    assert torch.equal(y, diffaugment.augment(x, env.rng(2, "cpu")))


def test_the_gradient_passes_through():
    x = images().double().requires_grad_()
    diffaugment.augment(x, env.rng(3, "cpu")).square().sum().backward()
    assert x.grad.isfinite().all() and (x.grad != 0).float().mean() > 0.5


@pytest.mark.parametrize("channels", [1, 3])
def test_a_training_step_augments_real_images_and_fakes_in_both_turns(channels):
    seen = []

    class D(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(channels * 64, 1)

        def forward(self, x):
            seen.append(x.detach())
            return self.layer(x.flatten(1)).squeeze(1)

    G = nn.Sequential(nn.Linear(4, channels * 64), nn.Unflatten(1, (channels, 8, 8)))
    real = torch.full((5, channels, 8, 8), 0.25)
    net = diffaugment.Augmented(D(), env.rng(0, "cpu"))
    before = [p.clone() for p in (*G.parameters(), *net.parameters())]
    opts = [torch.optim.Adam(N.parameters(), 1e-2) for N in (G, net)]
    gan_step(G, net, *opts, iter([real]), lambda m: torch.randn(m, 4))
    after = [*G.parameters(), *net.parameters()]
    assert all(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert len(seen) == 3
    assert seen[0].flatten(1).std(dim=1).max() > 0.01  # real images, no longer constant
    assert all((x == 0).any() for x in seen[1:])  # the square that is cut out of fakes


def test_augmented_losses_against_a_step_with_an_augmented_discriminator():
    """With T's draws in the same order they are the losses of D behind the augmentation."""
    D = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 1), nn.Flatten(0))
    x, fakes = images(0), images(1).requires_grad_()
    rng = env.rng(3, "cpu")
    loss_D, loss_G = diffaugment.augmented_losses(
        D, x, fakes, lambda x: diffaugment.augment(x, rng)
    )
    behind = diffaugment.Augmented(D, env.rng(3, "cpu"))
    real, fake, again = behind(x), behind(fakes), behind(fakes)
    expected = -real.sigmoid().log().mean() - (1 - fake.sigmoid()).log().mean()
    assert torch.isclose(loss_D, expected, atol=1e-5)
    assert torch.isclose(loss_G, -again.sigmoid().log().mean(), atol=1e-5)
    assert torch.autograd.grad(loss_D, fakes, allow_unused=True) == (None,)
    assert torch.autograd.grad(loss_G, fakes)[0].any()
