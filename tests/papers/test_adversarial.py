"""Attacks against closed forms on linear models, where the best change is known exactly."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gancourse import env
from gancourse.papers import adversarial

SHAPE = (2, 4, 5)
N = math.prod(SHAPE)


class Linear(nn.Module):
    """Two classes; the logit of class 1 is w.x, and of class 0 it is 0."""

    def __init__(self, w):
        super().__init__()
        self.w = nn.Parameter(w)

    def forward(self, x):
        logit = x.flatten(1) @ self.w
        return torch.stack([torch.zeros_like(logit), logit], dim=1)


@pytest.fixture
def rng():
    return torch.Generator().manual_seed(7)


@pytest.fixture
def linear(rng):
    return Linear(torch.randn(N, generator=rng))


@pytest.fixture
def x(rng):
    return torch.rand(3, *SHAPE, generator=rng) - 0.5  # in [-0.5, 0.5]: the range is not in the way


@pytest.fixture
def curved(rng):
    """A network that is not linear, with three classes."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(N, 8), nn.Tanh(), nn.Linear(8, 3))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=rng))
    return net


def logit(model, x):
    return model(x)[:, 1]


def test_pixels_are_levels_of_a_range_two_wide():
    assert adversarial.pixels(255) == 2
    assert adversarial.pixels(2) == pytest.approx(0.0156863, abs=1e-6)


def test_fgsm_moves_a_linear_logit_by_eps_times_the_l1_norm(linear, x):
    y = torch.tensor([0, 1, 0])  # away from 0 is up, away from 1 is down
    moved = logit(linear, adversarial.fgsm(linear, x, y, 0.1)) - logit(linear, x)
    expected = 0.1 * linear.w.abs().sum() * torch.tensor([1.0, -1.0, 1.0])
    assert torch.allclose(moved, expected, atol=1e-4)


def test_the_l2_step_moves_it_by_eps_times_the_l2_norm(linear, x):
    y = torch.tensor([0, 1, 0])
    x_adv = adversarial.fast_l2(linear, x, y, 0.3)
    moved = logit(linear, x_adv) - logit(linear, x)
    expected = 0.3 * linear.w.norm() * torch.tensor([1.0, -1.0, 1.0])
    assert torch.allclose(moved, expected, atol=1e-4)
    assert torch.allclose(adversarial.l2_norm(x_adv - x), torch.full((3,), 0.3), atol=1e-5)


@pytest.mark.parametrize("attack", [adversarial.fgsm, adversarial.fast_l2])
def test_a_target_is_approached_and_the_step_is_the_opposite(attack, linear, x):
    y = torch.tensor([0, 1, 0])
    away, towards = attack(linear, x, y, 0.05), attack(linear, x, y, 0.05, targeted=True)
    assert torch.allclose(away - x, x - towards, atol=1e-6)


def test_no_change_in_the_box_beats_fgsm_on_a_linear_model(linear, x, rng):
    y = torch.zeros(3, dtype=torch.long)
    best = logit(linear, adversarial.fgsm(linear, x, y, 0.1))
    for _ in range(200):
        other = x + 0.1 * (2 * torch.rand(x.shape, generator=rng) - 1)
        assert (logit(linear, other) <= best).all()


def test_a_gradient_does_not_depend_on_the_rest_of_the_batch(curved, x):
    y = torch.tensor([0, 1, 2])
    together = adversarial.input_gradient(curved, x, y)
    alone = torch.cat(
        [adversarial.input_gradient(curved, x[i : i + 1], y[i : i + 1]) for i in range(3)]
    )
    assert torch.allclose(together, alone, atol=1e-6)


def test_the_gradient_agrees_with_finite_differences(curved, x):
    model, x, y = curved.double(), x[:1].double(), torch.tensor([2])
    g = adversarial.input_gradient(model, x, y).flatten()
    for i in range(N):
        step = torch.zeros(N, dtype=torch.double)
        step[i] = 1e-5
        up, down = (F.cross_entropy(model(x + s * step.view_as(x)), y) for s in (1, -1))
        assert g[i].item() == pytest.approx(((up - down) / 2e-5).item(), abs=1e-6)


def test_values_with_a_tiny_slope_move_too():
    """A threshold of 1e-6 on the slope would leave a confident model's pictures unattacked."""
    model = Linear(torch.full((N,), 14.5 / (0.5 * N)))
    x, y = torch.full((3, *SHAPE), 0.5), torch.ones(3, dtype=torch.long)  # logit 14.5
    slope = adversarial.input_gradient(model, x, y)
    assert slope.abs().max() < 1e-6 and (slope != 0).all()
    assert torch.allclose(x - adversarial.fgsm(model, x, y, 0.05), torch.tensor(0.05), atol=1e-6)


def test_a_flat_model_gives_no_change_and_no_nan(x):
    model = Linear(torch.zeros(N))
    y = torch.zeros(3, dtype=torch.long)
    for attack in (adversarial.fgsm, adversarial.fast_l2):
        assert attack(model, x, y, 0.1).equal(x)


@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("start", [None, 3])
def test_iterating_never_leaves_the_ball_or_the_range(curved, rng, targeted, start):
    x = (2.4 * torch.rand(4, *SHAPE, generator=rng) - 1.2).clamp(-1, 1)  # touches both ends
    noise = start and torch.Generator().manual_seed(start)
    y = torch.tensor([0, 1, 2, 0])
    x_adv = adversarial.iterate(curved, x, y, 0.2, 0.09, 12, targeted, noise)
    assert (x_adv - x).abs().max() <= 0.2 + 1e-6
    assert x_adv.abs().max() <= 1


def test_iterating_reaches_the_corner_of_the_box_on_a_linear_model(linear, x):
    y = torch.zeros(3, dtype=torch.long)
    corner = adversarial.fgsm(linear, x, y, 0.2)
    assert torch.allclose(adversarial.iterate(linear, x, y, 0.2, 0.03, 10), corner, atol=1e-6)


def test_iterating_beats_one_step_where_the_slope_turns(curved, x):
    y = curved(x).argmax(dim=1)
    loss = nn.CrossEntropyLoss(reduction="sum")
    one, many = (
        adversarial.fgsm(curved, x, y, 0.4),
        adversarial.iterate(curved, x, y, 0.4, 0.05, 40),
    )
    assert loss(curved(many), y) >= loss(curved(one), y) - 1e-4


def test_no_steps_return_a_copy(curved, x):
    same = adversarial.iterate(curved, x, torch.tensor([0, 1, 2]), 0.2, 0.1, 0)
    assert same.equal(x) and same.data_ptr() != x.data_ptr()


def test_random_start_is_inside_and_repeatable(curved, x):
    y = torch.tensor([0, 1, 2])
    a, b, c = (
        adversarial.iterate(curved, x, y, 0.2, 0.1, 0, rng=torch.Generator().manual_seed(s))
        for s in (1, 1, 2)
    )
    assert a.equal(b) and not a.equal(c) and (a - x).abs().max() <= 0.2 + 1e-6


def test_random_signs_are_fair_whole_and_repeatable():
    x = torch.zeros(4, 3, 32, 32)
    noisy = adversarial.random_sign_noise(x, 0.1, torch.Generator().manual_seed(0))
    assert set(noisy.unique().tolist()) == {-0.10000000149011612, 0.10000000149011612}
    assert abs(noisy.mean().item() / 0.1) < 5 / math.sqrt(x.numel())  # five standard deviations
    assert noisy.equal(adversarial.random_sign_noise(x, 0.1, torch.Generator().manual_seed(0)))
    white = adversarial.random_sign_noise(x + 1, 0.1, torch.Generator().manual_seed(0))
    assert white.max() == 1


def test_random_signs_move_a_linear_logit_by_the_l2_norm(linear):
    """The other half of the linear explanation: standard deviation eps |w|_2."""
    x = torch.zeros(4000, *SHAPE)
    noisy = adversarial.random_sign_noise(x, 0.1, torch.Generator().manual_seed(0))
    assert logit(linear, noisy).std().item() == pytest.approx(
        0.1 * linear.w.norm().item(), rel=0.06
    )


@pytest.mark.parametrize("under", [torch.enable_grad, torch.no_grad])
def test_attacks_leave_everything_as_it_was(curved, x, under):
    y = torch.tensor([0, 1, 2])
    before, state = x.clone(), torch.random.get_rng_state()
    with under():
        adversarial.fgsm(curved, x, y, 0.1)
        adversarial.fast_l2(curved, x, y, 0.1)
        x_adv = adversarial.iterate(curved, x, y, 0.1, 0.05, 3)
    assert x.equal(before) and not x.requires_grad and not x_adv.requires_grad
    assert all(parameter.grad is None for parameter in curved.parameters())
    assert torch.random.get_rng_state().equal(state)


def test_frozen_models_can_be_attacked(curved, x):
    y = torch.tensor([0, 1, 2])
    free = adversarial.fgsm(curved, x, y, 0.1)
    assert adversarial.fgsm(curved.requires_grad_(False), x, y, 0.1).equal(free)


def test_adversarial_loss_of_a_linear_model_has_a_closed_form(linear, x):
    """Section 5 of the paper: FGSM on logistic regression is softplus(eps |w|_1 - margin)."""
    y = torch.tensor([0, 1, 1])
    margin = logit(linear, x) * torch.tensor([-1.0, 1.0, 1.0])
    clean = F.softplus(-margin).mean()
    attacked = F.softplus(0.1 * linear.w.abs().sum() - margin).mean()
    loss = adversarial.adversarial_loss(linear, x, y, 0.1, alpha=0.3)
    assert loss.item() == pytest.approx((0.3 * clean + 0.7 * attacked).item(), rel=1e-5)
    loss.backward()
    assert linear.w.grad is not None


def test_an_accuracy_curve_counts_what_lies_beyond_the_margin():
    """On pictures at distance d from the border, FGSM of size eps wins where eps > d."""
    model = Linear(torch.ones(N))
    distance = torch.tensor([0.1, 0.2, 0.3, 0.4])
    x = distance[:, None, None, None].expand(4, *SHAPE)
    y = torch.tensor([1, 1, 1, 0])  # the last label is wrong
    sizes = [0.0, 0.15, 0.25, 0.35]
    curve = adversarial.accuracy_curve(model, adversarial.fgsm, x, y, sizes)
    assert curve.tolist() == [0.75, 0.5, 0.25, 0.0]


@pytest.mark.skipif(env.device().type == "cpu", reason="needs an accelerator")
def test_attacks_work_on_the_device_of_the_pictures(linear, x):
    place = env.device()
    y = torch.tensor([0, 1, 0])
    there = adversarial.fgsm(linear.to(place), x.to(place), y.to(place), 0.1)
    assert there.device.type == place.type
    assert torch.allclose(there.cpu(), adversarial.fgsm(linear.cpu(), x, y, 0.1), atol=1e-5)
