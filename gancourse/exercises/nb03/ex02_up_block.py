"""Exercise 3.2: an upsampling block."""

from collections.abc import Callable
from typing import Any

from torch import nn

from gancourse.exercises.base import Case, Exercise, Observation
from gancourse.exercises.observe import as_network, integers, observe_network, seeded
from gancourse.papers import blocks


def observe_layers(answer: Callable[..., Any], case: Case) -> Observation:
    c_in, c_out, seed = case.args
    net = as_network(answer(c_in, c_out), "up_block")
    return observe_network(net, seeded(seed), (2, c_in, 4, 4))


def up_layers(
    after: str, bias: bool = False, kernel: int = 4
) -> Callable[[int, int], list[nn.Module]]:
    """Make an up_block; `after` names the layers after the convolution: "norm relu"."""

    def block(c_in: int, c_out: int) -> list[nn.Module]:
        conv = nn.ConvTranspose2d(c_in, c_out, kernel, 2, (kernel - 1) // 2, bias=bias)
        layers = {"norm": nn.BatchNorm2d(c_out), "relu": nn.ReLU(), "leaky": nn.LeakyReLU(0.2)}
        return [conv, *[layers[name] for name in after.split()]]

    return block


EXERCISE = Exercise(
    id="3.2",
    title="An upsampling block",
    points=2,
    minutes=10,
    reference=blocks.up_block,
    cases=lambda rng: integers(rng, (2, 4), (3, 5)) + integers(rng, (2, 4), (3, 5)),
    observe=observe_layers,
    slips={
        "Batch norm subtracts the mean, so a bias in the convolution before it does nothing: pass "
        "bias=False.": up_layers("norm relu", bias=True),
        "Batch norm is missing: guideline 2 puts it in every block.": up_layers("relu"),
        "Batch norm comes before the ReLU: normalise "
        "first, then cut off negative values.": up_layers("relu norm"),
        "LeakyReLU belongs to the discriminator; the generator has ReLU (guideline 4).": up_layers(
            "norm leaky"
        ),
        "A 3 x 3 kernel with stride 2 doesn't double the side: try your formula of 3.1.": up_layers(
            "norm relu", kernel=3
        ),
        "The ReLU is missing.": up_layers("norm"),
    },
    alternatives=(
        up_layers("norm relu"),
        lambda c_in, c_out: nn.Sequential(*blocks.up_block(c_in, c_out)),
    ),
)
