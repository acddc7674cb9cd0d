"""Exercise 6.5: the input of a level's discriminator."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from gancourse.exercises.base import Case, Exercise, Observation
from gancourse.exercises.observe import integers, observe_network, seeded
from gancourse.papers import lapgan


def observe_discriminator(answer: Callable[..., nn.Module], case: Case) -> Observation:
    channels, width, side, seed = case.args
    net = answer(channels=channels, width=width, side=8 * side)
    shape = (2, channels, 8 * side, 8 * side)
    return observe_network(net, seeded(seed), shape, shape)


def discriminator_like(
    see: Callable[[Tensor, Tensor], tuple], end: Callable = lambda y: y
) -> type[nn.Module]:
    """Make a level's discriminator whose layers get the two images of ``see(residual, low)``."""

    class LevelDiscriminatorLike(lapgan.LevelDiscriminator):
        def forward(self, residual, low):  # no annotations: slips break them
            return end(self.layers(torch.cat(see(residual, low), dim=1)))

    return LevelDiscriminatorLike


EXERCISE = Exercise(
    id="6.5",
    title="What the discriminator of a level sees",
    points=2,
    minutes=8,
    reference=lapgan.LevelDiscriminator,
    cases=lambda rng: integers(rng, (2, 3), (3, 4), (1, 2)),
    observe=observe_discriminator,
    slips={
        "D sees the residual alone, so it would accept the edges of another image. The first "
        "part is low + residual.": discriminator_like(
            lambda residual, low: (residual, 5 * residual)
        ),
        "The first part should be the sharpened image, low + residual.": discriminator_like(
            lambda residual, low: (low, 5 * residual)
        ),
        "The residual is not enlarged. Multiply it by RESIDUAL_SCALE.": discriminator_like(
            lambda residual, low: (low + residual, residual)
        ),
        "The parts are right, but in the wrong order: first the sum, then the enlarged "
        "residual.": discriminator_like(lambda residual, low: (5 * residual, low + residual)),
        "You subtracted the residual. The sharpened image is low + residual.": discriminator_like(
            lambda residual, low: (low - residual, 5 * residual)
        ),
        "These are probabilities. Discriminators of this course return logits.": discriminator_like(
            lambda residual, low: (low + residual, 5 * residual), torch.sigmoid
        ),
        "You clipped the sum. Where it is clipped, G gets no gradient from it.": discriminator_like(
            lambda residual, low: ((low + residual).clamp(-1, 1), 5 * residual)
        ),
    },
    alternatives=(discriminator_like(lambda residual, low: (residual + low, residual * 5)),),
)
