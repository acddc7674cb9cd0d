"""Exercise 11.1: which transformations may become training data."""

from gancourse.exercises.questions import choice

EXERCISE = choice(
    "11.1",
    "What may be augmented",
    minutes=5,
    answer="c",
    wrong={
        "a": "With all four turns equally likely, upright and turned digits give D the same "
        "distribution of T(x). So G may learn turned digits, and D can't object.",
        "b": "Then the augmented images are the data for D, and G learns to draw them: digits cut "
        "out or shifted, faces in wrong colours. D has to see T(x) and T(G(z)).",
        "d": "Augmentation makes D overfit later. It adds no new galaxy and no new face: what is "
        "not in the 30 images, G can't learn from their variants.",
        "e": "A mirrored image has the same pixels, but is it as likely? A mirrored 2 or 7 is no "
        "digit, and G would learn to draw it.",
    },
    advice="For each set and each transformation: is the result an image that could itself be in "
    "the set? If not, can D still tell T(right) from T(wrong)?",
)
