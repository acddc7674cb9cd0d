"""Exercise 10.5: sure of each, and of all kinds."""

from collections.abc import Callable

import torch
from torch import Tensor

from gancourse.exercises.base import Case, Exercise
from gancourse.exercises.observe import integer
from gancourse.metrics import samples


def probabilities(rng: torch.Generator) -> list[Case]:
    """Uneven classes; in the second case the classifier is certain, so zeros occur."""
    n, classes = integer(rng, 6, 8), integer(rng, 3, 5)
    soft = (2 * torch.randn(n, classes, generator=rng)).softmax(dim=1)
    certain = torch.eye(classes)[torch.randint(classes, (n,), generator=rng)]
    certain[:2] = torch.eye(classes)[:2]  # two classes at least
    return [
        Case((soft,), note=f"for {n} samples and {classes} classes"),
        Case((certain,), note="where the classifier is certain of each sample"),
    ]


def score_like(
    *,
    exp: bool = True,
    swap: bool = False,
    uniform: bool = False,
    varied_only: bool = False,
    naive: bool = False,
    mean_last: bool = False,
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
        if varied_only:
            kl = -torch.xlogy(q, q).sum(1)
        if mean_last:
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
    cases=probabilities,
    slips={
        "The exponential is missing: the lowest score is 1.": score_like(exp=False),
        "The two are swapped: KL(p(y|x) || p(y)) is weighted by p(y|x).": score_like(swap=True),
        "You compared with equal classes. p(y) is the mean of the given rows.": score_like(
            uniform=True
        ),
        "0 log 0 became nan. It counts as 0: torch.xlogy does that.": score_like(naive=True),
        "You took the mean of exponentials. First the mean over samples, then exp.": score_like(
            mean_last=True
        ),
        "That is exp of the entropy of p(y): how varied the samples are. How confident the "
        "classifier is about each is missing.": score_like(varied_only=True),
    },
    alternatives=(score_like(), score_by_entropies),
)
