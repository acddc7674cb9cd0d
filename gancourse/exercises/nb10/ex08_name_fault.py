"""Exercise 10.8: name the fault."""

from gancourse.exercises.questions import choice

EXERCISE = choice(
    "10.8",
    "Name the fault",
    minutes=6,
    answer="c",
    wrong={
        "a": "Then D would reject the fakes, and G's loss, -log D(G(z)), would be large. "
        "How large is it here?",
        "b": "log(1 - D) is below 0 for every D. Look at the sign of loss_G.",
        "d": "If D rated that fake as real, its own loss would contain a large -log(1 - D(G(z))). "
        "Both losses are near 0 here.",
        "e": "At the equilibrium D is 1/2 everywhere: D's loss is log 4, G's is log 2.",
    },
    advice="Both losses use the same D. Can -log(1 - D) and -log D be small at once, for the same "
    "fake?",
)
