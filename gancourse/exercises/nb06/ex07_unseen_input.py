"""Exercise 6.7: how a level's input in the chain differs from its input in training."""

from gancourse.exercises.questions import choice

EXERCISE = choice(
    "6.7",
    "What differs in the chain",
    minutes=5,
    answer="b",
    wrong={
        "a": "In training, too, each level gets fresh noise for every image.",
        "c": "The weights are the same as in training, so residuals have the same scale for the "
        "same input. Look at the inputs.",
        "d": "Look again at where low comes from: in `pairs`, which supplies the training data, "
        "and in `sample_chain`.",
        "a and b": "Only one of them: the noise is the same in training and in the chain.",
    },
)
