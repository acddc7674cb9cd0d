"""The step against the plain textbook step, and who moves when."""

import copy
import itertools

import pytest
import torch
from torch import nn

from gancourse import env
from gancourse.papers.cgan import conditional_step
from gancourse.papers.cyclegan import WEIGHTS, cyclegan_step
from gancourse.papers.gan import (
    descend,
    discriminator_loss,
    ema_update,
    frozen,
    gan_step,
    non_saturating_loss,
    r1_penalty,
    saturating_loss,
)
from gancourse.papers.srgan import srgan_step


def game(seed=0, opt=torch.optim.SGD, norm=False):
    """Two tiny players, their optimizers, an endless source of batches and a noise sampler."""
    torch.manual_seed(seed)
    middle = [nn.BatchNorm1d(8)] if norm else []
    G = nn.Sequential(nn.Linear(3, 8, bias=not norm), *middle, nn.Tanh(), nn.Linear(8, 2))
    # BN straight after a Linear would cancel biases: gradients of rounding errors, under Adam
    D = nn.Sequential(nn.Linear(2, 8), nn.LeakyReLU(0.2), *copy.deepcopy(middle), nn.Linear(8, 1))
    data = torch.randn(6, 16, 2, generator=env.rng(seed, on="cpu"))
    players = (G, D, opt(G.parameters(), lr=0.05), opt(D.parameters(), lr=0.05))
    return (*players, itertools.cycle(data), env.noise(3, env.rng(seed + 1, on="cpu")))


def weights(net):
    return torch.cat([p.detach().flatten().clone() for p in net.parameters()])


def textbook_step(G, D, opt_G, opt_D, batches, sample_z, k):
    """Algorithm 1 as in most tutorials: probabilities, BCELoss, one step of each."""
    bce = nn.BCELoss()
    for _ in range(k):
        x = next(batches)
        fake = G(sample_z(len(x))).detach()
        opt_D.zero_grad()
        loss_D = bce(D(x).sigmoid(), torch.ones(len(x), 1))
        loss_D = loss_D + bce(D(fake).sigmoid(), torch.zeros(len(x), 1))
        loss_D.backward()
        opt_D.step()
    opt_G.zero_grad()
    loss_G = bce(D(G(sample_z(len(x)))).sigmoid(), torch.ones(len(x), 1))
    loss_G.backward()
    opt_G.step()
    return loss_D.item(), loss_G.item()


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("opt", [torch.optim.SGD, torch.optim.Adam])
def test_does_what_the_textbook_step_does(opt, k, norm):
    ours, theirs = game(opt=opt, norm=norm), game(opt=opt, norm=norm)
    for _ in range(5):
        losses = gan_step(*ours, k=k)
        loss_D, loss_G = textbook_step(*theirs, k=k)
        assert losses["loss_D"].item() == pytest.approx(loss_D, abs=1e-5)
        assert losses["loss_G"].item() == pytest.approx(loss_G, abs=1e-5)
    for net, twin in zip(ours[:2], theirs[:2], strict=True):
        tolerance = 1e-6 if opt is torch.optim.SGD else 1e-4  # Adam divides by tiny numbers
        torch.testing.assert_close(weights(net), weights(twin), atol=tolerance, rtol=tolerance)


def test_each_turn_moves_its_own_player_alone():
    G, D, opt_G, opt_D, batches, sample_z = game()
    still_G = torch.optim.SGD(G.parameters(), lr=0.0)
    still_D = torch.optim.SGD(D.parameters(), lr=0.0)
    before_G, before_D = weights(G), weights(D)
    gan_step(G, D, still_G, opt_D, batches, sample_z)  # D's turn counts
    assert weights(G).equal(before_G) and not weights(D).equal(before_D)
    before_D = weights(D)
    gan_step(G, D, opt_G, still_D, batches, sample_z)  # G's turn counts
    assert weights(D).equal(before_D) and not weights(G).equal(before_G)


def test_turn_of_g_leaves_no_gradient_on_d():
    seen = []
    G, D, opt_G, _, batches, sample_z = game()

    class Spy(torch.optim.SGD):
        def step(self, closure=None):
            seen.append([p.grad.clone() for p in D.parameters()])
            return super().step(closure)

    gan_step(G, D, opt_G, Spy(D.parameters(), lr=0.0), batches, sample_z)
    after = [p.grad for p in D.parameters()]  # those of D's turn, and nothing added
    assert all(a.equal(b) for a, b in zip(seen[0], after, strict=True))
    assert all(p.requires_grad for p in D.parameters())


def test_losses_come_back_detached_and_penalty_is_left_out():
    plain, fined = game(), game()
    without = gan_step(*plain)
    with_r1 = gan_step(*fined, penalty=lambda D, x: 5 * r1_penalty(D, x))
    assert not any(loss.requires_grad for loss in without.values())
    assert without["loss_D"].equal(with_r1["loss_D"])
    assert not weights(plain[1]).equal(weights(fined[1]))


def test_another_loss_reaches_the_generator():
    losses = gan_step(*game(), generator_loss=saturating_loss)
    assert losses["loss_G"] < 0  # log(1 - D) is never positive


def test_randomness_comes_from_the_sampler_alone():
    a, b = game(), game()
    gan_step(*a)
    torch.manual_seed(99)  # the global state is neither read ...
    state = torch.get_rng_state()
    gan_step(*b)
    assert torch.get_rng_state().equal(state)  # ... nor changed
    assert weights(a[0]).equal(weights(b[0])) and weights(a[1]).equal(weights(b[1]))


def test_autocast_moves_both_players():
    G, D, opt_G, opt_D, batches, sample_z = game()
    before_G, before_D = weights(G), weights(D)

    def bf16():
        return torch.autocast("cpu", dtype=torch.bfloat16)

    losses = gan_step(G, D, opt_G, opt_D, batches, sample_z, autocast=bf16)
    assert not weights(G).equal(before_G) and not weights(D).equal(before_D)
    assert losses["loss_G"].dtype == torch.float32


def test_k_below_1_is_refused():
    with pytest.raises(ValueError, match="at least one step"):
        gan_step(*game(), k=0)


def test_frozen_restores_what_it_found_even_after_an_error():
    net = nn.Linear(2, 1)
    net.bias.requires_grad_(False)
    with pytest.raises(RuntimeError), frozen(net):
        assert not net.weight.requires_grad
        raise RuntimeError
    assert net.weight.requires_grad and not net.bias.requires_grad


def test_descend_is_one_step_of_gradient_descent():
    w = torch.tensor([2.0], requires_grad=True)
    w.grad = torch.tensor([100.0])  # stale
    descend(torch.optim.SGD([w], lr=0.1), (w**2).sum())
    assert w.item() == pytest.approx(2.0 - 0.1 * 4.0)


def test_ema_follows_the_closed_form_and_copies_buffers():
    net = nn.BatchNorm1d(2)
    average = copy.deepcopy(net)
    nn.init.constant_(net.weight, 3.0)
    net.running_mean.fill_(7.0)
    for _ in range(4):
        ema_update(average, net, 0.9)
    expected = 3.0 - (3.0 - 1.0) * 0.9**4
    assert average.weight.detach().tolist() == pytest.approx([expected] * 2)
    assert average.running_mean.tolist() == [7.0, 7.0]
    assert average.num_batches_tracked.equal(net.num_batches_tracked)
    with pytest.raises(ValueError, match="between 0 and 1"):
        ema_update(average, net, 1.5)


class Told(nn.Module):
    """Concatenates the condition to the input."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x, c):
        return self.net(torch.cat([x, c], dim=1))


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


def enlarging_game():
    """A tiny enlarger and its judge, and four fixed pairs."""
    torch.manual_seed(0)
    G = nn.Sequential(nn.Conv2d(3, 48, 3, padding=1), nn.PixelShuffle(4))
    D = nn.Sequential(nn.Conv2d(3, 2, 3), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(72, 1))
    low = torch.randn(4, 3, 2, 2)
    pairs = itertools.cycle([(low, torch.randn(4, 3, 8, 8))])
    return G, D, torch.optim.SGD(G.parameters(), 0.05), torch.optim.SGD(D.parameters(), 0.05), pairs


def test_srgan_step_is_d_then_g_against_the_new_d():
    G, D, opt_G, opt_D, pairs = enlarging_game()
    mse = nn.functional.mse_loss
    losses = srgan_step(G, D, opt_G, opt_D, pairs, mse, adversarial=0.1)
    G2, D2, opt_G2, opt_D2, pairs = enlarging_game()
    low, high = next(pairs)
    bce, one, nil = (
        nn.functional.binary_cross_entropy_with_logits,
        torch.ones(4, 1),
        torch.zeros(4, 1),
    )
    loss_D = bce(D2(high), one) + bce(D2(G2(low).detach()), nil)
    descend(opt_D2, loss_D)
    content, far = mse(G2(low), high), bce(D2(G2(low)), one)
    descend(opt_G2, content + 0.1 * far)
    for name, value in {"loss_D": loss_D, "content": content, "adversarial": far}.items():
        assert losses[name].item() == pytest.approx(value.item(), abs=1e-6)
        assert not losses[name].requires_grad
    torch.testing.assert_close(weights(G), weights(G2))
    torch.testing.assert_close(weights(D), weights(D2))


@pytest.mark.parametrize("parts", [2, 3, 4])
def test_srgan_step_in_parts_is_the_whole_step(parts):
    """Also where the batch can't be halved evenly: 3 parts of 4 pairs are 2 and 2."""
    mse = nn.functional.mse_loss
    whole, split = enlarging_game(), enlarging_game()
    for _ in range(3):
        a, b = srgan_step(*whole, mse), srgan_step(*split, mse, parts=parts)
    assert a["content"].item() == pytest.approx(b["content"].item(), abs=1e-6)
    torch.testing.assert_close(weights(whole[0]), weights(split[0]))
    torch.testing.assert_close(weights(whole[1]), weights(split[1]))


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
