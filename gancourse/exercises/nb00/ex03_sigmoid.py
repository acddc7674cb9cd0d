"""Exercise 0.3: logits to probabilities."""

import torch

from gancourse.exercises.base import Case, Exercise, Slip


def logits(rng: torch.Generator) -> list[Case]:
    """A few ordinary ones, and two that overflow a careless formula."""
    drawn = torch.randn(4, generator=rng) * 3
    return [
        Case((torch.tensor([-2.0, 0.0, 0.5, 2.0]),), note="on logits [-2, 0, 0.5, 2]"),
        Case((drawn,), note="on random logits"),
        Case((torch.tensor([-100.0, 100.0]),), note="on logits [-100, 100]"),
    ]


EXERCISE = Exercise(
    id="0.3",
    title="Logits to probabilities",
    points=1,
    minutes=2,
    reference=torch.sigmoid,
    cases=logits,
    slips=(
        Slip(
            lambda logits: (logits > 0).float(),
            "That is the decision, not the probability: a logit of 0.1 and one of 5 are both "
            '"real", but not equally surely.',
        ),
        Slip(
            lambda logits: logits.softmax(0),
            "A softmax shares one unit of probability among the pictures of the batch. Here "
            "each picture is judged by itself.",
        ),
        Slip(
            lambda logits: logits.exp() / (1 + logits.exp()),
            "Right on paper. But e^100 is more than a float32 holds, and infinity / infinity "
            "is nan: divide both sides by e^logit, or use torch's own function.",
        ),
        Slip(
            lambda logits: torch.sigmoid(-logits),
            'That is the probability of "fake": the sign of the logit is turned round.',
        ),
        Slip(
            lambda logits: logits.exp(),
            "e^logit is the odds, p / (1 - p). Solve for p.",
        ),
        Slip(
            lambda logits: torch.tanh(logits),
            "tanh ends at -1 and 1; a probability lies between 0 and 1.",
        ),
        Slip(
            lambda logits: logits.clamp(0, 1),
            "Cutting off at 0 and 1 is not what the logit means: p = 1 / (1 + e^-logit).",
        ),
    ),
    alternatives=(
        lambda logits: 1 / (1 + torch.exp(-logits)),
        lambda logits: torch.nn.functional.logsigmoid(logits).exp(),
    ),
)
