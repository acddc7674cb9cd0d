"""Exercise 8.1: the peak signal-to-noise ratio, in decibels."""

from collections.abc import Callable

import torch
from torch import Tensor

from gancourse.exercises.base import Case, Exercise
from gancourse.exercises.observe import images, integer
from gancourse.metrics.images import luminance, psnr


def psnr_cases(rng: torch.Generator) -> list[Case]:
    """Images that are too bright, the second three times as noisy as the first."""

    def pair(count: int) -> tuple[Tensor, Tensor]:
        real = images(rng, count, 3, 20, 23)
        noise = torch.randn(real.shape, generator=rng)
        strength = 0.1 + 0.2 * torch.arange(count).view(-1, 1, 1, 1)
        return (real + 0.1 + strength * noise).clamp(-1, 1), real

    border = integer(rng, 2, 3)
    return [
        Case((*pair(2), border), note=f"on 2 images with border={border}"),
        Case(pair(2), note="with the default border"),
        Case((*pair(1), 1), note="on a batch of one image with border=1"),
        Case((1e-3 * pair(1)[0], 1e-3 * pair(1)[1]), note="on images that are almost equal"),
    ]


def of_luma(x: Tensor, real: Tensor) -> Tensor:
    return luminance(x) - luminance(real)


def inside(error: Tensor, border: int) -> Tensor:
    return error[..., border:-border, border:-border]


def per_image(squares: Tensor) -> Tensor:
    return squares.flatten(1).mean(dim=1)


def decibels(
    factor: float = 10, peak: float = 255**2, log: Callable[[Tensor], Tensor] = torch.log10
) -> Callable[[Tensor], Tensor]:
    return lambda mse: factor * log(peak / mse)


def psnr_like(
    difference: Callable[[Tensor, Tensor], Tensor] = of_luma,
    cut: Callable[[Tensor, int], Tensor] = inside,
    size: Callable[[Tensor], Tensor] = torch.square,
    mean: Callable[[Tensor], Tensor] = per_image,
    scale: Callable[[Tensor], Tensor] = decibels(),  # noqa: B008
) -> Callable[..., Tensor]:
    """Make a `psnr`, with a slip if asked for."""

    def psnr(x: Tensor, real: Tensor, border: int = 4) -> Tensor:
        return scale(mean(size(cut(difference(x, real), border))))

    return psnr


def psnr_by_norm(x: Tensor, real: Tensor, border: int = 4) -> Tensor:
    """Y is linear up to its offset, so the difference comes first; then 20 log of a root."""
    height, width = x.shape[2:]
    cropped = (x - real)[:, :, border : height - border, border : width - border] / 2
    r, g, b = cropped.unbind(1)
    error = (65.481 * r + 128.553 * g + 24.966 * b).flatten(1)
    return 20 * (255 / error.pow(2).mean(1).sqrt()).log10()


def not_luma(error: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    return psnr_like(lambda x, real: error(x - real))


BORDERS = {
    "The border is included. Cut off `border` pixels on each side first.": psnr_like(
        cut=lambda e, b: e
    ),
    "You don't cut off exactly `border` pixels on each side: border:-border.": [
        psnr_like(cut=lambda e, b: inside(e, 2 * b)),
        psnr_like(cut=lambda e, b: inside(e, b + 1)),
        psnr_like(cut=lambda e, b: e[..., b : -b - 1, b : -b - 1]),
        psnr_like(cut=lambda e, b: e[..., b : -b + 1 or None, b : -b + 1 or None]),
    ],
    "You cut the batch: the first axis counts images. error[:, border:-border, border:-border].": (
        psnr_like(cut=lambda e, b: e[b:-b, b:-b])
    ),
    "You always cut off 4 pixels: use the argument `border`.": psnr_like(
        cut=lambda e, b: inside(e, 4)
    ),
    "The border is cut off at one end of each axis only. Cut at both: border:-border.": [
        psnr_like(cut=lambda e, b: e[..., b:, b:]),
        psnr_like(cut=lambda e, b: e[..., :-b, :-b]),
    ],
    "You cut off only rows or only columns. An image has four sides.": [
        psnr_like(cut=lambda e, b: e[..., b:-b, :]),
        psnr_like(cut=lambda e, b: e[..., b:-b]),
    ],
}
LUMA = {
    "That is not the error of the luma Y. Apply luminance to both images, then subtract.": [
        not_luma(lambda d: 127.5 * d),
        not_luma(lambda d: d),
        not_luma(lambda d: 127.5 * d.mean(dim=1)),
        not_luma(lambda d: d.mean(dim=1)),
    ],
    "The luma of a difference is not the difference of lumas: luminance adds an offset. Apply it "
    "to each image first.": psnr_like(lambda x, real: luminance(x - real)),
    "You halved the images first, as for [0, 1]. luminance takes them in [-1, 1].": psnr_like(
        lambda x, real: of_luma((x + 1) / 2, (real + 1) / 2)
    ),
    "That is 48 dB too much. Y is on the scale of bytes, with a peak of 255: is it divided by 255, "
    "or the peak squared twice?": psnr_like(scale=decibels(peak=255**4)),
}
MEANS = {
    "That averages over the whole batch. Each image has its own PSNR.": [
        psnr_like(mean=torch.mean),
        lambda x, real, border=4: psnr_like(mean=torch.mean)(x, real, border).expand(len(x)),
    ],
    "Return the PSNR of each image, (B,), not their mean.": (
        lambda x, real, border=4: psnr(x, real, border).mean()
    ),
    "The mean goes over one axis of an image only. Each image has one number: dim=(1, 2).": [
        psnr_like(mean=lambda squares: squares.mean(dim=1)),
        psnr_like(mean=lambda squares: squares.mean(dim=2)),
    ],
    "That is the mean of the PSNRs of pixels. Take the mean of squares first, "
    "then its logarithm.": (
        lambda x, real, border=4: per_image(decibels()(inside(of_luma(x, real), border).square()))
    ),
    "You squared twice. Take the mean of the squared error.": psnr_like(size=lambda e: e**4),
    "That is a sum of squares. Take the mean over each image's pixels.": psnr_like(
        mean=lambda squares: squares.flatten(1).sum(dim=1)
    ),
    "Those are absolute differences. Square them.": [
        psnr_like(size=torch.abs),
        psnr_like(size=torch.abs, scale=decibels(factor=20, peak=255)),
    ],
    "That is the variance of the error, which leaves out its mean. Take the mean of the squares.": [
        psnr_like(size=lambda e: e, mean=lambda e: e.flatten(1).var(dim=1)),
        psnr_like(size=lambda e: e, mean=lambda e: e.flatten(1).var(dim=1, correction=0)),
    ],
}
DECIBELS = {
    "20 is the factor for a ratio of amplitudes. For a ratio of squares it is 10.": psnr_like(
        scale=decibels(factor=20)
    ),
    "The factor of 10 is missing.": psnr_like(scale=decibels(factor=1)),
    "Decibels use log10; yours is another logarithm.": [
        psnr_like(scale=decibels(log=torch.log)),
        psnr_like(scale=decibels(log=torch.log2)),
    ],
    "That is 48 dB too little: the peak of 255 is missing, or Y is multiplied by 255.": (
        psnr_like(scale=decibels(peak=1))
    ),
    "The peak is not squared. The mean of squares is compared with 255**2.": psnr_like(
        scale=decibels(peak=255)
    ),
    "That is 42 dB too low. A peak of 2 belongs to images in [-1, 1], but Y is already on the "
    "scale of bytes, with a peak of 255.": psnr_like(scale=decibels(peak=4)),
    "The peak is 255, and Y stays as it is, though it reaches only from 16 to 235.": [
        psnr_like(scale=decibels(peak=219**2)),
        psnr_like(scale=decibels(peak=235**2)),
    ],
    "You took the root of the mean squared error. Leave the root out, or use 20 "
    "log10(255 / root).": [
        psnr_like(scale=lambda mse: 10 * torch.log10(255**2 / mse.sqrt())),
        psnr_like(scale=lambda mse: 10 * torch.log10(255 / mse.sqrt())),
    ],
    "The sign is wrong: a smaller error gives more decibels.": psnr_like(
        scale=decibels(factor=-10)
    ),
}

EXERCISE = Exercise(
    id="8.1",
    title="PSNR",
    points=2,
    minutes=12,
    reference=psnr,
    cases=psnr_cases,
    slips=BORDERS | LUMA | MEANS | DECIBELS,
    alternatives=(psnr_like(), psnr_by_norm),
    advice="Print the error and its shape after each step: what is cut off, over which axes is the "
    "mean, and is anything limited?",
)
