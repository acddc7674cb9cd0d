"""Exercise 7.6: why the noise falls silent."""

from gancourse.exercises.questions import choice

EXERCISE = choice(
    "7.6",
    "Why G ignores z",
    minutes=6,
    answer="c",
    wrong={
        "a": "In both runs the layer that z enters gets 24 numbers for the text and 16 for z, and "
        "G could learn larger weights for z.",
        "b": "D rates each image by itself, with its text. Does anything in its loss depend on "
        "whether two images of one text differ?",
        "d": "Wrong pairs contain real images. They teach D whether a text matches, not how many "
        "images a text may have.",
        "e": "A learning rate decides how fast G learns, not whether using z lowers its loss. What "
        "would have to be in a batch so that D could detect it?",
    },
    advice="The answers are the letters a to e.",
)
