"""Exercise 1.5: why high dimension matters."""

from gancourse.exercises.questions import choice

EXERCISE = choice(
    "1.5",
    "Why high dimension matters",
    minutes=8,
    answer="c",
    wrong={
        "a": "A side twice as long has four times as many values: count n again.",
        "b": "Right for FGSM. Random signs cancel: n coins sum to about the root of n.",
        "d": "The other way round: it is the random signs that cancel each other.",
        "e": "Its mean is 0 for any n; its typical size, the root of n, is what grows.",
    },
)
