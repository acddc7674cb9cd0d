"""A player: its parts move together, and its checkpoint forgets none of them."""

import copy

import pytest
import torch
from torch import nn

from gancourse import env
from gancourse.papers.gan import ema_update
from gancourse.training import checkpoint, loop
from gancourse.training.player import Player, expand, linear_decay


def test_linear_decay_holds_and_falls_to_zero():
    opt = torch.optim.SGD([nn.Parameter(torch.zeros(1))], 2.0)
    decay = linear_decay(opt, 10, hold=0.5)
    rates = []
    for _ in range(10):
        rates.append(opt.param_groups[0]["lr"])
        opt.step()
        decay.step()
    assert rates[:6] == [2.0] * 6 and rates[6:] == pytest.approx([1.6, 1.2, 0.8, 0.4])
    assert opt.param_groups[0]["lr"] == 0


def made(seed: int = 0, width: int = 3, lr: float = 0.1, ema: float = 0.9, steps: int = 20):
    net = nn.Linear(2, width)
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.empty(p.shape).normal_(generator=env.rng(seed, "cpu")))
    return Player(net, lr=lr, steps=steps, ema=ema)


def step(player: Player, x: torch.Tensor) -> dict[str, torch.Tensor]:
    loss = player.net(x).square().mean()
    player.opt.zero_grad()
    loss.backward()
    player.opt.step()
    player.advance()
    return {"loss": loss.detach()}


def test_a_step_moves_the_rate_and_the_average_as_written_by_hand():
    player = made()
    by_hand = copy.deepcopy(player.net)
    for n in range(20):
        step(player, torch.ones(4, 2))
        ema_update(by_hand, player.net, min(0.9, (n + 1) / (n + 10)))
        rate = 0.1 * min(1.0, (20 - (n + 1)) / 10)
        assert player.opt.param_groups[0]["lr"] == pytest.approx(rate)
        assert player.done == n + 1
    for a, b in zip(player.average.parameters(), by_hand.parameters(), strict=True):
        assert torch.equal(a, b)


def test_without_a_length_or_an_average_nothing_decays_and_the_average_is_the_network():
    player = Player(nn.Linear(2, 2), lr=0.1)
    for _ in range(50):
        step(player, torch.ones(1, 2))
    assert player.opt.param_groups[0]["lr"] == 0.1
    assert player.average is player.net
    assert set(player.parts()) == {"net", "opt", "schedule"}


def test_an_interrupted_run_of_a_player_equals_an_uninterrupted_one(tmp_path):
    x = torch.randn(4, 2, generator=env.rng(1, "cpu"))
    whole = made()
    list(loop.train(lambda: step(whole, x), 20, {"P": whole}, record_every=5))
    first = made()
    for record in loop.train(
        lambda: step(first, x), 20, {"P": first}, tmp_path, record_every=5, checkpoint_seconds=0
    ):
        if record.step == 10:
            break
    again = made(seed=7)  # other weights: all comes from the checkpoint
    list(loop.train(lambda: step(again, x), 20, {"P": again}, tmp_path, record_every=5))
    for part in ("net", "average"):
        pairs = zip(
            getattr(again, part).parameters(), getattr(whole, part).parameters(), strict=True
        )
        assert all(torch.equal(a, b) for a, b in pairs), part
    assert again.done == whole.done == 20


@pytest.mark.parametrize("change", [{"width": 4}, {"lr": 0.2}, {"ema": 0.0}])
def test_a_changed_width_rate_or_average_is_another_run(change):
    prints = {checkpoint.fingerprint(expand({"P": made(**settings)})) for settings in ({}, change)}
    assert len(prints) == 2


def test_some_parameters_can_be_left_alone():
    net = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])
    player = Player(net, lr=0.1, trained=net[1].parameters())
    assert player.opt.param_groups[0]["params"] == list(net[1].parameters())
