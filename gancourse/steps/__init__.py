"""One function per algorithm box: hold each beside its paper. Everything is passed in."""

from gancourse.steps.game import (
    Given,
    conditional_step,
    descend,
    ema_update,
    frozen,
    gan_step,
)
from gancourse.steps.pictures import CYCLEGAN, cyclegan_step, srgan_step
from gancourse.steps.text import (
    between,
    gan_cls_loss,
    gan_cls_step,
    joint_embedding_loss,
    style_loss,
)

__all__ = [
    "CYCLEGAN",
    "Given",
    "between",
    "conditional_step",
    "cyclegan_step",
    "descend",
    "ema_update",
    "frozen",
    "gan_cls_loss",
    "gan_cls_step",
    "gan_step",
    "joint_embedding_loss",
    "srgan_step",
    "style_loss",
]
