"""Exercise 1.1: the length of the noise."""

import math

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
        NOISE_NORM / 2: "That is half of it. The change is two grey levels, and [-1, 1] is 2 wide, "
        "so each level is 2/255: pixels(2) is 4/255.",
        NOISE_NORM
        * 2: "That is twice as much. Each value changes by pixels(2), up or down: not by "
        "four levels.",
        pixels(2)
        * VALUES: "That is the sum of the changes: square each, add the squares, and take "
        "the root.",
        math.sqrt(
            pixels(2) * VALUES
        ): "That is the root of the sum of the changes. Each is squared before they are added.",
        NOISE_NORM / math.sqrt(3): "That is too small by the root of 3: a pixel has three values, "
        "so n = 3 · 224 · 224, and each of them changes by exactly two levels, not by up to two.",
        NOISE_NORM * math.sqrt(3): "The three colours count under the root: n = 3 · 224 · 224.",
        NOISE_NORM / math.sqrt(224): "That is for n = 3 · 224; an image has 3 · 224 · 224 values.",
        NOISE_NORM / math.sqrt(672): "That is for n = 224; an image has 3 · 224 · 224 values.",
        NOISE_NORM * math.sqrt(5): "That is the norm of all five photos: take one image.",
        pixels(2): "That is the change of one value. The L2 norm is the root of the sum of all n "
        "squares.",
        pixels(2)
        ** 2: "That is the square of one change: n of them are added, then take the root.",
        2 * math.sqrt(VALUES): "That is in grey levels; state it in units of [-1, 1].",
        NOISE_NORM**2: "That is the squared norm: take the root.",
        math.sqrt(
            VALUES
        ): "That is the root of n. It has to be multiplied by the size of a change, pixels(2).",
        NOISE_NORM * 255 / 256: "Level 255 is 255 steps above level 0, so one level is 2/255.",
        6.1: "Give two decimals.",
        6: "That is rounded too far: give two decimals.",
        0: "The signs don't cancel: each change is squared.",
    },
    also=(6.09, 6.08, 4 / 255 * (3 * 224 * 224) ** 0.5),
    advice="Square each of the n changes, add them up, take the root.",
    rtol=1.2e-3,
)
