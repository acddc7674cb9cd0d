"""Exercise 5.7: The winner of the Parzen window."""

from gancourse.exercises.questions import choice

EXERCISE = choice(
    "5.7",
    "The highest Parzen estimate",
    minutes=5,
    answer="d",
    wrong={
        "a": "They should win, but don't. A window around a sharp image fits only images whose "
        "strokes lie at the same pixels. Look at the bars below.",
        "b": "Our generator's images are new and varied, but the estimate does not measure that. "
        "Look at the bars below.",
        "c": "Copies do as well as fresh images, but one kind of images does better still. Look at "
        "the bars below.",
        "e": "Look at the bars below: one difference is many times the standard error.",
    },
    advice="The answers are the letters a to e.",
)
