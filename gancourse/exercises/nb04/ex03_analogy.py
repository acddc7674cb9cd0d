"""Exercise 4.3: vector arithmetic."""

import torch

from gancourse.exercises.base import Case, Exercise
from gancourse.exercises.observe import integer
from gancourse.papers import dcgan_probes


def groups(rng: torch.Generator) -> list[Case]:
    cases = []
    for n in (3, integer(rng, 4, 6)):
        plus, minus, base = torch.randn(3, n, 7, generator=rng)
        cases.append(Case((plus, minus, base), note=f"with {n} samples of each kind"))
    return cases


EXERCISE = Exercise(
    id="4.3",
    title="Vector arithmetic",
    points=1,
    minutes=5,
    reference=dcgan_probes.analogy,
    cases=groups,
    slips={
        "Those are sums, n times as long as means. Take means.": lambda plus, minus, base: (
            plus.sum(0) - minus.sum(0) + base.sum(0)
        ),
        "You averaged over the entries of each vector. Average over the "
        "samples: dim=0.": lambda plus, minus, base: plus.mean(1) - minus.mean(1) + base.mean(1),
        "The signs are swapped: plus - minus + base.": lambda plus, minus, base: (
            minus.mean(0) - plus.mean(0) + base.mean(0)
        ),
        "You used the first sample of each kind only, which often "
        "fails in the paper. Take means.": lambda plus, minus, base: plus[0] - minus[0] + base[0],
        "The difference is only a direction. Add the mean of the base.": lambda plus, minus, base: (
            plus.mean(0) - minus.mean(0)
        ),
    },
    alternatives=(lambda plus, minus, base: (plus - minus + base).mean(dim=0),),
)
