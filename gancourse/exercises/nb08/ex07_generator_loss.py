"""Exercise 8.7: the generator's loss."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from gancourse.exercises.base import Case, Exercise
from gancourse.exercises.observe import observe_number
from gancourse.papers import gan


def loss_cases(rng: torch.Generator) -> list[Case]:
    """Logits of both signs whose mean is far from 0."""
    fake = torch.tensor([-3.0, -2, -1, 0.5, 1, 2]) + torch.rand(6, generator=rng) * 0.5
    certain = torch.full((3,), -150.0)
    content = (0.02 * torch.rand((), generator=rng) + 0.01).requires_grad_()
    return [
        Case((content, fake.requires_grad_()), note="on 6 logits"),
        Case(
            (content, certain.requires_grad_()),
            note="where D is certain of a fake (logits of -150)",
        ),
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


def with_eps(eps: float) -> Callable[[Tensor, Tensor], Tensor]:
    return loss_like(lambda fake: -(fake.sigmoid() + eps).log().mean())


def bce(fake: Tensor) -> Tensor:
    return F.binary_cross_entropy(fake.sigmoid(), torch.ones_like(fake))


EXERCISE = Exercise(
    id="8.7",
    title="The generator's loss",
    points=2,
    minutes=10,
    reference=loss_like(),
    cases=loss_cases,
    observe=observe_number,
    atol=1e-7,
    slips={
        "That is log(1 - D), which is flat where D is certain of a fake. The paper minimizes -log "
        "D (notebook 02).": loss_like(lambda fake: -F.softplus(fake).mean()),
        "That is D's term: it is lowest where D is certain of a fake. Use -log D, which is "
        "softplus(-l).": loss_like(lambda fake: F.softplus(fake).mean()),
        "The sign of the adversarial term is wrong: -log D is softplus(-l), and it is added.": (
            loss_like(weight=-1e-3)
        ),
        "Right for moderate logits. At -150 exp(-l) overflows, and sigmoid(l) rounds to 0 before "
        "the logarithm. Use one function that avoids both: softplus(-l).": [
            loss_like(lambda fake: -fake.sigmoid().log().mean()),
            loss_like(lambda fake: (1 + (-fake).exp()).log().mean()),
        ],
        "At -150 a small constant takes the place of D, and the gradient is lost. Use softplus(-l) "
        "instead of a logarithm with a lower limit.": [
            with_eps(10.0**-n) for n in (4, 5, 6, 7, 8, 9, 10, 12, 15, 16, 20, 30)
        ],
        "At -150 a clamp of the logits changes the value, and the gradient is lost. softplus(-l) "
        "needs none.": [
            loss_like(lambda fake, limit=limit: F.softplus(-fake.clamp(-limit, limit)).mean())
            for limit in (10, 20, 30, 50, 80, 88)
        ],
        "-log D is the natural logarithm.": [
            loss_like(weight=1e-3 / math.log(10)),
            loss_like(weight=1e-3 / math.log(2)),
            loss_like(lambda fake: -fake.sigmoid().log10().mean()),
            loss_like(lambda fake: -fake.sigmoid().log2().mean()),
        ],
        "binary_cross_entropy cuts off logarithms at -100. Use the version with logits, or "
        "softplus(-l).": loss_like(bce),
        "That is a sum over the batch, as in the paper's Equation 6. Take the mean, so that the "
        "batch size does not matter.": loss_like(lambda fake: F.softplus(-fake).sum()),
        "The weight of 0.001 is missing.": loss_like(weight=1),
        "The weight of the adversarial term should be 0.001; yours differs.": [
            loss_like(weight=1e-4),
            loss_like(weight=1e-2),
            loss_like(weight=5e-4),
        ],
        "The weight of 0.001 belongs to the adversarial term, not to the content loss.": loss_like(
            weight=1, content_weight=1e-3
        ),
        "The weight of 0.001 belongs to the adversarial term only, not to the sum.": loss_like(
            content_weight=1e-3
        ),
        "The content loss is missing: return the sum of both terms.": loss_like(content_weight=0),
        "The content loss is detached from its graph, so G would not learn from it. Use `content` "
        "as it is.": lambda content, fake: loss_like()(content.detach(), fake),
        "The adversarial term has no graph, so G would learn nothing from D. Use no detach(), "
        "item(), float() or no_grad() on the way from `fake` to the result.": (
            lambda content, fake: loss_like()(content, fake.detach())
        ),
        "The result is detached from the graph, so G learns nothing. Return a tensor computed from "
        "`content` and `fake`, without item(), detach() or no_grad().": (
            lambda content, fake: loss_like()(content, fake).detach()
        ),
        "The sigmoid is applied twice: the function that you use takes the logit itself.": (
            loss_like(lambda fake: F.softplus(-fake.sigmoid()).mean())
        ),
        "That is -D, without a logarithm.": loss_like(lambda fake: -fake.sigmoid().mean()),
        "That is 1 - D, without a logarithm.": loss_like(lambda fake: (1 - fake.sigmoid()).mean()),
        "That is minus the logit, without sigmoid and logarithm.": loss_like(
            lambda fake: -fake.mean()
        ),
        "That is the logarithm of the mean. Take the mean of the logarithms.": loss_like(
            lambda fake: -fake.sigmoid().mean().log()
        ),
    },
    alternatives=(
        loss_like(lambda fake: F.binary_cross_entropy_with_logits(fake, torch.ones_like(fake))),
        loss_like(lambda fake: -F.logsigmoid(fake).mean()),
        loss_like(lambda fake: (1 + (-fake.double()).exp()).log().mean().float()),
        loss_like(gan.non_saturating_loss),
    ),
    advice="Compute -log D by hand for one logit, 0: it is 0.693. What does your function add for "
    "it?",
)
