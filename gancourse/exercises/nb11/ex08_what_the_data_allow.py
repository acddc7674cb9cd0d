"""Exercise 11.8: what five seeds allow one to say."""

from gancourse.exercises.questions import choice

DISTANCE = {"without": (31.0, 35.0, 29.0, 40.0, 33.0), "with": (27.0, 30.0, 33.0, 19.0, 28.0)}
RECALL = {"without": (0.40, 0.43, 0.38, 0.44, 0.41), "with": (0.33, 0.32, 0.36, 0.34, 0.30)}
LONGER = 3
"""Place of the run that had twice as many steps: the fourth seed, with augmentation."""

EXERCISE = choice(
    "11.8",
    "What the data allow",
    points=2,
    minutes=8,
    answer="d",
    wrong={
        "a": "The difference of -6.2 is 2.1 standard errors, and one of the five runs had twice "
        "the steps. Without seed 4 in both rows it is -2.5, or 1.4 standard errors.",
        "b": "That run was chosen after its result was known, and it had twice the steps. Compare "
        "all runs of equal length.",
        "c": "Not seeing a difference is not seeing that there is none: with an error of 3, a true "
        "gain of 6 can hide. More seeds would tell.",
        "e": "One half of this sentence holds, recall. The other half, a lower distance, is within "
        "three standard errors.",
    },
    advice="Compute each difference in standard errors with compare_runs, with and without seed 4. "
    "Which statement needs nothing else?",
)
