"""Exercise 7.2: partners and strangers."""

import math
from functools import partial

import torch
from torch import Tensor

from gancourse.exercises.base import Case, Exercise
from gancourse.exercises.observe import integer
from gancourse.papers.text2image import joint_embedding_loss


def scores(rng: torch.Generator) -> list[Case]:
    """Some hinges are 0 and some are not, in both directions; then a batch of two."""
    cases = []
    for n in (integer(rng, 4, 6), 2):
        s = torch.randn(n, n, generator=rng) + 0.9 * torch.eye(n)
        # the hinges of image 0 and text 0 are 0, those of image 1 and text 1 are not
        s[:2, :2] = torch.tensor([[2.4, 0.3], [0.2, 0.6]]) + 0.1 * torch.rand(2, 2, generator=rng)
        cases.append(Case((s,), note=f"for {n} images"))
    return cases


def embedding_loss(
    s: Tensor, *, ways: str = "both", diagonal: bool = False, mean: bool = True, margin: float = 1.0
) -> Tensor:
    """The joint embedding loss by loops, with a slip if asked for."""
    n, total = len(s), s.new_zeros(())
    for i in range(n):
        for j in range(n):
            if i != j or diagonal:
                if ways in ("both", "images"):
                    total = total + (margin + s[i, j] - s[i, i]).clamp(min=0)
                if ways in ("both", "texts"):
                    total = total + (margin + s[j, i] - s[i, i]).clamp(min=0)
    return total / (n * n if diagonal else n * (n - 1)) if mean else total


def hardest_only(s: Tensor) -> Tensor:
    """Only the mismatched pair with the highest score, for each image and each text."""
    off = s.masked_fill(torch.eye(len(s), dtype=torch.bool), -math.inf)
    d = s.diagonal()
    return (1 + off.amax(1) - d).relu().mean() + (1 + off.amax(0) - d).relu().mean()


EXERCISE = Exercise(
    id="7.2",
    title="Partners and strangers",
    points=3,
    minutes=15,
    reference=joint_embedding_loss,
    cases=scores,
    slips={
        "Only rows are compared: one image with all texts. Add the other direction, one text with "
        "all images, down a column.": partial(embedding_loss, ways="images"),
        "Only columns are compared: one text with all images. Add the other direction, one image "
        "with all texts, along a row.": partial(embedding_loss, ways="texts"),
        "The diagonal is included: there each hinge compares a matching pair with itself and is "
        "1. Leave the diagonal out, "
        "and divide by n (n - 1).": partial(embedding_loss, diagonal=True),
        "That is the sum. Take the mean over the n (n - 1) mismatched pairs.": partial(
            embedding_loss, mean=False
        ),
        "The margin of 1 is missing: your loss is 0 where all scores are equal.": partial(
            embedding_loss, margin=0.0
        ),
        "You use only the mismatched pair with the highest score, as some other papers do. Here "
        "every mismatched pair counts.": hardest_only,
    },
    alternatives=(embedding_loss,),
)
