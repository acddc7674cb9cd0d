"""Exercise 5.3: What a linear head can't see."""

from gancourse.exercises.questions import choice

EXERCISE = choice(
    "5.3",
    "What a linear head can't learn",
    minutes=6,
    answer="c",
    wrong={
        "a": "It can: a feature in h can say whether an image is blurred, and u gives that feature "
        "a weight. Which answer needs h and c at the same time?",
        "b": "It can: v . c adds one number for each label. "
        "Which answer needs h and c at the same time?",
        "d": "It can: u = 0, v = 0 and b = 0 are allowed.",
        "e": "It can't learn one of them. Change the label from 3 to 7: by how much does the logit "
        "change, and does the image appear in that difference?",
    },
    advice="The answers are the letters a to e.",
)
