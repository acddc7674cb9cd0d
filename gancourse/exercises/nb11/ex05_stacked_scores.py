"""Exercise 11.5: modes and divergence of stacked digits."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gancourse.exercises.base import AnswerError, Case, Exercise, Observation, as_tensor, copied
from gancourse.exercises.observe import integer
from gancourse.exercises.parts import Part
from gancourse.metrics.stacked import stacked_scores

NAMES = ("modes", "kl", "sure")


def classified(rng: torch.Generator, numbers: Tensor) -> Tensor:
    """Probabilities (n, 3, 10) whose largest are at these digits; none is near 0.9.

    About half of the samples are sure of all three digits, some of them also of their product.
    """
    digits = torch.stack([numbers // 100, numbers // 10 % 10, numbers % 10], dim=1)
    n = len(digits)
    sure = torch.rand(n, 3, generator=rng) < 0.45
    sure[torch.rand(n, generator=rng) < 0.35] = True
    u = torch.rand(n, 3, generator=rng)
    top = torch.where(sure, 0.903 + 0.092 * u, 0.55 + 0.345 * u)
    rest = torch.rand(n, 3, 10, generator=rng) + 0.1
    rest = rest.scatter(2, digits[..., None], 0.0)
    rest = rest / rest.sum(-1, keepdim=True) * (1 - top)[..., None]
    return rest.scatter(2, digits[..., None], top[..., None])


def probabilities(rng: torch.Generator) -> list[Case]:
    """Few modes with unequal shares, all distinct digits, and a single sample."""
    few = torch.tensor([7, 70, 700, 123, 321, 213, 999, 0])
    repeats = torch.tensor([integer(rng, 1, 9) for _ in few]) + torch.arange(8)
    skewed = few.repeat_interleave(repeats)
    skewed = skewed[torch.randperm(len(skewed), generator=rng)]
    many = torch.randint(1000, (300,), generator=rng)
    one = torch.randint(1000, (1,), generator=rng)
    return [
        Case((classified(rng, skewed),), note=f"on {len(skewed)} samples of 8 numbers"),
        Case((classified(rng, many),), note="on 300 samples of random numbers"),
        Case((classified(rng, one),), note="on a single sample"),
    ]


def observe_scores(answer: Callable[..., Any], case: Case) -> Observation:
    """Three numbers, in the order asked for."""
    result = answer(*copied(case.args))
    if result is None:
        raise AnswerError("Your function returned nothing (None). Is a `return` missing?")
    if result is Ellipsis:
        raise NotImplementedError
    if not isinstance(result, (tuple, list)) or len(result) != 3:
        raise AnswerError("Return three numbers, in this order: modes, kl, sure.")
    seen = {name: as_tensor(x, name) for name, x in zip(NAMES, result, strict=True)}
    return {name: x.double().reshape(()) if x.numel() == 1 else x for name, x in seen.items()}


# Scores with and without slips -------------------------------------------------------------------
def counts_of(digits: Tensor, weights: tuple[int, int, int] = (100, 10, 1)) -> Tensor:
    """How often each number occurs, (1000,)."""
    numbers = (digits * torch.tensor(weights, device=digits.device)).sum(dim=1)
    return torch.bincount(numbers, minlength=1000).double()


def divergence(counts: Tensor) -> Tensor:
    q = counts / counts.sum()
    q = q[q > 0]
    return (q * (1000 * q).log()).sum()


def all_three(p: Tensor) -> Tensor:
    return (p.amax(dim=-1) >= 0.9).all(dim=1).double().mean()


def scores_like(
    counts: Callable[[Tensor], Tensor] = lambda p: counts_of(p.argmax(dim=-1)),
    modes: Callable[[Tensor], Any] = lambda counts: int((counts > 0).sum()),
    kl: Callable[[Tensor], Any] = divergence,
    sure: Callable[[Tensor], Any] = all_three,
    order: tuple[int, int, int] = (0, 1, 2),
) -> Callable[[Tensor], tuple]:
    """Make the three scores, with a slip if asked for."""

    def scores(p: Tensor) -> tuple:
        occurs = counts(p)
        found = modes(occurs), kl(occurs), sure(p)
        return tuple(found[n] for n in order)

    return scores


def by_unique(p: Tensor) -> tuple[int, float, float]:
    """Rows of digits instead of numbers."""
    values, digits = p.max(dim=2)
    _, counts = digits.unique(dim=0, return_counts=True)
    q = counts / len(p)
    kl = (q * (q / (1 / 1000)).log()).sum().item()
    return len(counts), kl, (values.min(dim=1).values > 0.9).float().mean().item()


def by_kl_div(p: Tensor) -> list:
    """With torch's own divergence, and numbers in another order of the channels."""
    q = counts_of(p.argmax(-1), (1, 10, 100)) / len(p)
    uniform = torch.full_like(q, 1 / 1000)
    kl = F.kl_div(uniform.log(), q, reduction="sum")
    return [(q > 0).sum(), kl, ((p >= 0.9).any(-1).sum(1) == 3).double().mean()]


def by_entropy(p: Tensor) -> tuple:
    """Log 1000 minus the entropy."""
    q = counts_of(p.argmax(-1)) / len(p)
    return q.count_nonzero(), torch.tensor(1000.0).log() - torch.special.entr(q).sum(), all_three(p)


def shares(counts: Tensor) -> Tensor:
    return counts / counts.sum()


def soft(p: Tensor) -> Tensor:
    """Expected counts, from the product of probabilities."""
    return torch.einsum("na,nb,nc->abc", *p.double().unbind(1)).flatten()


SLIPS = {
    "0 log 0 became nan for the numbers that don't occur. It counts as 0: use torch.xlogy, or only "
    "the numbers that occur.": scores_like(
        kl=lambda c: (shares(c) * (1000 * shares(c)).log()).sum()
    ),
    "That is the divergence the other way round, of uniform from q: it is infinite as soon as a "
    "number doesn't occur.": scores_like(
        kl=lambda c: (0.001 * (0.001 / shares(c)).log()).sum()
    ),
    "You summed counts, not shares: divide by the number of samples.": scores_like(
        kl=lambda c: torch.xlogy(c, 1000 * c).sum()
    ),
    "That is the entropy of the shares. The divergence from uniform has the factor 1000 in the "
    "logarithm, and the opposite sign.": scores_like(
        kl=lambda c: torch.special.entr(shares(c)).sum()
    ),
    "The factor 1000 is missing in the logarithm: you compare with 1, not with uniform shares of "
    "1/1000.": scores_like(kl=lambda c: torch.xlogy(shares(c), shares(c)).sum()),
    "You compared with uniform shares of the numbers that occur. All 1,000 numbers should "
    "occur.": scores_like(
        kl=lambda c: torch.xlogy(shares(c), (c > 0).sum() * shares(c)).sum()
    ),
    "The sign of the divergence is wrong: it is at least 0.": scores_like(
        kl=lambda c: -divergence(c)
    ),
    "The unit is nats: take natural logarithms.": [
        scores_like(kl=lambda c: divergence(c) / torch.tensor(2.0).log()),
        scores_like(kl=lambda c: divergence(c) / torch.tensor(10.0).log()),
    ],
    "The divergence is a sum over the numbers, weighted by their shares, not a mean.": [
        scores_like(kl=lambda c: divergence(c) / 1000),
        scores_like(kl=lambda c: divergence(c) / (c > 0).sum()),
    ],
    "A small number inside the logarithm changes the result for shares as small as these. Leave "
    "out the numbers that don't occur.": [
        scores_like(kl=lambda c, e=e: (shares(c) * (1000 * shares(c) + e).log()).sum())
        for e in (1.0, 0.1)
    ],
    "Digits are sums or products in your numbers, so different numbers become equal. Three digits "
    "make the number 100 a + 10 b + c.": [
        scores_like(lambda p: counts_of(p.argmax(-1), (1, 1, 1))),
        scores_like(lambda p: torch.bincount(p.argmax(-1).prod(1), minlength=1000).double()),
    ],
    "The order of the digits counts: 123 and 321 are different numbers.": scores_like(
        lambda p: counts_of(p.argmax(-1).sort(dim=1).values)
    ),
    "You counted digits, not numbers of three digits.": scores_like(
        lambda p: torch.bincount(p.argmax(-1).flatten(), minlength=1000).double()
    ),
    "The digit is the argmax over the last dimension, which holds ten probabilities.": scores_like(
        lambda p: torch.bincount(p.argmax(1).flatten(), minlength=1000).double()
    ),
    "Each sample counts for one number, that of its most probable digits. You added up "
    "probabilities.": scores_like(soft),
    "Only the samples that are sure are counted in your first two numbers. They are about all "
    "samples.": scores_like(
        lambda p: counts_of(p[(p.amax(-1) >= 0.9).all(1)].argmax(-1))
    ),
    "A number occurs from its first sample on.": scores_like(modes=lambda c: int((c > 1).sum())),
    "The first number is a count, not a share of 1,000.": scores_like(
        modes=lambda c: (c > 0).double().mean()
    ),
    "The first number counts numbers that don't occur.": scores_like(
        modes=lambda c: int((c == 0).sum())
    ),
    "`sure` asks for all three digits of a sample; you took the share of digits.": scores_like(
        sure=lambda p: (p.amax(-1) >= 0.9).double().mean()
    ),
    "`sure` asks for all three digits of a sample; one is enough in your answer.": scores_like(
        sure=lambda p: (p.amax(-1) >= 0.9).any(1).double().mean()
    ),
    "Each of the three probabilities should be at least 0.9, not their product or their mean.": [
        scores_like(sure=lambda p: (p.amax(-1).prod(1) >= 0.9).double().mean()),
        scores_like(sure=lambda p: (p.amax(-1).mean(1) >= 0.9).double().mean()),
    ],
    "`sure` is a count in your answer. Divide by the number of samples.": scores_like(
        sure=lambda p: (p.amax(-1) >= 0.9).all(1).sum()
    ),
    "`sure` is the share of samples that are not sure.": scores_like(
        sure=lambda p: 1 - all_three(p)
    ),
    "The three numbers are in the wrong order: modes, kl, sure.": [
        scores_like(order=(0, 2, 1)), scores_like(order=(1, 0, 2)), scores_like(order=(2, 1, 0)),
    ],
}  # fmt: skip

EXERCISE = Exercise(
    id="11.5",
    title="Modes and divergence of stacked digits",
    points=3,
    minutes=15,
    reference=stacked_scores,
    cases=probabilities,
    observe=observe_scores,
    parts=(
        Part("kl", 1, ("kl",)),
        Part("modes and sure", 1, ("modes", "sure")),
    ),
    slips=SLIPS,
    alternatives=(scores_like(), by_unique, by_kl_div, by_entropy),
    advice="For a single sample there is 1 mode, and the divergence is log 1000 = 6.908. For 1,000 "
    "samples of 1,000 different numbers it is 0.",
)
