"""Exercise 7.3: three kinds of pairs."""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from gancourse.exercises.base import Case, Exercise
from gancourse.exercises.nb07._shared import observe_loss, opposite
from gancourse.exercises.observe import integer
from gancourse.papers.text2image import gan_cls_loss


def three_kinds(rng: torch.Generator) -> list[Case]:
    """Ordinary logits; then those where a sigmoid is 1, and those where exp overflows."""
    n = integer(rng, 3, 5)

    def large(size: float) -> tuple[Tensor, ...]:
        return tuple(size * sign * (1 + torch.rand(n, generator=rng)) for sign in (-1, 1, -0.3))

    return [
        Case(tuple(torch.randn(n, generator=rng) for _ in range(3)), note="for logits near 0"),
        Case(large(35), note="for logits of 35 to 70"),
        Case(large(120), note="for logits of more than 100"),
    ]


def cls_loss(
    real: Tensor,
    wrong: Tensor,
    fake: Tensor,
    *,
    weights: tuple[float, float, float] = (1, 0.5, 0.5),
    accept: Callable[[Tensor], Tensor] = lambda logits: F.softplus(-logits),
    reject: Callable[[Tensor], Tensor] = F.softplus,
    reduce: Callable[[Tensor], Tensor] = torch.mean,
) -> Tensor:
    """The three terms with weights, with a slip if asked for."""
    r, w, f = weights
    parts = (reduce(accept(real)), reduce(reject(wrong)), reduce(reject(fake)))
    return r * parts[0] + w * parts[1] + f * parts[2]


def by_cross_entropy(real: Tensor, wrong: Tensor, fake: Tensor) -> Tensor:
    """Torch's own cross-entropy: two halves of the same weight."""
    bce = F.binary_cross_entropy_with_logits
    rejected = torch.cat([wrong, fake])
    return bce(real, torch.ones_like(real)) + bce(rejected, torch.zeros_like(rejected))


def by_log_sigmoid(real: Tensor, wrong: Tensor, fake: Tensor) -> Tensor:
    """The formula, pair by pair."""
    rejected = (F.logsigmoid(-wrong) + F.logsigmoid(-fake)) / 2
    return -(F.logsigmoid(real) + rejected).mean()


def of_probabilities(log: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    """Sigmoid, then a log."""
    return partial(
        cls_loss,
        accept=lambda logits: -log(logits.sigmoid()),
        reject=lambda logits: -log(1 - logits.sigmoid()),
    )


def by_bce_of_probabilities(real: Tensor, wrong: Tensor, fake: Tensor) -> Tensor:
    r, w, f = (F.binary_cross_entropy(x.sigmoid(), torch.full_like(x, target))
               for x, target in ((real, 1), (wrong, 0), (fake, 0)))  # fmt: skip
    return r + (w + f) / 2


def of_exp(logits: Tensor) -> Tensor:
    return (1 + logits.exp()).log()


LOGS = (
    torch.log,
    lambda s: s.log().clamp(min=-100),  # as in F.binary_cross_entropy
    *(lambda s, tiny=tiny: (s + tiny).log() for tiny in (1e-6, 1e-7, 1e-8, 1e-10, 1e-12)),
    *(lambda s, tiny=tiny: s.clamp(min=tiny).log() for tiny in (1e-7, 1e-8, 1e-12)),
)
"""The logs of a probability that people write."""

EXERCISE = Exercise(
    id="7.3",
    title="Three kinds of pairs",
    points=2,
    minutes=8,
    reference=gan_cls_loss,
    cases=three_kinds,
    observe=observe_loss,
    slips={
        "Real pairs have weight 1; wrong and fake pairs have weight 1/2 each, together as much as "
        "the real pairs.": [
            partial(cls_loss, weights=weights)
            for weights in ((1, 1, 1), (1 / 3, 1 / 3, 1 / 3), (1, 0.25, 0.25), (0.5, 1, 1))
        ],
        "The factor 1/2 belongs to both terms in the brackets, to the wrong and to the fake "
        "pairs.": [partial(cls_loss, weights=weights) for weights in ((1, 1, 0.5), (1, 0.5, 1))],
        "The factor 1/2 applies to the brackets only, not to the first term.": partial(
            cls_loss, weights=(0.5, 0.25, 0.25)
        ),
        "All three terms have weight 1/2. The first, of the real pairs, has weight 1.": partial(
            cls_loss, weights=(0.5, 0.5, 0.5)
        ),
        "The wrong pairs are missing: D would not learn to compare image and sentence.": [
            partial(cls_loss, weights=(1, 0, 1)), partial(cls_loss, weights=(1, 0, 0.5))
        ],
        "The fake pairs are missing: D would not learn to reject generated images.": [
            partial(cls_loss, weights=(1, 1, 0)), partial(cls_loss, weights=(1, 0.5, 0))
        ],
        "The real pairs are missing: their term is -log(s_r), with weight 1.": partial(
            cls_loss, weights=(0, 0.5, 0.5)
        ),
        "D should reject a real image with a wrong sentence: the term is log(1 - s_w).": [
            lambda real, wrong, fake: cls_loss(real, -wrong, fake),
            lambda real, wrong, fake: cls_loss(real, -wrong, fake, weights=(1, 1, 1)),
            lambda real, wrong, fake: cls_loss(real, -wrong, fake, weights=(0.5, 0.5, 1)),
        ],
        "D should reject a generated image: the term is log(1 - s_f). log(s_f) is "
        "what G maximizes.": (
            lambda real, wrong, fake: cls_loss(real, wrong, -fake)
        ),
        "Targets are flipped. Use -log(s), which is softplus(-l), for the real pairs, and "
        "-log(1 - s), which is softplus(l), for the others.": [
            lambda real, wrong, fake: cls_loss(-real, -wrong, -fake),
            lambda real, wrong, fake: cls_loss(-real, wrong, fake),
        ],
        "For large logits the sigmoid rounds to 0 or 1, so its log is infinite or has a limit. "
        "F.softplus(-l) is -log(sigmoid(l)), F.softplus(l) is -log(1 - sigmoid(l)).": [
            by_bce_of_probabilities, *(of_probabilities(log) for log in LOGS)
        ],
        "For large logits exp overflows, and the log of it is infinite. F.softplus(l) is "
        "log(1 + exp(l)) without that.": partial(
            cls_loss, accept=lambda logits: of_exp(-logits), reject=of_exp
        ),
        "The sign is wrong: the formula is maximized, a loss is minimized.": opposite(cls_loss),
        "That is the sum over the batch. Take the mean of each term.": [
            partial(cls_loss, reduce=torch.sum),
        ],
        "-log(1 - sigmoid(l)) is softplus(l), or -logsigmoid(-l). It is not -logsigmoid(1 - l).": (
            partial(cls_loss, reject=lambda logits: F.softplus(logits - 1))
        ),
        "-log(1 - s) is softplus(l). It is not log(s), 1 + log(s) or 1 - log(s).": [
            partial(cls_loss, reject=F.logsigmoid),
            partial(cls_loss, reject=lambda logits: 1 + F.logsigmoid(logits)),
            partial(cls_loss, reject=lambda logits: 1 + F.softplus(-logits)),
        ],
        "The sigmoid is applied twice: softplus, logsigmoid and ..._with_logits take logits.": (
            lambda real, wrong, fake: cls_loss(*(x.sigmoid() for x in (real, wrong, fake)))
        ),
        "The logs are missing: that is the mean of probabilities. -log(s) is softplus(-l).": [
            partial(cls_loss, accept=accept, reject=torch.sigmoid)
            for accept in (lambda logits: -logits.sigmoid(), lambda logits: 1 - logits.sigmoid())
        ],
        "That is the loss of another kind of GAN (hinge, least squares, Wasserstein). This one has "
        "logs: -log(s) is softplus(-l), -log(1 - s) is softplus(l).": [
            partial(cls_loss, accept=lambda x: (1 - x).relu(), reject=lambda x: (1 + x).relu()),
            partial(cls_loss, accept=lambda x: (1 - x).square(), reject=torch.square),
            partial(cls_loss, accept=torch.neg, reject=lambda x: x),
        ],
        "Add the three terms. In the loss each is positive: softplus(-real), softplus(wrong), "
        "softplus(fake).": [
            partial(cls_loss, weights=(1, -0.5, -0.5)), partial(cls_loss, weights=(-1, 0.5, 0.5)),
        ],
        "You take the mean of the logits first. Take the mean of the terms: softplus, then mean.": (
            lambda real, wrong, fake: cls_loss(real.mean(), wrong.mean(), fake.mean())
        ),
        "You combine wrong and fake logits before the softplus. Each has its own term.": [
            lambda real, wrong, fake: cls_loss(real, wrong + fake, fake, weights=(1, 0.5, 0)),
            lambda real, wrong, fake: cls_loss(real, (wrong + fake) / 2, fake, weights=(1, 1, 0)),
        ],
        "Real and fake are swapped: the arguments are real, wrong, fake, in this order.": (
            lambda real, wrong, fake: cls_loss(fake, wrong, real)
        ),
    },
    alternatives=(cls_loss, by_cross_entropy, by_log_sigmoid),
    advice="For three logits of 0 the loss is log 4 = 1.386. If yours is right there but wrong for "
    "large logits, the cause is a sigmoid, an exp, a log or a clamp: use F.softplus.",
)  # fmt: skip
