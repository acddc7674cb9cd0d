"""Exercise 8.6: the discriminator of eight convolutions."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from gancourse.exercises.base import Case, Exercise, Observation
from gancourse.exercises.observe import integer, observe_network, one_of, seeded
from gancourse.exercises.parts import Part
from gancourse.papers import srgan
from gancourse.papers.blocks import count_parameters


def sizes(rng: torch.Generator) -> list[Case]:
    """A full test, and widths and sides of which only sizes are tested."""
    return [
        Case((one_of(rng, 2, 4, 5, 7), 32, integer(rng, 0, 10**6))),
        Case((3, 16), note="with width=3 (as many maps as colours) and side=16"),
        Case(note="with the default width and side"),
    ]


def observe_discriminator(answer: Callable[..., nn.Module], case: Case) -> Observation:
    if case.args[2:]:
        width, side, seed = case.args
        return observe_network(answer(width, side=side), seeded(seed), x=(3, 3, side, side))
    seen = {}
    if case.args:
        width, side = case.args
        net = answer(width, side=side)
        with torch.no_grad():
            seen["output"] = torch.zeros_like(net(torch.zeros(2, 3, side, side)))
    else:
        with torch.device("meta"):  # 23 million weights, none of them in memory
            net = answer()
    return {"number of weights and biases": torch.tensor(count_parameters(net)), **seen}


class DiscriminatorLike(nn.Module):
    """The eight convolutions, with a slip if asked for."""

    def __init__(
        self,
        width: int = 64,
        side: int = 96,
        *,
        first_norm: bool = False,
        shared_norms: bool = False,
        biases: tuple[bool, bool] = (True, False),
        strides: tuple[int, int] = (1, 2),
        slope: float = 0.2,
        end: Callable[[Tensor], Tensor] = lambda y: y.flatten(),
        hidden: int = 16,
        last: Callable[[Tensor], Tensor] = lambda h: h.flatten(1),
        features: Callable[[int], int] = lambda side: (side // 16) ** 2,
    ) -> None:
        super().__init__()
        maps = [3, *(width * 2**k for k in range(4) for _ in range(2))]
        self.convs, self.norms = nn.ModuleList(), nn.ModuleList()
        for n in range(8):
            options = {"padding": 1, "bias": biases[min(n, 1)]}
            self.convs.append(nn.Conv2d(maps[n], maps[n + 1], 3, strides[n % 2], **options))
            self.norms.append(nn.BatchNorm2d(maps[n + 1]) if n or first_norm else nn.Identity())
            if shared_norms and n % 2 and n > 1:
                self.norms[n] = self.norms[n - 1]
        self.act, self.end, self.flat = nn.LeakyReLU(slope), end, last
        inputs = maps[-1] * features(side)
        self.dense = nn.Linear(inputs, hidden * width) if hidden else nn.Identity()
        self.last = nn.Linear(hidden * width if hidden else inputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = self.act(norm(conv(x)))
        x = self.flat(x)
        x = self.act(self.dense(x)) if isinstance(self.dense, nn.Linear) else x
        return self.end(self.last(x))


EXERCISE = Exercise(
    id="8.6",
    title="The discriminator of SRGAN",
    points=3,
    minutes=15,
    reference=srgan.Discriminator,
    cases=sizes,
    observe=observe_discriminator,
    parts=(Part("the layers", 1, ("number of*",)),),
    slips={
        "There is a sigmoid at the end. Leave it out: D returns logits.": partial(
            DiscriminatorLike, end=lambda y: y.flatten().sigmoid()
        ),
        "The logits should have shape (B,), not (B, 1): put nn.Flatten(0) at the end.": partial(
            DiscriminatorLike, end=lambda y: y
        ),
        "The first convolution is followed by a batch norm. It should have none, so that D gets "
        "the colours unchanged.": [
            partial(DiscriminatorLike, first_norm=True),
            partial(DiscriminatorLike, first_norm=True, biases=(False, False)),
        ],
        "Convolutions before a batch norm need no bias: bias=False in all but the first.": partial(
            DiscriminatorLike, biases=(True, True)
        ),
        "The first convolution has no batch norm after it, so it needs a bias.": partial(
            DiscriminatorLike, biases=(False, False)
        ),
        "One batch norm is used twice. Every convolution except the first needs its own.": (
            partial(DiscriminatorLike, shared_norms=True)
        ),
        "The strides are swapped: 1 first, then 2.": partial(DiscriminatorLike, strides=(2, 1)),
        "The maps are not flattened before the dense layer: nn.Flatten().": partial(
            DiscriminatorLike, last=lambda h: h
        ),
        "The activation should be LeakyReLU with slope 0.2.": [
            partial(DiscriminatorLike, slope=0.0),
            partial(DiscriminatorLike, slope=0.01),
        ],
        "You took the mean over each map. The dense layer gets every value: nn.Flatten().": partial(
            DiscriminatorLike, last=lambda h: h.mean(dim=(2, 3)), features=lambda side: 1
        ),
        "The dense layer with 16 * width units and its LeakyReLU are missing.": partial(
            DiscriminatorLike, hidden=0
        ),
        "The first dense layer has the wrong number of inputs for this side. Compute it from the "
        "argument: (side // 16) ** 2 positions.": [
            partial(DiscriminatorLike, features=lambda side: 36),
            partial(DiscriminatorLike, features=lambda side: (side // 8) ** 2),
            partial(DiscriminatorLike, features=lambda side: side // 16),
        ],
    },
    alternatives=(DiscriminatorLike,),
    advice="Compare print(your network) with the table, row by row: channels, strides, biases, "
    "units.",
)
