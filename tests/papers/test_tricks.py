"""Tricks, against torch's own layers, loops and closed forms."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from gancourse.papers import tricks
from gancourse.papers.blocks import swap
from gancourse.papers.dcgan import Discriminator, Generator


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_virtual_batch_norm_is_batch_norm_over_reference_and_one():
    h, reference = torch.randn(5, 3, generator=rng(1)) + 2, torch.randn(9, 3, generator=rng(2))
    got = tricks.virtual_batch_norm(h, reference)
    for i in range(5):
        whole = F.batch_norm(torch.cat([reference, h[i : i + 1]]), None, None, training=True)
        torch.testing.assert_close(got[i], whole[-1], rtol=1e-4, atol=1e-5)


def test_virtual_batch_norm_of_maps_counts_places():
    h, r = torch.randn(2, 3, 4, 5, generator=rng(3)), torch.randn(6, 3, 4, 5, generator=rng(4))
    got = tricks.virtual_batch_norm(h, r)
    for i in range(2):
        whole = F.batch_norm(torch.cat([r, h[i : i + 1]]), None, None, training=True)
        torch.testing.assert_close(got[i], whole[-1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(8, 3), (8, 3, 4, 4)])
def test_batch_norm_is_torchs(shape: tuple[int, ...]):
    x = torch.randn(shape, generator=rng(5)) * 3 + 1
    ours = tricks.BatchNorm(1, 3, 1, 1) if len(shape) == 4 else tricks.BatchNorm(1, 3)
    torch.testing.assert_close(ours(x), F.batch_norm(x, None, None, training=True))


def test_samples_of_a_virtual_network_do_not_see_each_other():
    torch.manual_seed(0)
    G = swap(
        Generator(4, 1, 4, 16), nn.BatchNorm2d,
        lambda old: tricks.BatchNorm(1, old.num_features, 1, 1, reference=5),
    )  # fmt: skip
    G = tricks.Virtual(G, torch.randn(5, 4, generator=rng(6)))
    z = torch.randn(3, 4, generator=rng(7))
    with torch.no_grad():
        alone, together = G(z[:1]), G(z)
    assert together.shape == (3, 1, 16, 16)
    torch.testing.assert_close(alone[0], together[0], rtol=1e-3, atol=1e-5)


def test_closeness_by_loops_and_its_ends():
    M = torch.randn(4, 3, 2, generator=rng(8))
    for i in range(4):
        for b in range(3):
            own = sum(torch.exp(-(M[i, b] - M[j, b]).abs().sum()) for j in range(4))
            assert tricks.closeness(M)[i, b] == pytest.approx(float(own), rel=1e-5)
    assert tricks.closeness(torch.zeros(6, 2, 2)).eq(6).all()
    assert tricks.closeness(100 * torch.arange(3.0)[:, None, None]).allclose(torch.ones(3, 1))
    assert tricks.closeness(M.expand(5, 4, 3, 2)).shape == (5, 4, 3)


def test_pooling_in_place_of_strides_keeps_shapes():
    D = swap(Discriminator(1, 4, 32), nn.Conv2d, tricks.pooled)
    assert D(torch.randn(2, 1, 32, 32)).shape == (2,)
    assert sum(isinstance(m, nn.MaxPool2d) for m in D.modules()) == 3


def linear(a: torch.Tensor) -> nn.Module:
    D = nn.Sequential(nn.Linear(len(a), 1), nn.Flatten(0))
    with torch.no_grad():
        D[0].weight.copy_(a)
    return D


@pytest.mark.parametrize("a, penalty", [([1.0, 0.0], 0.0), ([3.0, 4.0], 16.0), ([0.0, 0.0], 1.0)])
def test_gradient_penalty_of_a_plane(a: list[float], penalty: float):
    x, fakes, t = torch.randn(5, 2), torch.randn(5, 2), torch.rand(5, 1)
    got = tricks.gradient_penalty(linear(torch.tensor(a)), x, fakes, t)
    assert got.item() == pytest.approx(penalty, abs=1e-5) and got.requires_grad


def test_smoothed_loss_is_cross_entropy_with_label_0_9():
    D = linear(torch.tensor([1.5, -2.0]))
    x, fakes = torch.randn(6, 2, generator=rng(10)), torch.randn(6, 2, generator=rng(11))
    bce = F.binary_cross_entropy_with_logits
    wanted = bce(D(x), torch.full((6,), 0.9)) + bce(D(fakes), torch.zeros(6))
    assert tricks.smoothed_log_loss(D, x, fakes).item() == pytest.approx(wanted.item(), rel=1e-5)


def test_joint_loss_differs_from_the_other_only_under_batch_norm():
    x, fakes = torch.randn(6, 2, generator=rng(12)) + 2, torch.randn(6, 2, generator=rng(13))
    D = linear(torch.tensor([1.0, 1.0]))
    assert tricks.joint_log_loss(D, x, fakes).allclose(tricks.log_loss(D, x, fakes))
    D.insert(0, tricks.BatchNorm(1, 2))
    assert tricks.joint_log_loss(D, x, fakes) < tricks.log_loss(D, x, fakes) - 0.1


def test_feature_matching_is_0_for_equal_means():
    D = nn.Module()
    D.features = nn.Identity()
    x = torch.randn(4, 3, generator=rng(14))
    assert tricks.feature_matching(D, x, x.flip(0)).item() == pytest.approx(0, abs=1e-10)
    assert tricks.feature_matching(D, x, x + 2).item() == pytest.approx(12, rel=1e-5)


def test_fixed_statistics_are_those_of_one_large_batch():
    G = nn.Sequential(nn.Linear(3, 5), tricks.BatchNorm(1, 5), nn.ReLU(), tricks.BatchNorm(1, 5))
    z = torch.randn(40, 3, generator=rng(11))
    fixed = tricks.with_fixed_statistics(G, z)
    assert fixed(z).allclose(G(z), atol=1e-6)
    assert fixed(z[:2]).allclose(G(z)[:2], atol=1e-6)  # whatever else is in the batch
    assert not G(z[:2]).allclose(G(z)[:2], atol=1e-2)  # G itself is as it was


def test_critic_loss_of_a_plane():
    D = nn.Sequential(nn.Linear(2, 1, bias=False), nn.Flatten(0))
    x, fakes = torch.randn(5, 2), torch.randn(5, 2)
    w = D[0].weight.detach()[0]
    loss = tricks.critic_loss(torch.Generator().manual_seed(0), weight=4.0)(D, x, fakes)
    expected = (fakes @ w).mean() - (x @ w).mean() + 4 * (w.norm() - 1).square()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-4, abs=1e-5)
    assert tricks.wasserstein_loss(D, x, fakes).item() == pytest.approx(-(fakes @ w).mean().item())
