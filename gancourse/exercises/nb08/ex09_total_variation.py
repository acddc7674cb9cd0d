"""Exercise 8.9: the total variation of images, a regularization term."""

from collections.abc import Callable

import torch
from torch import Tensor

from gancourse.exercises.base import AnswerError, Case, Exercise, Observation, copied
from gancourse.exercises.observe import images, observe_number
from gancourse.papers import srgan

ROOT = (
    "The gradient is not finite where neighbours are equal: a root has an infinite slope at 0. "
    "Take the absolute value with .abs()."
)


def variation_cases(rng: torch.Generator) -> list[Case]:
    """Wide images, so that rows and columns differ; a batch of one; an image with a flat half.

    Down and across the images differ by different amounts: neither direction stands for both.
    """
    slope = torch.linspace(0, 1.5, 5).view(1, 1, 5, 1)
    x = (0.3 * images(rng, 2, 3, 5, 8) + slope).requires_grad_()
    one = (0.4 * images(rng, 1, 2, 7, 4) - slope.new_tensor(0.2)).requires_grad_()
    half = images(rng, 2, 3, 4, 6)
    half[..., 3:] = 0.25
    return [
        Case((x,), note="on 2 colour images of 5 x 8"),
        Case((one,), note="on 1 image of 2 channels, 7 x 4"),
        Case((half,), note="on images whose right half is flat"),
    ]


def observe_variation(answer: Callable[[Tensor], Tensor], case: Case) -> Observation:
    """Its value, and its gradient where it has only one: a flat half allows several."""
    seen = observe_number(answer, case)
    (x,) = copied(case.args)
    if not x.requires_grad:
        result = answer(x.requires_grad_())
        if isinstance(result, Tensor) and result.requires_grad:
            if not torch.autograd.grad(result.sum(), x)[0].isfinite().all():
                raise AnswerError(ROOT)
    return seen


def variation_like(
    size: Callable[[Tensor], Tensor] = torch.abs,
    reduce: Callable[[Tensor], Tensor] = torch.mean,
    axes: tuple[int, ...] = (2, 3),
    join: Callable[[list[Tensor]], Tensor] = sum,
) -> Callable[[Tensor], Tensor]:
    """Make a total variation, with a slip if asked for."""

    def total_variation(x: Tensor) -> Tensor:
        return join([reduce(size(x.diff(dim=axis))) for axis in axes])

    return total_variation


def by_slices(x: Tensor) -> Tensor:
    """Written with slices."""
    down = (x[:, :, 1:, :] - x[:, :, :-1, :]).abs().mean()
    across = (x[:, :, :, 1:] - x[..., :-1]).abs().mean()
    return down + across


def by_sums(x: Tensor) -> Tensor:
    """Sums divided by the number of differences."""
    dy, dx = x[:, :, :-1] - x[:, :, 1:], x[..., :-1] - x[..., 1:]
    return torch.maximum(dy, -dy).sum() / dy.numel() + torch.maximum(dx, -dx).sum() / dx.numel()


def over_pixels(x: Tensor) -> Tensor:
    """The sums, both divided by the number of values."""
    return (x.diff(dim=2).abs().sum() + x.diff(dim=3).abs().sum()) / x.numel()


def isotropic(x: Tensor) -> Tensor:
    """The length of the gradient at each pixel."""
    dy, dx = x.diff(dim=2)[..., :-1], x.diff(dim=3)[:, :, :-1]
    return (dy.square() + dx.square() + 1e-12).sqrt().mean()


def around(x: Tensor) -> Tensor:
    """The last row and column compared with the first."""
    return sum((x - x.roll(1, axis)).abs().mean() for axis in (2, 3))


def in_one_mean(x: Tensor) -> Tensor:
    return torch.cat([x.diff(dim=2).abs().flatten(), x.diff(dim=3).abs().flatten()]).mean()


EXERCISE = Exercise(
    id="8.9",
    title="Total variation",
    points=1,
    minutes=6,
    reference=srgan.total_variation,
    cases=variation_cases,
    observe=observe_variation,
    slips={
        "The absolute value is missing: without it differences of opposite sign cancel.": (
            variation_like(size=lambda d: d)
        ),
        "You squared the differences. Take their absolute values.": variation_like(
            size=torch.square
        ),
        "That is a sum. Take the mean, so that the size of the images does not matter.": [
            variation_like(reduce=torch.sum),
            lambda x: variation_like(reduce=torch.sum)(x) / len(x),
        ],
        "Both sums are divided by the number of values. An image of H rows has H - 1 differences "
        "in each column: take the mean of each kind of difference.": over_pixels,
        "All differences are in one mean. Take the mean of the vertical ones and the mean of the "
        "horizontal ones, and add the two.": in_one_mean,
        "That is the mean of the two directions. Add them.": variation_like(
            join=lambda terms: sum(terms) / 2
        ),
        "Only rows are compared. Compare neighbouring columns (dim=3) too.": variation_like(
            axes=(2,)
        ),
        "Only columns are compared. Compare neighbouring rows (dim=2) too.": variation_like(
            axes=(3,)
        ),
        "You compared channels. The axes of an image are dim=2 and dim=3.": [
            variation_like(axes=(1, 2)),
            variation_like(axes=(1, 3)),
            variation_like(axes=(1, 2, 3)),
        ],
        "That is the isotropic form, the length of the gradient. Here the absolute values of both "
        "directions are added.": isotropic,
        "torch.roll compares the last row and column with the first. Only neighbours count.": (
            around
        ),
        "The result is detached from the graph, so nothing would be trained. Use no item(), "
        "detach() or no_grad().": lambda x: srgan.total_variation(x.detach()),
    },
    alternatives=(
        by_slices,
        by_sums,
        variation_like(),
        variation_like(size=lambda d: torch.where(d < 0, -d, d)),
    ),
    advice="Try it on one row of pixels, 0, 1, 0, repeated below itself: the result is 1.",
)
