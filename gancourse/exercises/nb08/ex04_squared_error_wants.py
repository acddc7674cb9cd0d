"""Exercise 8.4: what the squared error wants."""

from gancourse.exercises.questions import choice

EXERCISE = choice(
    "8.4",
    "What the squared error wants",
    minutes=5,
    answer="c",
    wrong={
        "a": "The eye would say so. But compute: how far is one random picture from another, "
        "and how far is it from the mean of all?",
        "b": "The two errors are not equal. The distance of two independent draws has the "
        "spread of both in it; the distance from the mean only that of one.",
        "d": "The mean is not the truth either: each sharp picture differs from it. Its error "
        "is not zero.",
        "b and c": "Only one of them.",
    },
)
