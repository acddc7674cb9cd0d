"""Exercise 11.3: the relativistic pairing loss."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gancourse.exercises.base import AnswerError, Case, Exercise, Observation, copied
from gancourse.exercises.nb09._shared import observe_losses
from gancourse.exercises.parts import Part
from gancourse.papers.r3gan import pairing_losses

NAMES = ("loss_D", "loss_G")


def logits(rng: torch.Generator) -> list[Case]:
    """A batch, a batch of one, and logits whose exponential overflows."""

    def pair(n: int, mean: float = 0.6, spread: float = 1.5) -> tuple[Tensor, Tensor]:
        real, fake = (s * mean + spread * torch.randn(n, generator=rng) for s in (1, -1))
        return real.requires_grad_(), fake.requires_grad_()

    ends = torch.tensor([1e4, -1e4, 20.0, 2.0]), torch.tensor([-1e4, 1e4, -20.0, 0.5])
    order = torch.randperm(4, generator=rng)
    far = tuple(x[order].requires_grad_() for x in ends)
    return [
        Case(pair(6), note="on 6 pairs"),
        Case(pair(1), note="on a batch of one pair"),
        Case(far, note="on logits of up to 10,000 in absolute value"),
    ]


def observe_both(answer: Callable[..., Any], case: Case) -> Observation:
    """Both losses, and the gradient from each at real and at fake."""
    real, fake = copied(case.args)
    return observe_losses(as_pair(answer(real, fake)), NAMES, {"real": real, "fake": fake})


def as_pair(result: Any) -> dict[str, Any]:
    """Two losses by their names, or AnswerError for anything else."""
    if result is None:
        raise AnswerError("Your function returned nothing (None). Is a `return` missing?")
    if result is Ellipsis:
        raise NotImplementedError
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        raise AnswerError("Return two losses, in this order: loss_D, loss_G.")
    return dict(zip(NAMES, result, strict=True))


Pair = Callable[[Tensor, Tensor], tuple[Any, Any]]


def losses_like(
    of: Callable[[Tensor], Tensor] = lambda t: F.softplus(-t),
    margin: Callable[[Tensor, Tensor], Tensor] = lambda a, b: a - b,
    end: Callable[[Tensor], Any] = torch.mean,
    first: Callable[[Tensor], Tensor] = lambda x: x,
) -> Pair:
    """Both losses from the margins of pairs, with a slip if asked for."""

    def losses(real: Tensor, fake: Tensor) -> tuple[Any, Any]:
        real, fake = first(real), first(fake)
        return end(of(margin(real, fake))), end(of(margin(fake, real)))

    return losses


def of_2014(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    return F.softplus(-real).mean() + F.softplus(fake).mean(), F.softplus(-fake).mean()


def and_for_g(loss_G: Callable[[Tensor, Tensor], Tensor]) -> Pair:
    """A right loss_D with another loss_G."""
    return lambda real, fake: (F.softplus(fake - real).mean(), loss_G(real, fake))


def average_margin(a: Tensor, b: Tensor) -> Tensor:
    return a - b.mean()


def both_averages(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """Relativistic average GAN: each against the mean of the others, both terms."""

    def loss(a: Tensor, b: Tensor) -> Tensor:
        return F.softplus(b.mean() - a).mean() + F.softplus(b - a.mean()).mean()

    return loss(real, fake), loss(fake, real)


def by_entropy(real: Tensor, fake: Tensor) -> list[Tensor]:
    t, one = real - fake, torch.ones_like(real)
    return [
        F.binary_cross_entropy_with_logits(s, one) for s in (t, -t)
    ]  # the probability that the first of the two is real


def stable(t: Tensor) -> Tensor:
    """softplus(-t), written out."""
    return torch.relu(-t) + torch.log1p(torch.exp(-t.abs()))


SLIPS = {
    "The two losses are swapped, or the sign of the difference is: D wants real - fake to be "
    "large, so its loss is softplus(-(real - fake)).": losses_like(F.softplus),
    "You compare every real example with every fake. Here the i-th real and the i-th fake form a "
    "pair: real - fake, of shape (m,).": losses_like(margin=lambda a, b: a[:, None] - b[None]),
    "You subtract the mean of the other logits (a relativistic average GAN). Subtract the logit of "
    "the pair's other example.": [losses_like(margin=average_margin), both_averages],
    "First softplus for each pair, then the mean: you took the means of the logits first.": [
        losses_like(margin=lambda a, b: a.mean() - b.mean()),
        losses_like(end=lambda x: x, margin=lambda a, b: a.mean() - b.mean()),
    ],
    "For large differences a sigmoid is rounded to 0, and exp overflows from 89 on. F.softplus(t) "
    "is log(1 + exp(t)) without either.": [
        losses_like(lambda t: -t.sigmoid().log()),
        losses_like(lambda t: -(1 - (-t).sigmoid()).log()),
        losses_like(lambda t: (1 + (-t).exp()).log()),
        losses_like(lambda t: (-t).exp().log1p()),
    ],
    "The small number that you add inside the logarithm bounds the loss and stops its gradient. "
    "F.softplus(-t) needs none.": [
        losses_like(lambda t, e=e: -(t.sigmoid() + e).log()) for e in (1e-8, 1e-6, 1e-7, 1e-12)
    ],
    "Clamping makes the loss constant for large differences: no gradient is left there. Use "
    "F.softplus.": [
        losses_like(lambda t, c=c: F.softplus(-t.clamp(-c, c))) for c in (10, 20, 30, 50, 80, 88)
    ],
    "A loss is the mean over the pairs, not the sum.": losses_like(end=torch.sum),
    "One number for each player: take the mean over the pairs.": losses_like(end=lambda x: x),
    "G's loss is not minus D's: like D, G minimizes a softplus, with the difference "
    "reversed.": and_for_g(lambda real, fake: -F.softplus(fake - real).mean()),
    "Both of your losses are D's. G wants fake - real to be large.": and_for_g(
        lambda real, fake: F.softplus(fake - real).mean()
    ),
    "These are the losses of 2014, in which real and fake are judged separately. Here only the "
    "difference of a pair counts.": of_2014,
    "G's loss looks at the fakes alone, as in 2014. It is softplus(-(fake - real)).": [
        and_for_g(lambda real, fake: F.softplus(-fake).mean()),
        and_for_g(lambda real, fake: -F.softplus(fake).mean()),
    ],
    "The softplus is missing: that is the mean difference, as of a Wasserstein "
    "critic.": losses_like(torch.neg),
    "You apply a sigmoid to the logits first. Differences are taken of logits.": losses_like(
        first=torch.sigmoid
    ),
    "That is the hinge loss. The pairing loss is softplus(-(real - fake)).": losses_like(
        lambda t: F.relu(1 - t)
    ),
    "A logit is detached, but both losses send a gradient to real and to fake.": [
        lambda real, fake: (
            F.softplus(fake.detach() - real).mean(), F.softplus(real - fake).mean()
        ),
        lambda real, fake: (
            F.softplus(fake.detach() - real).mean(), F.softplus(real.detach() - fake).mean()
        ),
        lambda real, fake: (
            F.softplus(fake - real).mean(), F.softplus(real.detach() - fake).mean()
        ),
    ],
    "The unit is nats: natural logarithms, not base 2.": losses_like(
        lambda t: F.softplus(-t) / torch.tensor(2.0).log()
    ),
}  # fmt: skip

EXERCISE = Exercise(
    id="11.3",
    title="The pairing loss",
    points=3,
    minutes=10,
    reference=pairing_losses,
    cases=logits,
    observe=observe_both,
    parts=(
        Part("loss_D", 1, ("loss_D", "*from loss_D"), cases=(0, 1)),
        Part("loss_G", 1, ("loss_G", "*from loss_G"), cases=(0, 1)),
    ),
    slips=SLIPS,
    alternatives=(
        losses_like(),
        by_entropy,
        losses_like(stable),
        losses_like(lambda t: -F.logsigmoid(t)),
        losses_like(lambda t: torch.logaddexp(torch.zeros_like(t), -t)),
    ),
    advice="By hand, for one pair with real = 2 and fake = 0: loss_D is log(1 + exp(-2)) = 0.127 "
    "and loss_G is log(1 + exp(2)) = 2.127.",
)
