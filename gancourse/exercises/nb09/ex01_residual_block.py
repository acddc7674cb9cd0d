"""Exercise 9.1: the generator's residual block."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from gancourse.exercises.base import Case, Exercise, Observation
from gancourse.exercises.observe import integers, observe_network, seeded
from gancourse.papers import cyclegan


def observe_block(answer: Callable[..., nn.Module], case: Case) -> Observation:
    width, side, seed = case.args
    return observe_network(answer(width), seeded(seed), (2, width, side, side))


class BlockLike(nn.Module):
    """A residual block, with a slip if asked for."""

    def __init__(
        self,
        width: int,
        *,
        pad: str = "reflect",
        norm: Callable[[int], nn.Module] = nn.InstanceNorm2d,
        last: bool = True,
        activation: Callable[[], nn.Module] = nn.ReLU,
        end: Callable[[Tensor], Tensor] = lambda y: y,
        skip: float = 1.0,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for n in range(2):
            if pad == "reflect":
                layers += [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3)]
            else:
                layers += [nn.Conv2d(width, width, 3, padding=1, padding_mode=pad)]
            layers += [norm(width)] if n == 0 or last else []
            layers += [activation()] if n == 0 else []
        self.layers, self.end, self.skip = nn.Sequential(*layers), end, skip

    def forward(self, x: Tensor) -> Tensor:
        return self.end(self.skip * x + self.layers(x))


EXERCISE = Exercise(
    id="9.1",
    title="A block that keeps pictures apart",
    points=2,
    minutes=10,
    reference=cyclegan.ResidualBlock,
    cases=lambda rng: integers(rng, (2, 4), (4, 6)),
    observe=observe_block,
    slips={
        "The input is not added. Without x + ... the block would have to learn to copy.": partial(
            BlockLike, skip=0.0
        ),
        "The padding is zeros, which are grey. Pad by reflection.": partial(BlockLike, pad="zeros"),
        "You repeated the border pixels. Reflection mirrors the image at its border: "
        "padding_mode='reflect'.": partial(BlockLike, pad="replicate"),
        "That is batch norm, through which the images of a batch depend on one another. Use "
        "nn.InstanceNorm2d.": partial(BlockLike, norm=nn.BatchNorm2d),
        "Your instance norm learns a scale and a shift. The authors' does not: leave affine at "
        "its default.": partial(BlockLike, norm=partial(nn.InstanceNorm2d, affine=True)),
        "There is no norm after the second convolution.": partial(BlockLike, last=False),
        "There is a ReLU after the sum. The block "
        "could then never return a negative value.": partial(BlockLike, end=torch.relu),
        "The ReLU between the two convolutions is missing.": partial(
            BlockLike, activation=nn.Identity
        ),
    },
    alternatives=(BlockLike,),
)
