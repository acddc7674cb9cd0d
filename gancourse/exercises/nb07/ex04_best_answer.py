"""Exercise 7.4: a perfect G, and D's best answer."""

import math
from decimal import Decimal
from fractions import Fraction

from gancourse.exercises.questions import number

EXERCISE = number(
    "7.4",
    "The optimal D for a perfect G",
    minutes=6,
    answer=2 / 3,
    wrong={
        0.5: "1/2 is right if real and fake pairs that look alike have equal weights. Here the "
        "fakes have half the weight of the real pairs.",
        1.0: "G is perfect, so this pair looks just like a fake one, and D's target for "
        "fakes is 0.",
        1 / 3: "Real and fake are swapped. D's best answer is the weight of the real pairs divided "
        "by that of all pairs that look like this one.",
        2.0: "That is the odds, real to fake. As a probability: real over real plus fake.",
        0.0: "Then the loss would be infinite for every real pair.",
        0.25: "1/4 is the share of the fake pairs among all three kinds. Wrong pairs never look "
        "like this one, and the share of the real pairs is asked for.",
        0.75: "For 3/4, real pairs would need three times the weight of fakes. They have twice the "
        "weight: 1 and 1/2.",
        0.8: "For 4/5, real pairs would need four times the weight of fakes. They have twice the "
        "weight: 1 and 1/2.",
        0.4: "For 2/5, fakes would need one and a half times the weight of real pairs. Real pairs "
        "have weight 1, fakes 1/2.",
        1.5: "That is the weight of all pairs that look like this one. Which share of it is real?",
        math.log(2): "That is about log 2, the logit. As a probability: the weight of the real "
        "pairs divided by that of all pairs that look like this one.",
        66.5: "A probability lies between 0 and 1; yours is in percent.",
    },
    also=(0.67, Fraction(2, 3), Decimal(2) / 3),
    advice="Add up the weights of the pairs that look like this one: 1 if real, 1/2 if fake.",
    rtol=1e-2,
)
