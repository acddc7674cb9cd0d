"""Exercise 2.7: what flat losses mean."""

from gancourse.exercises.questions import choice

EXERCISE = choice(
    "2.7",
    "What flat losses mean",
    minutes=4,
    answer="b",
    wrong={
        "a": "A D that has learned nothing also returns 1/2, for any samples.",
        "c": "If G had stopped, D would soon learn the difference: loss_D would be below log 4.",
        "d": "log 2 belongs to logit 0, where neither of G's losses is flat.",
        "e": "A D with swapped labels also learns to separate the two: loss_D falls below log 4.",
    },
    advice="When does a D return 1/2 for every input? There are two different reasons.",
)
