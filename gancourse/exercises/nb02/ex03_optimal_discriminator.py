"""Exercise 2.3: the best discriminator."""

import torch

from gancourse.exercises.base import Case, Exercise
from gancourse.papers import gan


def densities(rng: torch.Generator) -> list[Case]:
    """Positive densities, which don't sum to 1 over these points: of ordinary size, and tiny."""
    p, q = torch.rand(2, 5, generator=rng) * 1.5 + 0.05
    tiny = (torch.rand(2, 4, generator=rng, dtype=torch.double) + 0.1) * 1e-60
    unlikely = torch.tensor([1e-9]), torch.ones(1)
    return [
        Case((p, q), note="on five points"),
        Case(unlikely, note="on one point, where p is far smaller than q"),
        Case(tuple(tiny), note="on densities of about 1e-60, in double precision"),
    ]


EXERCISE = Exercise(
    id="2.3",
    title="The optimal discriminator",
    points=1,
    minutes=8,
    reference=gan.optimal_discriminator,
    cases=densities,
    slips={
        "That is the probability that x is fake. Real is 1.": lambda p, q: q / (p + q),
        "That is the odds D / (1 - D). Solve for D.": lambda p, q: p / q,
        "A sign got lost: p (1 - D) = q D gives p = D (p + q).": [
            lambda p, q: p / (p - q),
            lambda p, q: p / (q - p),
            lambda p, q: q / (q - p),
        ],
        "That lies between -1 and 1. D is a probability: the share of p in p + q.": lambda p, q: (
            (p - q) / (p + q)
        ),
        "That is a hard decision. D is a probability: "
        "how likely is it that x is real?": lambda p, q: (p > q).to(p.dtype),
        "The derivative is not zero there. The argument of the sigmoid is log p - log q, not p - "
        "q.": lambda p, q: torch.sigmoid(p - q),
        "You normalized over all points. D* is computed at each x separately.": [
            lambda p, q: p / (p + q).sum(),
            lambda p, q: p / (p.sum() + q.sum() + 0 * q),
            lambda p, q: (p / p.sum()) / (p / p.sum() + q / q.sum()),
        ],
        "That is the best logit. Apply a sigmoid to get the probability.": lambda p, q: (
            p.log() - q.log()
        ),
        "No epsilon and no clamp: p + q is above 0, and where both densities are tiny, D* would "
        "depend on the epsilon.": [
            lambda p, q: p / (p + q + 1e-8),
            lambda p, q: (p + 1e-8) / (p + q + 1e-8),
            lambda p, q: (p + 1e-8) / (p + q + 2e-8),
        ],
        "On paper that is right, but where p is far smaller than q, q / (p + q) rounds to 1, and 1 "
        "minus it to 0. Compute the share of p without a subtraction.": lambda p, q: (
            1 - q / (p + q)
        ),
        "The 1/2 of the two halves is in numerator and denominator, and cancels.": [
            lambda p, q: p / (2 * (p + q)),
            lambda p, q: 2 * p / (p + q),
        ],
        "Tiny densities are 0 in float32, and 0 / 0 is nan. Stay with the precision of p and "
        "q.": lambda p, q: p.float() / (p.float() + q.float()),
    },
    alternatives=(
        lambda p, q: torch.sigmoid(p.log() - q.log()),
        lambda p, q: 1 / (1 + q / p),
    ),
    atol=0.0,  # also a small probability counts: its logarithm is used
    advice="Set the derivative of p log D + q log(1 - D) to zero and solve for D.",
)
