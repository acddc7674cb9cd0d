"""Exercise 5.4: A head that compares."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from gancourse.exercises.base import Case, Exercise, Observation
from gancourse.exercises.observe import as_network, integers, observe_network, seeded


def observe_head(answer: Callable[..., Any], case: Case) -> Observation:
    maps, classes, seed = case.args
    net = as_network(answer(maps, classes), "joint_head")
    return observe_network(net, seeded(seed), (3, maps + classes, 4, 4))


def joint_head(maps: int, classes: int) -> list[nn.Module]:
    """Mix maps and condition at each position, then sum over all 16: (B,) logits."""
    return [
        nn.Conv2d(maps + classes, maps, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(maps, 1, 4),
        nn.Flatten(0),
    ]


def head_like(
    *activation: nn.Module, end: nn.Module | None = None, kernel: int = 1
) -> Callable[[int, int], list[nn.Module]]:
    """Make a joint_head with another activation, last layer or kernel."""

    def make(maps: int, classes: int) -> list[nn.Module]:
        first = nn.Conv2d(maps + classes, maps, kernel, padding=kernel // 2)
        return [first, *activation, nn.Conv2d(maps, 1, 4), end or nn.Flatten(0)]

    return make


class Squeezed(nn.Module):
    """Drops every dimension of length 1, also the batch dimension of a batch of one."""

    def forward(self, x: Tensor) -> Tensor:
        return x.squeeze()


class FlatSigmoid(nn.Module):
    """Flattens, and applies a sigmoid."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten().sigmoid()


LEAKY = nn.LeakyReLU(0.2)

EXERCISE = Exercise(
    id="5.4",
    title="A head that compares",
    points=3,
    minutes=10,
    reference=joint_head,
    cases=lambda rng: integers(rng, (3, 5), (2, 3)),
    observe=observe_head,
    slips={
        "Two linear layers in a row are one linear layer, and image and label can't be "
        "compared. Put an activation between them.": head_like(),
        "All right except the activation: LeakyReLU with slope 0.2.": head_like(nn.ReLU()),
        "LeakyReLU's default slope is 0.01; D has 0.2.": head_like(nn.LeakyReLU(0.01)),
        "A 1 x 1 kernel is enough to mix channels; 3 x 3 has nine times as many weights "
        "and mixes positions too.": head_like(LEAKY, kernel=3),
        "The logits have shape (B, 1, 1, 1). Flatten them to (B,), or losses broadcast.": head_like(
            LEAKY, end=nn.Identity()
        ),
        "squeeze() also drops the batch dimension of a batch of one: use nn.Flatten(0).": head_like(
            LEAKY, end=Squeezed()
        ),
        "D returns logits: leave out the sigmoid.": head_like(LEAKY, end=FlatSigmoid()),
    },
    alternatives=(
        lambda maps, classes: nn.Sequential(*joint_head(maps, classes)),
        head_like(LEAKY),
    ),
)
