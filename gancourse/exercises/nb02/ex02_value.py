"""Exercise 2.2: value of the game."""

import torch
import torch.nn.functional as F
from torch import Tensor

from gancourse.exercises.base import Exercise
from gancourse.exercises.nb02._shared import logits, logsigmoid, observe_loss
from gancourse.papers import gan


def rounded(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """Both terms by way of probabilities, which round to 0 and 1."""
    return real.sigmoid().log().mean(), (1 - fake.sigmoid()).log().mean()


def stable(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """Both terms."""
    return logsigmoid(real).mean(), logsigmoid(-fake).mean()


EXERCISE = Exercise(
    id="2.2",
    title="The value function",
    points=2,
    minutes=8,
    reference=gan.value,
    cases=logits,
    observe=observe_loss,
    slips={
        "That is V with `real` and `fake` swapped.": lambda real, fake: sum(stable(fake, real)),
        "Right size, wrong sign. D maximizes V; its loss will be -V.": lambda real, fake: (
            -sum(stable(real, fake))
        ),
        "The second term is log(1 - D), not log D. Use 1 - sigmoid(l) "
        "= sigmoid(-l).": lambda real, fake: logsigmoid(real).mean() + logsigmoid(fake).mean(),
        "The second term is log(1 - D). That is not 1 - log D, -log D or log sigmoid(1 - l): with "
        "1 - sigmoid(l) = sigmoid(-l) it is log sigmoid(-l).": [
            lambda real, fake: logsigmoid(real).mean() + (1 - logsigmoid(fake)).mean(),
            lambda real, fake: logsigmoid(real).mean() - logsigmoid(fake).mean(),
            lambda real, fake: logsigmoid(real).mean() + logsigmoid(1 - fake).mean(),
        ],
        "The two terms of V are added: log D(x) + log(1 - D(G(z))). You subtract the second "
        "one.": lambda real, fake: logsigmoid(real).mean() - logsigmoid(-fake).mean(),
        "That is one of the two terms of V. Add the other.": [
            lambda real, fake: stable(real, fake)[0],
            lambda real, fake: stable(real, fake)[1],
        ],
        "That is the sum over the batch. An expectation is estimated "
        "by the mean.": lambda real, fake: logsigmoid(real).sum() + logsigmoid(-fake).sum(),
        "That is half of V: the two expectations are added, not averaged.": lambda real, fake: (
            sum(stable(real, fake)) / 2
        ),
        "That applies the sigmoid twice: logsigmoid already contains one.": [
            lambda real, fake: sum(stable(real.sigmoid(), fake.sigmoid())),
            lambda real, fake: logsigmoid(real).mean() + logsigmoid(1 - fake.sigmoid()).mean(),
            lambda real, fake: (
                logsigmoid(real.sigmoid()).mean() + logsigmoid(1 - fake.sigmoid()).mean()
            ),
        ],
        "These are means of probabilities: the logarithms are missing.": lambda real, fake: (
            real.sigmoid().mean() + (-fake).sigmoid().mean()
        ),
        "That is the log of a mean. V has the mean of logs: first the log of each example, then "
        "the mean.": [
            lambda real, fake: real.sigmoid().mean().log() + (-fake).sigmoid().mean().log(),
            lambda real, fake: real.sigmoid().mean().log() + (1 - fake.sigmoid()).mean().log(),
            lambda real, fake: logsigmoid(real.mean()) + logsigmoid(-fake.mean()),
        ],
        "That is V in bits, with log2. Here it is in nats: use the natural logarithm.": [
            lambda real, fake: sum(stable(real, fake)) / torch.tensor(2.0).log(),
            lambda real, fake: real.sigmoid().log2().mean() + (1 - fake.sigmoid()).log2().mean(),
        ],
        "Correct on paper, but in float32 exp of a large logit is infinite, and its sigmoid 0 or "
        "1. F.logsigmoid(l) and F.softplus(l) work on the logit itself.": [
            lambda real, fake: sum(rounded(real, fake)),
            lambda real, fake: rounded(real, fake)[0] + stable(real, fake)[1],
            lambda real, fake: stable(real, fake)[0] + rounded(real, fake)[1],
            lambda real, fake: real.sigmoid().log().mean() + (-fake).sigmoid().log().mean(),
            lambda real, fake: real.sigmoid().log().mean() + torch.log1p(-fake.sigmoid()).mean(),
            lambda real, fake: -(1 + (-real).exp()).log().mean() - (1 + fake.exp()).log().mean(),
        ],
        "The epsilon makes V finite but wrong: no log can fall below that of the epsilon. "
        "F.logsigmoid needs none.": lambda real, fake: (
            (real.sigmoid() + 1e-8).log().mean() + (1 - fake.sigmoid() + 1e-8).log().mean()
        ),
        "The clamp makes V finite but wrong. F.logsigmoid needs none: it is right for logits of "
        "any size.": [
            lambda real, fake: sum(stable(real.clamp(-30, 30), fake.clamp(-30, 30))),
            lambda real, fake: sum(stable(real.clamp(-100, 100), fake.clamp(-100, 100))),
        ],
        "F.binary_cross_entropy works on rounded probabilities, and cuts each log off at -100. Use "
        "F.logsigmoid, or binary_cross_entropy_with_logits, on the logits.": lambda real, fake: (
            -F.binary_cross_entropy(real.sigmoid(), torch.ones_like(real))
            - F.binary_cross_entropy(fake.sigmoid(), torch.zeros_like(fake))
        ),
    },
    alternatives=(
        lambda real, fake: sum(stable(real, fake)),
        lambda real, fake: (
            -F.binary_cross_entropy_with_logits(real, torch.ones_like(real))
            - F.binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))
        ),
        lambda real, fake: -(F.softplus(-real.double()) + F.softplus(fake.double())).mean(),
    ),
    advice="Check the formula with one pair of small logits by hand. For large ones nothing may be "
    "rounded, clamped or cut off: F.logsigmoid and F.softplus take the logit itself.",
)
