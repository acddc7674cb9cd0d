"""Exercise 3.3: the generator."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from gancourse.exercises.base import Case, Exercise, Observation
from gancourse.exercises.nb03._shared import observe_layers
from gancourse.exercises.observe import fact, integer, one_of, seeded
from gancourse.exercises.parts import Part
from gancourse.papers import blocks, dcgan


def sizes(rng: torch.Generator) -> list[Case]:
    """No number of channels equals another one."""
    return [
        Case(
            (noise_dim, channels, width, integer(rng, 0, 10**6)),
            note=f"with {noise_dim=}, {channels=}, {width=}",
        )
        for noise_dim, channels, width in (
            (one_of(rng, 5, 6, 7, 9), 1, 2),
            (one_of(rng, 5, 6, 7), 3, 4),
        )
    ]


def observe_generator(answer: Callable[..., nn.Module], case: Case) -> Observation:
    noise_dim, channels, width, seed = case.args
    net = answer(noise_dim=noise_dim, channels=channels, width=width)
    seen = observe_layers(net, seeded(seed), 3, noise_dim, name="z")
    if not any(isinstance(layer, nn.Unflatten) for layer in net.modules()):
        seen |= fact(
            "There is no nn.Unflatten among the layers: begin with nn.Unflatten(1, (noise_dim, 1, "
            "1)), because Section 6 replaces it."
        )
    return seen


def block(a: int, b: int, act: Callable[[], nn.Module] = nn.ReLU, **conv: Any) -> list[nn.Module]:
    """A block; the arguments choose a slip."""
    norm = conv.pop("norm", True)
    layers = [nn.ConvTranspose2d(a, b, 4, **{"stride": 2, "padding": 1, "bias": False, **conv})]
    return [*layers, *([nn.BatchNorm2d(b)] if norm else []), act()]


End = Callable[[int, int], list[nn.Module]]


def ends(*after: Callable[[], nn.Module], **conv: Any) -> End:
    """Make the end of a generator: a convolution, then these layers."""
    return lambda a, b: [
        nn.ConvTranspose2d(a, b, 4, 2, 1, **conv),
        *(layer(b) if layer is nn.BatchNorm2d else layer() for layer in after),
    ]


def generator_like(
    first: dict[str, Any] | None = None,
    middle: dict[str, Any] | None = None,
    end: End | None = None,
    widths: tuple[int, ...] = (4, 2, 1),
) -> Callable[..., nn.Module]:
    """Make a generator of 32 x 32 images; the arguments choose a slip."""

    def make(noise_dim: int = 24, channels: int = 1, width: int = 24) -> nn.Module:
        w = [factor * width for factor in widths]
        layers = [nn.Unflatten(1, (noise_dim, 1, 1))]
        layers += block(noise_dim, w[0], **{"stride": 1, "padding": 0, **(first or {})})
        for a, b in pairwise(w):
            layers += block(a, b, **(middle or {}))
        return nn.Sequential(*layers, *(end or ends(nn.Tanh))(w[-1], channels))

    return make


def both(**settings: Any) -> Callable[..., nn.Module]:
    """Make a generator with these settings in all its blocks."""
    return generator_like(settings, settings)


def linear_start(noise_dim: int = 24, channels: int = 1, width: int = 24) -> nn.Module:
    """Begins with a fully connected layer."""
    start = nn.Linear(noise_dim, 64 * width, bias=False), nn.Unflatten(1, (4 * width, 4, 4))
    return nn.Sequential(*start, *generator_like()(noise_dim, channels, width)[2:])


def flat_start(noise_dim: int = 24, channels: int = 1, width: int = 24) -> nn.Module:
    """Passes z to the convolution as it is."""
    return generator_like()(noise_dim, channels, width)[1:]


def nested(noise_dim: int = 24, channels: int = 1, width: int = 24) -> nn.Module:
    """Puts a list into the Sequential."""
    return nn.Sequential(nn.Unflatten(1, (noise_dim, 1, 1)), blocks.up_block(noise_dim, width))


class OneByOne(nn.Module):
    """Layers with names of their own, called in turn."""

    def __init__(self, noise_dim: int = 24, channels: int = 1, width: int = 24) -> None:
        super().__init__()
        self.start = nn.Unflatten(-1, (noise_dim, 1, 1))
        self.project = nn.Sequential(*block(noise_dim, 4 * width, stride=1, padding=0))
        self.blocks = nn.ModuleList(
            nn.Sequential(*blocks.up_block(k * width, k * width // 2)) for k in (4, 2)
        )
        self.to_image, self.limit = nn.ConvTranspose2d(width, channels, 4, 2, 1), nn.Tanh()

    def forward(self, z: Tensor) -> Tensor:
        x = self.project(self.start(z))
        for layers in self.blocks:
            x = layers(x)
        return self.limit(self.to_image(x))


EXERCISE = Exercise(
    id="3.3",
    title="The generator",
    points=3,
    minutes=15,
    reference=partial(dcgan.Generator, size=32),
    cases=sizes,
    observe=observe_generator,
    parts=(
        Part("the layers", 1, ("number of*",)),
    ),
    slips={
        "The tanh at the end is missing: nothing keeps the images within [-1, 1].": generator_like(
            end=ends()
        ),
        "A sigmoid gives images in [0, 1], but the data lie in [-1, 1]: D would tell them apart "
        "by their range. End with tanh.": generator_like(end=ends(nn.Sigmoid)),
        "There is a batch norm on the output layer. The paper leaves it out there, because it "
        "made samples oscillate.": [
            generator_like(end=ends(nn.BatchNorm2d, nn.Tanh)),
            generator_like(end=ends(nn.BatchNorm2d, nn.Tanh, bias=False)),
            generator_like(end=ends(nn.BatchNorm2d, nn.ReLU, nn.Tanh, bias=False)),
        ],
        "Your channels increase towards the "
        "image. They should decrease: 4w, 2w, w.": generator_like(widths=(1, 2, 4)),
        "A ReLU at the end removes all values "
        "below 0, half of the range. Use tanh.": generator_like(end=ends(nn.ReLU)),
        "There is a ReLU before the tanh: no pixel could be below 0. The output layer has only "
        "tanh.": generator_like(end=ends(nn.ReLU, nn.Tanh)),
        "The last convolution has no batch norm after it, so it needs its bias.": generator_like(
            end=ends(nn.Tanh, bias=False)
        ),
        "A bias before a batch norm has no effect, because batch norm subtracts the mean: pass "
        "bias=False.": [
            both(bias=True), generator_like({"bias": True}),
        ],
        "The first layer lacks its batch norm, or its ReLU, or both: guidelines 2 and 4 leave out "
        "only the output layer.": [
            generator_like({"norm": False, "act": nn.Identity, "bias": bias})
            for bias in (False, True)
        ] + [
            generator_like({"norm": False}), generator_like({"act": nn.Identity}),
        ],
        "LeakyReLU belongs to the discriminator; the generator has ReLU (guideline 4).": [
            both(act=partial(nn.LeakyReLU, 0.2)),
            generator_like({"act": partial(nn.LeakyReLU, 0.2)}),
        ],
        "Batch norm is missing: guideline 2 asks for it in all layers of G but the output.": both(
            norm=False, bias=True
        ),
        "The first layer should have stride 1 and no padding: by your formula of 3.1 it turns side "
        "1 into 4.": [
            generator_like({"stride": 2, "padding": 1}),
            generator_like({"stride": 1, "padding": 1}),
        ],
        "`channels` is ignored: the last layer must return that many.": (
            lambda noise_dim, channels, width: generator_like()(noise_dim, 1, width)
        ),
        "Guideline 3: no fully connected layer. The table begins with a transposed convolution of "
        "one pixel.": linear_start,
        "z has two dimensions, and a convolution needs four: nn.Unflatten(1, (noise_dim, 1, 1)) "
        "comes first.": flat_start,
        "up_block returns a list; unpack it within nn.Sequential: *up_block(...).": nested,
    },
    alternatives=(generator_like(), OneByOne),
    advice="Do all layers belong to the network, in the order of the table? print(Generator()) "
    "shows them.",
)  # fmt: skip
