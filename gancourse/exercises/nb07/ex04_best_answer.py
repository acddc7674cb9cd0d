"""Exercise 7.4: a perfect G, and D's best answer."""

from gancourse.exercises.questions import number

EXERCISE = number(
    "7.4",
    "A perfect G, and D's best answer",
    minutes=6,
    answer=2 / 3,
    wrong={
        0.5: "1/2 is right with equal weights. Here fakes have half the weight of real pairs.",
        1.0: "G is perfect: the pair looks just like a fake one, and fakes count as fake.",
        1 / 3: "Real and fake are swapped. D's best answer is the weight of the real pairs divided "
        "by that of all pairs that look like this.",
        2.0: "That is the odds, real to fake. As a probability: real over real plus fake.",
        0.0: "Then the loss would be infinite for every real pair.",
    },
    advice="Add up the weights of the pairs that look like this one: 1 if real, 1/2 if fake.",
    rtol=1e-2,
)
