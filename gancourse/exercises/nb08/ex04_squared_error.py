"""Exercise 8.4: which answer has the least squared error."""

from gancourse.exercises.questions import choice

EXERCISE = choice(
    "8.4",
    "Which answer minimizes the squared error?",
    minutes=5,
    answer="c",
    wrong={
        "a": "It looks worse. But compute: how far is one random image from another, and how far "
        "from the mean of all?",
        "b": "The two errors are not equal. The difference of two independent draws has the sum of "
        "both variances; the difference from the mean has the variance of one.",
        "d": "The mean is not the truth: each sharp image differs from it, so its error is not "
        "zero.",
        "b and c": "Only one of them.",
    },
    advice="Look at one pixel whose values have variance v: what is Ann's expected squared error, "
    "and what is Bob's?",
)
