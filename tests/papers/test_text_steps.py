"""The step of notebook 07, against the paper's algorithm."""

import itertools

import pytest
import torch
from torch import nn

from gancourse import env
from gancourse.papers.cgan import Conditioned
from gancourse.papers.gan import gan_step, r1_penalty
from gancourse.papers.text2image import Discriminator, Generator, between, gan_cls_step


def test_between_pairs_the_halves(rng):
    phi = torch.randn(5, 3, generator=rng)
    assert torch.allclose(between(phi), (phi[:2] + phi[2:4]) / 2)
    assert torch.allclose(between(phi, 0.2), 0.2 * phi[:2] + 0.8 * phi[2:4])
    assert between(phi[:1]).shape == (0, 3)


def players(seed=0):
    torch.manual_seed(seed)
    G, D = Generator(4, 6, 3, 1, 4, 8), Discriminator(6, 3, 1, 4, 8)
    opts = [torch.optim.SGD(net.parameters(), lr=0.05) for net in (G, D)]
    return G, D, *opts, env.noise(4, env.rng(seed, "cpu"))


def batch(rng, texts=2):
    x = torch.rand(6, 1, 8, 8, generator=rng) * 2 - 1
    return x, *[torch.randn(6, 6, generator=rng) for _ in range(texts)]


def weights(net):
    return torch.cat([p.detach().flatten().clone() for p in net.parameters()])


def test_without_wrong_texts_it_is_the_plain_game(rng):
    x, phi = batch(rng, texts=1)
    G, D, opt_G, opt_D, sample_z = players()
    ours = gan_cls_step(G, D, opt_G, opt_D, iter([(x, phi)]), sample_z)
    G2, D2, opt_G, opt_D, sample_z = players()
    theirs = gan_step(Conditioned(G2, phi), Conditioned(D2, phi), opt_G, opt_D, iter([x]), sample_z)
    for name in ("loss_D", "loss_G"):
        assert ours[name].item() == pytest.approx(theirs[name].item(), abs=1e-6)
    for a, b in ((G, G2), (D, D2)):
        assert torch.allclose(weights(a), weights(b), atol=1e-6)


@pytest.mark.parametrize("interpolate", [False, True])
def test_it_does_what_the_algorithm_says(rng, interpolate):
    """Against autograd on the textbook losses, one step of each player."""
    x, phi, wrong = batch(rng)
    G, D, opt_G, opt_D, sample_z = players()
    losses = gan_cls_step(
        G, D, opt_G, opt_D, iter([(x, phi, wrong)]), sample_z, interpolate=interpolate
    )
    G2, D2, opt_G, opt_D, sample_z = players()
    bce, one = nn.BCELoss(), torch.ones(6)
    fake = G2(sample_z(6), phi).detach()
    real, bad, no = D2(x, phi).sigmoid(), D2(x, wrong).sigmoid(), D2(fake, phi).sigmoid()

    loss_D = bce(real, one) + 0.5 * bce(bad, 0 * one) + 0.5 * bce(no, 0 * one)
    opt_D.zero_grad()
    loss_D.backward()
    opt_D.step()
    told = torch.cat([phi, (phi[:3] + phi[3:]) / 2]) if interpolate else phi
    s = D2(G2(sample_z(len(told)), told), told).sigmoid()
    loss_G = bce(s[:6], one)
    whole = loss_G + bce(s[6:], one[:3]) if interpolate else loss_G
    opt_G.zero_grad()
    whole.backward()
    opt_G.step()
    assert losses["loss_D"].item() == pytest.approx(loss_D.item(), abs=1e-5)
    assert losses["loss_G"].item() == pytest.approx(loss_G.item(), abs=1e-5)
    for a, b in ((G, G2), (D, D2)):
        assert torch.allclose(weights(a), weights(b), atol=1e-5)


def test_the_penalty_moves_d_and_is_not_in_the_loss(rng):
    first, second = players(), players()
    item = batch(rng)
    plain = gan_cls_step(*first[:4], itertools.repeat(item), first[4])
    steep = gan_cls_step(*second[:4], itertools.repeat(item), second[4], penalty=r1_penalty)
    assert plain["loss_D"] == steep["loss_D"]
    assert not torch.allclose(weights(first[1]), weights(second[1]))
    assert plain["loss_D"].isfinite()


def test_what_g_pays_beside_reaches_g_alone(rng):
    """A huge price for bright pictures: they get darker; D and the losses know nothing of it."""
    first, second = players(), players()
    item = batch(rng)
    seen = []

    def bright(x, z):
        seen.append((x.shape, z.shape))
        return 100 * x.mean()

    plain = gan_cls_step(*first[:4], itertools.repeat(item), first[4])
    priced = gan_cls_step(*second[:4], itertools.repeat(item), second[4], regularizer=bright)
    assert plain == priced
    assert torch.equal(weights(first[1]), weights(second[1]))
    z, phi = torch.randn(50, 4, generator=rng), torch.randn(50, 6, generator=rng)
    assert second[0](z, phi).mean() < first[0](z, phi).mean()
    assert seen == [((6, 1, 8, 8), (6, 4))]
