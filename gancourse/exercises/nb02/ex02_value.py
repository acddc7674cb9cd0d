"""Exercise 2.2: value of the game."""

import torch
import torch.nn.functional as F

from gancourse.exercises.base import Exercise
from gancourse.exercises.nb02._shared import logits, logsigmoid
from gancourse.papers import gan

EXERCISE = Exercise(
    id="2.2",
    title="Value of the game",
    points=2,
    minutes=8,
    reference=gan.value,
    cases=logits,
    slips={
        "Right size, wrong sign. D maximizes V; its loss will be -V.": lambda real, fake: (
            -logsigmoid(real).mean() - logsigmoid(-fake).mean()
        ),
        "The second term is log(1 - D), not log D. Use 1 - sigmoid(l) "
        "= sigmoid(-l).": lambda real, fake: logsigmoid(real).mean() + logsigmoid(fake).mean(),
        "That is the sum over the batch. An expectation is estimated "
        "by the mean.": lambda real, fake: logsigmoid(real).sum() + logsigmoid(-fake).sum(),
        "That is half of V: the two expectations are added, not averaged.": lambda real, fake: (
            (logsigmoid(real).mean() + logsigmoid(-fake).mean()) / 2
        ),
        "That applies the sigmoid twice: logsigmoid already contains one.": lambda real, fake: (
            logsigmoid(real.sigmoid()).mean() + logsigmoid(-fake.sigmoid()).mean()
        ),
        "Correct on paper, but for large logits the sigmoid rounds to 0 or 1, and the log is "
        "infinite. F.logsigmoid(l), or "
        "-F.softplus(-l), works on the logit itself.": lambda real, fake: (
            real.sigmoid().log().mean() + (1 - fake.sigmoid()).log().mean()
        ),
        "The epsilon makes V finite but wrong: for large logits V can't fall below log(1e-8), and "
        "its gradient is 0. F.logsigmoid needs no epsilon.": lambda real, fake: (
            (real.sigmoid() + 1e-08).log().mean() + (1 - fake.sigmoid() + 1e-08).log().mean()
        ),
    },
    alternatives=(
        lambda real, fake: logsigmoid(real).mean() + logsigmoid(-fake).mean(),
        lambda real, fake: (
            -F.binary_cross_entropy_with_logits(real, torch.ones_like(real))
            - F.binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))
        ),
    ),
)
