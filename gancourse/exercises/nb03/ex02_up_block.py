"""Exercise 3.2: an upsampling block."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from gancourse.exercises.base import Case, Exercise, Observation
from gancourse.exercises.nb03._shared import observe_layers
from gancourse.exercises.observe import as_network, fact, integer, seeded
from gancourse.papers import blocks


def channels(rng: torch.Generator) -> list[Case]:
    """More channels than before, and fewer; neither is twice the other."""
    return [
        Case((c_in, c_out, integer(rng, 0, 10**6)), note=f"with c_in={c_in}, c_out={c_out}")
        for c_in, c_out in ((5, 3), (2, 5))
    ]


def observe_block(answer: Callable[..., Any], case: Case) -> Observation:
    c_in, c_out, seed = case.args
    layers, again = answer(c_in, c_out), answer(c_in, c_out)
    net = as_network(layers, "up_block")
    seen = observe_layers(net, seeded(seed), 3, c_in, 4, 6)
    if not isinstance(layers, (list, tuple)):
        kind = type(layers).__name__
        seen |= fact(f"Return a list, [layer, layer, layer], not a {kind}: the caller unpacks it.")
    elif len(layers) != 3:
        seen |= fact(f"Return a list of three layers; yours has {len(layers)}.")
    if {id(layer) for layer in layers} & {id(layer) for layer in again}:
        seen |= fact(
            "Two calls of up_block return the same layer object: create new layers in each call, "
            "because each block of G needs its own."
        )
    return seen


def up_layers(
    after: str = "norm relu", kernel: int = 4, padding: int = 1, **conv: Any
) -> Callable[[int, int], list[nn.Module]]:
    """Make an up_block; `after` names the layers after the convolution."""

    def block(c_in: int, c_out: int) -> list[nn.Module]:
        settings = {"bias": False, **conv}
        first = nn.ConvTranspose2d(c_in, c_out, kernel, 2, padding, **settings)
        layers = {
            "norm": nn.BatchNorm2d(c_out),
            "relu": nn.ReLU(),
            "leaky": nn.LeakyReLU(0.2),
            "flatter": nn.LeakyReLU(),
            "eps": nn.BatchNorm2d(c_out, 0.8),
        }
        return [first, *[layers[name] for name in after.split()]]

    return block


def then_norm(conv: nn.Module, c: int) -> list[nn.Module]:
    """A block with batch norm for so many channels."""
    return [conv, nn.BatchNorm2d(c), nn.ReLU()]


def before(c_in: int, c_out: int) -> list[nn.Module]:
    """Batch norm and ReLU come before the convolution."""
    return [nn.BatchNorm2d(c_in), nn.ReLU(), *up_layers("")(c_in, c_out)]


def enlarged(mode: str) -> Callable[[int, int], list[nn.Module]]:
    """Make a block that interpolates and then convolves."""

    def block(c_in: int, c_out: int) -> list[nn.Module]:
        conv = nn.Conv2d(c_in, c_out, 3, padding=1, bias=False)
        return [nn.Upsample(scale_factor=2, mode=mode), *then_norm(conv, c_out)]

    return block


EXERCISE = Exercise(
    id="3.2",
    title="An upsampling block",
    points=2,
    minutes=10,
    reference=blocks.up_block,
    cases=channels,
    observe=observe_block,
    slips={
        "Batch norm subtracts the mean, so a bias in the convolution before it does nothing: pass "
        "bias=False.": up_layers(bias=True),
        "Batch norm is missing: guideline 2 puts it in every block.": [
            up_layers("relu"), up_layers("relu", bias=True),
        ],
        "Batch norm comes before the ReLU: normalize first, then cut off negative values.": [
            up_layers("relu norm"), up_layers("relu norm", bias=True),
        ],
        "LeakyReLU belongs to the discriminator; the generator has ReLU (guideline 4).": [
            up_layers("norm leaky"), up_layers("norm flatter"), up_layers("norm leaky", bias=True),
        ],
        "The kernel should be 4 x 4. A 3 x 3 one reaches some output pixels more often than "
        "others, because the stride 2 doesn't divide 3.": [
            up_layers(kernel=3), up_layers(kernel=3, output_padding=1),
        ],
        "That is the paper's 5 x 5 kernel, which gives a checkerboard pattern. The exercise asks "
        "for 4 x 4.": [
            up_layers(kernel=5, padding=2), up_layers(kernel=5, padding=2, output_padding=1),
        ],
        "The ReLU is missing.": [up_layers("norm"), up_layers("norm", bias=True)],
        "padding=1 is missing: without it the output's side is 2H + 2, not 2H.": [
            up_layers(padding=0), up_layers(padding=0, bias=True),
        ],
        "nn.Conv2d with stride 2 halves the side. To double it, use nn.ConvTranspose2d.": [
            lambda a, b: then_norm(nn.Conv2d(a, b, 4, 2, 1, bias=False), b),
            lambda a, b: then_norm(nn.Conv2d(a, b, 4, 2, 1), b),
        ],
        "The channels of the convolution are swapped: c_in comes first.": lambda a, b: then_norm(
            nn.ConvTranspose2d(b, a, 4, 2, 1, bias=False), b
        ),
        "Batch norm gets the convolution's output, which has c_out channels: "
        "nn.BatchNorm2d(c_out).": lambda a, b: then_norm(
            nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False), a
        ),
        "Batch norm and ReLU come after the convolution, in this order.": before,
        "Guideline 1 asks for transposed convolutions, which learn how to change the side; you "
        "interpolate.": [enlarged("nearest"), enlarged("bilinear")],
        "The layers are objects: nn.ReLU(), with parentheses, not the class nn.ReLU and not the "
        "function F.relu.": [
            lambda a, b: [*up_layers("norm")(a, b), nn.ReLU],
            lambda a, b: [*up_layers("norm")(a, b), F.relu],
        ],
        "4 x 4 kernels need no output_padding: with it the output has a row and a "
        "column too many.": up_layers(output_padding=1),
        "The second argument of nn.BatchNorm2d is eps, a tiny number that avoids a division by 0. "
        "Leave it out.": up_layers("eps relu"),
    },
    alternatives=(up_layers(), lambda c_in, c_out: tuple(up_layers()(c_in, c_out))),
    advice="Compare layer by layer with the exercise: which layers, in which order, with which "
    "arguments?",
)  # fmt: skip
