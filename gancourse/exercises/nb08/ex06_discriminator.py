"""Exercise 8.6: the discriminator of eight convolutions."""

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from gancourse.exercises.base import Case, Exercise, Observation
from gancourse.exercises.observe import integers, observe_network, seeded
from gancourse.papers import srgan


def observe_discriminator(answer: Callable[..., nn.Module], case: Case) -> Observation:
    width, side, seed = case.args
    net = answer(width=width, side=side)
    return observe_network(net, seeded(seed), (3, 3, side, side))


class DiscriminatorLike(nn.Module):
    """The eight convolutions, with a slip if asked for."""

    def __init__(
        self,
        width: int = 64,
        side: int = 96,
        *,
        first_norm: bool = False,
        bias: bool = False,
        strides: tuple[int, int] = (1, 2),
        act: Callable[[], nn.Module] = lambda: nn.LeakyReLU(0.2),
        end: Callable[[Tensor], Tensor] = lambda y: y.flatten(),
        pool: bool = False,
        hidden: bool = True,
    ) -> None:
        super().__init__()
        sizes = [3, *(width * 2**k for k in range(4) for _ in range(2))]
        self.convs, self.norms = nn.ModuleList(), nn.ModuleList()
        for n in range(8):
            norm = n > 0 or first_norm
            has_bias = bias or not norm
            self.convs.append(
                nn.Conv2d(sizes[n], sizes[n + 1], 3, strides[n % 2], padding=1, bias=has_bias)
            )
            self.norms.append(nn.BatchNorm2d(sizes[n + 1]) if norm else nn.Identity())
        self.pool, self.act, self.end = pool, act(), end
        features = sizes[-1] * (1 if pool else (side // 16) ** 2)
        self.dense = nn.Linear(features, 16 * width) if hidden else nn.Identity()
        self.last = nn.Linear(16 * width if hidden else features, 1)

    def forward(self, x: Tensor) -> Tensor:
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = self.act(norm(conv(x)))
        x = x.mean(dim=(2, 3)) if self.pool else x.flatten(1)
        x = self.act(self.dense(x)) if isinstance(self.dense, nn.Linear) else x
        return self.end(self.last(x))


EXERCISE = Exercise(
    id="8.6",
    title="Eight convolutions",
    points=3,
    minutes=15,
    reference=srgan.Discriminator,
    cases=lambda rng: integers(rng, (2, 3), (32, 32)),  # width, side
    observe=observe_discriminator,
    slips={
        "There is a sigmoid at the end. Networks of this course return logits.": partial(
            DiscriminatorLike, end=lambda y: y.flatten().sigmoid()
        ),
        "The logits should have shape (B,), not (B, 1): put nn.Flatten(0) at the end.": partial(
            DiscriminatorLike, end=lambda y: y
        ),
        "The first convolution is followed by a batch norm. It should have none, so that D gets "
        "the colours unchanged.": partial(DiscriminatorLike, first_norm=True),
        "Convolutions before a batch norm need no bias: bias=False in all but the first.": partial(
            DiscriminatorLike, bias=True
        ),
        "The strides are swapped: 1 first, then 2.": partial(DiscriminatorLike, strides=(2, 1)),
        "The activation is LeakyReLU with slope 0.2.": partial(DiscriminatorLike, act=nn.ReLU),
        "You took the mean over each map. The dense layer gets every value: nn.Flatten().": partial(
            DiscriminatorLike, pool=True
        ),
        "The dense layer of 16 width units is missing, with its LeakyReLU.": partial(
            DiscriminatorLike, hidden=False
        ),
    },
    alternatives=(DiscriminatorLike,),
)
