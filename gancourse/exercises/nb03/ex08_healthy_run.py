"""Exercise 3.8: the healthy run of three."""

from gancourse.exercises.questions import choice

EXERCISE = choice(
    "3.8",
    "Which run is healthy?",
    minutes=5,
    answer="b",
    wrong={
        "a": "D's loss near 0 means that D recognizes every fake, and G's loss rises: D is too "
        "strong for G.",
        "c": "Look at the samples, and at how much they differ: all latent vectors give similar "
        "images. This run has collapsed.",
        "d": "One of these runs is healthy: losses need not fall for that.",
        "a and b": "Only one: compare D's loss with log 4 = 1.386, the loss of an undecided D.",
        "b and c": "Only one: c's losses are calm, but look at its samples, and at how much they "
        "differ.",
        "a and c": "Neither: compare D's loss in a with 0, and the samples of c with one another.",
    },
)
