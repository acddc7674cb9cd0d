"""Exercise 8.2: a residual block."""

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from gancourse.exercises.base import Case, Exercise, Observation
from gancourse.exercises.observe import integers, observe_network, seeded
from gancourse.papers import srgan


def observe_block(answer: Callable[[int], nn.Module], case: Case) -> Observation:
    width, seed = case.args
    return observe_network(answer(width), seeded(seed), (3, width, 5, 4))


class BlockLike(nn.Module):
    """A residual block, with a slip if asked for; convolutions first, then batch norms."""

    def __init__(
        self,
        width: int = 64,
        *,
        act: Callable[[int], nn.Module] = lambda width: nn.PReLU(),
        bias: bool = False,
        second_norm: bool = True,
        skip: bool = True,
        last: Callable[[], nn.Module] = nn.Identity,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=bias)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=bias)
        self.norm1 = nn.BatchNorm2d(width)
        self.norm2 = nn.BatchNorm2d(width) if second_norm else nn.Identity()
        self.act, self.last, self.skip = act(width), last(), skip

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm2(self.conv2(self.act(self.norm1(self.conv1(x)))))
        return self.last(x + h if self.skip else h)


EXERCISE = Exercise(
    id="8.2",
    title="A residual block",
    points=2,
    minutes=12,
    reference=srgan.ResidualBlock,
    cases=lambda rng: integers(rng, (2, 4)),
    observe=observe_block,
    slips={
        "The input is not added. The skip connection makes the block residual.": partial(
            BlockLike, skip=False
        ),
        "There is a ReLU after the sum. He's first residual network had one; this block has none, "
        "so that the skip connection "
        "passes negative values on too.": partial(BlockLike, last=nn.ReLU),
        "That is a ReLU. The slope of nn.PReLU() below zero is learned.": partial(
            BlockLike, act=lambda width: nn.ReLU()
        ),
        "LeakyReLU is for D. The slope of nn.PReLU() below zero is learned.": partial(
            BlockLike, act=lambda width: nn.LeakyReLU(0.2)
        ),
        "You have one slope per channel. nn.PReLU() without arguments has a single one.": partial(
            BlockLike, act=nn.PReLU
        ),
        "The convolutions have biases. Batch norm subtracts the mean, so a bias has no effect: "
        "use bias=False.": partial(BlockLike, bias=True),
        "The second batch norm is missing: there is one after each convolution.": partial(
            BlockLike, second_norm=False
        ),
    },
    alternatives=(BlockLike,),
)
