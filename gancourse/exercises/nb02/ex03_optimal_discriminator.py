"""Exercise 2.3: the best discriminator."""

import torch

from gancourse.exercises.base import Case, Exercise
from gancourse.papers import gan


def densities(rng: torch.Generator) -> list[Case]:
    """Positive densities at five points; they don't sum to 1 over these points."""
    p, q = torch.rand(2, 5, generator=rng) * 1.5 + 0.05
    return [Case((p, q), note="On five points")]


EXERCISE = Exercise(
    id="2.3",
    title="The best discriminator",
    points=1,
    minutes=8,
    reference=gan.optimal_discriminator,
    cases=densities,
    slips={
        "That is the probability that x is fake. Real is 1.": lambda p, q: q / (p + q),
        "That is the odds D / (1 - D). Solve for D.": lambda p, q: p / q,
        "That is a hard decision. D is a probability: "
        "how likely is it that x is real?": lambda p, q: (p > q).float(),
        "The derivative is not zero there. The argument of the sigmoid is log p - log q, not p - "
        "q.": lambda p, q: torch.sigmoid(p - q),
        "You normalised over all points. D* is computed at each x separately.": lambda p, q: (
            p / (p + q).sum()
        ),
        "That is the best logit. Apply a sigmoid to get the probability.": lambda p, q: (
            p.log() - q.log()
        ),
    },
    alternatives=(
        lambda p, q: torch.sigmoid(p.log() - q.log()),
        lambda p, q: 1 / (1 + q / p),
    ),
    advice="Set the derivative of p log D + q log(1 - D) to zero and solve for D.",
)
