"""Exercise 5.7: who wins the Parzen window?."""

from gancourse.exercises.questions import choice

EXERCISE = choice(
    "5.7",
    "Who wins the Parzen window?",
    minutes=5,
    answer="d",
    wrong={
        "a": "One would wish so. But a window of width sigma round a sharp picture fits only "
        "pictures whose strokes lie at the very same pixels. Look at the bars.",
        "b": "Our generator's pictures are new and varied, and it is not rewarded for that. "
        "Look at the bars.",
        "c": "Close: copies do as well as fresh pictures, which is bad enough. But blurred "
        "mixtures of four digits do better still. Look at the bars.",
        "e": "Look at the bars: the differences are many times the standard error.",
    },
    advice="The answers are the letters a to e.",
)
