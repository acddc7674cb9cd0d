"""Exercise 10.2: why one-sided."""

from gancourse.exercises.questions import choice

EXERCISE = choice(
    "10.2",
    "Why one-sided",
    minutes=6,
    answer="b",
    wrong={
        "a": "Softer targets keep logits small on both sides alike. Look at the numerator where "
        "there are fakes, but no real examples.",
        "c": "D* = b + (a - b) p / (p + q) still rises with p / q, so the order stays. What is its "
        "slope where p is 0?",
        "d": "The loss is finite and smooth for all labels in [0, 1]. Look at D* where p = 0.",
        "e": "There is a difference: put p = 0 into D*, with b = 0 and with b > 0.",
    },
    advice="The answers are the letters a to e.",
)
