"""Exercise 5.4: A head that compares."""

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor, nn

from gancourse.exercises.base import AnswerError, Case, Exercise, Observation, Slip
from gancourse.exercises.observe import integers, observe_network, seeded


def observe_head(answer: Callable[..., Any], case: Case) -> Observation:
    maps, classes, seed = case.args
    layers = answer(maps, classes)
    if layers is None:
        raise AnswerError("joint_head returned nothing. Is a `return` missing?")
    net = layers if isinstance(layers, nn.Module) else nn.Sequential(*layers)
    return observe_network(net, seeded(seed), (3, maps + classes, 4, 4))


def joint_head(maps: int, classes: int) -> list[nn.Module]:
    """Mix maps and condition at each place, then judge all 16 places: (B,) logits."""
    return [
        nn.Conv2d(maps + classes, maps, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(maps, 1, 4),
        nn.Flatten(0),
    ]


def head_like(
    bend: Callable[[], nn.Module] | None = None, end: nn.Module | None = None, kernel: int = 1
) -> Callable[[int, int], list[nn.Module]]:
    """Make a joint_head with other layers."""

    def make(maps: int, classes: int) -> list[nn.Module]:
        first = nn.Conv2d(maps + classes, maps, kernel, padding=kernel // 2)
        middle = [] if bend is None else [nn.LeakyReLU(0.2) if bend is nn.LeakyReLU else bend()]
        return [first, *middle, nn.Conv2d(maps, 1, 4), end or nn.Flatten(0)]

    return make


class Squeezed(nn.Module):
    """Drops every dimension of length one, that of a batch of one included."""

    def forward(self, x: Tensor) -> Tensor:
        return x.squeeze()


class Unit(nn.Module):
    """Flattens and squashes."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten().sigmoid()


EXERCISE = Exercise(
    id="5.4",
    title="A head that compares",
    points=3,
    minutes=10,
    reference=joint_head,
    cases=lambda rng: integers(rng, (3, 5), (2, 3)),
    observe=observe_head,
    slips=(
        Slip(
            head_like(None),
            "Two linear layers in a row are one linear layer: nothing can be compared. "
            "Something has to bend between them.",
        ),
        Slip(head_like(nn.ReLU), "Right but for one thing: D has LeakyReLU with slope 0.2."),
        Slip(
            head_like(partial(nn.LeakyReLU, 0.01)),
            "LeakyReLU's default slope is 0.01; D has 0.2.",
        ),
        Slip(
            head_like(nn.LeakyReLU, kernel=3),
            "A 1 x 1 kernel is enough to mix channels. 3 x 3 costs nine times as much and "
            "blurs where things are.",
        ),
        Slip(
            head_like(nn.LeakyReLU, nn.Identity()),
            "The logits have shape (B, 1, 1, 1). Flatten them to (B,), or losses broadcast.",
        ),
        Slip(
            head_like(nn.LeakyReLU, Squeezed()),
            "squeeze() also eats the batch dimension of a batch of one: use nn.Flatten(0).",
        ),
        Slip(
            head_like(nn.LeakyReLU, Unit()),
            "D returns logits: leave the sigmoid out, the losses expect none.",
        ),
    ),
    alternatives=(
        lambda maps, classes: nn.Sequential(*joint_head(maps, classes)),
        head_like(nn.LeakyReLU),
    ),
)
