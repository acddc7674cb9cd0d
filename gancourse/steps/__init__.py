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
from gancourse.steps.text import between, gan_cls_step

__all__ = [
    "CYCLEGAN",
    "Given",
    "between",
    "conditional_step",
    "cyclegan_step",
    "descend",
    "ema_update",
    "frozen",
    "gan_cls_step",
    "gan_step",
    "srgan_step",
]
