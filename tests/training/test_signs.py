"""Vital signs: against scipy's distances, and without a trace in the game."""

import numpy as np
import pytest
import torch
from scipy.spatial import KDTree
from scipy.spatial.distance import pdist
from scipy.stats import energy_distance
from torch import nn

from gancourse.env import noise
from gancourse.errors import CourseError
from gancourse.papers.blocks import MLP, MLPDiscriminator
from gancourse.papers.cgan import conditional_step
from gancourse.papers.dcgan import Discriminator, Generator
from gancourse.papers.gan import gan_step
from gancourse.training.signs import examine, measure_signs, spread


def players(rng: torch.Generator) -> tuple[nn.Module, nn.Module]:
    return MLP(2, 8, 2, rng=rng), MLPDiscriminator(2, 8, rng=rng)


def signs_of(x: torch.Tensor, fakes: torch.Tensor, rng: torch.Generator) -> dict[str, float]:
    G, D = players(rng)
    logits = torch.zeros(len(x))
    return {name: v.item() for name, v in measure_signs(G, D, x, fakes, logits, logits).items()}


def test_the_distances_are_those_of_scipy(rng):
    x, fakes = torch.randn(30, 1, generator=rng), 2 + 0.5 * torch.randn(30, 1, generator=rng)
    signs = signs_of(x, fakes, rng)
    a, b = x.double().numpy(), fakes.double().numpy()
    own, theirs = pdist(a).mean(), pdist(b).mean()
    assert signs["spread"] == pytest.approx(theirs / own, rel=1e-5)
    # scipy's means include each point with itself, ours do not: 30 of 900 distances are 0
    including = 2 * np.abs(a - b.T).mean() - (own + theirs) * 29 / 30
    assert energy_distance(a[:, 0], b[:, 0]) ** 2 == pytest.approx(including)
    assert signs["distance"] * own == pytest.approx(including - (own + theirs) / 30, rel=1e-4)
    next_one = KDTree(a).query(a, k=2)[0][:, 1].mean()
    assert signs["stray"] == pytest.approx(KDTree(a).query(b)[0].mean() / next_one, rel=1e-4)
    assert signs["reach"] == pytest.approx(KDTree(b).query(a)[0].mean() / next_one, rel=1e-4)


def test_one_distribution_has_distance_0_and_spread_1_in_the_mean(rng):
    draws = [signs_of(*torch.randn(2, 64, 2, generator=rng), rng) for _ in range(100)]
    assert abs(np.mean([d["distance"] for d in draws])) < 0.01
    assert np.mean([d["spread"] for d in draws]) == pytest.approx(1, abs=0.03)


def test_equal_fakes_and_equal_real_examples_give_finite_numbers(rng):
    x, one = torch.randn(5, 1, 4, 4, generator=rng), torch.ones(5, 1, 4, 4)
    assert spread(x, one) == 0
    assert all(np.isfinite(v) for v in signs_of(one, x, rng).values())
    with pytest.raises(ValueError, match="two examples"):
        spread(x[:1], one)


def test_they_are_detached_scalars_and_say_what_is_there(rng):
    G, D = players(rng)
    x, fakes = 3 * torch.ones(4, 2), G(torch.randn(4, 2, generator=rng))
    real, fake = D(x), D(fakes)
    (fake.sum() - real.sum()).backward()
    signs = measure_signs(G, D, x, fakes, real, fake)
    assert all(v.shape == () and not v.requires_grad for v in signs.values())
    assert signs["logit_real"] == real.mean() and signs["logit_fake"] == fake.mean()
    assert signs["range_real"] == 3 and signs["batch"] == 4 and signs["batch_norm"] == 0
    assert signs["fakes_graph"] == 1
    whole = torch.cat([p.grad.flatten() for p in G.parameters()]).norm()
    assert signs["grad_G"].item() == pytest.approx(whole.item(), rel=1e-5)
    assert signs["grad_first"] == G[0].weight.grad.norm()
    assert signs["grad_last"] == G[-1].weight.grad.norm()


def test_a_batch_of_one_has_no_distances(rng):
    G, D = Generator(4, 1, 2, 8), Discriminator(1, 2, 8)
    x = torch.zeros(1, 1, 8, 8)
    signs = measure_signs(G, D.eval(), x, x, D(x), D(x))
    assert signs["batch"] == 1 and signs["batch_norm"] == 1 and "spread" not in signs  # G's only


def a_game(seed: int, watched: bool) -> list[dict[str, torch.Tensor]]:
    rng = torch.Generator().manual_seed(seed)
    G, D = players(rng)
    opt_G, opt_D = (torch.optim.Adam(net.parameters(), 0.01) for net in (G, D))
    batches = iter(lambda: torch.randn(16, 2, generator=rng), None)

    def step() -> dict[str, torch.Tensor]:
        return gan_step(G, D, opt_G, opt_D, batches, noise(2, rng), k=2)

    take = examine(step, G, D) if watched else step
    losses = [take() for _ in range(5)]
    assert not D._forward_hooks
    return losses


def test_a_run_that_is_examined_is_the_same_run():
    for plain, watched in zip(a_game(0, False), a_game(0, True), strict=True):
        assert {name: watched[name] for name in plain} == plain
        assert {"spread", "logit_real"} <= set(watched)
        assert watched["fakes_graph"] == 0 and watched["grad_G"] > 0


class Labelled(nn.Module):
    """A network that takes a condition and does not look at it."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        return self.net(x)


def test_conditional_steps_can_be_examined(rng):
    G, D = (Labelled(net) for net in players(rng))
    opt_G, opt_D = (torch.optim.SGD(net.parameters(), 0.01) for net in (G, D))
    x, c = torch.randn(6, 2, generator=rng), torch.zeros(6, dtype=torch.long)
    step = examine(
        lambda: conditional_step(G, D, opt_G, opt_D, iter([(x, c)]), noise(2, rng)), G, D
    )
    assert step()["range_real"] == x.abs().max()


def test_steps_that_ask_otherwise_are_refused_and_leave_no_hook(rng):
    G, D = players(rng)
    both = torch.randn(8, 2, generator=rng)
    for questions in ((both,), (both, both[:4])):
        step = examine(lambda asked=questions: {"loss": sum(D(x).mean() for x in asked)}, G, D)
        with pytest.raises(CourseError, match=r"can't be examined.*[\s\S]*Call measure_signs\("):
            step()
        assert not D._forward_hooks
