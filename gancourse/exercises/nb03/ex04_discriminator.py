"""Exercise 3.4: the discriminator."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from gancourse.exercises.base import Case, Exercise, Observation
from gancourse.exercises.nb03._shared import observe_layers
from gancourse.exercises.observe import images, integer, one_of, seeded
from gancourse.exercises.parts import Part
from gancourse.papers import dcgan


def sizes(rng: torch.Generator) -> list[Case]:
    """Grey and colour; no number of channels equals another one, or the size of the batch."""
    return [
        Case((channels, width, integer(rng, 0, 10**6)), note=f"with {channels=}, {width=}")
        for channels, width in ((1, one_of(rng, 2, 3, 6, 7)), (3, one_of(rng, 4, 7, 8)))
    ]


def observe_discriminator(answer: Callable[..., nn.Module], case: Case) -> Observation:
    channels, width, seed = case.args
    net = answer(channels=channels, width=width)
    seen = observe_layers(net, seeded(seed), 5, channels, 32, 32)
    last = [layer for layer in net.modules() if isinstance(layer, nn.Conv2d)][-1:]
    with torch.no_grad():
        for p in (p for layer in last for p in layer.parameters()):
            p.neg_()  # logits of both signs: an activation at the end can't go unnoticed
        name = "output after the last convolution's weights have changed their sign"
        return seen | {name: net(images(seeded(seed), 5, channels, 32, 32))}


Layers = Callable[[int], list[nn.Module]]
flat, leaky = partial(nn.Flatten, 0), partial(nn.LeakyReLU, 0.2)


def logit(*after: Callable[[], nn.Module], stride: int = 1, **conv: Any) -> Layers:
    """Make the end of a discriminator: a convolution, then these layers."""
    return lambda c: [
        nn.Conv2d(c, 1, 4, stride, stride - 1, **conv),
        *(layer() for layer in (after or (flat,))),
    ]


def discriminator_like(
    norm: tuple[bool, bool] = (False, True),
    bias: tuple[bool, bool] = (True, False),
    act: Callable[[], nn.Module] = leaky,
    end: Layers | None = None,
    pool: Callable[..., nn.Module] | None = None,
    order: str = "norm act",
) -> Callable[..., nn.Module]:
    """Make a discriminator of 32 x 32 images; the arguments choose a slip.

    `norm` and `bias` are for the first layer, and for the two that follow.
    """

    def make(channels: int = 1, width: int = 24) -> nn.Module:
        layers, w = [], [channels, width, 2 * width, 4 * width]
        for i, (a, b) in enumerate(pairwise(w)):
            size = (3, 1) if pool else (4, 2)
            layers += [nn.Conv2d(a, b, *size, 1, bias=bias[i > 0]), *([pool(2)] if pool else [])]
            two = {"norm": [nn.BatchNorm2d(b)] if norm[i > 0] else [], "act": [act()]}
            layers += [layer for name in order.split() for layer in two[name]]
        return nn.Sequential(*layers, *(end or logit())(4 * width))

    return make


class Squeezed(nn.Module):
    """Removes every dimension of length one, also that of a batch of one."""

    def forward(self, x: Tensor) -> Tensor:
        return x.squeeze()


class FlatInForward(nn.Module):
    """The last dimensions are removed outside of the layers."""

    def __init__(self, channels: int = 1, width: int = 24) -> None:
        super().__init__()
        self.layers = discriminator_like()(channels, width)[:-1]

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).reshape(len(x))


EXERCISE = Exercise(
    id="3.4",
    title="The discriminator",
    points=3,
    minutes=15,
    reference=partial(dcgan.Discriminator, size=32),
    cases=sizes,
    observe=observe_discriminator,
    parts=(
        Part("the layers", 1, ("number of*",)),
    ),
    slips={
        "There is a sigmoid at the end. Networks of this course return logits.": [
            discriminator_like(end=logit(flat, nn.Sigmoid)),
            discriminator_like(end=logit(nn.Sigmoid)),
        ],
        "There is a batch norm on the input layer: it hides from D how bright the images are. The "
        "paper leaves it out there.": [
            discriminator_like(norm=(True, True), bias=(bias, False)) for bias in (False, True)
        ],
        "That is a plain ReLU: where it is flat no "
        "gradient reaches G. Use LeakyReLU(0.2).": discriminator_like(act=nn.ReLU),
        "LeakyReLU's default slope is 0.01; the paper's is 0.2.": discriminator_like(
            act=nn.LeakyReLU
        ),
        "Guideline 1: no pooling. Strided convolutions learn how to reduce the side.": [
            discriminator_like(pool=nn.MaxPool2d), discriminator_like(pool=nn.AvgPool2d),
        ],
        "Return one logit per image, of shape (B,). With labels of shape (B,), logits of shape "
        "(B, 1) or (B, 1, 1, 1) would broadcast to many values without an error.": [
            discriminator_like(end=logit(nn.Identity)), discriminator_like(end=logit(nn.Flatten)),
        ],
        "squeeze() also removes the batch dimension of a batch of one.": discriminator_like(
            end=logit(Squeezed)
        ),
        "The second and third convolution have a batch norm after them, which subtracts the mean: "
        "there a bias has no effect. Pass bias=False.": discriminator_like(bias=(True, True)),
        "The first and the last convolution have no batch norm after them, so they keep their "
        "bias: one of them, or both, has none.": [
            discriminator_like(bias=(False, False), end=logit(bias=False)),
            discriminator_like(bias=(False, False)), discriminator_like(end=logit(bias=False)),
        ],
        "Batch norm is missing after the second and third convolution (guideline 2).": [
            discriminator_like(norm=(False, False)),
            discriminator_like(norm=(False, False), bias=(True, True)),
        ],
        "Batch norm comes before the LeakyReLU, not after it.": [
            discriminator_like(order="act norm"),
            discriminator_like(order="act norm", bias=(True, True)),
        ],
        "The last convolution should have stride 1 and no padding: it turns 4 x 4 into one logit. "
        "Yours leaves 2 x 2 values per image.": discriminator_like(end=logit(stride=2)),
        "The last layer should be a 4 x 4 convolution, as in the table: notebook 04 loads these "
        "weights into such a layer, not into a linear one.": discriminator_like(
            end=lambda c: [nn.Flatten(), nn.Linear(16 * c, 1), flat()]
        ),
        "There is an activation after the last convolution: a logit may be any number.": [
            discriminator_like(end=logit(leaky, flat)),
            discriminator_like(end=logit(nn.Tanh, flat)),
        ],
        "`channels` is ignored: the first convolution must take that many.": (
            lambda channels, width: discriminator_like()(1, width)
        ),
    },
    alternatives=(discriminator_like(), FlatInForward),
    advice="Do all layers belong to the network, in the order of the table? print(Discriminator()) "
    "shows them.",
)  # fmt: skip
