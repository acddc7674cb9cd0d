"""Exercise 8.2: a residual block."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from gancourse.exercises.base import Case, Exercise, Observation
from gancourse.exercises.observe import integers, observe_network, seeded
from gancourse.papers import srgan


def observe_block(answer: Callable[[int], nn.Module], case: Case) -> Observation:
    width, seed = case.args
    return observe_network(answer(width), seeded(seed), x=(3, width, 7, 6))


class BlockLike(nn.Module):
    """A residual block, with a slip if asked for; convolutions first, then batch norms."""

    def __init__(
        self,
        width: int = 64,
        *,
        act: Callable[[int], nn.Module] = lambda width: nn.PReLU(),
        bias: tuple[bool, bool] = (False, False),
        norms: tuple[bool, bool] = (True, True),
        shared: str = "",
        join: Callable[[Tensor, Tensor], Tensor] = torch.add,
        before: Callable[[], nn.Module] = nn.Identity,
        after: Callable[[], nn.Module] = nn.Identity,
    ) -> None:
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv2d(width, width, 3, padding=1, bias=b) for b in bias])
        self.norms = nn.ModuleList([nn.BatchNorm2d(width) if n else nn.Identity() for n in norms])
        self.act, self.before, self.after, self.join = act(width), before(), after(), join
        if "conv" in shared:
            self.convs[1] = self.convs[0]
        if "norm" in shared:
            self.norms[1] = self.norms[0]

    def forward(self, x: Tensor) -> Tensor:
        h = self.act(self.norms[0](self.convs[0](x)))
        h = self.before(self.norms[1](self.convs[1](h)))
        return self.after(self.join(x, h))


class BlockByFunctions(nn.Module):
    """Its own slope, and functions of torch."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.second = nn.Conv2d(width, width, 3, padding="same", bias=False)
        self.slope = nn.Parameter(torch.full((1,), 0.25))
        self.first = nn.Conv2d(width, width, 3, padding="same", bias=False)
        self.norms = nn.ModuleDict({"a": nn.BatchNorm2d(width), "b": nn.BatchNorm2d(width)})

    def forward(self, x: Tensor) -> Tensor:
        h = self.norms["a"](self.first(x))
        h = torch.where(h > 0, h, self.slope * h)
        h = self.norms["b"](self.second(h))
        h += x
        return h


EXERCISE = Exercise(
    id="8.2",
    title="A residual block",
    points=2,
    minutes=12,
    reference=srgan.ResidualBlock,
    cases=lambda rng: integers(rng, (4, 5)),
    observe=observe_block,
    slips={
        "The input is not added. The skip connection makes the block residual.": partial(
            BlockLike, join=lambda x, h: h
        ),
        "The result is not the plain sum of x and the output of the layers.": [
            partial(BlockLike, join=join)
            for join in (
                torch.sub,
                torch.mul,
                lambda x, h: h - x,
                lambda x, h: x + 0.1 * h,
                lambda x, h: x + 0.2 * h,
                lambda x, h: (x + h) / 2,
            )
        ],
        "There is an activation after the sum. The first residual networks (He et al.) had one; "
        "this block has none, so the skip connection also passes negative values on.": [
            partial(BlockLike, after=nn.ReLU),
            partial(BlockLike, after=nn.PReLU),
        ],
        "There is an activation before the sum too. Only the first convolution has one.": [
            partial(BlockLike, before=nn.ReLU),
            partial(BlockLike, before=nn.PReLU),
        ],
        "You used ReLU. Use nn.PReLU(), whose slope below zero is learned.": partial(
            BlockLike, act=lambda width: nn.ReLU()
        ),
        "LeakyReLU has a fixed slope. Use nn.PReLU(), whose slope below zero is learned.": [
            partial(BlockLike, act=lambda width: nn.LeakyReLU(0.2)),
            partial(BlockLike, act=lambda width: nn.LeakyReLU(0.25)),
            partial(BlockLike, act=lambda width: nn.LeakyReLU()),
        ],
        "You have one slope per channel. nn.PReLU() without arguments has a single one.": partial(
            BlockLike, act=nn.PReLU
        ),
        "There is a bias in a convolution. Batch norm subtracts the mean, so a bias has no effect: "
        "use bias=False in both.": [
            partial(BlockLike, bias=(True, True)),
            partial(BlockLike, bias=(True, False)),
            partial(BlockLike, bias=(False, True)),
        ],
        "A batch norm is missing: there is one after each convolution.": [
            partial(BlockLike, norms=(True, False)),
            partial(BlockLike, norms=(False, True)),
            partial(BlockLike, norms=(False, False)),
        ],
        "One batch norm is used twice. The two norms need their own weights and statistics: make "
        "two of them.": partial(BlockLike, shared="norm"),
        "One convolution is used twice, so both have the same weights. Make two of them.": [
            partial(BlockLike, shared="conv"),
            partial(BlockLike, shared="conv, norm"),
        ],
    },
    alternatives=(BlockLike, BlockByFunctions),
    advice="Compare print(your block) with the table, row by row: which layers, how many channels?",
)
