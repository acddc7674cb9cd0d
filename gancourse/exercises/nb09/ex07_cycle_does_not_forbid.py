"""Exercise 9.7: what the cycle does not forbid."""

from gancourse.exercises.questions import choice

EXERCISE = choice(
    "9.7",
    "What the cycle does not forbid",
    points=2,
    minutes=8,
    answer="c",
    wrong={
        "a": "F would have to bring back the lost colour from nothing: the round trip pays for "
        "that.",
        "b": "Then D_Y would see at once what is missing. Which cost is that?",
        "d": "One of them is a one-to-one map between the two sets of pictures. Which? And does "
        "its way back exist?",
        "a and c": "Only one of them: which can be undone without loss?",
    },
)
