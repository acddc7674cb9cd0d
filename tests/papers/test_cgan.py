"""Conditional networks: shapes, what a condition can do, labels; and the conditional step."""

import itertools

import pytest
import torch
from torch import nn

from gancourse import env
from gancourse.papers import blocks, cgan
from gancourse.papers.cgan import Conditioned, conditional_step
from gancourse.papers.gan import (
    descend,
    discriminator_loss,
    gan_step,
    r1_penalty,
)
from gancourse.training import networks


def test_shapes_range_and_a_batch_of_one(rng):
    G, D = cgan.Generator(8, 3, channels=2, width=4), cgan.Discriminator(3, channels=2, width=4)
    c = cgan.one_hot(torch.tensor([0, 2, 1]), 3)
    x = G(torch.randn(3, 8, generator=rng), c)
    assert x.shape == (3, 2, 32, 32) and x.abs().max() < 1
    assert D(x, c).shape == (3,) and D.eval()(x[:1], c[:1]).shape == (1,)


def test_weights_of_the_first_layer_are_an_embedding(rng):
    """One-hot conditions add a learned block of numbers of their own to the first maps."""
    G = cgan.Generator(8, 3, width=4)
    flat, first = G.layers[0], G.layers[1]
    z = torch.randn(3, 8, generator=rng)
    with torch.no_grad():
        nothing = first(flat(torch.cat([z, torch.zeros(3, 3)], dim=1)))
        asked = first(flat(torch.cat([z, torch.eye(3)], dim=1)))
    assert torch.allclose(asked - nothing, first.weight[8:], atol=1e-6)


def test_d_can_tell_whether_a_label_fits_and_a_linear_head_cannot(rng):
    D = cgan.Discriminator(3, width=4)
    x = torch.randn(6, 1, 32, 32, generator=rng)
    one, two = (cgan.one_hot(torch.full((6,), label), 3) for label in (1, 2))
    moves = D(x, one) - D(x, two)
    assert moves.std() > 1e-4
    D.judge = nn.Sequential(nn.Conv2d(4 * 4 + 3, 1, 4), nn.Flatten(0))
    moves = D(x, one) - D(x, two)
    assert moves.std() < 1e-6 < moves.abs().mean()


def test_join_maps_makes_constant_planes(rng):
    h, c = torch.randn(2, 3, 4, 5, generator=rng), torch.randn(2, 2, generator=rng)
    joined = cgan.join_maps(h, c)
    assert torch.equal(joined[:, :3], h)
    for row in range(4):
        for column in range(5):
            assert torch.equal(joined[:, 3:, row, column], c)


def test_one_hot_refuses_a_label_that_is_none():
    with pytest.raises(RuntimeError):
        cgan.one_hot(torch.tensor([0, 3]), 3)


def test_mislabel_is_never_right_and_reaches_every_other_label(rng):
    labels = torch.arange(5).repeat(400)
    wrong = cgan.mislabel(labels, 5, rng)
    pairs = torch.zeros(5, 5).index_put_((labels, wrong), torch.ones(2000), accumulate=True)
    assert pairs.diagonal().sum() == 0
    assert (pairs + 100 * torch.eye(5)).min() > 60  # 100 are expected


def test_joined_gives_vectors_or_logits_and_leaves_torch_alone(rng):
    before = torch.get_rng_state()
    G, D = cgan.Joined(4, 6, 8, out=5, rng=rng), cgan.Joined(5, 6, 8, out=0, rng=rng)
    assert torch.equal(torch.get_rng_state(), before)
    c = torch.randn(3, 6, generator=rng)
    x = G(torch.randn(3, 4, generator=rng), c)
    assert x.shape == (3, 5) and D(x, c).shape == (3,) and D(x[:1], c[:1]).shape == (1,)


def test_saved_networks_come_back(tmp_path, rng):
    G = cgan.Generator(8, 3, width=4)
    again = networks.load(networks.save(G, tmp_path / "G.safetensors"))
    z, c = torch.randn(2, 8, generator=rng), torch.eye(3)[:2]
    assert torch.equal(again(z, c), G.eval()(z, c))


class Fixed:
    """The same batch again and again."""

    def __init__(self, *tensors):
        self.tensors = tensors

    def __iter__(self):
        return self

    def __next__(self):
        return self.tensors


def pair(seed=0):
    rng = torch.Generator().manual_seed(seed)
    G = blocks.init_normal(cgan.Generator(8, 3, width=4), rng, std=0.2)
    D = blocks.init_normal(cgan.Discriminator(3, width=4), rng, std=0.2)
    x, c = torch.randn(6, 1, 32, 32, generator=rng), cgan.one_hot(torch.arange(6) % 3, 3)
    return G, D, *(torch.optim.SGD(net.parameters(), 0.01) for net in (G, D)), x, c


def test_conditional_step_is_the_plain_step_with_its_condition_filled_in():
    one, two = pair(), pair()
    for (G, D, opt_G, opt_D, x, c), conditional in ((one, True), (two, False)):
        sample_z = env.noise(8, env.rng(1, "cpu"))
        if conditional:
            losses = conditional_step(G, D, opt_G, opt_D, Fixed(x, c), sample_z)
        else:
            losses = gan_step(
                Conditioned(G, c), Conditioned(D, c), opt_G, opt_D, iter([x]), sample_z
            )
        assert set(losses) == {"loss_D", "loss_G"}
    for a, b in zip((*one[0].parameters(), *one[1].parameters()),
                    (*two[0].parameters(), *two[1].parameters()), strict=True):  # fmt: skip
        assert torch.equal(a, b)


def test_wrong_conditions_and_the_penalty_enter_the_loss_of_d_only_once():
    G, D, opt_G, opt_D, x, c = pair()
    _, twin, _, opt_twin, _, _ = pair()

    def steep(D, x):
        return 3 * r1_penalty(D, x)

    fakes = G(env.noise(8, env.rng(1, "cpu"))(6), c).detach()
    wrong = c.roll(1, 1)
    loss = discriminator_loss(twin(x, c), twin(fakes, c)) + steep(Conditioned(twin, c), x)
    loss = loss + nn.functional.softplus(twin(x, wrong)).mean()  # -log(1 - D)
    opt_twin.zero_grad()
    loss.backward()
    opt_twin.step()
    G_again = pair()[0]
    conditional_step(
        G_again, D, opt_G, opt_D, Fixed(x, c), env.noise(8, env.rng(1, "cpu")),
        lambda c: c.roll(1, 1), penalty=steep,
    )  # fmt: skip
    for a, b in zip(D.parameters(), twin.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-5)


class Told(nn.Module):
    """Concatenates the condition to the input."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x, c):
        return self.net(torch.cat([x, c], dim=1))


def weights(net):
    return torch.cat([p.detach().flatten().clone() for p in net.parameters()])


def test_conditional_step_is_the_textbook_step_on_pairs():
    def conditional(opt):
        torch.manual_seed(0)
        G, D = Told(nn.Linear(5, 2)), Told(nn.Linear(4, 1))
        data = torch.randn(6, 16, 4, generator=env.rng(0, on="cpu")).split(2, dim=2)
        pairs = itertools.cycle(zip(*data, strict=True))
        sample_z = env.noise(3, env.rng(1, on="cpu"))
        return G, D, opt(G.parameters(), lr=0.1), opt(D.parameters(), lr=0.1), pairs, sample_z

    ours, (G, D, opt_G, opt_D, pairs, sample_z) = (conditional(torch.optim.SGD) for _ in "ab")
    bce = nn.BCEWithLogitsLoss()
    ones, zeros = torch.ones(16, 1), torch.zeros(16, 1)
    for _ in range(3):
        losses = conditional_step(*ours, penalty=lambda D_c, x: 0.0 * D_c(x).sum())
        x, c = next(pairs)
        loss_D = bce(D(x, c), ones) + bce(D(G(sample_z(16), c).detach(), c), zeros)
        descend(opt_D, loss_D)
        loss_G = bce(D(G(sample_z(16), c), c), ones)
        descend(opt_G, loss_G)
        assert losses["loss_D"].item() == pytest.approx(loss_D.item(), abs=1e-5)
        assert losses["loss_G"].item() == pytest.approx(loss_G.item(), abs=1e-5)
    for net, twin in zip(ours[:2], (G, D), strict=True):
        assert torch.allclose(weights(net), weights(twin), atol=1e-6)
