"""Exercise 6.5: the input of a level's discriminator."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancourse.exercises.base import Case, Exercise, Observation
from gancourse.exercises.observe import integer, observe_network, seeded
from gancourse.papers import lapgan


def sizes(rng: torch.Generator) -> list[Case]:
    """Channels, width and side, and a seed for the weights."""
    return [
        Case((3, 4, 8, integer(rng, 0, 10**6)), note="with channels=3, width=4, side=8"),
        Case((1, 5, 16, integer(rng, 0, 10**6)), note="with channels=1, width=5, side=16"),
    ]


def observe_discriminator(answer: Callable[..., nn.Module], case: Case) -> Observation:
    channels, width, side, seed = case.args
    net = answer(channels, width, side)
    shape = (2, channels, side, side)
    return observe_network(net, seeded(seed), trained=("residual",), residual=shape, low=shape)


def discriminator_like(
    see: Callable[[Tensor, Tensor], tuple],
    end: Callable = lambda y: y,
    join: Callable[..., Tensor] = torch.cat,
    dim: int = 1,
) -> type[nn.Module]:
    """Make a level's discriminator whose layers get the two images of ``see(residual, low)``."""

    class LevelDiscriminatorLike(lapgan.LevelDiscriminator):
        def forward(self, residual, low):  # no annotations: slips break them
            return end(self.layers(join(see(residual, low), dim=dim)))

    return LevelDiscriminatorLike


def right(r: Tensor, low: Tensor) -> tuple[Tensor, Tensor]:
    return low + r, 5 * r


EXERCISE = Exercise(
    id="6.5",
    title="What the discriminator of a level sees",
    points=2,
    minutes=8,
    reference=lapgan.LevelDiscriminator,
    cases=sizes,
    observe=observe_discriminator,
    slips={
        "D sees the residual alone, so it would accept the edges of another image. The first "
        "part is low + residual.": [
            discriminator_like(lambda r, low: (r, 5 * r)),
            discriminator_like(lambda r, low: (5 * r, 5 * r)),
        ],
        "D sees the blurred image by itself, and no sharpened one. Add the two: the first part is "
        "low + residual, the second RESIDUAL_SCALE * residual.": [
            discriminator_like(lambda r, low: (low, 5 * r)),
            discriminator_like(lambda r, low: (low, r)),
            discriminator_like(lambda r, low: (r, low)),
            discriminator_like(lambda r, low: (5 * r, low)),
        ],
        "The second part is the residual (forward's first argument), multiplied by RESIDUAL_SCALE. "
        "You passed another image.": [
            discriminator_like(lambda r, low: (low + r, low + r)),
            discriminator_like(lambda r, low: (low + r, 5 * (low + r))),
            discriminator_like(lambda r, low: (low + r, low)),
            discriminator_like(lambda r, low: (low + r, 5 * low)),
        ],
        "The residual is not enlarged. Multiply the second part by RESIDUAL_SCALE.": (
            discriminator_like(lambda r, low: (low + r, r))
        ),
        "The residual is enlarged too early: the sum needs it as it is, low + residual. Only the "
        "second part is multiplied.": [
            discriminator_like(lambda r, low: (low + 5 * r, 5 * r)),
            discriminator_like(lambda r, low: (low + 5 * r, r)),
        ],
        "You multiplied the sum, too. Leave the sharpened image unchanged; multiply only the "
        "second part.": discriminator_like(lambda r, low: (5 * (low + r), 5 * r)),
        "The parts are right, but in the wrong order: first the sum, then the enlarged "
        "residual.": discriminator_like(lambda r, low: (5 * r, low + r)),
        "You subtracted. The sharpened image is low + residual.": [
            discriminator_like(lambda r, low: (low - r, 5 * r)),
            discriminator_like(lambda r, low: (r - low, 5 * r)),
        ],
        "The sharpened image is low + residual, unchanged: not rescaled, no tanh.": [
            discriminator_like(lambda r, low: ((low + r) / 2, 5 * r)),
            discriminator_like(lambda r, low: ((low + r).tanh(), 5 * r)),
        ],
        "Return the logits as self.layers returns them: no sigmoid, log or tanh after it.": [
            discriminator_like(right, end) for end in (torch.sigmoid, F.logsigmoid, torch.tanh)
        ],
        "You clipped an image. Where it is clipped, G gets no gradient from it: leave the clamp "
        "out.": [
            discriminator_like(lambda r, low: ((low + r).clamp(-1, 1), 5 * r)),
            discriminator_like(lambda r, low: (low + r, (5 * r).clamp(-1, 1))),
        ],
        "The output is right, but the residual is detached in one of the two parts. G is trained "
        "through both: leave the detach out.": [
            discriminator_like(lambda r, low: (low + r, 5 * r.detach())),
            discriminator_like(lambda r, low: (low + r.detach(), 5 * r)),
        ],
        "Join the two parts along the channels: torch.cat([...], dim=1).": [
            *(discriminator_like(right, dim=dim) for dim in (0, 2, 3)),
            discriminator_like(right, join=torch.stack),
        ],
    },
    alternatives=(discriminator_like(lambda r, low: (r + low.detach(), r * 5), dim=-3),),
    advice="Check both parts for residual = 0: then the first is low, and the second is 0. Which "
    "two images does your forward join, and what happens after self.layers?",
)  # fmt: skip
