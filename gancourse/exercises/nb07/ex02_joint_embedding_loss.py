"""Exercise 7.2: partners and strangers."""

import math
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from gancourse.exercises.base import Case, Exercise
from gancourse.exercises.nb07._shared import observe_loss
from gancourse.exercises.parts import Part
from gancourse.papers.text2image import joint_embedding_loss


def scores(rng: torch.Generator) -> list[Case]:
    """Image 0 and text 0 are far enough ahead of all others, image 1 and text 1 are far behind.

    Of five images a third pair is behind, too, so that both hinges of an entry can be above 0; the
    terms without a maximum have a mean below 0 there, and of two images one above it.
    """
    cases = []
    for n in (5, 2):
        s = 0.5 * torch.randn(n, n, generator=rng).clamp(-2, 2)
        s = s.where(others(s), 4.0)
        s[1:3, 1:3] = torch.tensor([[0.0, 0.3], [-0.2, 0.3]])[: n - 1, : n - 1]
        s[:2, :2] = torch.tensor([[2.4, 0.5], [0.2, -1.2]])
        s = s + 0.1 * torch.rand(n, n, generator=rng)
        cases.append(Case((s,), note=f"for {n} images"))
    return cases


def embedding_loss(
    s: Tensor,
    *,
    rows: int = 1,
    columns: int = 1,
    diagonal: bool = False,
    of: Callable[[int], int] = lambda n: n * (n - 1),
    margin: float = 1.0,
    sign: int = 1,
    hinge: Callable[[Tensor], Tensor] = torch.relu,
    fixed: bool = False,
    fixed_others: bool = False,
) -> Tensor:
    """The joint embedding loss, with a slip if asked for."""
    own = s.diagonal().detach() if fixed else s.diagonal()
    all_ = s.detach() if fixed_others else s
    along, down = (hinge(margin + sign * (all_ - own.unsqueeze(d))) for d in (1, 0))
    terms = rows * along + columns * down
    return (terms if diagonal else terms[others(s)]).sum() / of(len(s))


def by_loops(s: Tensor) -> Tensor:
    n, total = len(s), 0
    for i in range(n):
        for j in range(n):
            if i != j:
                total = total + (1 + s[i, j] - s[i, i]).clamp(min=0)
                total = total + (1 + s[j, i] - s[i, i]).clamp(min=0)
    return total / (n * (n - 1))


def others(s: Tensor) -> Tensor:
    return ~torch.eye(len(s), dtype=torch.bool, device=s.device)


def hardest_only(s: Tensor) -> Tensor:
    """Only the mismatched pair with the highest score, for each image and each text."""
    off = s.masked_fill(~others(s), -math.inf)
    d = s.diagonal()
    return (1 + off.amax(1) - d).relu().mean() + (1 + off.amax(0) - d).relu().mean()


def both_terms(s: Tensor) -> tuple[Tensor, Tensor]:
    """The terms along rows and down columns, 0 on the diagonal."""
    d = s.diagonal()
    return tuple((1 + s - d.unsqueeze(k)).relu() * others(s) for k in (1, 0))


def larger(s: Tensor) -> Tensor:
    return torch.maximum(*both_terms(s)).sum() / (len(s) * (len(s) - 1))


def half(s: Tensor, upper: bool) -> Tensor:
    terms = sum(both_terms(s))
    n = len(s)
    return (terms.triu(1) if upper else terms.tril(-1)).sum() / (n * (n - 1) / 2)


def mean_above_0(s: Tensor) -> Tensor:
    terms = sum(both_terms(s))
    return terms.sum() / (terms > 0).sum()


def one_hinge(s: Tensor) -> Tensor:
    """One maximum for the sum of both directions."""
    d = s.diagonal()
    return ((1 + s - d[:, None]) + (1 + s - d[None])).relu()[others(s)].mean()


def one_hinge_of_means(s: Tensor) -> Tensor:
    """The maximum after the mean."""
    d, off = s.diagonal(), others(s)
    return (1 + s - d[:, None])[off].mean().relu() + (1 + s - d[None])[off].mean().relu()


def no_diagonal_in_scores(s: Tensor) -> Tensor:
    """The diagonal of the scores is 0, not that of the terms."""
    n, d, s = len(s), s.diagonal(), s * others(s)
    return ((1 + s - d[:, None]).relu() + (1 + s - d[None]).relu()).sum() / (n * (n - 1))


def no_diagonal_before_hinge(s: Tensor) -> Tensor:
    """The scores' diagonal is removed first, and the matching scores are 0."""
    return embedding_loss(s * others(s))


def cross_entropy(s: Tensor) -> Tensor:
    target = torch.arange(len(s), device=s.device)
    return F.cross_entropy(s, target) + F.cross_entropy(s.T, target)


def by_margin_loss(s: Tensor) -> Tensor:
    """Torch's own loss takes a mean over n classes, not over n - 1 others."""
    n, target = len(s), torch.arange(len(s), device=s.device)
    both = [F.multi_margin_loss(x.contiguous(), target) for x in (s, s.T)]
    return (both[0] + both[1]) * n / (n - 1)


EXERCISE = Exercise(
    id="7.2",
    title="The joint embedding loss",
    points=3,
    minutes=15,
    reference=joint_embedding_loss,
    cases=scores,
    observe=observe_loss,
    parts=(Part("the value", 2, ("result",)),),
    slips={
        "Only rows are compared: one image with all texts. Add the other direction, one text with "
        "all images, down a column.": partial(embedding_loss, columns=0),
        "Only columns are compared: one text with all images. Add the other direction, one image "
        "with all texts, along a row.": partial(embedding_loss, rows=0),
        "Both of your terms compare along rows, one image with all texts. The second should "
        "compare down a column: scores - matching[None].": partial(
            embedding_loss, rows=2, columns=0
        ),
        "Both of your terms compare down columns, one text with all images. The first should "
        "compare along a row: scores - matching[:, None].": partial(
            embedding_loss, rows=0, columns=2
        ),
        "The diagonal is included: there each hinge compares a matching pair with itself and is "
        "1. Put 0 there, and divide by n (n - 1).": [
            partial(embedding_loss, diagonal=True),
            partial(embedding_loss, diagonal=True, of=lambda n: n * n),
        ],
        "You divide by n * n. The mean is over the n (n - 1) mismatched pairs.": partial(
            embedding_loss, of=lambda n: n * n
        ),
        "You divide by another number than n (n - 1), the number of mismatched pairs.": [
            partial(embedding_loss, of=lambda n: n),
            partial(embedding_loss, of=lambda n: n - 1),
            partial(embedding_loss, of=lambda n: 2 * n),
            partial(embedding_loss, of=lambda n: 2 * n * n),
            partial(embedding_loss, of=lambda n: n * (n - 1) / 2),
            partial(embedding_loss, of=lambda n: n * n - 1),
        ],
        "You take the mean of the terms above 0 only. The mean is over all n (n - 1) mismatched "
        "pairs, those with a term of 0 too.": mean_above_0,
        "That is the sum. Take the mean over the n (n - 1) mismatched pairs.": partial(
            embedding_loss, of=lambda n: 1
        ),
        "That is the mean of the two directions. They are added: divide by n (n - 1) only.": (
            partial(embedding_loss, of=lambda n: 2 * n * (n - 1))
        ),
        "The margin of 1 is missing: your loss is 0 where all scores are equal.": partial(
            embedding_loss, margin=0.0
        ),
        "The margin is 1, in both terms.": [
            *(partial(embedding_loss, margin=margin) for margin in (0.1, 0.2, 0.5, 2.0)),
            lambda s: embedding_loss(s, rows=0, margin=0) + embedding_loss(s, columns=0),
            lambda s: embedding_loss(s, columns=0, margin=0) + embedding_loss(s, rows=0),
        ],
        "The signs are swapped. Subtract the matching score and add the mismatched one: 1 + s_ij - "
        "s_ii.": partial(embedding_loss, sign=-1),
        "The margin has the wrong sign: 1 + s_ij - s_ii.": partial(embedding_loss, margin=-1.0),
        "The maximum with 0 is missing: a pair that is far enough ahead would outweigh others. "
        "Use F.relu.": partial(embedding_loss, hinge=lambda x: x),
        "Each term is max(0, x), which is F.relu(x): no square, no absolute value, nothing smooth "
        "or leaky, and no upper limit.": [
            partial(embedding_loss, hinge=lambda x: x.relu().square()),
            partial(embedding_loss, hinge=F.softplus),
            partial(embedding_loss, hinge=torch.abs),
            partial(embedding_loss, hinge=F.leaky_relu),
            partial(embedding_loss, hinge=lambda x: x.clamp(0, 1)),
        ],
        "There are two maxima, one for each direction. You take a single one, of the sum, so one "
        "direction can compensate for the other.": one_hinge,
        "You take the larger of the two directions. Add them.": larger,
        "You use only half of the mismatched pairs, those with i < j or i > j. All count.": [
            partial(half, upper=True),
            partial(half, upper=False),
        ],
        "You take the mean first, then the maximum. Each pair has its own max(0, ...): relu "
        "first.": one_hinge_of_means,
        "You use only the mismatched pair with the highest score, as some other papers do. Here "
        "every mismatched pair counts.": hardest_only,
        "You set the diagonal of the scores to 0, and there relu(1 + 0 - s_ii) still counts. Put 0 "
        "on the diagonal of the terms, after the relu.": no_diagonal_in_scores,
        "The scores of the matching pairs are lost: you set the diagonal of the scores to 0. Put "
        "0 on the diagonal of the terms instead, after the relu.": no_diagonal_before_hinge,
        "That is a cross-entropy. This loss compares scores with a margin, "
        "max(0, 1 + s_ij - s_ii).": [
            cross_entropy,
            lambda s: cross_entropy(s) / 2,
        ],
        "The value is right, but the scores of the matching pairs are detached. The gradient "
        "should raise them, too: leave the detach out.": partial(embedding_loss, fixed=True),
        "The value is right, but the scores of the mismatched pairs are detached. The gradient "
        "should lower them, too: leave the detach out.": partial(embedding_loss, fixed_others=True),
        "Compare the scores as they are: no softmax, sigmoid or normalization.": [
            lambda s: embedding_loss(s.softmax(dim=1)),
            lambda s: embedding_loss(F.normalize(s, dim=1)),
            lambda s: embedding_loss(s.sigmoid()),
        ],
        "The sign is wrong: a loss is minimized, so a mismatched pair with a high score should "
        "raise it.": lambda s: -embedding_loss(s),
    },
    alternatives=(embedding_loss, by_loops, by_margin_loss),
    advice="On torch.zeros(3, 3) the loss is 2, on 3 * torch.eye(3) it is 0, and on "
    "-torch.eye(3) it is 4. What do you get?",
)
