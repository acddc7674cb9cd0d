"""Exercise 8.1: the peak signal-to-noise ratio, in decibels."""

from collections.abc import Callable

import torch
from torch import Tensor

from gancourse.exercises.base import Case, Exercise
from gancourse.exercises.observe import images, integer
from gancourse.metrics.images import luminance, psnr


def psnr_cases(rng: torch.Generator) -> list[Case]:
    cases = []
    for border in (4, integer(rng, 1, 3)):
        real = images(rng, 2, 3, 12, 14)
        noise = 0.3 * torch.rand(2, 1, 1, 1, generator=rng) + 0.1
        x = (real + noise * torch.randn(real.shape, generator=rng)).clamp(-1, 1)
        cases.append(Case((x, real, border), note=f"on 2 images, with border={border}"))
    return cases


def psnr_like(
    crop: bool = True,
    channel: Callable[[Tensor], Tensor] = luminance,
    log: Callable[[Tensor], Tensor] = torch.log10,
    factor: float = 10,
    peak: float = 255,
    whole_batch: bool = False,
) -> Callable[[Tensor, Tensor, int], Tensor]:
    """Make a `psnr`, with a slip if asked for."""

    def psnr(x: Tensor, real: Tensor, border: int = 4) -> Tensor:
        error = channel(x) - channel(real)
        if crop:
            error = error[..., border:-border, border:-border]
        squares = error.square()
        mse = squares.mean() if whole_batch else squares.flatten(1).mean(dim=1)
        return factor * log(peak**2 / mse)

    return psnr


def psnr_by_norm(x: Tensor, real: Tensor, border: int = 4) -> Tensor:
    """Y is linear up to its offset, so the difference comes first; then 20 log of a root."""
    height, width = x.shape[2:]
    inside = (x - real)[:, :, border : height - border, border : width - border] / 2
    r, g, b = inside.unbind(1)
    error = (65.481 * r + 128.553 * g + 24.966 * b).flatten(1)
    return 20 * (255 / error.pow(2).mean(1).sqrt()).log10()


EXERCISE = Exercise(
    id="8.1",
    title="Decibels",
    points=2,
    minutes=12,
    reference=psnr,
    cases=psnr_cases,
    slips={
        "The border is included. Cut off `border` pixels on each side first.": psnr_like(
            crop=False
        ),
        "That is the error of the colours. Apply luminance to both images.": psnr_like(
            channel=lambda x: (x + 1) * 127.5
        ),
        "That averages over the whole batch. Each image has its own PSNR.": psnr_like(
            whole_batch=True
        ),
        "20 is the factor for a ratio of amplitudes. For a ratio of squares it is 10.": psnr_like(
            factor=20
        ),
        "That is the natural logarithm; decibels use log10.": psnr_like(log=torch.log),
        "The peak is missing: the ratio is 255 squared over the mean squared error.": psnr_like(
            peak=1
        ),
        "A peak of 2 would fit images in [-1, 1]. Y is on the scale of bytes: 255.": psnr_like(
            peak=2
        ),
        "The sign is wrong: a smaller error gives more decibels.": psnr_like(factor=-10),
    },
    alternatives=(psnr_like(), psnr_by_norm),
)
