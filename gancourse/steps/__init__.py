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

__all__ = [
    "CYCLEGAN",
    "Given",
    "conditional_step",
    "cyclegan_step",
    "descend",
    "ema_update",
    "frozen",
    "gan_step",
    "srgan_step",
]
