"""Exercise 5.3: what a linear head can't see."""

from gancourse.exercises.questions import choice

EXERCISE = choice(
    "5.3",
    "What a linear head can't see",
    minutes=6,
    answer="c",
    wrong={
        "a": "It can: whether a picture is blurred is in h, and u . h may weigh it. "
        "Which answer needs h and c at the same time?",
        "b": "It can: v . c adds a number of its own for each label. "
        "Which answer needs h and c at the same time?",
        "d": "It can: u = 0, v = 0 and b = 0 are allowed.",
        "e": "There is something: change the label from 3 to 7 and look by how much the logit "
        "moves. Does the picture appear in that difference?",
    },
    advice="The answers are the letters a to e.",
)
