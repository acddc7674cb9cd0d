"""Exercise 3.8: which run is healthy?."""

from gancourse.exercises.questions import choice

EXERCISE = choice(
    "3.8",
    "Which run is healthy?",
    minutes=5,
    answer="b",
    wrong={
        "a": "D's loss near 0 means that it knows every fake, and G's climbs: saturated.",
        "c": "Look at the samples, and at the spread printed above: all noise vectors give "
        "nearly the same picture. This run has collapsed.",
        "d": "One of these pairs of curves is healthy: losses need not fall for that.",
        "a and b": "Only one: compare D's loss with log 4 = 1.386, the loss of an undecided D.",
    },
)
