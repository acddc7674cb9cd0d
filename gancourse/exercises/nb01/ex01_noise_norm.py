"""Exercise 1.1: the length of the noise."""

import math

import torch

from gancourse.exercises.questions import number
from gancourse.papers.adversarial import pixels

VALUES = 3 * 224 * 224
NOISE_NORM = pixels(2) * math.sqrt(VALUES)

EXERCISE = number(
    "1.1",
    "The length of the noise",
    minutes=5,
    answer=NOISE_NORM,
    wrong={
        NOISE_NORM / 2: "The range [-1, 1] is 2 wide, so one grey level is 2/255 of it.",
        pixels(2) * VALUES: "That is the sum of the changes: n, without a root.",
        NOISE_NORM / math.sqrt(3): "A pixel has three values: red, green and blue.",
        pixels(2): "That is the largest change of one value, the l-infinity norm.",
        2 * math.sqrt(VALUES): "That is in grey levels; state it in units of [-1, 1].",
        NOISE_NORM**2: "That is the squared norm: take the root.",
    },
    also=(6.09, torch.full((VALUES,), pixels(2)).norm()),
    advice="Square each of the n changes, add them up, take the root.",
    rtol=5e-3,
)
