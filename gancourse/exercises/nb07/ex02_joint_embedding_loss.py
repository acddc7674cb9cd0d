"""Exercise 7.2: partners and strangers."""

import math
from functools import partial

import torch
from torch import Tensor

from gancourse.exercises.base import Case, Exercise, Slip
from gancourse.exercises.observe import integer
from gancourse.papers.text2image import joint_embedding_loss


def scores(rng: torch.Generator) -> list[Case]:
    """Some hinges are at rest and some are not, in both directions; then a batch of two."""
    cases = []
    for n in (integer(rng, 4, 6), 2):
        s = torch.randn(n, n, generator=rng) + 0.9 * torch.eye(n)
        # picture 0 and text 0 rest; picture 1 and text 1 are pulled
        s[:2, :2] = torch.tensor([[2.4, 0.3], [0.2, 0.6]]) + 0.1 * torch.rand(2, 2, generator=rng)
        cases.append(Case((s,), note=f"for {n} pictures"))
    return cases


def embedding_loss(
    s: Tensor, *, ways: str = "both", own: bool = False, mean: bool = True, margin: float = 1.0
) -> Tensor:
    """The joint embedding loss by loops, with a slip if asked for."""
    n, total = len(s), s.new_zeros(())
    for i in range(n):
        for j in range(n):
            if i != j or own:
                if ways in ("both", "pictures"):
                    total = total + (margin + s[i, j] - s[i, i]).clamp(min=0)
                if ways in ("both", "texts"):
                    total = total + (margin + s[j, i] - s[i, i]).clamp(min=0)
    return total / (n * n if own else n * (n - 1)) if mean else total


def hardest_only(s: Tensor) -> Tensor:
    """The worst stranger of each picture and each text."""
    off = s.masked_fill(torch.eye(len(s), dtype=torch.bool), -math.inf)
    d = s.diagonal()
    pictures, sentences = (1 + off.amax(1) - d).relu(), (1 + off.amax(0) - d).relu()
    return pictures.mean() + sentences.mean()


EXERCISE = Exercise(
    id="7.2",
    title="Partners and strangers",
    points=3,
    minutes=15,
    reference=joint_embedding_loss,
    cases=scores,
    slips=(
        Slip(
            partial(embedding_loss, ways="pictures"),
            "Only rows are compared: a picture with all texts. Add the other way, a text with "
            "all pictures, which runs down a column.",
        ),
        Slip(
            partial(embedding_loss, ways="texts"),
            "Only columns are compared: a text with all pictures. Add the other way, a picture "
            "with all texts, which runs along a row.",
        ),
        Slip(
            partial(embedding_loss, own=True),
            "The diagonal is in it: a partner would have to beat itself by 1, which costs 1 "
            "each time. Leave the diagonal out, and divide by n (n - 1).",
        ),
        Slip(
            partial(embedding_loss, mean=False),
            "That is the sum. Take the mean over the n (n - 1) pairs of strangers.",
        ),
        Slip(
            partial(embedding_loss, margin=0.0),
            "Without the 1 a partner that is better by a hair costs nothing, and so do scores "
            "that are all equal.",
        ),
        Slip(
            hardest_only,
            "That takes only the worst stranger of each. It is a loss that others use; here "
            "every stranger counts.",
        ),
    ),
    alternatives=(embedding_loss,),
)
