"""Exercise 10.8: name the illness."""

from gancourse.exercises.questions import choice

EXERCISE = choice(
    "10.8",
    "Name the illness",
    minutes=6,
    answer="c",
    wrong={
        "a": "Then fakes would be rejected, and G would pay a lot: -log D(G(z)) is large where "
        "D is sure of a fake. What does G pay here?",
        "b": "log(1 - D) lies below 0 for every D. Look at the sign of loss_G.",
        "d": "A D that learns would soon know the one fake that G makes, and G would pay for "
        "it. Alike they may be, but here D is content with them too.",
        "e": "At the best end of a fair game both are undecided: D pays log 4, G log 2. Nobody "
        "pays nothing.",
    },
    advice="One D gives both losses. Can -log(1 - D) and -log D be small at once?",
)
