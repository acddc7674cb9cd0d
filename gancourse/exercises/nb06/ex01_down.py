"""Exercise 6.1: halve an image."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from gancourse.exercises.base import Case, Exercise
from gancourse.exercises.observe import images
from gancourse.papers import lapgan


def halving_cases(rng: torch.Generator) -> list[Case]:
    return [
        Case((images(rng, 2, 3, 8, 8),), note="on 2 random images of 8 x 8"),
        Case((images(rng, 1, 1, 4, 6),), note="on a grey image of 4 x 6"),
    ]


def down_like(mode: str = "replicate", scale: float = 1.0, groups: bool = True) -> Callable:
    """Make a `down`, with a slip if asked for."""

    def down(x: Tensor) -> Tensor:
        w = torch.tensor(lapgan.BLUR)
        kernel = w[:, None] * w[None, :] * scale
        channels = x.shape[1]
        padded = F.pad(x, (1, 1, 1, 1), mode=mode)
        if groups:
            kernel = kernel.expand(channels, 1, 4, 4)
            return F.conv2d(padded, kernel, stride=2, groups=channels)
        return F.conv2d(padded, kernel.expand(channels, channels, 4, 4), stride=2)

    return down


def three_means(x: Tensor) -> Tensor:
    """[1, 3, 3, 1] / 8 is the mean of two pixels, three times."""
    x = F.pad(x, (1, 1, 1, 1), mode="replicate")
    return F.avg_pool2d(F.avg_pool2d(F.avg_pool2d(x, 2, 1), 2, 1), 2)


def by_slices(x: Tensor) -> Tensor:
    """Down the columns, then along the rows."""
    for dim in (2, 3):
        x = x.movedim(dim, 0)
        x = torch.cat([x[:1], x, x[-1:]])
        x = (x[:-2:2] + 3 * x[1:-1:2] + 3 * x[2:-1:2] + x[3::2]) / 8
        x = x.movedim(0, dim)
    return x


def one_direction(x: Tensor) -> Tensor:
    """Blur down the columns only."""
    w = torch.tensor(lapgan.BLUR).view(1, 1, 4, 1).expand(x.shape[1], 1, 4, 1)
    padded = F.pad(x, (0, 0, 1, 1), mode="replicate")
    return F.conv2d(padded, w, stride=2, groups=x.shape[1])


EXERCISE = Exercise(
    id="6.1",
    title="Halve a picture",
    points=2,
    minutes=12,
    reference=lapgan.down,
    cases=halving_cases,
    slips={
        "You kept every second pixel without blurring first. Fine patterns then turn into coarse "
        "ones (aliasing).": lambda x: x[:, :, ::2, ::2],
        "That is the mean of 2 x 2 pixels, weights [1, 1] / 2. The blur reaches one pixel further "
        "on each side: [1, 3, 3, 1] / 8.": lambda x: F.avg_pool2d(x, 2),
        "You padded with zeros, and 0 is grey in [-1, 1]: every border is mixed with grey. Repeat "
        "the border pixels: mode='replicate'.": down_like(mode="constant"),
        "The result is 8 times too large. Divide by 8 in both directions: the 16 weights sum to "
        "1.": down_like(scale=8.0),
        "The colours are mixed: each output channel sums over all input channels. With "
        "groups=channels each channel is blurred by itself.": down_like(groups=False),
        "You blurred down the columns only. Blur along the rows, too.": one_direction,
    },
    alternatives=(down_like(), three_means, by_slices),
)
