"""Exercise 7.4: A perfect G, and D's best answer."""

from gancourse.exercises.questions import number

EXERCISE = number(
    "7.4",
    "A perfect G, and D's best answer",
    minutes=6,
    answer=2 / 3,
    wrong={
        0.5: "One half is the answer of the plain game. Here the fakes weigh only half as much "
        "as the real pairs.",
        1.0: "G is perfect: the pair looks just like a fake one, and fakes are to be rejected.",
        1 / 3: "Real and fake are exchanged. D's best answer is the weight of the real pairs "
        "over that of all pairs that look like this.",
        2.0: "That is the odds, real to fake. As a probability: real over real plus fake.",
        0.0: "Then D would lose on every real pair, which weighs most.",
    },
    advice="Weigh the pairs that look like this one: real ones count 1, fake ones 1/2.",
    rtol=1e-2,
)
