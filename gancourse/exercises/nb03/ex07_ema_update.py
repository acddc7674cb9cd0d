"""Exercise 3.7: a running average of G."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from gancourse.exercises.base import Case, Exercise, Observation
from gancourse.exercises.observe import fill, integer, seeded
from gancourse.papers.gan import ema_update


def observe_average(answer: Callable[..., Any], case: Case) -> Observation:
    seed, decay = case.args
    rng = seeded(seed)
    average, net = (fill(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)), rng) for _ in "ab")
    net(torch.randn(5, 2, generator=rng) + 1)  # changes net's buffers
    answer(average, net, decay)
    still = all(p.requires_grad and p.is_leaf for p in average.parameters())
    return {
        "the average's weights": flat(average.parameters()),
        "the network's weights": flat(net.parameters()),
        "the average's buffers": flat(average.buffers()),
        "weights are still parameters": torch.tensor(still),
    }


def flat(tensors: Iterable[Tensor]) -> Tensor:
    """All values in one vector."""
    return torch.cat([t.detach().float().flatten() for t in tensors])


@torch.no_grad()
def average_like(
    average: nn.Module, net: nn.Module, decay: float, *, buffers: bool = True, into: int = 0
) -> None:
    """An EMA; the keyword arguments choose a slip."""
    for a, b in zip(average.parameters(), net.parameters(), strict=True):
        (a, b)[into].copy_(decay * a + (1 - decay) * b)
    if buffers:
        for a, b in zip(average.buffers(), net.buffers(), strict=True):
            a.copy_(b)


def by_state_dict(average: nn.Module, net: nn.Module, decay: float) -> None:
    """The same with state dictionaries."""
    new = net.state_dict()
    names = {name for name, _ in net.named_parameters()}
    mixed = {
        name: decay * old + (1 - decay) * new[name] if name in names else new[name]
        for name, old in average.state_dict().items()
    }
    average.load_state_dict(mixed)


EXERCISE = Exercise(
    id="3.7",
    title="A running average of G",
    points=2,
    minutes=10,
    reference=ema_update,
    cases=lambda rng: [
        Case((integer(rng, 0, 10**6), 0.6 + 0.39 * torch.rand((), generator=rng).item()))
    ],
    observe=observe_average,
    slips={
        "decay and 1 - decay are swapped: decay is the share of the old "
        "average that stays.": lambda average, net, decay: average_like(average, net, 1 - decay),
        "The weights are right, the buffers are not: copy batch norm's moving averages "
        "too.": lambda average, net, decay: average_like(average, net, decay, buffers=False),
        "You changed the network that is trained. Change "
        "only the average.": lambda average, net, decay: average_like(average, net, decay, into=1),
        "That is a copy of the newest weights. Mix them with "
        "the old average.": lambda average, net, decay: average.load_state_dict(net.state_dict()),
        "The average is unchanged. `a = decay * a + ...` in a loop makes a new tensor; change the "
        "network's own in place, with lerp_ or copy_.": lambda average, net, decay: None,
    },
    alternatives=(average_like, by_state_dict),
)
