"""The Dirac-GAN against autograd on the losses themselves, and its rate against eigenvalues."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from gancourse.papers.dirac import STEP, dirac_field, dirac_path, dirac_rate, path_rate
from gancourse.papers.gan import r1_penalty
from gancourse.papers.r3gan import pairing_losses

WEIGHTS = 0.3, 1.1


def test_it_is_the_gradient_of_the_losses_of_a_linear_discriminator(rng):
    for theta_0, psi_0 in torch.randn(5, 2, generator=rng).double():
        D = nn.Linear(1, 1, bias=False).double()
        D.weight.data.fill_(psi_0)
        theta = theta_0.clone().requires_grad_()
        real, fakes = torch.zeros(1, 1).double(), theta.reshape(1, 1)
        loss_D, loss_G = pairing_losses(D(real).flatten(), D(fakes).flatten())
        penalties = WEIGHTS[0] * r1_penalty(D, real) + WEIGHTS[1] * r1_penalty(D, fakes)
        (of_D,) = torch.autograd.grad(loss_D + penalties / 2, D.weight, retain_graph=True)
        (of_G,) = torch.autograd.grad(loss_G, theta)
        velocity = dirac_field(theta_0, psi_0, *WEIGHTS)
        assert velocity[0].item() == pytest.approx(-of_G.item())
        assert velocity[1].item() == pytest.approx(-of_D.item())


def test_the_jacobian_at_zero_and_its_rate():
    def field(point):
        return torch.stack(dirac_field(point[0], point[1], *WEIGHTS))

    jacobian = torch.autograd.functional.jacobian(field, torch.zeros(2))
    assert torch.allclose(jacobian, torch.tensor([[0, 0.5], [-0.5, -sum(WEIGHTS)]]))
    for gamma in (0.0, 0.2, 1.0, 1.4, 5.0):
        values = np.linalg.eigvals(np.array([[0, 0.5], [-0.5, -gamma]]))
        assert dirac_rate(gamma) == pytest.approx(values.real.max(), abs=1e-7)
    assert dirac_rate(0) == 0 and dirac_rate(1) == -0.5


def test_a_penalty_makes_the_difference_between_circling_and_converging():
    """Small steps along the field, from the same point."""
    radius = {}
    for gamma in (0.0, 1.0):
        theta, psi = torch.tensor(1.0).double(), torch.tensor(0.0).double()
        for _ in range(3000):
            d_theta, d_psi = dirac_field(theta, psi, gamma / 2, gamma / 2)
            theta, psi = theta + 0.01 * d_theta, psi + 0.01 * d_psi
        radius[gamma] = theta.hypot(psi).item()
    assert radius[0.0] > 0.4 and radius[1.0] < 1e-4


def test_simulated_paths_have_the_rate_of_the_eigenvalues():
    for gammas in ((0.3, 0.0), (0.3, 0.3), (0.2, 0.6), (1.5, 0.5)):
        path = dirac_path(dirac_field, *gammas)
        assert path[0].tolist() == [1, 1]
        assert path_rate(path) == pytest.approx(dirac_rate(sum(gammas)), rel=0.02)
    assert abs(path_rate(dirac_path(dirac_field, 0.0, 0.0))) < 0.02


def test_a_path_follows_its_field():
    """A field with a known solution: a turn with unit speed, from (1, 1)."""

    def turn(theta, psi, gamma_1, gamma_2):
        return psi, -theta

    time = math.pi / 2
    path = dirac_path(turn, 0.0, 0.0, time=time + 0.011)
    expected = torch.tensor([1.0, -1.0], dtype=torch.double)  # a quarter of a turn
    assert torch.allclose(path[round(time / STEP)], expected, atol=0.02)
    lengths = path.norm(dim=1)
    assert torch.allclose(lengths, lengths[:1].expand_as(lengths), rtol=1e-4)
