"""Exercise 7.6: why the noise falls silent."""

from gancourse.exercises.questions import choice

EXERCISE = choice(
    "7.6",
    "Why the noise falls silent",
    minutes=6,
    answer="c",
    wrong={
        "a": "In both runs 24 numbers of the text reach that layer, beside 16 of noise, and G "
        "could simply learn larger weights for z.",
        "b": "D sees one picture at a time, with its text. Does anything in the loss say that "
        "two pictures of one text should differ?",
        "d": "Wrong pairs are real pictures. They tell D whether a text fits; they say nothing "
        "of how many pictures a text may have.",
        "e": "A learning rate sets how fast G learns, not whether z pays. What would D have to "
        "see, in order to object?",
    },
    advice="The answers are the letters a to e.",
)
