"""Exercise 4.2: the slant of strokes."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from gancourse.exercises.base import Case, Exercise
from gancourse.exercises.observe import integer
from gancourse.papers import dcgan_probes


def strokes(rng: torch.Generator) -> list[Case]:
    """A stroke in each image, away from its centre; the images are wider than high."""
    rows, columns = torch.arange(12)[:, None], torch.arange(17)
    images = []
    for lean in (0.6, -0.5, 0.3):
        top, left = integer(rng, 3, 4), integer(rng, 4, 6)
        stroke = (columns - left + lean * (rows - top)).abs() < 2
        ink = torch.rand(12, 17, generator=rng) * stroke * ((rows - top).abs() < 4)
        images.append(2 * ink - 1)
    x = torch.stack(images)[:, None]
    return [Case((x,), note="on 3 images"), Case((x[:1].mT,), note="on a batch of one image")]


def to_ink(images: Tensor) -> Tensor:
    return (images[:, 0] + 1) / 2


def slant_like(
    images: Tensor,
    centre: str = "ink",
    sign: int = -1,
    by: str = "yy",
    across: str = "ink",
    weigh: Callable[[Tensor], Tensor] = to_ink,
) -> Tensor:
    """Measure the slant of each image, with a mistake if asked for."""
    m = weigh(images).double()
    height, width = m.shape[1:]
    y = torch.arange(height, device=m.device, dtype=m.dtype)[:, None].expand_as(m)
    x = torch.arange(width, device=m.device, dtype=m.dtype).expand_as(m)
    over = (0, 1, 2) if centre == "batch" else (1, 2)
    total = m.sum(over, keepdim=True) if centre != "undivided" else m[0].numel()
    if centre == "image":
        x, y = x - (width - 1) / 2, y - (height - 1) / 2
    elif centre == "middle pixel":
        x, y = x - width // 2, y - height // 2
    elif centre != "corner":
        x, y = (v - (m * v).sum(over, keepdim=True) / total for v in (x, y))
    xy, xx, yy = ((m * v).sum((1, 2)) for v in (x * y, x * x, y * y))
    if across == "plain":
        xy = (x * y).sum((1, 2))
    below = {
        "yy": yy, "xx": xx, "both": (xx * yy).abs().sqrt(), "ink": m.sum((1, 2)),
        "plain": (y * y).sum((1, 2)), "rows": (y * y)[:, :, 0].sum(1),
        "ink squared": (m * y).square().sum((1, 2)),
        "root": yy.abs().sqrt(), "nothing": torch.ones_like(yy), "pixels": y[0].numel(),
    }[by]  # fmt: skip
    return (sign * xy / below).float()


def means_without_dimensions(images: Tensor, view: tuple[int, ...]) -> Tensor:
    """Subtract means of shape (B,) from the columns."""
    ink = to_ink(images)
    x = torch.arange(images.shape[3], device=images.device)
    return x.view(view) - (ink * x).sum((1, 2)) / ink.sum((1, 2))


EXERCISE = Exercise(
    id="4.2",
    title="The slant of a digit",
    points=2,
    minutes=10,
    reference=dcgan_probes.slant,
    cases=strokes,
    slips={
        "Measure x and y from the centre of the ink, not from the corner of the image. Otherwise "
        "the digit's position changes the result.": partial(slant_like, centre="corner"),
        "You measure from the middle of the image. Measure from the centre of the ink: means of x "
        "and y, weighted by ink.": [
            partial(slant_like, centre="image"),
            partial(slant_like, centre="middle pixel"),
        ],
        "You measure from the centre of all images' ink together. Each image has its own: sum "
        "over (1, 2) only.": partial(slant_like, centre="batch"),
        "A mean weighted by ink is (ink * x).sum() divided by ink.sum(), the sum of the weights, "
        "not by the number of pixels.": partial(slant_like, centre="undivided"),
        "The sign is flipped. Rows are counted downwards, so where a stroke leans to the right, "
        "columns are large where rows are small.": partial(slant_like, sign=1),
        "You divided by the spread of x. The question is how far x moves per row: divide by the "
        "spread of y.": partial(slant_like, by="xx"),
        "That is the correlation of x and y, which also depends on how narrow the stroke is. "
        "Divide by the spread of y alone.": partial(slant_like, by="both"),
        "That is minus the covariance of x and y. Divide by the spread of y, the sum of "
        "ink * dy * dy.": [partial(slant_like, by=by) for by in ("nothing", "ink", "pixels")],
        "Divide by the sum of ink * dy * dy itself, not by its root.": partial(
            slant_like, by="root"
        ),
        "Both sums are weighted by ink, once: ink * dx * dy above, ink * dy * dy below.": [
            *(partial(slant_like, by=by) for by in ("plain", "rows", "ink squared")),
            partial(slant_like, across="plain"),
            partial(slant_like, across="plain", by="plain"),
        ],
        "The slant is the ratio itself, columns per row, not its angle.": [
            lambda images: slant_like(images).atan(),
            lambda images: slant_like(images).atan().rad2deg(),
        ],
        "Count x and y in pixels, so that a step to the right is as long as a step down: "
        "torch.arange.": [
            lambda images: slant_like(images) * (images.shape[2] - 1) / (images.shape[3] - 1),
            lambda images: slant_like(images) * images.shape[2] / images.shape[3],
        ],
        "Black has the value -1, which is no weight. Ink is (x + 1) / 2.": [
            partial(slant_like, weigh=lambda images: images[:, 0]),
            partial(slant_like, weigh=lambda images: images[:, 0].abs()),
            partial(slant_like, weigh=lambda images: images[:, 0].clamp(min=0)),
        ],
        "You count a pixel fully or not at all. Weight each by its ink, (x + 1) / 2.": [
            partial(slant_like, weigh=lambda images: (images[:, 0] > 0).float()),
            partial(slant_like, weigh=lambda images: (images[:, 0] > -1).float()),
        ],
        "These images are wider than high. The shape is (B, 1, H, W): x counts the W columns, y "
        "the H rows.": [
            lambda images: to_ink(images) * torch.arange(images.shape[2], device=images.device),
            lambda images: (
                to_ink(images) * torch.arange(images.shape[3], device=images.device)[:, None]
            ),
        ],
        "The means have shape (B,) and are subtracted from rows or columns. Keep the dimensions, "
        "(B, 1, 1): keepdim=True.": [
            partial(means_without_dimensions, view=view) for view in ((-1,), (1, 1, -1))
        ],
    },
    alternatives=(slant_like,),
    advice="Try an image with one vertical stroke: is its slant 0, wherever the stroke stands? "
    "Then let it lean to the right: is the slant positive?",
    atol=1e-4,
)
