"""Runs side by side equal runs alone, and spectral norm is torch's."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from gancourse.papers import gan, tricks
from gancourse.training import many_seeds
from gancourse.training.player import linear_decay


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def players(seeds: int) -> tuple[nn.Module, nn.Module]:
    G = many_seeds.mlp(seeds, 3, 8, 2, rng=rng(1))
    *body, head = many_seeds.mlp(seeds, 2, 8, 1, rng=rng(2))
    return G, many_seeds.Discriminator(nn.Sequential(*body), head)


def only(net: nn.Module, seed: int) -> nn.Module:
    """One of the runs, alone."""
    alone = copy.deepcopy(net)
    for layer in alone.modules():
        if isinstance(layer, many_seeds.Linear):
            layer.weight = nn.Parameter(layer.weight.detach()[seed : seed + 1].clone())
            layer.bias = nn.Parameter(layer.bias.detach()[seed : seed + 1].clone())
    return alone


@pytest.mark.parametrize(
    "changes", [{}, {"k": 2}, {"gamma": 0.3}, {"gamma_fake": 0.3}, {"hold": 0.5}], ids=str
)
def test_runs_side_by_side_equal_runs_alone(changes: dict):
    x, z = torch.randn(6, 3, 10, 2, generator=rng(3)), torch.randn(9, 3, 10, 3, generator=rng(4))
    recipe = many_seeds.Recipe(**changes)
    G, D = players(3)
    alone = only(G, 1), only(D, 1)
    together = many_seeds.make_step(G, D, iter(x), iter(z).__next__, recipe, 3)
    single = many_seeds.make_step(*alone, iter(x[:, 1:2]), iter(z[:, 1:2]).__next__, recipe, 3)
    for _ in range(3):
        together()
        single()
    # Adam's epsilon sees the scale of a mean over three seeds: hence not bit for bit
    for a, b in zip(G.parameters(), alone[0].parameters(), strict=True):
        torch.testing.assert_close(a[1:2], b, rtol=1e-3, atol=1e-4)


def test_r1_decay_and_ema_are_those_of_notebook_02():
    x, z = torch.randn(4, 1, 10, 2, generator=rng(3)), torch.randn(8, 1, 10, 3, generator=rng(4))
    recipe = many_seeds.Recipe(gamma=0.6, hold=0.5, ema=0.9)
    G, D = players(1)
    average = copy.deepcopy(G)
    step = many_seeds.make_step(G, D, iter(x), iter(z).__next__, recipe, 4, average)
    for _ in range(4):
        step()

    ours, theirs = players(1)
    opts = [torch.optim.Adam(N.parameters(), 2e-3, (0.5, 0.9)) for N in (ours, theirs)]
    schedules = [linear_decay(opt, 4, 0.5) for opt in opts]
    mean, noise = copy.deepcopy(ours), iter(z)

    def penalty(D: nn.Module, x: torch.Tensor) -> torch.Tensor:
        x = x.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
        return 0.3 * gradient.square().sum(dim=-1).mean()

    for _ in range(4):
        gan.gan_step(ours, theirs, *opts, iter(x[:1]), lambda m: next(noise), penalty=penalty)
        x = x[1:]
        for schedule in schedules:
            schedule.step()
        gan.ema_update(mean, ours, 0.9)
    for a, b in zip(average.parameters(), mean.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_a_layer_is_as_many_linear_layers():
    layer, x = many_seeds.Linear(2, 3, 4, rng(5)), torch.randn(2, 5, 3, generator=rng(6))
    for s in range(2):
        wanted = nn.functional.linear(x[s], layer.weight[s].T, layer.bias[s, 0])
        torch.testing.assert_close(layer(x)[s], wanted)


def test_mlp_has_norms_and_activations_where_they_belong():
    net = many_seeds.mlp(2, 3, 4, 5, 1, rng=rng(), norm=lambda f: tricks.BatchNorm(2, 1, f))
    kinds = [type(m) for m in net]
    block = [many_seeds.Linear, tricks.BatchNorm, nn.LeakyReLU]
    assert kinds == [*block, *block, many_seeds.Linear]


def test_spectral_norm_divides_by_the_largest_singular_value():
    net = many_seeds.spectral(nn.Sequential(many_seeds.Linear(3, 6, 4, rng(7))), rng(8))
    for _ in range(200):
        weight = net[0].weight
    assert torch.linalg.matrix_norm(weight, ord=2).allclose(torch.ones(3), atol=1e-4)


def test_spectral_norm_agrees_with_torchs_for_one_network():
    ours = many_seeds.Linear(1, 6, 4, rng(9))
    theirs = nn.Linear(6, 4)
    with torch.no_grad():
        theirs.weight.copy_(ours.weight[0].T)
    parametrizations.spectral_norm(theirs, n_power_iterations=200)
    net = many_seeds.spectral(nn.Sequential(ours), rng(10))
    for _ in range(200):
        weight = net[0].weight
    torch.testing.assert_close(weight[0].T, theirs.weight, rtol=1e-3, atol=1e-4)


def test_minibatch_features_join_closeness():
    look = many_seeds.MinibatchFeatures(2, 5, kernels=3, dims=2, rng=rng(11))
    h = torch.randn(2, 7, 5, generator=rng(12))
    y = look(h)
    assert y.shape == (2, 7, 8) and y[..., :5].equal(h) and bool((y[..., 5:] >= 1).all())
    assert look(h[:, :1].expand(-1, 7, -1))[..., 5:].allclose(torch.tensor(7.0))


def test_the_critic_of_wgan_gp_finds_the_distance_of_two_clouds():
    """N(0, 1) and N(1, 1) on a line: W = 1, and the soft penalty adds W / 2 lambda at most."""
    r = rng(13)
    *body, head = many_seeds.mlp(2, 1, 32, 1, rng=r)
    f = many_seeds.Discriminator(nn.Sequential(*body), head)
    opt = torch.optim.Adam(f.parameters(), 5e-3, (0.0, 0.9))
    for step in range(500):  # a weight of 10 from the start would hold a slope of -1 in its valley
        x = torch.randn(2, 2, 128, 1, generator=r)
        opt.zero_grad()
        tricks.critic_loss(r, 10 * min(1, step / 100))(f, x[0], 1 + x[1]).backward()
        opt.step()
    with torch.no_grad():
        x = torch.randn(2, 2, 20_000, 1, generator=r)
        said = f(x[0]).mean(1) - f(1 + x[1]).mean(1)
    assert said.allclose(torch.ones(2), atol=0.1)
