"""Exercise 9.7: a swap of colours, which no loss detects."""

from gancourse.exercises.questions import choice

EXERCISE = choice(
    "9.7",
    "Undetectable errors",
    points=2,
    minutes=8,
    answer="c",
    wrong={
        "a": "F would have to restore the lost colour from nothing: cycle_X would rise.",
        "b": "D_Y would detect that the stripes are missing. Which loss would rise?",
        "d": "One of them only permutes the images of Y. Which? Can F undo it?",
        "a and c": "Only one of them: which can be undone without loss?",
    },
    advice="For each of them: would D_Y detect it, and could some F undo it?",
)
