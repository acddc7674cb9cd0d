"""Exercise 8.7: the generator's loss."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from gancourse.exercises.base import Case, Exercise
from gancourse.papers import gan


def loss_cases(rng: torch.Generator) -> list[Case]:
    fake = 4 * torch.randn(6, generator=rng)
    content = 0.02 * torch.rand((), generator=rng)
    certain = torch.full((3,), -150.0)
    return [
        Case((content, fake), note="on 6 logits"),
        Case((content, certain), note="where D is certain of a fake (logits of -150)"),
    ]


def loss_like(
    adversarial: Callable[[Tensor], Tensor] = lambda fake: F.softplus(-fake).mean(),
    weight: float = 1e-3,
    content_weight: float = 1.0,
) -> Callable[[Tensor, Tensor], Tensor]:
    """Make a generator's loss, with a slip if asked for."""

    def generator_loss(content: Tensor, fake: Tensor) -> Tensor:
        return content_weight * content + weight * adversarial(fake)

    return generator_loss


EXERCISE = Exercise(
    id="8.7",
    title="The generator's loss",
    points=2,
    minutes=10,
    reference=loss_like(),
    cases=loss_cases,
    atol=1e-7,
    slips={
        "That is log(1 - D), which is flat where D is certain of a fake. The paper minimises -log "
        "D (notebook 02).": loss_like(lambda fake: -F.softplus(fake).mean()),
        "That is D's term: it is lowest where D is certain of a fake. Use -log D.": loss_like(
            lambda fake: F.softplus(fake).mean()
        ),
        "The formula is right, but sigmoid rounds to 0 where D is certain, and its logarithm is "
        "infinite. Use -log "
        "sigmoid(l) = softplus(-l).": loss_like(lambda fake: -fake.sigmoid().log().mean()),
        "The small number in the logarithm removes the gradient along with the infinity. Use -log "
        "sigmoid(l) = softplus(-l).": loss_like(lambda fake: -(fake.sigmoid() + 1e-8).log().mean()),
        "That is a sum over the batch, as in the paper's Equation 6. Take the mean, so that the "
        "batch size does not matter.": loss_like(lambda fake: F.softplus(-fake).sum()),
        "The weight of 0.001 is missing.": loss_like(weight=1),
        "The weight of 0.001 belongs to the adversarial term, not to the content loss.": loss_like(
            weight=1, content_weight=1e-3
        ),
        "The sigmoid is applied twice: softplus(-l) takes the logit itself.": loss_like(
            lambda fake: F.softplus(-fake.sigmoid()).mean()
        ),
    },
    alternatives=(
        loss_like(lambda fake: F.binary_cross_entropy_with_logits(fake, torch.ones_like(fake))),
        loss_like(lambda fake: -F.logsigmoid(fake).mean()),
        loss_like(gan.non_saturating_loss),
    ),
)
