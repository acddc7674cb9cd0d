"""Exercise 10.5: sure of each, and of all kinds."""

from collections.abc import Callable

import torch
from torch import Tensor

from gancourse.exercises.base import Case, Exercise
from gancourse.exercises.observe import integer
from gancourse.metrics import samples


def opinions(rng: torch.Generator) -> list[Case]:
    """Uneven classes, and in the second case a classifier that is quite sure: zeros occur."""
    n, classes = integer(rng, 6, 8), integer(rng, 3, 5)
    soft = (2 * torch.randn(n, classes, generator=rng)).softmax(dim=1)
    sure = torch.eye(classes)[torch.randint(classes, (n,), generator=rng)]
    sure[0], sure[1] = torch.eye(classes)[0], torch.eye(classes)[1]
    return [
        Case((soft,), note=f"for {n} samples and {classes} classes"),
        Case((sure,), note="where the classifier is quite sure of each sample"),
    ]


def score_like(
    *,
    exp: bool = True,
    swap: bool = False,
    uniform: bool = False,
    only: str = "",
    naive: bool = False,
    each: bool = False,
) -> Callable[[Tensor], Tensor]:
    """Make an inception-style score, with a slip if asked for."""

    def answer(p: Tensor) -> Tensor:
        q = p.mean(0, keepdim=True).expand_as(p)
        q = torch.full_like(p, 1 / p.shape[1]) if uniform else q
        a, b = (q, p) if swap else (p, q)
        if naive:
            kl = (a * (a.log() - b.log())).sum(1)
        else:
            kl = (torch.xlogy(a, a) - torch.xlogy(a, b)).sum(1)
        if only == "sure":
            kl = torch.xlogy(p, p).sum(1)
        if only == "varied":
            kl = -torch.xlogy(q, q).sum(1)
        if each:
            return kl.exp().mean()
        return kl.mean().exp() if exp else kl.mean()

    return answer


def score_by_entropies(p: Tensor) -> Tensor:
    """exp(entropy of the mean - mean of the entropies)."""
    entropy = torch.special.entr
    return (entropy(p.mean(0)).sum() - entropy(p).sum(1).mean()).exp()


EXERCISE = Exercise(
    id="10.5",
    title="Sure of each, and of all kinds",
    points=2,
    minutes=10,
    reference=samples.inception_score,
    cases=opinions,
    slips={
        "The exponential is missing: a score of 1 is the least.": score_like(exp=False),
        "The two are exchanged: KL(p(y|x) || p(y)) weighs with p(y|x).": score_like(
            swap=True, naive=False
        ),
        "You compared with equal classes. p(y) is the mean of the rows that are given.": score_like(
            uniform=True
        ),
        "0 log 0 became nan. It counts as 0: torch.xlogy does that.": score_like(naive=True),
        "You took the mean of exponentials. First the mean over samples, then exp.": score_like(
            each=True
        ),
        "That is exp of the entropy of p(y): how varied. How sure is missing.": score_like(
            only="varied"
        ),
    },
    alternatives=(score_like(), score_by_entropies),
)
