"""Exercise 6.4: the generator of a level."""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancourse.exercises.base import Case, Exercise, Observation
from gancourse.exercises.observe import integer, observe_network, one_of, seeded
from gancourse.exercises.parts import Part
from gancourse.papers import lapgan


def sizes(rng: torch.Generator) -> list[Case]:
    """Channels, width and depth, not the defaults, and a seed for the weights."""
    cases = []
    while not cases or observe_generator(lapgan.LevelGenerator, cases[0])["output"].max() < 2.2:
        seeds = [integer(rng, 0, 10**6) for _ in range(2)]  # until a limit of 2 would show
        cases = [
            Case((channels, width, depth, seed), note=f"with {channels=}, {width=}, {depth=}")
            for channels, width, depth, seed in (
                (3, one_of(rng, 5, 6, 7), 1, seeds[0]),
                (1, one_of(rng, 4, 5, 6), 3, seeds[1]),
            )
        ]
    return cases


def observe_generator(answer: Callable[..., nn.Module], case: Case) -> Observation:
    channels, width, depth, seed = case.args
    net = answer(channels, width, depth)
    # 7 x 8: without padding a little of it is left, so that such an answer has an output as well
    shapes = {"z": (2, 1, 7, 8), "low": (2, channels, 7, 8)}
    return observe_network(net, seeded(seed), trained=(), **shapes)


class LevelGeneratorLike(nn.Module):
    """A level's generator, with a slip if asked for."""

    def __init__(
        self,
        channels: int = 3,
        width: int = 32,
        depth: int = 2,
        *,
        end: Callable[[Tensor, Tensor], Tensor] = lambda residual, low: residual,
        join: Callable[[Tensor, Tensor], Tensor] = lambda z, low: torch.cat([low, z], dim=1),
        extra: int = 1,
        act: Callable[[Tensor], Tensor] = lambda h: F.leaky_relu(h, 0.2),
        more: int = 0,
        shared: bool = False,
        **options: int,
    ) -> None:
        super().__init__()
        options = {"kernel_size": 3, "padding": 1, **options}
        self.first = nn.Conv2d(channels + extra, width, **options)
        hidden = [nn.Conv2d(width, width, **options) for _ in range(depth + more)]
        self.hidden = nn.ModuleList(hidden[:1] * len(hidden) if shared else hidden)
        self.last = nn.Conv2d(width, channels, **options)
        self.act, self.join, self.end = act, join, end

    def forward(self, z: Tensor, low: Tensor) -> Tensor:
        h = self.act(self.first(self.join(z, low)))
        for layer in self.hidden:
            h = self.act(layer(h))
        return self.end(self.last(h), low)


def with_depth_2(channels: int = 3, width: int = 32, depth: int = 2) -> nn.Module:
    """Leaves `depth` unused."""
    return LevelGeneratorLike(channels, width, 2)


EXERCISE = Exercise(
    id="6.4",
    title="The generator of a level",
    points=3,
    minutes=15,
    reference=lapgan.LevelGenerator,
    cases=sizes,
    observe=observe_generator,
    parts=(
        Part("the layers", 1, ("number of*",)),
    ),
    slips={
        "There is a tanh at the end. Residuals lie in [-2, 2]; only images need a tanh.": partial(
            LevelGeneratorLike, end=lambda residual, low: residual.tanh()
        ),
        "There is an activation after the last convolution. Residuals are negative about as often "
        "as positive: end with the convolution.": [
            partial(LevelGeneratorLike, end=lambda residual, low: F.leaky_relu(residual, 0.2)),
            partial(LevelGeneratorLike, end=lambda residual, low: residual.relu()),
        ],
        "The output is limited. A clamp passes no gradient, and a saturated activation almost "
        "none: end with the convolution.": [
            partial(LevelGeneratorLike, end=lambda residual, low: residual.clamp(-2, 2)),
            partial(LevelGeneratorLike, end=lambda residual, low: residual.clamp(-1, 1)),
            partial(LevelGeneratorLike, end=lambda residual, low: 2 * residual.tanh()),
            partial(LevelGeneratorLike, end=lambda residual, low: residual.sigmoid()),
        ],
        "You combined the residual with low. Return the residual alone: the chain adds it to "
        "low.": [
            partial(LevelGeneratorLike, end=lambda residual, low: low + residual),
            partial(LevelGeneratorLike, end=lambda residual, low: residual - low),
            partial(LevelGeneratorLike, end=lambda residual, low: low - residual),
            partial(LevelGeneratorLike, end=lambda residual, low: (low + residual).tanh()),
        ],
        "You added the noise to the image. Concatenate them, so that the network can tell "
        "one from the other.": [
            partial(LevelGeneratorLike, join=lambda z, low: low + z, extra=0),
        ],
        "In the concatenation the noise comes first. The exercise asks for the image first, and "
        "forward gets (z, low).": partial(
            LevelGeneratorLike, join=lambda z, low: torch.cat([z, low], dim=1)
        ),
        "The noise is not used: each blurred image would always get the same residual.": partial(
            LevelGeneratorLike, join=lambda z, low: low, extra=0
        ),
        "The image is not used: G has to know what it sharpens. Concatenate low and z.": partial(
            LevelGeneratorLike, join=lambda z, low: z.expand_as(low), extra=0
        ),
        "Without padding each 3 x 3 convolution removes a border. Use padding=1.": partial(
            LevelGeneratorLike, padding=0
        ),
        "The activation should be LeakyReLU with slope 0.2: nn.LeakyReLU(0.2).": [
            partial(LevelGeneratorLike, act=act) for act in (F.relu, F.leaky_relu, torch.tanh)
        ],
        "The activations are missing: without them all convolutions are one linear map.": partial(
            LevelGeneratorLike, act=lambda h: h
        ),
        "The number of convolutions is wrong: one, then `depth` more from width to width, then "
        "the last one.": [
            partial(LevelGeneratorLike, more=-1), partial(LevelGeneratorLike, more=1), with_depth_2
        ],
        "You repeat one and the same convolution, with one set of weights. Make a new nn.Conv2d "
        "in each round of the loop; [layer] * depth copies no layer.": partial(
            LevelGeneratorLike, shared=True
        ),
    },
    alternatives=(LevelGeneratorLike,),
    advice="Print the network of LevelGenerator(3, 5, 1), and compare it with the table line by "
    "line. What does forward give to the first layer, and in which order?",
)  # fmt: skip
