"""Exercise 9.6: the five losses of the generators."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from gancourse.exercises.base import AnswerError, Case, Exercise, Observation
from gancourse.exercises.nb09._shared import Tiny, observe_losses, unpaired
from gancourse.exercises.observe import seeded
from gancourse.papers.cyclegan import cycle_loss, lsgan_generator_loss


def generator_losses(G, F, D_X, D_Y, x, y):
    """The losses without their weights; no annotations, so that wrong shapes are diagnosed."""
    fake_y, fake_x = G(x), F(y)
    return {
        "loss_G": lsgan_generator_loss(D_Y(fake_y)),
        "loss_F": lsgan_generator_loss(D_X(fake_x)),
        "cycle_X": cycle_loss(x, F(fake_y)),
        "cycle_Y": cycle_loss(y, G(fake_x)),
        "identity": cycle_loss(y, G(y)) + cycle_loss(x, F(x)),
    }


def observe_generators(answer: Callable[..., Any], case: Case) -> Observation:
    x, y, seed = case.args
    rng = seeded(seed)
    G, F_, D_X, D_Y = Tiny(rng), Tiny(rng), Tiny(rng, 1), Tiny(rng, 1)
    losses = answer(G, F_, D_X, D_Y, x.clone(), y.clone())
    names = ("loss_G", "loss_F", "cycle_X", "cycle_Y", "identity")
    if not isinstance(losses, dict) or set(losses) != set(names):
        raise AnswerError(f"Return a dictionary with exactly these names: {', '.join(names)}.")
    return observe_losses({name: losses[name] for name in names}, G, F_)


def losses_like(
    swap_D: bool = False,
    target: float = 1.0,
    cut: bool = False,
    identity: Callable[..., Tensor] | None = None,
    weighted: bool = False,
    on_cycled: bool = False,
) -> Callable[..., dict[str, Tensor]]:
    """Make the five losses of the generators, with a slip if asked for."""

    def distance(a: Tensor, b: Tensor) -> Tensor:
        return (a - b).abs().mean()

    def losses(
        G: nn.Module, F_: nn.Module, D_X: nn.Module, D_Y: nn.Module, x: Tensor, y: Tensor
    ) -> dict[str, Tensor]:
        fake_y, fake_x = G(x), F_(y)
        cycled_x, cycled_y = F_(fake_y), G(fake_x)
        rated_y, rated_x = (cycled_y, cycled_x) if on_cycled else (fake_y, fake_x)
        if cut:
            rated_y, rated_x = rated_y.detach(), rated_x.detach()
        if swap_D:
            D_X, D_Y = D_Y, D_X
        same = identity(G, F_, x, y) if identity else distance(G(y), y) + distance(F_(x), x)
        w = (10, 5) if weighted else (1, 1)
        return {
            "loss_G": (D_Y(rated_y) - target).square().mean(),
            "loss_F": (D_X(rated_x) - target).square().mean(),
            "cycle_X": w[0] * distance(cycled_x, x),
            "cycle_Y": w[0] * distance(cycled_y, y),
            "identity": w[1] * same,
        }

    return losses


EXERCISE = Exercise(
    id="9.6",
    title="All that the generators pay",
    points=3,
    minutes=15,
    reference=generator_losses,
    cases=unpaired,
    observe=observe_generators,
    slips={
        "The two D are swapped: G makes images of Y, so D_Y rates them.": losses_like(swap_D=True),
        "loss_G and loss_F are 0 where D's output for the fakes is 1.": losses_like(target=0.0),
        "D's outputs for the fakes have no gradient with respect to G and F: a detach() belongs "
        "in D's turn, not here.": losses_like(cut=True),
        "identity compares G(x) with x: that forbids every change. G should leave images of its "
        "target domain unchanged: compare G(y) with y.": losses_like(
            identity=lambda G, F, x, y: (G(x) - x).abs().mean() + (F(y) - y).abs().mean()
        ),
        "identity has one half only: the difference of F(x) and x is missing.": losses_like(
            identity=lambda G, F, x, y: (G(y) - y).abs().mean()
        ),
        "The losses are already weighted. Return them without weights.": losses_like(weighted=True),
        "D rates the images after the round trip. It should rate fake_y and fake_x.": losses_like(
            on_cycled=True
        ),
    },
    alternatives=(losses_like(),),
)
