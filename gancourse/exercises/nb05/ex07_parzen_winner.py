"""Exercise 5.7: The winner of the Parzen window."""

from gancourse.exercises.questions import choice

EXERCISE = choice(
    "5.7",
    "Who wins the Parzen window?",
    minutes=5,
    answer="d",
    wrong={
        "a": "They should win, but don't. A window round a sharp image fits only images whose "
        "strokes lie at the same pixels. Look at the bars.",
        "b": "Our generator's images are new and varied, but the estimate does not measure that. "
        "Look at the bars.",
        "c": "Not quite: copies do as well as fresh images, but blurred means of four digits do "
        "better still. Look at the bars.",
        "e": "Look at the bars: one difference is many times the standard error.",
    },
    advice="The answers are the letters a to e.",
)
