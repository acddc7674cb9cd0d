"""Exercise 2.5: a loss for the generator that does not saturate."""

import torch
import torch.nn.functional as F

from gancourse.exercises.base import Case, Exercise
from gancourse.exercises.nb02._shared import logsigmoid, observe_loss, show, very_large
from gancourse.exercises.observe import integer
from gancourse.papers import gan


def fake_logits(rng: torch.Generator) -> list[Case]:
    """Logits on fakes: small ones, and very large ones of both signs."""
    small = torch.randn(integer(rng, 3, 6), generator=rng) * 2 - 1
    return [
        Case((fake.requires_grad_(),), note=f"on fake = {show(fake)}")
        for fake in (small, -very_large(rng))
    ]


EXERCISE = Exercise(
    id="2.5",
    title="The non-saturating loss",
    points=1,
    minutes=6,
    reference=gan.non_saturating_loss,
    cases=fake_logits,
    observe=observe_loss,
    slips={
        "That is log(1 - D), which saturates where D is sure of a fake.": [
            lambda fake: logsigmoid(-fake).mean(),
            lambda fake: (1 - fake.sigmoid()).log().mean(),
        ],
        "That applies the sigmoid twice: logsigmoid, and a cross-entropy with logits, already "
        "contain one.": lambda fake: -logsigmoid(fake.sigmoid()).mean(),
        "That is the sum; take the mean.": lambda fake: -logsigmoid(fake).sum(),
        "Right size, wrong sign: an optimizer minimizes, and log D should increase.": [
            lambda fake: logsigmoid(fake).mean(),
            lambda fake: fake.sigmoid().log().mean(),
        ],
        "That is the cross-entropy with label 0: descending it lowers D(G(z)). Use label 1, or "
        "F.softplus(-fake).": [
            lambda fake: -logsigmoid(-fake).mean(),
            lambda fake: -(1 - fake.sigmoid()).log().mean(),
        ],
        "The logarithm is missing: the loss is -log D, not -D or 1 - D.": [
            lambda fake: -fake.sigmoid().mean(),
            lambda fake: (1 - fake.sigmoid()).mean(),
        ],
        "The logit is not yet the loss: -log sigmoid(logit) is F.softplus(-logit).": lambda fake: (
            -fake.mean()
        ),
        "That is the log of a mean. First the log of each example, then the mean.": [
            lambda fake: -fake.sigmoid().mean().log(),
            lambda fake: -logsigmoid(fake.mean()),
        ],
        "Correct on paper, but in float32 exp of a large logit is infinite, and its sigmoid 0 or "
        "1. F.logsigmoid and F.softplus work on the logit itself.": [
            lambda fake: -fake.sigmoid().log().mean(),
            lambda fake: (1 + (-fake).exp()).log().mean(),
        ],
        "The epsilon makes the loss finite but wrong: it can't exceed minus the log of the "
        "epsilon. F.logsigmoid and F.softplus need none.": lambda fake: (
            -(fake.sigmoid() + 1e-8).log().mean()
        ),
        "The clamp makes the loss finite but wrong. F.logsigmoid and F.softplus need none: they "
        "are right for logits of any size.": [
            lambda fake: -logsigmoid(fake.clamp(-30, 30)).mean(),
            lambda fake: -logsigmoid(fake.clamp(-100, 100)).mean(),
        ],
        "F.binary_cross_entropy works on rounded probabilities, and cuts each log off at -100. Use "
        "F.softplus, or binary_cross_entropy_with_logits, on the logits.": lambda fake: (
            F.binary_cross_entropy(fake.sigmoid(), torch.ones_like(fake))
        ),
    },
    alternatives=(
        lambda fake: -logsigmoid(fake).mean(),
        lambda fake: F.binary_cross_entropy_with_logits(fake, torch.ones_like(fake)),
    ),
    advice="Write out -log sigmoid(logit) and simplify before coding. For large logits nothing may "
    "be rounded, clamped or cut off.",
)
