"""The losses of the papers: pure functions, each beside its equation.

``game`` holds those of the game itself, ``pictures`` and ``text`` what papers add to them.
"""

from gancourse.objectives.game import (
    LSGAN,
    discriminator_loss,
    lsgan_discriminator_loss,
    lsgan_generator_loss,
    non_saturating_loss,
    optimal_discriminator,
    r1_penalty,
    saturating_loss,
    value,
)
from gancourse.objectives.pictures import (
    content_loss,
    cycle_loss,
    total_variation,
)
from gancourse.objectives.text import (
    gan_cls_loss,
    joint_embedding_loss,
    style_loss,
)

__all__ = [
    "LSGAN",
    "content_loss",
    "cycle_loss",
    "discriminator_loss",
    "gan_cls_loss",
    "joint_embedding_loss",
    "lsgan_discriminator_loss",
    "lsgan_generator_loss",
    "non_saturating_loss",
    "optimal_discriminator",
    "r1_penalty",
    "saturating_loss",
    "style_loss",
    "total_variation",
    "value",
]
