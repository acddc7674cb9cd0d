"""The loop of notebook 11: it equals its parts written out, learns, and is resumed by `train`."""

import copy

import pytest
import torch
from torch import nn

from gancourse import env
from gancourse.papers import gan
from gancourse.shapes import to_float
from gancourse.training import loop, own_gan


def game(images: torch.Tensor, steps: int = 200) -> tuple:
    G = gan.Generator(4, units=32, size=8, rng=env.rng(0, "cpu"))
    G.noise_dim = 4
    D = gan.Discriminator(units=16, size=8, rng=env.rng(1, "cpu"))
    return G, D, own_gan.my_gan(G, D, images, steps, env.rng(2, "cpu"))


@pytest.fixture
def images(rng) -> torch.Tensor:
    return torch.randint(190, 256, (40, 1, 8, 8), generator=rng, dtype=torch.uint8)


def test_two_steps_written_out(images, monkeypatch):
    monkeypatch.setenv("GANCOURSE_PRECISION", "fp32")
    G, D, (step, _, average) = game(images)
    g, d = copy.deepcopy(G), copy.deepcopy(D)
    opts = [torch.optim.Adam(net.parameters(), 2e-3, (0.5, 0.99)) for net in (g, d)]
    rng, mean = env.rng(2, "cpu"), copy.deepcopy(g)
    for n in range(2):
        losses = step()
        x = to_float(images[torch.randint(40, (32,), generator=rng)])
        fakes = g(torch.randn(32, 4, generator=rng)).detach()
        loss_D = nn.functional.softplus(-d(x)).mean() + nn.functional.softplus(d(fakes)).mean()
        opts[1].zero_grad()
        (loss_D + (8 * 0.05 * gan.r1_penalty(d, x) if n == 0 else 0)).backward()
        opts[1].step()
        loss_G = nn.functional.softplus(-d(g(torch.randn(32, 4, generator=rng)))).mean()
        opts[0].zero_grad()
        loss_G.backward()
        opts[0].step()
        gan.ema_update(mean, g, (n + 1) / (n + 10))
        assert torch.allclose(losses["loss_D"], loss_D) and torch.allclose(losses["loss_G"], loss_G)
    for ours, net in ((G, g), (D, d), (average, mean)):
        for a, b in zip(ours.parameters(), net.parameters(), strict=True):
            assert torch.allclose(a, b, atol=1e-5)


def test_samples_come_near_the_images(images):
    _, _, (step, _, average) = game(images)
    z, level = torch.randn(64, 4), to_float(images).mean()
    before = (average(z).mean() - level).abs()
    for _ in range(200):
        step()
    assert (average(z).mean() - level).abs() < before / 3


def test_train_resumes_it(images, tmp_path):
    _, _, (step, keep, average) = game(images)
    whole = list(loop.train(step, 60, keep, record_every=20))
    _, _, (step, keep, _) = game(images)
    next(loop.train(step, 60, keep, tmp_path, record_every=20, checkpoint_seconds=0))
    _, _, (step, keep, again) = game(images)
    records = list(loop.train(step, 60, keep, tmp_path, record_every=20))
    assert [r.losses for r in records[-2:]] == [r.losses for r in whole[-2:]]
    for a, b in zip(average.parameters(), again.parameters(), strict=True):
        assert a.equal(b)
