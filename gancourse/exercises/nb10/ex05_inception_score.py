"""Exercise 10.5: sure of each, and of all kinds."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, xlogy

from gancourse.exercises.base import Case, Exercise
from gancourse.exercises.observe import observe_number
from gancourse.metrics import samples


def probabilities(rng: torch.Generator) -> list[Case]:
    """Uneven classes; zeros in rows, and zeros in p(y); more samples than classes, and fewer."""
    soft = (2 * torch.randn(7, 4, generator=rng) + torch.tensor([1.0, 0.5, -0.5, -1])).softmax(1)
    certain = torch.eye(3)[[0, 2, 2, 1, 2, 0]]
    some = torch.cat([torch.randn(3, 4, generator=rng).softmax(1), torch.zeros(3, 1)], 1)
    return [
        Case((soft,), note="for 7 samples and 4 classes"),
        Case((certain,), note="where the classifier is certain of each sample"),
        Case((some,), note="where a class never occurs"),
    ]


def kl(p: Tensor, q: Tensor) -> Tensor:
    """The KL divergence of each row of p from q."""
    return (xlogy(p, p) - xlogy(p, q)).sum(1)


def score_like(divergence: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Make a score from the divergences of rows p from their mean, of the same shape."""
    return lambda p: divergence(p, p.mean(0, keepdim=True).expand_as(p)).mean().exp()


def uniform(p: Tensor) -> Tensor:
    """Equal probabilities, one row for each sample."""
    return torch.full_like(p, 1 / p.shape[1])


def entropy(p: Tensor) -> Tensor:
    return torch.special.entr(p).sum(-1)


SLIPS = {
    "The exponential is missing: the lowest score is 1.": lambda p: kl(p, p.mean(0)).mean(),
    "The two are swapped: KL(p(y|x) || p(y)) is weighted by p(y|x).": [
        score_like(lambda p, q: kl(q, p)),
        score_like(lambda p, q: (q * (q.log() - p.log())).sum(1)),
        score_like(lambda p, q: F.kl_div(p.log(), q, reduction="none").sum(1)),
    ],
    "You weighted the logarithms by p(y); the formula weights them by p(y|x).": [
        score_like(lambda p, q: (xlogy(q, p) - xlogy(q, q)).sum(1)),
        score_like(lambda p, q: (q * (p.log() - q.log())).sum(1)),
        score_like(lambda p, q: xlogy(q, p / q).sum(1)),
    ],
    "You compared with a uniform distribution. p(y) is the mean over the samples: p.mean(dim=0).": [
        score_like(lambda p, q: kl(p, uniform(p))),
        score_like(lambda p, q: (p * (p.log() - uniform(p).log())).sum(1)),
    ],
    "0 log 0 became nan. It counts as 0: torch.xlogy does that.": [
        score_like(lambda p, q: (p * (p.log() - q.log())).sum(1)),
        score_like(lambda p, q: (p * (p / q).log()).sum(1)),
    ],
    "You replaced the whole divergence of a sample. Replace only the terms 0 log "
    "0 by 0.": score_like(
        lambda p, q: (p * (p / q).log()).sum(1).nan_to_num()
    ),
    "The logarithm of a quotient is a difference; you added the two logarithms.": score_like(
        lambda p, q: (xlogy(p, p) + xlogy(p, q)).sum(1)
    ),
    "F.kl_div expects logarithms as its first argument: q.log() with q = p(y).": [
        score_like(lambda p, q: F.kl_div(q, p, reduction="none").sum(1)),
        score_like(lambda p, q: F.kl_div(p, q, reduction="none").sum(1)),
    ],
    "Where a class never occurs p(y) is 0, and this became nan. Such a term counts as 0: "
    "torch.xlogy(p, marginal).": [
        score_like(lambda p, q: F.kl_div(q.log(), p, reduction="none").sum(1)),
        score_like(lambda p, q: xlogy(p, p / q).sum(1)),
        score_like(lambda p, q: (xlogy(p, p) - p * q.log()).sum(1)),
    ],
    "You took the mean of exponentials. Take the mean over samples first, then exp.": lambda p: (
        kl(p, p.mean(0)).exp().mean()
    ),
    "The divergences are added over the samples. Take their mean, then exp.": [
        lambda p: kl(p, p.mean(0)).sum().exp(),
        lambda p: F.kl_div(p.mean(0).log().expand_as(p), p, reduction="sum").exp(),
    ],
    "You took a mean over classes. Sum over classes; the mean is over samples only.": [
        lambda p: (kl(p, p.mean(0)) / p.shape[1]).mean().exp(),
        lambda p: F.kl_div(p.mean(0).log().expand_as(p), p, reduction="mean").exp(),
    ],
    "That is exp of the entropy of p(y): how varied the samples are. How confident the "
    "classifier is about each is missing.": lambda p: entropy(p.mean(0)).exp(),
    "p(y) is missing: that is only how confident the classifier is about each sample.": [
        lambda p: (-entropy(p)).mean().exp(), lambda p: entropy(p).mean().exp(),
    ],
    "The entropies are added; the score subtracts: exp of (entropy of p(y) - mean entropy of the "
    "rows).": lambda p: (entropy(p.mean(0)) + entropy(p).mean()).exp(),
    "Rows of p are probabilities already: leave out the softmax.": [
        lambda p: score_like(kl)(p.softmax(1)), lambda p: score_like(kl)(p.softmax(0)),
    ],
    "Logarithms to base 2 don't match exp: take natural ones.": [
        lambda p: (kl(p, p.mean(0)).mean() / torch.tensor(2.0).log()).exp(),
        lambda p: score_like(lambda p, q: (p * ((p / q).log2())).sum(1))(p),
    ],
}  # fmt: skip


EXERCISE = Exercise(
    id="10.5",
    title="The inception-style score",
    points=2,
    minutes=10,
    reference=samples.inception_score,
    cases=probabilities,
    observe=observe_number,
    slips=SLIPS,
    alternatives=(
        score_like(kl),
        lambda p: (entropy(p.mean(0)) - entropy(p).mean()).exp(),
        lambda p: score_like(lambda p, q: (p * ((p + 1e-9).log() - (q + 1e-9).log())).sum(1))(p),
        lambda p: [score_like(kl)(p.double())][0].item(),
    ),
    advice="Compute it for two samples that are certain of two classes: do you get 2? And for two "
    "samples of one class: 1?",
)
