"""Exercise 2.5: a loss for the generator that does not saturate."""

import torch
import torch.nn.functional as F

from gancourse.exercises.base import Case, Exercise
from gancourse.exercises.nb02._shared import logsigmoid, show
from gancourse.exercises.observe import integer
from gancourse.papers import gan


def fake_logits(rng: torch.Generator) -> list[Case]:
    """Logits on fakes: small ones, and one with a large absolute value."""
    fake = torch.randn(integer(rng, 3, 6), generator=rng) * 2 - 1
    large = -110 - 10 * torch.rand(1, generator=rng)
    return [
        Case((fake,), note=f"On fake = {show(fake)}"),
        Case((large,), note=f"On a large logit, {show(large)}"),
    ]


EXERCISE = Exercise(
    id="2.5",
    title="A loss for the generator that does not saturate",
    points=1,
    minutes=6,
    reference=gan.non_saturating_loss,
    cases=fake_logits,
    slips={
        "That is log(1 - D), which saturates where D is sure of a fake.": lambda fake: logsigmoid(
            -fake
        ).mean(),
        "That applies the sigmoid twice: logsigmoid already contains one.": lambda fake: (
            -logsigmoid(fake.sigmoid()).mean()
        ),
        "That is the sum; take the mean.": lambda fake: -logsigmoid(fake).sum(),
        "Right size, wrong sign: an optimizer minimizes, and log D should increase.": lambda fake: (
            logsigmoid(fake).mean()
        ),
        "That is the cross-entropy with label 0: "
        "its descent lowers D(G(z)). Use label 1.": lambda fake: -logsigmoid(-fake).mean(),
        "Correct on paper, but for large negative logits the sigmoid rounds to 0, and the loss is "
        "infinite. Use F.logsigmoid or F.softplus.": lambda fake: -fake.sigmoid().log().mean(),
        "The epsilon makes the loss finite but wrong: it can't exceed -log(1e-8), and there its "
        "gradient is 0. F.logsigmoid "
        "and F.softplus need no epsilon.": lambda fake: -(fake.sigmoid() + 1e-08).log().mean(),
    },
    alternatives=(
        lambda fake: -logsigmoid(fake).mean(),
        lambda fake: F.binary_cross_entropy_with_logits(fake, torch.ones_like(fake)),
    ),
    advice="Write out -log sigmoid(logit) and simplify before coding.",
)
