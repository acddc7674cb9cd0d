"""Exercise 9.6: the five losses of the generators."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from gancourse.exercises.base import Case, Exercise, Observation, copied
from gancourse.exercises.nb09._shared import Tiny, observe_losses, unpaired
from gancourse.exercises.parts import Part
from gancourse.papers.cyclegan import cycle_loss, lsgan_generator_loss

NAMES = ("loss_G", "loss_F", "cycle_X", "cycle_Y", "identity")


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


def network_cases(rng: torch.Generator) -> list[Case]:
    nets = Tiny(rng), Tiny(rng), Tiny(rng, 1), Tiny(rng, 1)
    return [Case((*nets, *unpaired(rng)), note="on 2 images of each domain")]


def observe_generators(answer: Callable[..., Any], case: Case) -> Observation:
    G, F, D_X, D_Y, x, y = copied(case.args)
    losses = answer(G, F, D_X, D_Y, x, y)
    return observe_losses(losses, NAMES, {"G": G.layer.weight, "F": F.layer.weight})


def l1(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).abs().mean()


def l2(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).square().mean()


def to_one(ratings: Tensor) -> Tensor:
    return (ratings - 1).square().mean()


def losses_like(
    swap_D: bool = False,
    rate: Callable[[Tensor], Tensor] = to_one,
    rated: Callable[..., tuple[Tensor, Tensor]] = lambda x, y, fakes, cycled: fakes,
    cycle: Callable[[Tensor, Tensor], Tensor] = l1,
    ends: Callable[..., tuple[Tensor, Tensor]] = lambda fakes, cycled: cycled,
    identity: Callable[..., Tensor] = lambda G, F, x, y: l1(G(y), y) + l1(F(x), x),
    weights: tuple[float, float] = (1, 1),
    names: tuple[str, ...] = NAMES,
) -> Callable[..., dict[str, Tensor]]:
    """Make the five losses of the generators, with a slip if asked for."""

    def losses(G: Any, F: Any, D_X: Any, D_Y: Any, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        fakes = fake_y, fake_x = G(x), F(y)
        cycled = F(fake_y), G(fake_x)
        a, b = rated(x, y, fakes, cycled)
        back_x, back_y = ends(fakes, cycled)
        if swap_D:
            D_X, D_Y = D_Y, D_X
        values = [rate(D_Y(a)), rate(D_X(b))]
        values += [weights[0] * cycle(back_x, x), weights[0] * cycle(back_y, y)]
        return dict(zip(names, [*values, weights[1] * identity(G, F, x, y)], strict=True))

    return losses


def cut(first: bool) -> Callable[..., dict[str, Tensor]]:
    """No gradient passes the first translations, in all losses or for the discriminators only."""

    def losses(G: Any, F: Any, D_X: Any, D_Y: Any, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        fake_y, fake_x = G(x).detach(), F(y).detach()
        all_five = generator_losses(G, F, D_X, D_Y, x, y)
        if first:
            all_five |= {"cycle_X": l1(F(fake_y), x), "cycle_Y": l1(G(fake_x), y)}
        return all_five | {"loss_G": to_one(D_Y(fake_y)), "loss_F": to_one(D_X(fake_x))}

    return losses


def by_function(name: str) -> Callable[..., Any]:
    """As if F were torch.nn.functional."""
    return lambda G, F, D_X, D_Y, x, y: getattr(F, name)


def as_in_the_turn_of_d(factor: float) -> Callable[..., dict[str, Tensor]]:
    """D's losses in place of those of the generators."""

    def losses(G: Any, F: Any, D_X: Any, D_Y: Any, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        def of(D: Any, real: Tensor, fake: Tensor) -> Tensor:
            return factor * (to_one(D(real)) + D(fake).square().mean())

        both = {"loss_G": of(D_Y, y, G(x)), "loss_F": of(D_X, x, F(y))}
        return generator_losses(G, F, D_X, D_Y, x, y) | both

    return losses


Answer = Callable[..., dict[str, Tensor]]


def one_or_both(answer: Answer) -> list[Answer]:
    """An answer whose two adversarial losses are wrong, and those with only one of them."""

    def right_but_for(name: str) -> Answer:
        return lambda *args: {**generator_losses(*args), name: answer(*args)[name]}

    return [answer, right_but_for("loss_G"), right_but_for("loss_F")]


ADVERSARIAL = {
    "The two discriminators are swapped: G makes images of Y, so D_Y rates them.": losses_like(
        swap_D=True
    ),
    "loss_G and loss_F should be 0 where D's output for the fakes is 1.": one_or_both(
        losses_like(rate=lambda d: d.square().mean())
    ),
    "That is a loss of D, which rates real images too. G's loss is the mean of (D_Y(fake_y) - 1) "
    "squared.": [
        *one_or_both(as_in_the_turn_of_d(1)),
        *one_or_both(as_in_the_turn_of_d(0.5)),
    ],
    "loss_G and loss_F are halved. Of the least-squares losses, only D's has "
    "the factor 1/2.": losses_like(rate=lambda d: to_one(d) / 2),
    "You don't take the squared difference of D's output from 1. Use the least-squares loss of G "
    "from Section 4.": [
        *one_or_both(losses_like(rate=lambda d: nn.functional.softplus(-d).mean())),
        losses_like(rate=lambda d: to_one(d.sigmoid())),
        losses_like(rate=lambda d: (d - 1).abs().mean()),
        losses_like(rate=lambda d: -d.mean()),
    ],
    "loss_G and loss_F are sums. Return means.": losses_like(rate=lambda d: (d - 1).square().sum()),
    "D rates the images after the round trip. It should rate fake_y and fake_x.": losses_like(
        rated=lambda x, y, fakes, cycled: cycled[::-1]
    ),
    "The adversarial losses come from D's outputs for real images. Use those for fake_y and "
    "fake_x; check the order of the arguments of least_squares, too.": losses_like(
        rated=lambda x, y, fakes, cycled: (y, x)
    ),
    "loss_G and loss_F are swapped: loss_G comes from D_Y's output for G(x).": losses_like(
        names=("loss_F", "loss_G", "cycle_X", "cycle_Y", "identity")
    ),
    "D's outputs for the fakes have no gradient with respect to G and F: a detach() belongs in D's "
    "step, not here.": cut(first=False),
    "The first translations are detached from the graph, so the generators learn nothing from D, "
    "and in a cycle only the second one learns. Use neither detach() "
    "nor no_grad() here.": cut(True),
}
DIFFERENCES = {
    "You took squared differences in the cycle losses. Take mean absolute differences, in identity "
    "too.": [
        losses_like(cycle=l2),
        losses_like(cycle=l2, identity=lambda G, F, x, y: l2(G(y), y) + l2(F(x), x)),
    ],
    "The cycle losses stop halfway: the cycle continues from the fakes, with F(fake_y).": (
        losses_like(ends=lambda fakes, cycled: fakes)
    ),
    "Each image goes through one network twice. The cycle goes through both: F(G(x)).": (
        lambda G, F, D_X, D_Y, x, y: (
            generator_losses(G, F, D_X, D_Y, x, y)
            | {"cycle_X": l1(G(G(x)), x), "cycle_Y": l1(F(F(y)), y)}
        )
    ),
    "cycle_X and cycle_Y are swapped: cycle_X begins and ends at x.": losses_like(
        names=("loss_G", "loss_F", "cycle_Y", "cycle_X", "identity")
    ),
    "identity compares G(x) with x: that forbids every change. G should leave images of its "
    "target domain unchanged: compare G(y) with y.": losses_like(
        identity=lambda G, F, x, y: l1(G(x), x) + l1(F(y), y)
    ),
    "identity has only one of its two terms. It is the sum of both: G with y, and F with x.": [
        losses_like(identity=lambda G, F, x, y: l1(G(y), y)),
        losses_like(identity=lambda G, F, x, y: l1(F(x), x)),
    ],
    "identity is halved. It is the sum of two mean differences, not their mean.": losses_like(
        identity=lambda G, F, x, y: (l1(G(y), y) + l1(F(x), x)) / 2
    ),
    "identity uses squares. It should be the sum of two mean absolute differences.": losses_like(
        identity=lambda G, F, x, y: l2(G(y), y) + l2(F(x), x)
    ),
    "You computed identity from translated images. Use real ones of the target domain: compare "
    "G(y) with y.": losses_like(identity=lambda G, F, x, y: l1(G(G(x)), G(x)) + l1(F(F(y)), F(y))),
    "identity is detached from the graph, but the generators learn from it too.": losses_like(
        identity=lambda G, F, x, y: (l1(G(y), y) + l1(F(x), x)).detach()
    ),
    "The losses are already weighted. Return them without weights.": [
        losses_like(weights=(10, 5)),
        losses_like(weights=(10, 0.5)),
        losses_like(weights=(10, 1)),
        losses_like(weights=(1, 5)),
    ],
    "Here F is the generator from Y to X, not torch.nn.functional. Write out the name: "
    "nn.functional.l1_loss.": [by_function("l1_loss"), by_function("mse_loss")],
}

EXERCISE = Exercise(
    id="9.6",
    title="The losses of the generators",
    points=3,
    minutes=15,
    reference=generator_losses,
    cases=network_cases,
    observe=observe_generators,
    parts=(Part("the values", 2, ("loss_*", "cycle_*", "identity")),),
    slips=ADVERSARIAL | DIFFERENCES,
    alternatives=(losses_like(),),
    advice="Compare with the table above and the diagram in Section 5: which network gets which "
    "image, and what is its result compared with?",
)
