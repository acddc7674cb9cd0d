"""Exercise 3.4: the discriminator."""

import copy
from collections.abc import Callable
from functools import partial
from itertools import pairwise

from torch import Tensor, nn

from gancourse.exercises.base import Case, Exercise, Observation
from gancourse.exercises.observe import integers, observe_network, seeded
from gancourse.papers import dcgan


def observe_discriminator(answer: Callable[..., nn.Module], case: Case) -> Observation:
    channels, width, seed = case.args
    net = answer(channels=channels, width=width)
    return observe_network(net, seeded(seed), (2, channels, 32, 32))


def discriminator_like(
    norm_first: bool = False, slope: float = 0.2, pool: bool = False, end: tuple = (nn.Flatten(0),)
) -> Callable[..., nn.Module]:
    """Make a discriminator of 32 x 32 images; the arguments choose a slip."""

    def make(channels: int = 1, width: int = 24) -> nn.Module:
        layers: list[nn.Module] = []
        for i, (a, b) in enumerate(pairwise([channels, width, 2 * width, 4 * width])):
            norm = norm_first or i > 0
            layers += [nn.Conv2d(a, b, 3 if pool else 4, 1 if pool else 2, 1, bias=not norm)]
            layers += [nn.MaxPool2d(2)] if pool else []
            layers += [nn.BatchNorm2d(b)] if norm else []
            layers += [nn.LeakyReLU(slope)]
        return nn.Sequential(*layers, nn.Conv2d(4 * width, 1, 4), *copy.deepcopy(end))

    return make


class Squeezed(nn.Module):
    """Removes every dimension of length one, also that of a batch of one."""

    def forward(self, x: Tensor) -> Tensor:
        return x.squeeze()


EXERCISE = Exercise(
    id="3.4",
    title="The discriminator",
    points=3,
    minutes=15,
    reference=partial(dcgan.Discriminator, size=32),
    cases=lambda rng: integers(rng, (1, 3), (2, 3)),
    observe=observe_discriminator,
    slips={
        "There is a sigmoid at the end. Networks of this course return logits.": discriminator_like(
            end=(nn.Flatten(0), nn.Sigmoid())
        ),
        "There is a batch norm on the input layer: it hides from D how bright the images are. The "
        "paper leaves it out there.": discriminator_like(norm_first=True),
        "That is a plain ReLU: where it is flat no "
        "gradient reaches G. Use LeakyReLU(0.2).": discriminator_like(slope=0.0),
        "LeakyReLU's default slope is 0.01; the paper's is 0.2.": discriminator_like(slope=0.01),
        "Guideline 1: no pooling. Strided "
        "convolutions learn how to reduce the side.": discriminator_like(pool=True),
        "Return one logit per image, of shape (B,). With labels of shape (B,), logits of shape "
        "(B, 1, 1, 1) would broadcast to "
        "B x B values without an error.": discriminator_like(end=()),
        "squeeze() also removes the batch dimension of a batch of one.": discriminator_like(
            end=(Squeezed(),)
        ),
    },
    alternatives=(
        discriminator_like(),
        discriminator_like(end=(nn.Flatten(), nn.Flatten(0))),
    ),
)
