"""Exercise 9.1: the generator's residual block."""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancourse.exercises.base import Case, Exercise, Observation
from gancourse.exercises.observe import integers, observe_network, seeded
from gancourse.papers import cyclegan


def observe_block(answer: Callable[..., nn.Module], case: Case) -> Observation:
    width, seed = case.args
    return observe_network(answer(width), seeded(seed), x=(2, width, 7, 6))


class ByHand(nn.Module):
    """Normalization over some axes, without parameters."""

    def __init__(self, axes: tuple[int, ...], correction: int = 0, eps: float = 1e-5) -> None:
        super().__init__()
        self.options = {"dim": axes, "keepdim": True, "correction": correction}
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        var, mean = torch.var_mean(x, **self.options)
        return (x - mean) / (var + self.eps).sqrt()


class BlockLike(nn.Module):
    """A residual block, with a slip if asked for."""

    def __init__(
        self,
        width: int,
        *,
        pads: tuple[int, int] = (1, 1),
        pad: str = "reflect",
        twice: bool = False,
        shared: bool = False,
        bias: bool = True,
        norm: Callable[[int], nn.Module] = nn.InstanceNorm2d,
        norms: tuple[bool, bool] = (True, True),
        activation: Callable[[], nn.Module] = nn.ReLU,
        before: Callable[[Tensor], Tensor] = lambda h: h,
        after: Callable[[Tensor], Tensor] = lambda y: y,
        skip: float = 1.0,
    ) -> None:
        super().__init__()
        self.pads, self.pad = pads, pad
        options = {"padding": 1 if twice else 0, "bias": bias}
        self.convs = nn.ModuleList([nn.Conv2d(width, width, 3, **options) for _ in range(2)])
        if shared:
            self.convs[1] = self.convs[0]
        self.norms = nn.ModuleList([norm(width) if asked else nn.Identity() for asked in norms])
        self.act, self.before, self.after, self.skip = activation(), before, after, skip

    def forward(self, x: Tensor) -> Tensor:
        h = x
        for n, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            sides = [self.pads[n]] * 4
            h = norm(conv(F.pad(h, sides, mode=self.pad) if sides[0] else h))
            h = self.act(h) if n == 0 else h
        return self.after(self.skip * x + self.before(h))


EXERCISE = Exercise(
    id="9.1",
    title="A residual block with instance norm",
    points=2,
    minutes=10,
    reference=cyclegan.ResidualBlock,
    cases=lambda rng: integers(rng, (3, 5)),
    observe=observe_block,
    slips={
        "The input is not added. Without x + ... the block would have to learn to copy.": partial(
            BlockLike, skip=0.0
        ),
        "You padded with zeros, which can leave a visible frame. Pad by reflection.": partial(
            BlockLike, pad="constant"
        ),
        "You repeated the border pixels. Reflection mirrors the image at its border: "
        "padding_mode='reflect'.": partial(BlockLike, pad="replicate"),
        "You padded with the opposite border. Reflection mirrors the image at its border: "
        "padding_mode='reflect'.": partial(BlockLike, pad="circular"),
        "You padded once, by 2 pixels. Pad by 1 before each convolution, so that both norms are "
        "taken over the image.": partial(BlockLike, pads=(2, 0)),
        "The padding before each convolution is 1 pixel. Yours is 2 in all: is it done by a layer "
        "and by the convolution too?": partial(BlockLike, twice=True),
        "One convolution is used twice, so both have the same weights. Make two of them.": partial(
            BlockLike, shared=True
        ),
        "That is batch norm, through which the images of a batch depend on one another. Use "
        "nn.InstanceNorm2d.": [
            partial(BlockLike, norm=nn.BatchNorm2d),
            partial(BlockLike, norm=partial(nn.BatchNorm2d, affine=False)),
            partial(BlockLike, norm=lambda width: ByHand((0, 2, 3))),
        ],
        "You normalize all channels of an image together. Instance norm takes each by itself.": [
            partial(BlockLike, norm=lambda width: ByHand((1, 2, 3))),
            partial(BlockLike, norm=partial(nn.GroupNorm, 1)),
        ],
        "torch.var and torch.std divide by n - 1 by default. Use correction=0, or "
        "nn.InstanceNorm2d.": partial(BlockLike, norm=lambda width: ByHand((2, 3), correction=1)),
        "Your instance norm learns a scale and a shift. The authors' does not: leave affine at "
        "its default.": partial(BlockLike, norm=partial(nn.InstanceNorm2d, affine=True)),
        "Your instance norm keeps moving averages and uses them in eval mode. Leave "
        "track_running_stats at its default.": partial(
            BlockLike, norm=partial(nn.InstanceNorm2d, track_running_stats=True)
        ),
        "The convolutions have no bias. Here they should: leave out bias=False.": partial(
            BlockLike, bias=False
        ),
        "A norm is missing: there is one after each convolution.": [
            partial(BlockLike, norms=(True, False)),
            partial(BlockLike, norms=(False, True)),
            partial(BlockLike, norms=(False, False)),
        ],
        "There is a ReLU after the sum. The block "
        "could then never return a negative value.": partial(BlockLike, after=torch.relu),
        "There is a ReLU before the sum. The block could then only make values larger.": partial(
            BlockLike, before=torch.relu
        ),
        "The ReLU between the two convolutions is missing.": partial(
            BlockLike, activation=nn.Identity
        ),
    },
    alternatives=(BlockLike, partial(BlockLike, norm=lambda width: ByHand((2, 3)))),
    advice="Compare print(your block) with the list in the exercise, line by line: which padding, "
    "which norm, what after the sum?",
)
