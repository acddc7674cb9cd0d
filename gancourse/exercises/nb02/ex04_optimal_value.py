"""Exercise 2.4: the value at the end of the game."""

import math

from gancourse.exercises.questions import number

EXERCISE = number(
    "2.4",
    "The value at the end of the game",
    minutes=4,
    answer=-math.log(4),
    wrong={
        math.log(4): "Right size, wrong sign: the log of a probability is negative.",
        -math.log(2): "That is one of the two terms of V.",
        0.5: "That is D. Put it into V.",
        -2.0: "That is in bits; use the natural logarithm, as V does.",
        0.0: "V is 0 only for a D that is always right, which is impossible if p_g = p_data.",
    },
    also=(-1.386, 2 * math.log(0.5), math.log(0.25)),
    advice="With p = q, Exercise 2.3 gives D the same value everywhere. Put it into V.",
    rtol=5e-3,
)
