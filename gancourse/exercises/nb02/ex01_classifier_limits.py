"""Exercise 2.1: what a classifier can't tell."""

from gancourse.exercises.questions import choice

EXERCISE = choice(
    "2.1",
    "What a classifier can't tell",
    minutes=4,
    answer="c",
    wrong={
        "a": "It can: the likelier label is the one with the larger p(y|x).",
        "b": "It can: p(y|x) is near 0.5 where the label is uncertain.",
        "d": "It can: the border is where p(y|x) = 0.5, as in the map above.",
        "e": "It can: that is the expected accuracy on the given points, the mean of the larger "
        "of the two probabilities.",
    },
    advice="Which of these needs p(x), the density of the points themselves?",
)
