"""The losses against theorems, closed forms and torch's own functions."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import TypeCheckError
from torch import nn

from gancourse.papers import srgan
from gancourse.papers.cyclegan import (
    LSGAN,
    cycle_loss,
    lsgan_discriminator_loss,
    lsgan_generator_loss,
)
from gancourse.papers.gan import (
    discriminator_loss,
    non_saturating_loss,
    optimal_discriminator,
    r1_penalty,
    saturating_loss,
    value,
)
from gancourse.papers.text2image import Generator, gan_cls_loss, joint_embedding_loss, style_loss

ALL = [value, discriminator_loss]
ONE = [non_saturating_loss, saturating_loss]


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


def test_r1_of_a_quadratic_by_hand_and_leaves_its_input_alone():
    class Quadratic(nn.Module):
        def forward(self, x):
            return x.square().sum(dim=(1, 2))  # slope 2x

    x = torch.randn(4, 2, 3)
    expected = (4 * x.square()).sum(dim=(1, 2)).mean()
    torch.testing.assert_close(r1_penalty(Quadratic(), x).detach(), expected)
    assert not x.requires_grad and x.grad is None


def test_content_loss_is_the_mean_over_maps_and_trains_the_fake_alone(rng):
    """A popular implementation rebuilds the tensor and so trains nothing; this one must not."""
    fake = torch.randn(2, 3, 4, 4, generator=rng).requires_grad_()
    real = torch.randn(2, 3, 4, 4, generator=rng).requires_grad_()

    def phi(x):
        return [x, 2 * x.mean(dim=1, keepdim=True)]

    loss = srgan.content_loss(phi, fake, real)
    d = (fake - real).detach()
    wanted = (d.square().mean() + 4 * d.mean(dim=1).square().mean()) / 2
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-5)
    loss.backward()
    assert fake.grad.abs().sum() > 0 and real.grad is None


def test_total_variation_of_a_ramp_a_step_and_a_flat_picture():
    ramp = torch.linspace(0, 0.9, 10).expand(1, 3, 4, 10)
    assert srgan.total_variation(ramp).item() == pytest.approx(0.1)
    board = torch.ones(6, 6)
    board[::2, ::2] = board[1::2, 1::2] = -1
    assert srgan.total_variation(board.expand(1, 1, 6, 6)).item() == 4
    assert srgan.total_variation(torch.full((1, 3, 4, 4), 0.3)) == 0
    with pytest.raises(ValueError, match="2 x 2"):
        srgan.total_variation(torch.zeros(1, 3, 1, 5))


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


def test_joint_embedding_loss_by_hand():
    s = torch.tensor([[2.0, 1.5, 0.0], [0.0, 1.0, 3.0], [0.5, 0.0, 4.0]])
    # pictures: .5 0 | 0 3 | 0 0; texts (columns): 0 0 | 1.5 0 | 0 0
    assert joint_embedding_loss(s).item() == pytest.approx((0.5 + 3 + 1.5) / 6)
    assert joint_embedding_loss(torch.zeros(5, 5)).item() == pytest.approx(2)
    assert joint_embedding_loss(9 * torch.eye(4)).item() == 0
    for shape in ((1, 1), (2, 3)):
        with pytest.raises((ValueError, TypeError)):  # TypeError: the shape in the annotation
            joint_embedding_loss(torch.zeros(shape))


def test_gan_cls_loss_is_torchs_cross_entropy_and_finite(rng):
    real, wrong, fake = torch.randn(3, 6, generator=rng).unbind()
    bce, one = F.binary_cross_entropy_with_logits, torch.ones(6)
    wanted = bce(real, one) + (bce(wrong, 0 * one) + bce(fake, 0 * one)) / 2
    assert gan_cls_loss(real, wrong, fake).item() == pytest.approx(wanted.item())
    assert gan_cls_loss(-200 * one, 200 * one, 200 * one).item() == pytest.approx(400)
    assert gan_cls_loss(0 * one, 0 * one, 0 * one).item() == pytest.approx(1.3863, abs=1e-4)
    with pytest.raises(ValueError, match="at least one"):
        gan_cls_loss(real[:0], wrong[:0], fake[:0])


def test_gan_cls_loss_is_least_at_two_thirds_when_g_is_perfect_and_no_wrong_pair_looks_so():
    """Exercise 7.4, by minimising: real pairs weigh 1, fakes 1/2."""
    logit, never = torch.linspace(-3, 3, 6001)[:, None], torch.tensor([-1e3])
    loss = torch.stack([gan_cls_loss(one, never, one) for one in logit])
    assert logit[loss.argmin()].sigmoid().item() == pytest.approx(2 / 3, abs=1e-3)


def test_style_loss_trains_s_alone(rng):
    G, S = Generator(4, 6, 3, 1, 4, 8).eval(), nn.Sequential(nn.Flatten(), nn.Linear(64, 4))
    z, phi = torch.randn(5, 4, generator=rng), torch.randn(5, 6, generator=rng)
    loss = style_loss(S, G, z, phi)
    wanted = (z - S(G(z, phi))).norm(dim=1).square().mean()
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-5)
    loss.backward()
    assert S[1].weight.grad is not None and all(p.grad is None for p in G.parameters())
