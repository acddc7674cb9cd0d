"""The game of 2014: losses against theorems and torch's own, the step against the textbook step."""

import copy
import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import TypeCheckError
from torch import nn

from gancourse import env
from gancourse.papers.gan import (
    Discriminator,
    Generator,
    Maxout,
    descend,
    discriminator_loss,
    ema_update,
    frozen,
    gan_step,
    lazy_r1,
    non_saturating_loss,
    optimal_discriminator,
    r1_penalty,
    saturating_loss,
    value,
)


def test_value_at_equilibrium_is_minus_log_4():
    """Theorem 1, Goodfellow et al. (2014): D = 1/2 everywhere gives V = -log 4."""
    undecided = torch.zeros(16)
    assert value(undecided, undecided).item() == pytest.approx(-math.log(4))
    assert discriminator_loss(undecided, undecided).item() == pytest.approx(math.log(4))


@settings(deadline=None)  # a busy machine is no failure
@given(st.integers(0, 10_000))
def test_losses_are_torchs_cross_entropies_with_real_1_and_fake_0(seed):
    real, fake = torch.randn(2, 7, 3, generator=torch.Generator().manual_seed(seed)) * 4
    bce, ones, zeros = F.binary_cross_entropy_with_logits, torch.ones(7, 3), torch.zeros(7, 3)
    torch.testing.assert_close(discriminator_loss(real, fake), bce(real, ones) + bce(fake, zeros))
    torch.testing.assert_close(value(real, fake), -bce(real, ones) - bce(fake, zeros))
    torch.testing.assert_close(non_saturating_loss(fake), bce(fake, ones))
    torch.testing.assert_close(saturating_loss(fake), -bce(fake, zeros))


@pytest.mark.parametrize("p", [0.01, 0.3, 0.5, 0.9])
def test_closed_forms(p):
    logit = torch.tensor([p]).logit()
    assert non_saturating_loss(logit).item() == pytest.approx(-math.log(p), rel=1e-5)
    assert saturating_loss(logit).item() == pytest.approx(math.log(1 - p), rel=1e-5)
    expected = math.log(p) + math.log(1 - p)
    assert value(logit, logit).item() == pytest.approx(expected, rel=1e-5)


def test_no_other_discriminator_beats_the_optimal_one():
    """Proposition 1, by search: p log D + q log(1 - D) over a fine grid of D."""
    p, q = torch.rand(2, 50, generator=torch.Generator().manual_seed(0)).double() + 0.01
    D = torch.linspace(0.001, 0.999, 999, dtype=torch.double)[:, None]
    best = D[(p * D.log() + q * (1 - D).log()).argmax(dim=0), 0]
    torch.testing.assert_close(optimal_discriminator(p, q), best, atol=1e-3, rtol=0)


def test_optimal_discriminator_turns_the_value_into_a_jensen_shannon_divergence():
    """Equation 6: max_D V = -log 4 + 2 JSD, here on two coins, by sums over both sides."""
    p, q = torch.tensor([0.7, 0.3]), torch.tensor([0.2, 0.8])
    best = (p / q).log()  # the logit of p / (p + q)
    zero = torch.zeros(1)  # a logit of 0 adds log 1/2, which is taken off again
    real = torch.stack([value(logit[None], zero) + math.log(2) for logit in best])  # log D
    fake = torch.stack([value(zero, logit[None]) + math.log(2) for logit in best])  # log (1 - D)
    v = (p * real).sum() + (q * fake).sum()
    m = (p + q) / 2
    jsd = 0.5 * ((p * (p / m).log()).sum() + (q * (q / m).log()).sum())
    assert v.item() == pytest.approx((-math.log(4) + 2 * jsd).item(), abs=1e-5)


@pytest.mark.parametrize("logit, slope", [(-6.0, -0.9975), (0.0, -0.5), (6.0, -0.0025)])
def test_non_saturating_gradient_survives_a_confident_discriminator(logit, slope):
    fake = torch.tensor([logit], requires_grad=True)
    non_saturating_loss(fake).backward()
    assert fake.grad.item() == pytest.approx(slope, abs=1e-4)


@pytest.mark.parametrize("logit, slope", [(-6.0, -0.0025), (0.0, -0.5), (6.0, -0.9975)])
def test_saturating_gradient_dies_there(logit, slope):
    fake = torch.tensor([logit], requires_grad=True)
    saturating_loss(fake).backward()
    assert fake.grad.item() == pytest.approx(slope, abs=1e-4)


ALL = [value, discriminator_loss]


ONE = [non_saturating_loss, saturating_loss]


def test_extreme_logits_stay_finite():
    extreme = torch.tensor([-1e4, 1e4], requires_grad=True)
    for loss in [*(f(extreme, extreme) for f in ALL), *(f(extreme) for f in ONE)]:
        (slope,) = torch.autograd.grad(loss, extreme, retain_graph=True)
        assert loss.isfinite() and slope.isfinite().all()


@pytest.mark.parametrize("loss", ALL)
def test_broadcasting_real_against_fake_is_refused(loss):
    with pytest.raises(TypeCheckError, match="batch"):
        loss(torch.zeros(32), torch.zeros(32, 1, 1, 1))


def test_empty_batch_is_refused():
    for loss in ONE:
        with pytest.raises(ValueError, match="at least one logit"):
            loss(torch.zeros(0))
    for loss in ALL:
        with pytest.raises(ValueError, match="at least one logit"):
            loss(torch.zeros(0), torch.zeros(0))
    with pytest.raises(ValueError, match="at least one logit"):
        r1_penalty(nn.Linear(2, 1), torch.zeros(0, 2))


def test_r1_of_a_linear_discriminator_is_its_squared_weight():
    D = nn.Linear(3, 1)
    r1 = r1_penalty(D, torch.randn(5, 3))
    assert r1.item() == pytest.approx(D.weight.square().sum().item(), rel=1e-5)
    r1.backward()  # d |w|^2 / dw = 2 w: the penalty trains D
    torch.testing.assert_close(D.weight.grad, 2 * D.weight.detach())


def test_lazy_r1_keeps_the_mean_effect_and_takes_the_first_examples():
    D = nn.Sequential(nn.Linear(2, 1), nn.Flatten(0))
    x = torch.randn(6, 2)
    squared = D[0].weight.square().sum()
    assert lazy_r1(3.0, 5)(D, x).item() == pytest.approx(5 * 1.5 * squared.item())

    bent = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1), nn.Flatten(0))
    few = lazy_r1(2.0, 1, examples=2)(bent, x)
    torch.testing.assert_close(few, r1_penalty(bent, x[:2]))
    assert few.item() != pytest.approx(r1_penalty(bent, x).item())


def test_r1_of_a_quadratic_by_hand_and_leaves_its_input_alone():
    class Quadratic(nn.Module):
        def forward(self, x):
            return x.square().sum(dim=(1, 2))  # slope 2x

    x = torch.randn(4, 2, 3)
    expected = (4 * x.square()).sum(dim=(1, 2)).mean()
    torch.testing.assert_close(r1_penalty(Quadratic(), x).detach(), expected)
    assert not x.requires_grad and x.grad is None


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


def test_maxout_is_the_largest_of_its_linear_functions():
    layer, x = Maxout(3, units=2, k=4), torch.randn(5, 3)
    each = x @ layer.linear.weight.T + layer.linear.bias  # (5, 8): unit 0 has the first four
    torch.testing.assert_close(layer(x), torch.stack([each[:, :4], each[:, 4:]]).amax(2).T)


def test_the_networks_of_2014_have_the_authors_sizes_and_a_seed_decides():
    """Weights of goodfeli/adversarial, mnist.yaml: 100, 1200, 1200, 784; maxout 240 x 5 twice."""
    G, D = Generator(100, units=1200, size=28), Discriminator(units=240, k=5, size=28)
    count = lambda net: sum(p.numel() for p in net.parameters())  # noqa: E731
    assert count(G) == 100 * 1200 + 1200 + 1200 * 1200 + 1200 + 1200 * 784 + 784
    assert count(D) == 784 * 1200 + 1200 + 240 * 1200 + 1200 + 240 + 1
    images = G(torch.randn(1, 100))
    assert images.shape == (1, 1, 28, 28) and images.abs().max() < 1 and D(images).shape == (1,)
    twins = [Discriminator(rng=env.rng(3, "cpu"))(torch.ones(2, 1, 32, 32)) for _ in range(2)]
    assert torch.equal(*twins)
