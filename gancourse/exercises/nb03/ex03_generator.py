"""Exercise 3.3: the generator."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise

from torch import nn

from gancourse.exercises.base import Case, Exercise, Observation
from gancourse.exercises.observe import integers, observe_network, seeded
from gancourse.papers import blocks, dcgan


def observe_generator(answer: Callable[..., nn.Module], case: Case) -> Observation:
    noise_dim, channels, width, seed = case.args
    net = answer(noise_dim=noise_dim, channels=channels, width=width)
    return observe_network(net, seeded(seed), (2, noise_dim))


def generator_like(
    last: Callable[[], nn.Module] = nn.Tanh, norm_last: bool = False, rising: bool = False
) -> Callable[..., nn.Module]:
    """Make a generator of 32 x 32 images; the arguments choose a slip."""

    def make(noise_dim: int = 64, channels: int = 1, width: int = 24) -> nn.Module:
        w = [width, 2 * width, 4 * width] if rising else [4 * width, 2 * width, width]
        return nn.Sequential(
            nn.Unflatten(1, (noise_dim, 1, 1)),
            *blocks.up_block(noise_dim, w[0], stride=1, padding=0),
            *[layer for a, b in pairwise(w) for layer in blocks.up_block(a, b)],
            nn.ConvTranspose2d(w[-1], channels, 4, 2, 1),
            *([nn.BatchNorm2d(channels)] if norm_last else []),
            last(),
        )

    return make


EXERCISE = Exercise(
    id="3.3",
    title="The generator",
    points=3,
    minutes=15,
    reference=partial(dcgan.Generator, size=32),
    cases=lambda rng: integers(rng, (3, 6), (1, 2), (2, 3)) + integers(rng, (3, 6), (3, 3), (4, 5)),
    observe=observe_generator,
    slips={
        "The tanh at the end is missing: nothing keeps the images within [-1, 1].": generator_like(
            nn.Identity
        ),
        "A sigmoid gives images in [0, 1], but the data lie in [-1, 1]: D would tell them apart "
        "by their range. End with tanh.": generator_like(nn.Sigmoid),
        "There is a batch norm on the output layer. The paper leaves it out there, because it "
        "made samples oscillate.": generator_like(norm_last=True),
        "Your channels increase towards the "
        "image. They should decrease: 4w, 2w, w.": generator_like(rising=True),
        "A ReLU at the end removes all values "
        "below 0, half of the range. Use tanh.": generator_like(nn.ReLU),
    },
    alternatives=(generator_like(),),
)
