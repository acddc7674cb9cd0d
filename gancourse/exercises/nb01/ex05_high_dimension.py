"""Exercise 1.5: why high dimension matters."""

from gancourse.exercises.questions import choice

EXERCISE = choice(
    "1.5",
    "Why high dimension matters",
    minutes=8,
    answer="c",
    wrong={
        "a": "With sides twice as long an image has four times as many values: n grows by the "
        "factor 4, not 2.",
        "b": "Right for FGSM. Most random signs cancel: n of them sum to about the root of n.",
        "d": "You swapped the two: it is the random signs that cancel each other.",
        "e": "Right for FGSM. The mean of the random change is 0 for every n, but its typical size "
        "grows like the root of n.",
    },
    advice="Is it one of the letters a to e, in quotes? By which factor does n grow?",
)
