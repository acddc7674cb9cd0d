"""Exercise 9.4: the cycle losses."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from gancourse.exercises.base import AnswerError, Case, Exercise, Observation, copied
from gancourse.exercises.nb09._shared import Tiny, observe_losses, unpaired
from gancourse.papers.cyclegan import cycle_loss


def round_trips(G, F, x, y):
    """The two terms of Equation 2; no annotations, so that wrong shapes are diagnosed."""
    return cycle_loss(x, F(G(x))), cycle_loss(y, G(F(y)))


def trip_cases(rng: torch.Generator) -> list[Case]:
    return [Case((Tiny(rng), Tiny(rng), *unpaired(rng)), note="on 2 images of each domain")]


def observe_trips(answer: Callable[..., Any], case: Case) -> Observation:
    G, F, x, y = copied(case.args)
    result = answer(G, F, x, y)
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        raise AnswerError("Return two losses: cycle_X, cycle_Y.")
    names = ("cycle_X", "cycle_Y")
    losses = dict(zip(names, result, strict=True))
    return observe_losses(losses, names, {"G": G.layer.weight, "F": F.layer.weight})


l1 = nn.functional.l1_loss
Distance = Callable[[Tensor, Tensor], Tensor]


def trips_like(
    distance: Distance = l1,
    swapped: bool = False,
    cut: tuple[bool, bool] = (False, False),
    order: int = 1,
    ends: Callable[..., tuple] = lambda x, y, fakes, cycled: (*cycled, x, y),
) -> Callable[..., tuple[Tensor, Tensor]]:
    """Make the two round trips, with a slip if asked for."""

    def trips(G: nn.Module, F: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        if swapped:
            G, F = F, G
        fake_y, fake_x = G(x), F(y)
        if cut[0]:
            fake_y, fake_x = fake_y.detach(), fake_x.detach()
        cycled_x, cycled_y = F(fake_y), G(fake_x)
        if cut[1]:
            cycled_x, cycled_y = cycled_x.detach(), cycled_y.detach()
        a, b, to_a, to_b = ends(x, y, (fake_y, fake_x), (cycled_x, cycled_y))
        return (distance(a, to_a), distance(b, to_b))[::order]

    return trips


def by_function(name: str) -> Callable[..., tuple[Tensor, Tensor]]:
    """As if F were torch.nn.functional."""

    def trips(G: nn.Module, F: Any, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        distance = getattr(F, name)
        return distance(F(G(x)), x), distance(G(F(y)), y)

    return trips


EXERCISE = Exercise(
    id="9.4",
    title="The round trip",
    points=2,
    minutes=8,
    reference=round_trips,
    cases=trip_cases,
    observe=observe_trips,
    slips={
        "That is the squared distance. Equation 2 takes the absolute one.": trips_like(
            nn.functional.mse_loss
        ),
        "That is a root of squares. Take the mean of absolute differences.": [
            trips_like(lambda a, b: nn.functional.mse_loss(a, b).sqrt()),
            trips_like(lambda a, b: (a - b).norm()),
        ],
        "The smooth L1 loss is quadratic for small differences. Take the absolute one: l1_loss.": (
            trips_like(nn.functional.smooth_l1_loss)
        ),
        "You took the mean of signed differences, in which both signs cancel. Take absolute values "
        "first.": [
            trips_like(lambda a, b: (a - b).mean()),
            trips_like(lambda a, b: (b - a).mean()),
            trips_like(lambda a, b: (a - b).mean().abs()),
        ],
        "G and F are swapped: x goes through G first, then through F.": trips_like(swapped=True),
        "Each image goes through one network twice. It goes through both: F(G(x)).": (
            lambda G, F, x, y: (l1(F(F(x)), x), l1(G(G(y)), y))
        ),
        "The second trip begins with the same network as the first. y goes through F first.": [
            lambda G, F, x, y: (l1(F(G(x)), x), l1(F(G(y)), y)),
            lambda G, F, x, y: (l1(G(F(x)), x), l1(G(F(y)), y)),
        ],
        "You returned one loss twice. The second is that of y: G(F(y)) compared with y.": (
            lambda G, F, x, y: round_trips(G, F, x, y)[:1] * 2
        ),
        "That is the identity loss of Section 6. Here x goes to Y and back: F(G(x)).": [
            lambda G, F, x, y: (l1(F(x), x), l1(G(y), y)),
            lambda G, F, x, y: (l1(G(y), y), l1(F(x), x)),
        ],
        "The losses have a factor. Return them without a weight, which comes later.": [
            trips_like(lambda a, b: 10 * l1(a, b)),
            trips_like(lambda a, b: l1(a, b) / 2),
        ],
        "You compared x with its translation. Translate it back first.": trips_like(
            ends=lambda x, y, fakes, cycled: (*fakes, x, y)
        ),
        "You compared with images of the other domain: an image should return to itself.": [
            trips_like(ends=lambda x, y, fakes, cycled: (*cycled, y, x)),
            trips_like(ends=lambda x, y, fakes, cycled: (*fakes, y, x)),
        ],
        "You compared the image after the round trip with the translation. Compare it with the "
        "image at the start.": trips_like(ends=lambda x, y, fakes, cycled: (*cycled, *fakes)),
        "The first translation is detached from the graph, so the generator that translates first "
        "learns nothing. Use neither detach() nor no_grad() here.": trips_like(cut=(True, False)),
        "The losses are detached from the graph, so no generator learns. Return tensors, without "
        "item(), detach() or no_grad().": trips_like(cut=(True, True)),
        "The right losses in the wrong order: cycle_X first.": trips_like(order=-1),
        "These are sums over all values: return means.": trips_like(
            lambda a, b: (a - b).abs().sum()
        ),
        "These are sums over the values of an image: take the mean over all values.": trips_like(
            lambda a, b: (a - b).abs().flatten(1).sum(dim=1).mean()
        ),
        "Here F is the generator from Y to X, not torch.nn.functional. Write out the name: "
        "nn.functional.l1_loss.": [
            by_function(name) for name in ("l1_loss", "mse_loss", "smooth_l1_loss")
        ],
    },
    alternatives=(trips_like(), lambda *args: list(round_trips(*args))),
    advice="Follow one image: which network does x go through first, which second, and what is the "
    "result compared with?",
)
