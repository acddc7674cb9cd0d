"""Exercise 9.6: all that the generators pay."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from gancourse.exercises.base import AnswerError, Case, Exercise, Observation, Slip
from gancourse.exercises.nb09._shared import Tiny, _observed, game
from gancourse.exercises.observe import seeded
from gancourse.papers.cyclegan import cycle_loss, lsgan_generator_loss


def generator_costs(G, F, D_X, D_Y, x, y):
    """The five costs of the generators by name, without their weights."""
    fake_y, fake_x = G(x), F(y)
    return {
        "loss_G": lsgan_generator_loss(D_Y(fake_y)),
        "loss_F": lsgan_generator_loss(D_X(fake_x)),
        "cycle_X": cycle_loss(x, F(fake_y)),
        "cycle_Y": cycle_loss(y, G(fake_x)),
        "identity": cycle_loss(y, G(y)) + cycle_loss(x, F(x)),
    }


def observe_costs(answer: Callable[..., Any], case: Case) -> Observation:
    x, y, seed = case.args
    rng = seeded(seed)
    G, F_, D_X, D_Y = Tiny(rng), Tiny(rng), Tiny(rng, 1), Tiny(rng, 1)
    costs = answer(G, F_, D_X, D_Y, x.clone(), y.clone())
    names = ("loss_G", "loss_F", "cycle_X", "cycle_Y", "identity")
    if not isinstance(costs, dict) or set(costs) != set(names):
        raise AnswerError(f"Return a dictionary with exactly these names: {', '.join(names)}.")
    return _observed({name: costs[name] for name in names}, [G, F_])


def costs_like(
    swap_D: bool = False,
    wants: float = 1.0,
    cut: bool = False,
    own: Callable[..., Tensor] | None = None,
    weigh: bool = False,
    on_back: bool = False,
) -> Callable[..., dict[str, Tensor]]:
    """Make the five costs of the generators, with a slip if asked for."""

    def distance(a: Tensor, b: Tensor) -> Tensor:
        return (a - b).abs().mean()

    def costs(
        G: nn.Module, F_: nn.Module, D_X: nn.Module, D_Y: nn.Module, x: Tensor, y: Tensor
    ) -> dict[str, Tensor]:
        fake_y, fake_x = G(x), F_(y)
        back_x, back_y = F_(fake_y), G(fake_x)
        judged_y, judged_x = (back_y, back_x) if on_back else (fake_y, fake_x)
        if cut:
            judged_y, judged_x = judged_y.detach(), judged_x.detach()
        if swap_D:
            D_X, D_Y = D_Y, D_X
        identity = own(G, F_, x, y) if own else distance(G(y), y) + distance(F_(x), x)
        w = (10, 5) if weigh else (1, 1)
        return {
            "loss_G": (D_Y(judged_y) - wants).square().mean(),
            "loss_F": (D_X(judged_x) - wants).square().mean(),
            "cycle_X": w[0] * distance(back_x, x),
            "cycle_Y": w[0] * distance(back_y, y),
            "identity": w[1] * identity,
        }

    return costs


EXERCISE = Exercise(
    id="9.6",
    title="All that the generators pay",
    points=3,
    minutes=15,
    reference=generator_costs,
    cases=game,
    observe=observe_costs,
    slips=(
        Slip(
            costs_like(swap_D=True),
            "The two D are swapped: G makes pictures of Y, so D_Y judges them.",
        ),
        Slip(
            costs_like(wants=0.0),
            "The generators want to be taken for real: answers near 1.",
        ),
        Slip(
            costs_like(cut=True),
            "D's answers to the fakes have no gradient with respect to G and F: a detach() "
            "belongs into D's turn, not here.",
        ),
        Slip(
            costs_like(own=lambda G, F, x, y: (G(x) - x).abs().mean() + (F(y) - y).abs().mean()),
            "identity compares G(x) with x: that forbids every change. G is to leave alone "
            "what is of its target domain already: G(y) against y.",
        ),
        Slip(
            costs_like(own=lambda G, F, x, y: (G(y) - y).abs().mean()),
            "identity has one half only: F(x) against x is missing.",
        ),
        Slip(
            costs_like(weigh=True),
            "The weights are in the costs already. Return them without: they are put on later.",
        ),
        Slip(
            costs_like(on_back=True),
            "D judges the pictures that came back. It should judge the fakes in the middle.",
        ),
    ),
    alternatives=(costs_like(),),
)
