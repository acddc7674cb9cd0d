"""Exercise 5.6: The Parzen window."""

import math
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from gancourse.exercises.base import Case, Exercise
from gancourse.exercises.observe import integer
from gancourse.metrics.samples import parzen_log_density


def windows(rng: torch.Generator) -> list[Case]:
    """Points near the samples, and far ones at which every exp underflows."""
    cases = []
    for scale, note in ((0.5, "on near points"), (20.0, "on points far from every sample")):
        n, m, dim = integer(rng, 3, 4), integer(rng, 5, 8), integer(rng, 3, 6)
        sigma = 0.15 + 0.15 * torch.rand((), generator=rng).item()  # at 0.4 the constant is 0
        x, s = (torch.randn(k, dim, generator=rng) for k in (n, m))
        x = x * 0.5 + scale * F.normalize(torch.randn(n, dim, generator=rng), dim=1)
        cases.append(Case((x, 0.5 * s, sigma), note=note))
    return cases


def window(
    x: Tensor,
    samples: Tensor,
    sigma: float,
    *,
    constant: bool = True,
    count: bool = True,
    power: int = 2,
    naive: bool = False,
    of_logs: bool = False,
) -> Tensor:
    """Compute the log-density of a Parzen window, with one mistake if asked for."""
    d2 = (x[:, None] - samples[None]).square().sum(dim=2)
    each = -d2 / (2 * sigma**power)
    if of_logs:
        log = each.mean(dim=1)
    elif naive:
        log = each.exp().sum(dim=1).log() - math.log(len(samples))
    else:
        log = each.logsumexp(dim=1) - (math.log(len(samples)) if count else 0)
    return log - constant * x.shape[1] / 2 * math.log(2 * math.pi * sigma**2)


def by_distributions(x: Tensor, samples: Tensor, sigma: float) -> Tensor:
    """Use the mixture of torch.distributions."""
    d = torch.distributions
    which = d.Categorical(torch.ones(len(samples)))
    each = d.Independent(d.Normal(samples, sigma), 1)
    return d.MixtureSameFamily(which, each).log_prob(x)


EXERCISE = Exercise(
    id="5.6",
    title="The Parzen window",
    points=3,
    minutes=15,
    reference=parzen_log_density,
    cases=windows,
    slips={
        "The Gaussian's constant is missing, d/2 log(2 pi sigma^2): without it different sigmas "
        "can't be compared.": partial(window, constant=False),
        "Take the mean of the Gaussians, not their sum: subtract log m.": partial(
            window, count=False
        ),
        "In the exponent the squared distance is divided by 2 sigma squared.": partial(
            window, power=1
        ),
        "Far from every sample each exp underflows to 0, and its log is -inf. Use "
        "torch.logsumexp.": partial(window, naive=True),
        "That is the mean of the logarithms. Take the logarithm of the mean.": partial(
            window, of_logs=True
        ),
        "Return one number for each x, not their mean.": lambda x, samples, sigma: window(
            x, samples, sigma
        ).mean(),
    },
    alternatives=(window, by_distributions),
    rtol=1e-3,
    atol=1e-3,
)
