"""Exercise 3.7: a running average of G."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from gancourse.exercises.base import Case, Exercise, Observation
from gancourse.exercises.nb03._shared import replaced
from gancourse.exercises.observe import fact, fill, integer, seeded
from gancourse.papers.gan import ema_update


def decays(rng: torch.Generator) -> list[Case]:
    """Neither is one half, so that no answer can take one share for the other."""
    return [Case((integer(rng, 0, 10**6), decay), note=f"with {decay=}") for decay in (0.9, 0.2)]


def observe_average(answer: Callable[..., Any], case: Case) -> Observation:
    seed, decay = case.args
    rng = seeded(seed)
    average, net = (fill(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)), rng) for _ in "ab")
    for part, passes in ((average, 1), (net, 5)):  # each pass changes the buffers
        for _ in range(passes):
            part(torch.randn(5, 2, generator=rng) + passes)
    weights = list(average.parameters())
    answer(average, net, decay)
    means, variances, counts = (
        [b for name, b in average.named_buffers() if name.endswith(kind)]
        for kind in ("running_mean", "running_var", "num_batches_tracked")
    )
    seen = {
        "the average's weights": flat(average.parameters()),
        "batch norm's moving mean in the average": flat(means),
        "batch norm's moving variance in the average": flat(variances),
        "batch norm's third buffer in the average, num_batches_tracked": flat(counts),
    }
    both = [
        name
        for name, parts in (("weights", nn.Module.parameters), ("buffers", nn.Module.buffers))
        if memory(parts(average)) & memory([*net.parameters(), *net.buffers()])
    ]
    if both:
        seen |= fact(
            f"The average's {' and '.join(both)} now share memory with net's, and would change "
            "whenever net's do: copy the values, with copy_()."
        )
    return seen | replaced(average, weights)


def memory(tensors: Iterable[Tensor]) -> set[int]:
    return {t.data_ptr() for t in tensors}


def flat(tensors: Iterable[Tensor]) -> Tensor:
    """All values in one vector."""
    return torch.cat([t.detach().float().flatten() for t in tensors])


Mix = Callable[[Tensor, Tensor, float], Any]


def blend(a: Tensor, b: Tensor, decay: float) -> None:
    a.copy_(decay * a + (1 - decay) * b)


def take(a: Tensor, b: Tensor, decay: float) -> None:
    a.copy_(b)


def leave(a: Tensor, b: Tensor, decay: float) -> None:
    """Changes nothing."""


def floats(a: Tensor, b: Tensor, decay: float) -> None:
    """Mixes all but integers, which it leaves."""
    if a.is_floating_point():
        blend(a, b, decay)


def rest(a: Tensor, b: Tensor, decay: float) -> None:
    """Mixes all but integers, which it copies."""
    (blend if a.is_floating_point() else take)(a, b, decay)


def copy_floats(a: Tensor, b: Tensor, decay: float) -> None:
    if a.is_floating_point():
        a.copy_(b)


def mixing(weights: Mix = blend, buffers: Mix = take) -> Callable[..., None]:
    """Make an EMA from what is done to each weight, and to each buffer."""

    @torch.no_grad()
    def update(average: nn.Module, net: nn.Module, decay: float) -> None:
        for a, b in zip(average.parameters(), net.parameters(), strict=True):
            weights(a, b, decay)
        for a, b in zip(average.buffers(), net.buffers(), strict=True):
            buffers(a, b, decay)

    return update


def for_weights(weights: Mix) -> list[Callable[..., None]]:
    """A mistake with the weights, with buffers that are copied, and with buffers left out."""
    return [mixing(weights, buffers) for buffers in (take, leave)]


def with_decay(share: Callable[[float], float]) -> Mix:
    """Another decay than the one given."""
    return lambda a, b, decay: blend(a, b, share(decay))


@torch.no_grad()
def by_foreach(average: nn.Module, net: nn.Module, decay: float) -> None:
    """The weights in one call, the buffers by their names."""
    torch._foreach_lerp_(list(average.parameters()), list(net.parameters()), 1 - decay)
    for name, buffer in net.named_buffers():
        average.get_buffer(name).copy_(buffer)


def by_state_dict(average: nn.Module, net: nn.Module, decay: float) -> None:
    """The same with state dictionaries."""
    new = net.state_dict()
    names = {name for name, _ in net.named_parameters()}
    mixed = {
        name: decay * old + (1 - decay) * new[name] if name in names else new[name]
        for name, old in average.state_dict().items()
    }
    average.load_state_dict(mixed)


def by_name(name: str) -> Callable[..., None]:
    """Make an EMA that copies only one kind of buffer."""

    def update(average: nn.Module, net: nn.Module, decay: float) -> None:
        mixing(buffers=leave)(average, net, decay)
        for key, buffer in net.named_buffers():
            if key.endswith(name):
                average.get_buffer(key).copy_(buffer)

    return update


EXERCISE = Exercise(
    id="3.7",
    title="A running average of G",
    points=2,
    minutes=10,
    reference=ema_update,
    cases=decays,
    observe=observe_average,
    slips={
        "decay and 1 - decay are swapped: decay is the share of the old average that "
        "stays.": for_weights(with_decay(lambda decay: 1 - decay)),
        "The weights are right, the buffers are not: copy batch norm's moving averages "
        "too.": mixing(buffers=leave),
        "The buffers are mixed like the weights. They are averages already: copy them as they "
        "are.": [
            mixing(buffers=blend), mixing(buffers=floats), mixing(buffers=rest),
        ],
        "An integer can't be mixed, and one buffer holds an integer. Buffers are averages "
        "already: copy all of them as they are.": [
            mixing(buffers=lambda a, b, decay: a.mul_(decay)),
            mixing(buffers=lambda a, b, decay: a.lerp_(b, 1 - decay)),
        ],
        "You changed the network that is trained. Change only the average.": [
            lambda average, net, decay: mixing()(net, average, 1 - decay),
            lambda average, net, decay: mixing()(net, average, decay),
            mixing(lambda a, b, decay: blend(b, a, 1 - decay)),
            mixing(lambda a, b, decay: blend(b, a, 1 - decay), leave),
        ],
        "The average's weights are those of net now. Mix them with the old average.": [
            mixing(take), mixing(take, leave),
            lambda average, net, decay: average.load_state_dict(net.state_dict(), assign=True),
        ],
        "The average's weights are unchanged. `a = decay * a + ...` makes a new tensor, also for "
        "an entry of a state_dict(); change the network's own tensors, with lerp_() or "
        "copy_().": for_weights(leave),
        "The new weights should have the share 1 - decay: you add them in full.": for_weights(
            lambda a, b, decay: a.mul_(decay).add_(b)
        ),
        "The old average should keep the share decay: multiply it by decay first.": for_weights(
            lambda a, b, decay: a.add_((1 - decay) * b)
        ),
        "The average moves away from net. a.lerp_(b, t) computes a + t (b - a): b - a, not a - "
        "b.": for_weights(lambda a, b, decay: a.add_((1 - decay) * (a - b))),
        "The new weights are not added: the average only shrinks.": for_weights(
            lambda a, b, decay: a.mul_(decay)
        ),
        "`decay` is ignored: it is an argument, since it grows during the first steps.": [
            mixing(with_decay(lambda decay, fixed=fixed: fixed), buffers)
            for fixed in (0.999, 0.99, 0.9, 0.5)
            for buffers in (take, leave)
        ],
        "You copy the buffers from the average to net: copy them from net to the average.": mixing(
            buffers=lambda a, b, decay: b.copy_(a)
        ),
        "The moving variance is a buffer too: copy every buffer.": by_name("running_mean"),
        "The moving mean is a buffer too: copy every buffer.": by_name("running_var"),
        "num_batches_tracked, an integer, is a buffer too: copy every buffer.": mixing(
            buffers=copy_floats
        ),
    },
    alternatives=(by_foreach, by_state_dict, mixing(lambda a, b, decay: a.lerp_(b, 1 - decay))),
    advice="Print a value of the average, of net, and of the average afterwards. A weight should "
    "be decay times the first plus 1 - decay times the second, a buffer equal to the second.",
)  # fmt: skip
