"""Exercise 4.2: the slant of strokes."""

import torch
from torch import Tensor

from gancourse.exercises.base import Case, Exercise
from gancourse.exercises.observe import integer
from gancourse.papers import dcgan_probes


def boxes_of_ink(rng: torch.Generator) -> list[Case]:
    """Ink that fills a random box away from the centre of each image."""
    x = -torch.ones(3, 1, 14, 14)
    for image in x:
        top, left = integer(rng, 0, 5), integer(rng, 6, 9)
        box = torch.rand(7, 5, generator=rng) ** 2
        image[0, top : top + 7, left : left + 5] = 2 * box - 1
    return [Case((x,))]


def slant_like(
    x: Tensor, centred: bool = True, sign: int = -1, by: str = "yy", ink: bool = True
) -> Tensor:
    """Measure the slant of each image, with a slip if asked for."""
    values = []
    for image in x[:, 0].double():
        m = (image + 1) / 2 if ink else image
        rows, columns = torch.meshgrid(
            torch.arange(m.shape[0]), torch.arange(m.shape[1]), indexing="ij"
        )
        y = rows - (m * rows).sum() / m.sum() * centred
        x_ = columns - (m * columns).sum() / m.sum() * centred
        xy, xx, yy = (m * x_ * y).sum(), (m * x_ * x_).sum(), (m * y * y).sum()
        values.append(sign * xy / {"yy": yy, "xx": xx, "both": (xx * yy).abs().sqrt()}[by])
    return torch.stack(values).float()


EXERCISE = Exercise(
    id="4.2",
    title="How far does it lean?",
    points=2,
    minutes=10,
    reference=dcgan_probes.slant,
    cases=boxes_of_ink,
    slips={
        "Measure x and y from the centre of the ink, not from the corner of the image. Otherwise "
        "the digit's position changes the result.": lambda x: slant_like(x, centred=False),
        "The sign is flipped. Rows are counted downwards, so where a stroke leans to the right, "
        "columns are large where rows are small.": lambda x: slant_like(x, sign=1),
        "You divided by the spread of x. The question is how far x moves per row: divide by the "
        "spread of y.": lambda x: slant_like(x, by="xx"),
        "That is the correlation of x and y, which also depends on how narrow the stroke is. "
        "Divide by the spread of y alone.": lambda x: slant_like(x, by="both"),
        "Black has the value -1, which is no weight. Ink is (x + 1) / 2.": lambda x: slant_like(
            x, ink=False
        ),
    },
    alternatives=(slant_like,),
)
