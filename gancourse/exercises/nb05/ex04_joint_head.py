"""Exercise 5.4: A head that compares."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from gancourse.exercises.base import Case, Exercise, Observation
from gancourse.exercises.observe import as_network, integer, observe_network, one_of, seeded
from gancourse.exercises.parts import Part


def sizes(rng: torch.Generator) -> list[Case]:
    """Seeds of the weights are drawn until logits of both signs show an activation after them."""
    while True:
        first, second = (integer(rng, 0, 10**6) for _ in range(2))
        cases = [
            Case((maps, classes, seed), note=f"for {maps} maps and {classes} classes")
            for maps, classes, seed in (
                (one_of(rng, 5, 6, 7), 3, first),
                (2, one_of(rng, 4, 5, 6), second),
            )
        ]
        outputs = [observe_head(answer, cases[0])["output"] for answer in (joint_head, head_like())]
        if all(y.min() < -0.1 and y.max() > 0.1 for y in outputs):
            return cases


def observe_head(answer: Callable[..., Any], case: Case) -> Observation:
    maps, classes, seed = case.args
    net = as_network(answer(maps, classes), "joint_head")
    return observe_network(net, seeded(seed), x=(16, maps + classes, 4, 4))


def joint_head(maps: int, classes: int) -> list[nn.Module]:
    """Mix maps and condition at each position, then sum over all 16: (B,) logits."""
    return [
        nn.Conv2d(maps + classes, maps, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(maps, 1, 4),
        nn.Flatten(0),
    ]


def head_like(
    *activation: nn.Module, end: tuple[nn.Module, ...] = (nn.Flatten(0),), kernel: int = 1
) -> Callable[[int, int], list[nn.Module]]:
    """Make a joint_head with another activation, other last layers or another kernel."""

    def make(maps: int, classes: int) -> list[nn.Module]:
        first = nn.Conv2d(maps + classes, maps, kernel, padding=kernel // 2)
        return copy.deepcopy([first, *activation, nn.Conv2d(maps, 1, 4), *end])

    return make


def head_of(c_in: int, hidden: int, kernel: int = 4) -> list[nn.Module]:
    """Other numbers of channels, or another last kernel."""
    first = nn.Conv2d(c_in, hidden, 1)
    return [first, nn.LeakyReLU(0.2), nn.Conv2d(hidden, 1, kernel), nn.Flatten(0)]


class Squeezed(nn.Module):
    """Drops every dimension of length 1, also the batch dimension of a batch of one."""

    def forward(self, x: Tensor) -> Tensor:
        return x.squeeze()


LEAKY = nn.LeakyReLU(0.2)
FLAT = nn.Flatten(0)

EXERCISE = Exercise(
    id="5.4",
    title="A head that compares",
    points=3,
    minutes=10,
    reference=joint_head,
    cases=sizes,
    observe=observe_head,
    parts=(Part("the layers", 1, ("number of*",)),),
    slips={
        "Two linear layers in a row are one linear layer, so image and label can't be compared. "
        "Put an activation between them.": head_like(),
        "The activation comes after both convolutions. Together they are still one linear layer, "
        "so image and label can't be compared. Put the activation between them.": [
            head_like(end=(LEAKY, FLAT)),
            head_like(end=(FLAT, LEAKY)),
        ],
        "Everything is right except the activation: it should be LeakyReLU with slope 0.2.": [
            head_like(nn.ReLU()),
            head_like(nn.Tanh()),
            head_like(nn.Sigmoid()),
        ],
        "LeakyReLU's default slope is 0.01; D has 0.2.": head_like(nn.LeakyReLU(0.01)),
        "A 1 x 1 kernel is enough to mix channels; 3 x 3 has nine times as many weights "
        "and mixes positions too.": head_like(LEAKY, kernel=3),
        "The first convolution should have `maps` output channels: maps + classes go in, maps come "
        "out.": lambda maps, classes: head_of(maps + classes, maps + classes),
        "The condition is part of the input: the first convolution gets maps + classes "
        "channels.": lambda maps, classes: head_of(maps, maps),
        "The last kernel is 4 x 4: from 4 x 4 positions to one logit for each "
        "image.": lambda maps, classes: head_of(maps + classes, maps, kernel=1),
        "The logits should have shape (B,), or losses broadcast. nn.Flatten() keeps the first "
        "dimension; nn.Flatten(0) flattens it, too.": [
            head_like(LEAKY, end=()),
            head_like(LEAKY, end=(nn.Flatten(),)),
        ],
        "squeeze() also drops the batch dimension of a batch of one: use nn.Flatten(0).": head_like(
            LEAKY, end=(Squeezed(),)
        ),
        "D returns logits: leave out the last activation.": [
            head_like(LEAKY, end=(nn.Sigmoid(), FLAT)),
            head_like(LEAKY, end=(nn.Tanh(), FLAT)),
            head_like(LEAKY, end=(LEAKY, FLAT)),
        ],
    },
    alternatives=(
        lambda maps, classes: nn.Sequential(*joint_head(maps, classes)),
        head_like(LEAKY),
    ),
    advice="Write down the shape after each layer: (B, maps + classes, 4, 4), (B, maps, 4, 4), "
    "(B, 1, 1, 1), (B,).",
)
