"""Exercise 7.3: three kinds of pairs."""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from gancourse.exercises.base import Case, Exercise
from gancourse.exercises.observe import integer
from gancourse.papers.text2image import gan_cls_loss


def three_kinds(rng: torch.Generator) -> list[Case]:
    """Ordinary logits, and extreme ones."""
    n = integer(rng, 3, 5)
    plain = tuple(torch.randn(n, generator=rng) for _ in range(3))
    large = [40 * (1 + torch.rand(n, generator=rng)) * sign for sign in (-1, 1, -1)]
    return [
        Case(plain, note="for logits near 0"),
        Case((large[0] * 3, large[1] * 3, large[2]), note="for logits of more than 100"),
    ]


def cls_loss(real: Tensor, wrong: Tensor, fake: Tensor, w: float = 0.5, f: float = 0.5) -> Tensor:
    """The three terms with weights, in torch's own cross-entropy."""
    bce = F.binary_cross_entropy_with_logits
    rejected = [bce(part, torch.zeros_like(part)) for part in (wrong, fake)]
    return bce(real, torch.ones_like(real)) + w * rejected[0] + f * rejected[1]


def cls_naive(real: Tensor, wrong: Tensor, fake: Tensor) -> Tensor:
    """Sigmoid, then log."""
    r, w, f = real.sigmoid(), wrong.sigmoid(), fake.sigmoid()
    return -(r.log().mean() + ((1 - w).log().mean() + (1 - f).log().mean()) / 2)


EXERCISE = Exercise(
    id="7.3",
    title="Three kinds of pairs",
    points=2,
    minutes=8,
    reference=gan_cls_loss,
    cases=three_kinds,
    slips={
        "Wrong and fake pairs have weight 1/2 each: together as much as the real pairs.": partial(
            cls_loss, w=1.0, f=1.0
        ),
        "The wrong pairs are missing: that is the loss of the plain GAN.": partial(
            cls_loss, w=0.0, f=1.0
        ),
        "D should reject a real image with a wrong sentence: "
        "the term is log(1 - s_w).": lambda real, wrong, fake: cls_loss(real, -wrong, fake),
        "For large logits the sigmoid is exactly 0 or 1, and a log is infinite. F.softplus(-l) is "
        "-log(sigmoid(l)), F.softplus(l) is -log(1 - sigmoid(l)).": cls_naive,
        "The sign is wrong: the formula is "
        "maximized, a loss is minimized.": lambda real, wrong, fake: -cls_loss(real, wrong, fake),
        "The factor 1/2 applies to the brackets "
        "only, not to the first term.": lambda real, wrong, fake: cls_loss(real, wrong, fake) / 2,
    },
    alternatives=(cls_loss,),
)
