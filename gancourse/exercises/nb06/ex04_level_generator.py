"""Exercise 6.4: the generator of a level."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn

from gancourse.exercises.base import Case, Exercise, Observation
from gancourse.exercises.observe import integers, observe_network, seeded
from gancourse.papers import lapgan


def observe_generator(answer: Callable[..., nn.Module], case: Case) -> Observation:
    channels, width, depth, seed = case.args
    net = answer(channels=channels, width=width, depth=depth)
    # 9 x 10: without padding a little of it is left, so that answer has an output as well
    return observe_network(net, seeded(seed), (2, 1, 9, 10), (2, channels, 9, 10))


class LevelGeneratorLike(nn.Module):
    """A level's generator, with a slip if asked for."""

    def __init__(
        self,
        channels: int = 3,
        width: int = 32,
        depth: int = 2,
        *,
        end: Callable[[], nn.Module] = nn.Identity,
        plus: bool = False,
        join: Callable[[Tensor, Tensor], Tensor] = lambda z, low: torch.cat([low, z], dim=1),
        extra: int = 1,
        act: Callable[[], nn.Module] = lambda: nn.LeakyReLU(0.2),
        padding: int = 1,
    ) -> None:
        super().__init__()
        sizes = [channels + extra] + [width] * (depth + 1)
        layers: list[nn.Module] = []
        for a, b in pairwise(sizes):
            layers += [nn.Conv2d(a, b, 3, padding=padding), act()]
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, channels, 3, padding=padding), end())
        self.plus, self.join = plus, join

    def forward(self, z: Tensor, low: Tensor) -> Tensor:
        residual = self.layers(self.join(z, low))
        return low + residual if self.plus else residual


EXERCISE = Exercise(
    id="6.4",
    title="The generator of a level",
    points=3,
    minutes=15,
    reference=lapgan.LevelGenerator,
    cases=lambda rng: integers(rng, (2, 3), (3, 4), (1, 2)),
    observe=observe_generator,
    slips={
        "There is a tanh at the end. Residuals lie in [-2, 2]; only images need a tanh.": partial(
            LevelGeneratorLike, end=nn.Tanh
        ),
        "You returned low + residual. Return the residual alone: the chain adds it.": partial(
            LevelGeneratorLike, plus=True
        ),
        "You added the noise to the image. Concatenate them, so that the network can tell "
        "one from the other.": partial(LevelGeneratorLike, join=lambda z, low: low + z, extra=0),
        "The noise comes first. The exercise asks for the image first.": partial(
            LevelGeneratorLike, join=lambda z, low: torch.cat([z, low], dim=1)
        ),
        "The noise is not used: each blurred image would have one residual only.": partial(
            LevelGeneratorLike, join=lambda z, low: low, extra=0
        ),
        "Without padding each 3 x 3 convolution removes a border. Use padding=1.": partial(
            LevelGeneratorLike, padding=0
        ),
        "The activation is LeakyReLU with slope 0.2.": partial(LevelGeneratorLike, act=nn.ReLU),
    },
    alternatives=(LevelGeneratorLike,),
)
