"""Exercise 0.3: logits to probabilities."""

import torch

from gancourse.exercises.base import Case, Exercise


def logits(rng: torch.Generator) -> list[Case]:
    """Moderate logits, and two that overflow a naive formula."""
    random = torch.randn(4, generator=rng) * 3
    return [
        Case((torch.tensor([-2.0, 0.0, 0.5, 2.0]),), note="on logits [-2, 0, 0.5, 2]"),
        Case((random,), note="on random logits"),
        Case((torch.tensor([-100.0, 100.0]),), note="on logits [-100, 100]"),
        Case((random[:3, None],), note="on logits of shape (3, 1)"),
    ]


EXERCISE = Exercise(
    id="0.3",
    title="Logits to probabilities",
    points=1,
    minutes=2,
    reference=torch.sigmoid,
    cases=logits,
    slips={
        'That is the decision, not the probability: a logit of 0.1 and one of 5 are both "real", '
        "but not with the same confidence.": lambda logits: (logits > 0).float(),
        "A softmax divides a probability of 1 among the images of the batch. Here each image has "
        "its own probability.": lambda logits: logits.softmax(0),
        "Right on paper. But e^100 overflows in float32, and infinity / infinity is nan: divide "
        "numerator and denominator by "
        "e^logit, or use torch's own function.": lambda logits: logits.exp() / (1 + logits.exp()),
        'That is the probability of "fake": the sign of the logit is flipped.': lambda logits: (
            torch.sigmoid(-logits)
        ),
        "e^logit is the odds, p / (1 - p). Solve for p.": lambda logits: logits.exp(),
        "tanh lies between -1 and 1; a probability lies between 0 and 1.": lambda logits: (
            torch.tanh(logits)
        ),
        "Clipping to [0, 1] is not what a logit means: p = 1 / (1 + e^-logit).": lambda logits: (
            logits.clamp(0, 1)
        ),
    },
    alternatives=(
        lambda logits: 1 / (1 + torch.exp(-logits)),
        lambda logits: torch.nn.functional.logsigmoid(logits).exp(),
    ),
)
