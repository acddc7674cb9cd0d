"""R3GAN: loss, step and networks."""

import math

import pytest
import torch
from torch import nn

from gancourse import env
from gancourse.papers import dcgan, r3gan
from gancourse.papers.gan import r1_penalty
from gancourse.training import networks

SMALL = {"widths": (16, 16, 8), "blocks": 2, "group": 4}


def test_the_pairing_loss_by_hand():
    real, fake = torch.tensor([2.0, -1.0]), torch.tensor([0.5, 3.0])
    by_hand = (math.log1p(math.exp(-1.5)) + math.log1p(math.exp(4.0))) / 2
    assert r3gan.pairing_loss(real, fake).item() == pytest.approx(by_hand)
    assert r3gan.pairing_loss(real, real).item() == pytest.approx(math.log(2))
    shifted = r3gan.pairing_loss(real + 7, fake + 7)
    assert shifted.item() == pytest.approx(by_hand, rel=1e-5)  # only differences count
    assert r3gan.pairing_loss(torch.tensor([-300.0]), torch.tensor([300.0])).item() == 600


def test_both_losses_by_hand_and_at_the_ends():
    real, fake = torch.tensor([2.0, -1.0]), torch.tensor([0.5, 3.0])
    loss_D, loss_G = r3gan.pairing_losses(real, fake)
    by_hand = [sum(math.log1p(math.exp(s * t)) for t in (-1.5, 4.0)) / 2 for s in (1, -1)]
    assert [loss_D.item(), loss_G.item()] == pytest.approx(by_hand)
    assert (loss_D - loss_G).item() == pytest.approx((fake - real).mean().item())
    far = torch.tensor([1e4, -1e4])
    assert [x.item() for x in r3gan.pairing_losses(far, -far)] == [1e4, 1e4]


def test_pairs_need_two_equal_batches():
    with pytest.raises(ValueError, match="as many real logits"):
        r3gan.pairing_loss(torch.zeros(3), torch.zeros(2))
    with pytest.raises(ValueError, match="at least one"):
        r3gan.pairing_loss(torch.zeros(0), torch.zeros(0))


def linear_players() -> tuple[nn.Module, nn.Module]:
    rng = env.rng(0, "cpu")
    G, D = nn.Linear(2, 3), nn.Sequential(nn.Linear(3, 1), nn.Flatten(0))
    for p in (*G.parameters(), *D.parameters()):
        p.data.normal_(generator=rng)
    return G.double(), D.double()


def test_a_step_is_that_of_the_formulas():
    G, D = linear_players()
    copies = linear_players()
    rng = env.rng(1, "cpu")
    x1, x2 = torch.randn(2, 5, 3, generator=rng, dtype=torch.double)
    z1, z2 = torch.randn(2, 5, 2, generator=rng, dtype=torch.double)
    opts = [torch.optim.SGD(net.parameters(), 0.1) for net in (G, D)]
    noise = iter([z1, z2])
    values = r3gan.r3gan_step(G, D, *opts, iter([x1, x2]), lambda m: next(noise), gamma=0.7)

    g, d = copies
    fakes = g(z1).detach()
    loss = nn.functional.softplus(d(fakes) - d(x1)).mean()
    penalties = r1_penalty(d, x1) + r1_penalty(d, fakes)
    torch.autograd.backward(loss + 0.35 * penalties, inputs=list(d.parameters()))
    for p in d.parameters():
        p.data -= 0.1 * (p.grad if p.grad is not None else 0)
    loss_G = nn.functional.softplus(d(x2) - d(g(z2))).mean()
    grads = torch.autograd.grad(loss_G, list(g.parameters()))
    for p, grad in zip(g.parameters(), grads, strict=True):
        p.data -= 0.1 * grad
    for net, copy in ((G, g), (D, d)):
        for p, q in zip(net.parameters(), copy.parameters(), strict=True):
            assert torch.allclose(p, q, atol=1e-6)
    assert values["loss_D"].item() == pytest.approx(loss.item(), rel=1e-6)
    assert values["loss_G"].item() == pytest.approx(loss_G.item(), rel=1e-6)
    assert all(not value.requires_grad for value in values.values())


def test_gamma_0_computes_no_penalty():
    G, D = linear_players()
    opts = [torch.optim.SGD(net.parameters(), 0.1) for net in (G, D)]
    x = torch.zeros(4, 3, dtype=torch.double)
    draw = lambda m: torch.ones(m, 2, dtype=torch.double)  # noqa: E731
    values = r3gan.r3gan_step(G, D, *opts, iter([x, x]), draw, gamma=0)
    assert values["r1"] == values["r2"] == 0


def test_shapes_and_no_normalization():
    G = r3gan.Generator(8, 1, **SMALL, rng=env.rng(0, "cpu"))
    D = r3gan.Discriminator(1, **SMALL, rng=env.rng(1, "cpu"))
    images = G(torch.randn(3, 8))
    assert images.shape == (3, 1, 16, 16)
    assert D(images).shape == (3,)
    alone = torch.cat([D(image[None]) for image in images])
    assert torch.allclose(alone, D(images), atol=1e-5)  # examples are independent
    kinds = {type(m).__name__ for net in (G, D) for m in net.modules()}
    assert not any("Norm" in kind for kind in kinds)


def test_blocks_are_the_identity_at_the_start_and_learn():
    block = r3gan.ResidualBlock(8, group=4, of=6)
    x = torch.randn(2, 8, 5, 5)
    assert torch.equal(block(x), x)
    block(x).square().sum().backward()
    assert block.layers[-1].weight.grad.abs().sum() > 0
    inside = block.layers[2](block.layers[1](block.layers[0](x)))
    assert block.layers[2].weight.shape == (16, 4, 3, 3)
    assert 0.2 < inside.std() < 1.5


def test_resampling_keeps_constants_and_interpolates():
    x = torch.full((1, 2, 6, 6), 3.0)
    up, down = r3gan.Resample(2, 2, up=True), r3gan.Resample(2, 2, up=False)
    assert torch.allclose(up(x)[..., 1:-1, 1:-1], torch.tensor(3.0))
    assert torch.allclose(down(x)[..., 1:, 1:], torch.tensor(3.0))
    ramp = torch.arange(6.0).expand(1, 2, 6, 6)
    assert torch.allclose(up(ramp)[0, 0, 2, :-1], torch.arange(11) / 2)


def test_saved_and_loaded(tmp_path):
    G = r3gan.Generator(8, 1, **SMALL)
    path = networks.save(G, tmp_path / "G.safetensors")
    z = torch.randn(2, 8)
    assert torch.equal(networks.load(path)(z), G.eval()(z))


def test_a_wrong_side_is_named():
    with pytest.raises(ValueError, match="16"):
        r3gan.Discriminator(1, **SMALL)(torch.zeros(1, 1, 32, 32))


def test_without_norm_keeps_the_variance_and_has_a_bias_for_each_norm():
    rng = env.rng(0, "cpu")
    G = r3gan.without_norm(dcgan.Generator(64, 3, 32, 64), rng)
    D = r3gan.without_norm(dcgan.Discriminator(3, 32, 64), rng)
    for net in (G, D):
        assert not any(isinstance(layer, nn.BatchNorm2d) for layer in net.modules())
    x = torch.randn(64, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    z = torch.randn(64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        for net, inputs in ((G, z), (D, x)):
            for layer in list(net.layers)[:-1]:
                inputs = layer(inputs)
                if isinstance(layer, r3gan.Bias) or isinstance(layer, nn.LeakyReLU):
                    power = inputs.square().mean().item()  # before or after an activation
                    assert 0.3 < power < 3, layer
    biases = [layer for layer in G.modules() if isinstance(layer, r3gan.Bias)]
    assert len(biases) == 4 and all(not bias.bias.any() for bias in biases)
