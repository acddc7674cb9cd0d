"""Exercise 4.2: how far does it lean?."""

import torch
from torch import Tensor

from gancourse.exercises.base import Exercise
from gancourse.exercises.nb04._shared import pictures
from gancourse.papers import dcgan_probes


def slant_like(
    x: Tensor, centred: bool = True, sign: int = -1, by: str = "yy", ink: bool = True
) -> Tensor:
    """Measure the slant of each picture, with a slip if asked for."""
    values = []
    for picture in x[:, 0].double():
        m = (picture + 1) / 2 if ink else picture
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
    cases=pictures,
    slips={
        "Measure x and y from the centre of the ink, not from the corner of the picture: else the "
        "place of the digit counts.": lambda x: slant_like(x, centred=False),
        "Right size, wrong sign: rows are counted downwards, so a stroke that leans to the right "
        "has small rows where columns are large.": lambda x: slant_like(x, sign=1),
        "You divided by the spread of x. We ask how far x moves for each row: divide by that of "
        "y.": lambda x: slant_like(x, by="xx"),
        "That is the correlation of x and y: it says how narrow the stroke is, too. Divide by the "
        "spread of y alone.": lambda x: slant_like(x, by="both"),
        "Black has the value -1: as a weight "
        "it would count against the ink. Use (x + 1) / 2.": lambda x: slant_like(x, ink=False),
    },
    alternatives=(slant_like,),
)
