"""Exercise 6.1: halve an image."""

from collections.abc import Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from gancourse.exercises.base import Case, Exercise
from gancourse.exercises.observe import images
from gancourse.papers import lapgan


def halving_cases(rng: torch.Generator) -> list[Case]:
    """Three channels, one, and two; higher than wide and wider than high; large values."""
    return [
        Case((images(rng, 2, 3, 8, 6),), note="on 2 colour images of 8 x 6"),
        Case((images(rng, 1, 1, 4, 8),), note="on a grey image of 4 x 8"),
        Case((6 * images(rng, 3, 2, 6, 6),), note="on noise of 2 channels with values beyond 1"),
    ]


def down_like(
    x: Tensor,
    *,
    mode: str = "replicate",
    scale: float = 1.0,
    weights: Sequence[float] = lapgan.BLUR,
    pad: tuple[int, int, int, int] = (1, 1, 1, 1),
    stride: int = 2,
    before: int = 1,
    after: slice = slice(None),
) -> Tensor:
    """Blur and halve, with a slip if asked for: `before` and `after` keep pixels."""
    w, channels = torch.tensor(weights, device=x.device), x.shape[1]
    kernel = (torch.outer(w, w) * scale).expand(channels, 1, len(w), len(w))
    padded = F.pad(x[:, :, ::before, ::before], pad, mode=mode)
    return F.conv2d(padded, kernel, stride=stride, groups=channels)[:, :, after, after]


def mixed(x: Tensor, out: int = 0, mean: bool = False) -> Tensor:
    """Every output channel sums over all input channels, or takes their mean."""
    w, channels = torch.tensor(lapgan.BLUR, device=x.device), x.shape[1]
    kernel = torch.outer(w, w).expand(out or channels, channels, 4, 4)
    y = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), kernel, stride=2)
    return y / channels if mean else y


def one_direction(x: Tensor, dim: int) -> Tensor:
    """Blurs along one dimension, and keeps every second pixel along the other."""
    w = torch.tensor(lapgan.BLUR, device=x.device)
    w, pad = (w.view(1, 1, 4, 1), (0, 0, 1, 1)) if dim == 2 else (w.view(1, 1, 1, 4), (1, 1, 0, 0))
    w = w.expand(x.shape[1], *w.shape[1:])
    return F.conv2d(F.pad(x, pad, mode="replicate"), w, stride=2, groups=x.shape[1])


def added(x: Tensor) -> Tensor:
    """The sums of two weights instead of their products."""
    w, channels = torch.tensor(lapgan.BLUR, device=x.device), x.shape[1]
    kernel = (w[:, None] + w) / 8
    padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
    return F.conv2d(padded, kernel.expand(channels, 1, 4, 4), stride=2, groups=channels)


def three_means(x: Tensor) -> Tensor:
    """[1, 3, 3, 1] / 8 is the mean of two pixels, three times."""
    x = F.pad(x, (1, 1, 1, 1), mode="replicate")
    return F.avg_pool2d(F.avg_pool2d(F.avg_pool2d(x, 2, 1), 2, 1), 2)


def plain_mean(x: Tensor) -> Tensor:
    """The mean of 4 x 4 pixels, all weights equal."""
    return F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 4, stride=2)


def by_slices(x: Tensor) -> Tensor:
    """Down the columns, then along the rows."""
    for dim in (2, 3):
        x = x.movedim(dim, 0)
        x = torch.cat([x[:1], x, x[-1:]])
        x = (x[:-2:2] + 3 * x[1:-1:2] + 3 * x[2:-1:2] + x[3::2]) / 8
        x = x.movedim(0, dim)
    return x


def channel_by_channel(x: Tensor) -> Tensor:
    """In double precision, one channel at a time."""
    w = torch.tensor(lapgan.BLUR, dtype=torch.double, device=x.device)
    padded = F.pad(x.double(), (1, 1, 1, 1), mode="replicate")
    kernel = torch.outer(w, w)[None, None]
    return torch.cat([F.conv2d(c, kernel, stride=2) for c in padded.split(1, dim=1)], dim=1).to(x)


SHIFTED = ((2, 1, 2, 1), (0, 2, 0, 2), (2, 0, 2, 0))

EXERCISE = Exercise(
    id="6.1",
    title="Halve the side of an image",
    points=2,
    minutes=12,
    reference=lapgan.down,
    cases=halving_cases,
    slips={
        "You kept every second pixel without blurring first. Fine patterns then turn into coarse "
        "ones (aliasing).": [lambda x: x[:, :, ::2, ::2], lambda x: x[:, :, 1::2, 1::2]],
        "You kept every second pixel first and blurred afterwards: by then aliasing has happened. "
        "Blur, then keep every second pixel.": [
            partial(down_like, stride=1, before=2, pad=pad) for pad in ((1, 2, 1, 2), (2, 1, 2, 1))
        ],
        "That is the mean of 2 x 2 pixels, weights [1, 1] / 2. The blur reaches one pixel further "
        "on each side: [1, 3, 3, 1] / 8.": lambda x: F.avg_pool2d(x, 2),
        "You took the plain mean of 4 x 4 pixels. The weights are those of BLUR, the outer ones "
        "smaller: [1, 3, 3, 1] / 8.": plain_mean,
        "That is another blur. The weights are those of BLUR, four in each direction: "
        "[1, 3, 3, 1] / 8.": [
            partial(down_like, weights=(0.25, 0.5, 0.25), pad=(1, 0, 1, 0)),
            partial(down_like, weights=(0.25, 0.5, 0.25)),
            partial(down_like, weights=[w / 16 for w in (1, 4, 6, 4, 1)], pad=(2, 1, 2, 1)),
            partial(down_like, weights=[w / 16 for w in (1, 4, 6, 4, 1)], pad=(2, 2, 2, 2)),
            lambda x: F.avg_pool2d(down_like(x, stride=1, pad=(1, 2, 1, 2)), 2),
            lambda x: F.interpolate(x, scale_factor=0.5, mode="bicubic"),
            lambda x: F.interpolate(x, scale_factor=0.5, mode="bicubic", antialias=True),
        ],
        "The 16 weights are products, w_i times w_j: torch.outer. You added w_i and w_j.": added,
        "You padded with zeros, and 0 is grey in [-1, 1]: every border is mixed with grey. Repeat "
        "the border pixels: mode='replicate'.": partial(down_like, mode="constant"),
        "You padded with other pixels than those of the border. Repeat the border pixels: "
        "mode='replicate'.": [partial(down_like, mode=m) for m in ("reflect", "circular")],
        "The interior is right. At the border you leave out the weights that fall outside the "
        "image. Repeat the border pixels there: mode='replicate'.": lambda x: F.interpolate(
            x, scale_factor=0.5, mode="bilinear", antialias=True
        ),
        "The 16 weights don't sum to 1: BLUR is [1, 3, 3, 1] / 8, already divided, and the outer "
        "product has one factor 1/8 for each direction.": [
            partial(down_like, scale=scale) for scale in (8.0, 64.0, 1 / 8, 1 / 64, 1 / 16, 16.0)
        ],
        "You clipped the values. Average those outside [-1, 1] as they are: `down` must work for "
        "noise, too.": [
            lambda x: down_like(x.clamp(-1, 1)), lambda x: down_like(x).clamp(-1, 1)
        ],
        "The colours are mixed: each output channel combines all input channels. With "
        "groups=channels each channel is blurred by itself.": [
            mixed, partial(mixed, out=1), partial(mixed, mean=True),
            partial(mixed, out=1, mean=True),
        ],
        "You blurred in one direction only. Blur down the columns and along the rows.": [
            partial(one_direction, dim=2), partial(one_direction, dim=3)
        ],
        "The window is off by a pixel. Output pixel (i, j) needs rows 2i - 1 to 2i + 2 and the "
        "same columns: one pixel of padding on each side.": [
            *(partial(down_like, pad=pad) for pad in SHIFTED),
            partial(down_like, pad=(1, 2, 1, 2), stride=1, after=slice(1, None, 2)),
        ],
        "You blurred but did not halve: use stride=2.": [
            partial(down_like, pad=pad, stride=1)
            for pad in ((1, 1, 1, 1), (1, 2, 1, 2), (2, 1, 2, 1))
        ],
        "The padding is missing, or is not one pixel on each side, so the sides of the result are "
        "not half of the image's.": [
            partial(down_like, pad=(0, 0, 0, 0)), partial(down_like, pad=(2, 2, 2, 2)),
            partial(down_like, pad=(3, 3, 3, 3)),
        ],
    },
    alternatives=(down_like, three_means, by_slices, channel_by_channel),
    advice="Try torch.arange(16.).view(1, 1, 4, 4). The result should be [[3.125, 4.875], [10.125, "
    "11.875]]: which pixels and which weights does yours take?",
)  # fmt: skip
