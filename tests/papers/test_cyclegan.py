"""CycleGAN's networks against the numbers of the authors' code, and the patch by its gradient."""

import copy

import pytest
import torch
from torch import nn

from gancourse.papers import cyclegan
from gancourse.papers.blocks import count_parameters
from gancourse.papers.cyclegan import (
    LSGAN,
    WEIGHTS,
    cycle_loss,
    cyclegan_step,
    lsgan_discriminator_loss,
    lsgan_generator_loss,
)
from gancourse.papers.gan import (
    descend,
    discriminator_loss,
    non_saturating_loss,
)
from gancourse.training import networks


def test_parameters_are_those_of_the_authors():
    """Counted in their code, 9 blocks; and by hand for a block."""
    assert count_parameters(cyclegan.Generator()) == 11_378_179
    assert count_parameters(cyclegan.PatchDiscriminator()) == 2_764_737
    assert count_parameters(cyclegan.ResidualBlock(256)) == 2 * (256 * 256 * 9 + 256)


def test_256_pixels_give_30_x_30_logits():
    D = cyclegan.PatchDiscriminator(3, 2)
    assert D(torch.zeros(2, 3, 256, 256)).shape == (2, 30, 30)


@pytest.mark.parametrize("halvings", [0, 1, 2])
@pytest.mark.parametrize("sides", [(16, 16), (8, 20)])
def test_generator_keeps_the_size_and_the_range(halvings, sides, rng):
    G = cyclegan.Generator(3, 4, 1, halvings)
    y = G(3 * torch.randn(2, 3, *sides, generator=rng))
    assert y.shape == (2, 3, *sides) and y.abs().max() < 1


@pytest.mark.parametrize("net", [cyclegan.Generator(3, 4, 2), cyclegan.PatchDiscriminator(3, 4, 2)])
def test_images_of_a_batch_are_independent(net, rng):
    """`cyclegan_step` relies on it: images of both domains share a forward pass."""
    x = torch.randn(3, 3, 24, 24, generator=rng)
    assert torch.allclose(net(x)[:1], net(x[:1]), atol=1e-5)


@pytest.mark.parametrize("layers, side", [(1, 16), (2, 34), (3, 70)])
def test_receptive_field_is_what_the_gradient_says(layers, side, rng):
    D = cyclegan.PatchDiscriminator(1, 2, layers)
    assert cyclegan.receptive_field(D) == side
    for norm in [m for m in D.modules() if isinstance(m, nn.InstanceNorm2d)]:
        norm.forward = lambda x: x  # its mean and variance are those of the whole image
    for p in D.parameters():
        nn.init.uniform_(p, 0.1, 1, generator=rng)  # positive: no pixel's share cancels
    x = torch.rand(1, 1, 160, 160, generator=rng).requires_grad_()
    logits = D(x)
    logits[0, logits.shape[1] // 2, logits.shape[2] // 2].backward()
    for dim in (0, 1):
        seen = x.grad[0, 0].abs().amax(dim).nonzero()
        assert seen.max() - seen.min() + 1 == side == len(seen)


def test_field_of_by_hand():
    assert cyclegan.field_of([]) == 1
    assert cyclegan.field_of([(3, 1), (3, 1)]) == 5
    assert cyclegan.field_of([(3, 2), (3, 1)]) == 7


def test_a_block_adds_to_its_input_and_mirrors_at_the_border(rng):
    block = cyclegan.ResidualBlock(4)
    x = torch.randn(1, 4, 6, 6, generator=rng)
    nn.init.zeros_(block.layers[3].weight)  # then the second norm gives 0
    assert torch.allclose(block(x), x, atol=1e-5)
    assert {c.padding_mode for c in block.modules() if isinstance(c, nn.Conv2d)} == {"reflect"}


@pytest.mark.parametrize("net", [cyclegan.Generator(3, 4, 1, 1), cyclegan.PatchDiscriminator(3, 4)])
def test_networks_are_saved_and_loaded(net, tmp_path, rng):
    copy = networks.load(networks.save(net, tmp_path / "net.safetensors"))
    x = torch.randn(1, 3, 32, 32, generator=rng)
    assert torch.equal(copy(x), net.eval()(x))


def test_least_squares_by_torch_and_at_the_undecided_point(rng):
    real, fake = torch.randn(2, 4, 3, 3, generator=rng)
    mse = torch.nn.functional.mse_loss
    expected = mse(real, torch.ones_like(real)) + mse(fake, torch.zeros_like(fake))
    assert torch.allclose(lsgan_discriminator_loss(real, fake), expected)
    assert torch.allclose(lsgan_generator_loss(fake), mse(fake, torch.ones_like(fake)))
    half = torch.full((5,), 0.5)
    assert lsgan_discriminator_loss(half, half).item() == pytest.approx(0.5)
    assert LSGAN == (lsgan_discriminator_loss, lsgan_generator_loss)


def test_least_squares_pulls_back_what_is_taken_for_more_than_real():
    fake = torch.tensor([-1.0, 1.0, 3.0], requires_grad=True)
    lsgan_generator_loss(fake).backward()
    assert fake.grad.tolist() == pytest.approx([-4 / 3, 0.0, 4 / 3])


def test_cycle_loss_is_a_mean_of_absolute_differences(rng):
    x, again = torch.randn(2, 3, 3, 4, 4, generator=rng)
    assert torch.allclose(cycle_loss(x, again), torch.nn.functional.l1_loss(again, x))
    assert cycle_loss(torch.ones(1, 3, 2, 2), -torch.ones(1, 3, 2, 2)).item() == 2


@pytest.mark.parametrize("loss", [lsgan_generator_loss, lambda a: cycle_loss(a, a)])
def test_an_empty_batch_has_no_squares(loss):
    with pytest.raises(ValueError, match="at least one"):
        loss(torch.zeros(0, 3))


def translation_game(opt):
    """Four tiny networks, two optimizers, and fixed pictures of two domains."""
    torch.manual_seed(0)
    nets: list[nn.Module] = [nn.Conv2d(3, 3, 1) for _ in "GF"]
    nets += [nn.Sequential(nn.Conv2d(3, 1, 2), nn.Flatten(1, 2)) for _ in "XY"]
    opt_G, opt_D = (
        opt([*a.parameters(), *b.parameters()], lr=0.1) for a, b in (nets[:2], nets[2:])
    )
    return nets, opt_G, opt_D, torch.randn(2, 2, 3, 4, 4).unbind(0)


def pass_on(fakes):
    return fakes


def weights(net):
    return torch.cat([p.detach().flatten().clone() for p in net.parameters()])


@pytest.mark.parametrize("missing", ["", "cycle_X", "cycle_Y", "identity"])
def test_cyclegan_step_is_the_textbook_step(missing):
    """Against the costs written out one by one, each translation computed anew."""
    mse, l1 = nn.MSELoss(), nn.L1Loss()
    weights_ = {**WEIGHTS, **({missing: 0.0} if missing else {})}
    ours, theirs = translation_game(torch.optim.SGD), translation_game(torch.optim.SGD)
    nets, opt_G, opt_D, pair = ours
    (G, F, D_X, D_Y), their_G, their_D, (x, y) = theirs
    ones, zeros = torch.ones(2, 3, 3), torch.zeros(2, 3, 3)
    for _ in range(3):
        pools = (pass_on, pass_on)
        seen = cyclegan_step(
            *nets, opt_G, opt_D, iter([pair]), pools, {missing: 0.0} if missing else {}
        )
        wanted = {
            "loss_G": mse(D_Y(G(x)), ones),
            "loss_F": mse(D_X(F(y)), ones),
            "cycle_X": l1(F(G(x)), x),
            "cycle_Y": l1(G(F(y)), y),
            "identity": l1(G(y), y) + l1(F(x), x),
        }
        fake_x, fake_y = F(y).detach(), G(x).detach()
        descend(their_G, sum(weights_[name] * cost for name, cost in wanted.items()))
        wanted["loss_D_X"] = (mse(D_X(x), ones) + mse(D_X(fake_x), zeros)) / 2
        wanted["loss_D_Y"] = (mse(D_Y(y), ones) + mse(D_Y(fake_y), zeros)) / 2
        descend(their_D, wanted["loss_D_X"] + wanted["loss_D_Y"])
        assert set(seen) == set(wanted)
        for name, cost in wanted.items():
            expected = 0.0 if name == missing else cost.item()
            assert seen[name].item() == pytest.approx(expected, abs=1e-5), name
    for net, twin in zip(nets, theirs[0], strict=True):
        assert torch.allclose(weights(net), weights(twin), atol=1e-5)


def test_cyclegan_step_shows_what_the_pools_hand_out():
    nets, opt_G, opt_D, pair = translation_game(torch.optim.SGD)
    came, old = [], torch.full((2, 3, 4, 4), 0.5)

    def pool(fakes):
        came.append(fakes)
        return old

    D_X = copy.deepcopy(nets[2])
    seen = cyclegan_step(*nets, opt_G, opt_D, iter([pair]), (pool, pool))
    expected = ((D_X(pair[0]) - 1).square().mean() + D_X(old).square().mean()) / 2
    assert seen["loss_D_X"].item() == pytest.approx(expected.item(), abs=1e-5)
    assert len(came) == 2 and not any(fakes.requires_grad for fakes in came)


def test_cyclegan_step_plays_with_log_losses_too():
    nets, opt_G, opt_D, pair = translation_game(torch.optim.SGD)
    G, D_Y = copy.deepcopy(nets[0]), copy.deepcopy(nets[3])
    logs = (discriminator_loss, non_saturating_loss)
    seen = cyclegan_step(*nets, opt_G, opt_D, iter([pair]), (pass_on, pass_on), losses=logs)
    expected = nn.functional.softplus(-D_Y(G(pair[0]))).mean()
    assert seen["loss_G"].item() == pytest.approx(expected.item(), abs=1e-5)


def test_discriminators_keep_nothing_of_the_generators_turn():
    nets, opt_G, opt_D, pair = translation_game(torch.optim.SGD)
    before = [p.grad for p in nets[2].parameters()]
    calls = []
    opt_D.step = lambda: calls.append([p.grad.clone() for p in nets[2].parameters()])
    twin = copy.deepcopy(nets[2])
    fake = nets[1](pair[1]).detach()
    cyclegan_step(*nets, opt_G, opt_D, iter([pair]), (pass_on, pass_on))
    (((twin(pair[0]) - 1).square().mean() + twin(fake).square().mean()) / 2).backward()
    assert before == [None, None]
    for got, p in zip(calls[0], twin.parameters(), strict=True):
        assert torch.allclose(got, p.grad, atol=1e-6)


def numbered(first, count):
    """Images of one pixel that are recognized by their value."""
    return torch.arange(first, first + count).float().view(-1, 1, 1, 1)


def test_the_pool_fills_first_then_hands_out_about_half_of_its_own():
    pool = cyclegan.ImagePool(50, torch.Generator().manual_seed(0))
    assert torch.equal(pool(numbered(0, 30)), numbered(0, 30))
    assert torch.equal(pool(numbered(30, 20)), numbered(30, 20))
    old, rounds = 0, 400
    for n in range(rounds):
        fakes = numbered(100 + n, 1)
        before = {*pool.kept.flatten().tolist()}
        shown = pool(fakes)
        after = {*pool.kept.flatten().tolist()}
        if torch.equal(shown, fakes):
            assert after == before
        else:  # the new one has the place of the one that was shown
            old += 1
            assert shown.item() in before and after == before - {shown.item()} | {100.0 + n}
    assert 0.4 < old / rounds < 0.6 and len(pool.kept) == 50


def test_a_pool_of_size_0_returns_every_fake_and_a_state_goes_on():
    none = cyclegan.ImagePool(0, torch.Generator().manual_seed(0))
    assert torch.equal(none(numbered(0, 3)), numbered(0, 3)) and none.kept is None
    pools = [cyclegan.ImagePool(4, torch.Generator().manual_seed(1)) for _ in range(2)]
    pools[0](numbered(0, 4))
    pools[1].load_state_dict(pools[0].state_dict())
    assert torch.equal(pools[0](numbered(9, 4)), pools[1](numbered(9, 4)))
    assert torch.equal(pools[0].kept, pools[1].kept)
