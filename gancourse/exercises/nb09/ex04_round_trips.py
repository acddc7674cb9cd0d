"""Exercise 9.4: there and back."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from gancourse.exercises.base import AnswerError, Case, Exercise, Observation, Slip
from gancourse.exercises.nb09._shared import Tiny, _observed, game
from gancourse.exercises.observe import seeded
from gancourse.papers.cyclegan import cycle_loss


def round_trips(G, F, x, y):
    """What both round trips change: x to Y and back, y to X and back."""
    return cycle_loss(x, F(G(x))), cycle_loss(y, G(F(y)))


def observe_trips(answer: Callable[..., Any], case: Case) -> Observation:
    x, y, seed = case.args
    rng = seeded(seed)
    G, F_ = Tiny(rng), Tiny(rng)
    result = answer(G, F_, x.clone(), y.clone())
    if not isinstance(result, tuple) or len(result) != 2:
        raise AnswerError("Return two costs: cycle_X, cycle_Y.")
    return _observed(dict(zip(("cycle_X", "cycle_Y"), result, strict=True)), [G, F_])


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
        there_x, there_y = G(x), F_(y)
        if cut:
            there_x, there_y = there_x.detach(), there_y.detach()
        back_x, back_y = (there_x, there_y) if once else (F_(there_x), G(there_y))
        costs = distance(back_x - x), distance(back_y - y)
        return costs[::order]

    return trips


EXERCISE = Exercise(
    id="9.4",
    title="There and back",
    points=2,
    minutes=8,
    reference=round_trips,
    cases=game,
    observe=observe_trips,
    slips=(
        Slip(
            trips_like(distance=lambda d: d.square().mean()),
            "That is the squared distance. Equation 2 takes the absolute one.",
        ),
        Slip(
            trips_like(swapped=True),
            "G and F are swapped: x goes through G first, then through F.",
        ),
        Slip(
            trips_like(once=True),
            "You compared x with its translation. Translate back before you compare.",
        ),
        Slip(
            trips_like(cut=True),
            "The costs are right, but no gradient passes the picture in the middle: the "
            "network that translates first learns nothing. Leave out the detach().",
        ),
        Slip(trips_like(order=-1), "Right costs, wrong order: cycle_X first."),
        Slip(
            trips_like(distance=lambda d: d.abs().sum()),
            "These are sums over all values: take means.",
        ),
    ),
    alternatives=(trips_like(),),
)
