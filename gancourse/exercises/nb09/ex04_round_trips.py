"""Exercise 9.4: the cycle losses."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from gancourse.exercises.base import AnswerError, Case, Exercise, Observation
from gancourse.exercises.nb09._shared import Tiny, observe_losses, unpaired
from gancourse.exercises.observe import seeded
from gancourse.papers.cyclegan import cycle_loss


def round_trips(G, F, x, y):
    """The two terms of Equation 2; no annotations, so that wrong shapes are diagnosed."""
    return cycle_loss(x, F(G(x))), cycle_loss(y, G(F(y)))


def observe_trips(answer: Callable[..., Any], case: Case) -> Observation:
    x, y, seed = case.args
    rng = seeded(seed)
    G, F_ = Tiny(rng), Tiny(rng)
    result = answer(G, F_, x.clone(), y.clone())
    if not isinstance(result, tuple) or len(result) != 2:
        raise AnswerError("Return two losses: cycle_X, cycle_Y.")
    return observe_losses(dict(zip(("cycle_X", "cycle_Y"), result, strict=True)), G, F_)


def trips_like(
    distance: Callable[[Tensor], Tensor] = lambda d: d.abs().mean(),
    swapped: bool = False,
    cut: bool = False,
    order: int = 1,
    once: bool = False,
) -> Callable[..., tuple[Tensor, Tensor]]:
    """Make the two round trips, with a slip if asked for."""

    def trips(G: nn.Module, F_: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        if swapped:
            G, F_ = F_, G
        fake_y, fake_x = G(x), F_(y)
        if cut:
            fake_y, fake_x = fake_y.detach(), fake_x.detach()
        cycled_x, cycled_y = (fake_y, fake_x) if once else (F_(fake_y), G(fake_x))
        losses = distance(cycled_x - x), distance(cycled_y - y)
        return losses[::order]

    return trips


EXERCISE = Exercise(
    id="9.4",
    title="There and back",
    points=2,
    minutes=8,
    reference=round_trips,
    cases=unpaired,
    observe=observe_trips,
    slips={
        "That is the squared distance. Equation 2 takes the absolute one.": trips_like(
            distance=lambda d: d.square().mean()
        ),
        "G and F are swapped: x goes through G first, then through F.": trips_like(swapped=True),
        "You compared x with its translation. Translate it back first.": trips_like(once=True),
        "The losses are right, but no gradient passes the translation, so the generator that "
        "translates first learns nothing. Remove the detach().": trips_like(cut=True),
        "The right losses in the wrong order: cycle_X first.": trips_like(order=-1),
        "These are sums over all values: return means.": trips_like(
            distance=lambda d: d.abs().sum()
        ),
    },
    alternatives=(trips_like(),),
)
