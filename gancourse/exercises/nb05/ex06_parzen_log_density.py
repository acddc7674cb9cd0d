"""Exercise 5.6: The Parzen window."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gancourse.exercises.base import FACT, Case, Exercise, Observation, observe_call
from gancourse.exercises.parts import Part
from gancourse.metrics.samples import parzen_log_density

EQUAL = (
    f"{FACT}Points at different distances all get the same value. A clamp, or a small constant in "
    "place of 0, may hide the differences. Use torch.logsumexp of the unchanged exponents."
)


def windows(rng: torch.Generator) -> list[Case]:
    """Points near the samples, one on a sample; and far ones, for which every exp underflows.

    The far ones are so unequally far that one largest exponent for all of them is not enough.
    """
    samples = 0.4 * torch.randn(7, 5, generator=rng)
    near = samples[:4] + 0.3 * torch.randn(4, 5, generator=rng)
    near[1] = samples[5]
    far = F.normalize(torch.randn(4, 5, generator=rng)) * torch.tensor([20, 50, 30, 80])[:, None]
    return [
        Case((near, samples, 0.5), note="on near points"),  # the constant is 0 at 0.4
        Case((far, samples, 0.25), note="on points far from every sample"),
        Case((near[:1], samples[:1], 0.3), note="for one point and one sample"),
    ]


def observe_density(answer: Callable[..., Any], case: Case) -> Observation:
    seen = observe_call(answer, case)
    values, far = seen.get("result"), case.args[0].norm(dim=1).min() > 10
    if far and values is not None and values.shape == (4,) and values.isfinite().all():
        if values.max() - values.min() < 1e-3 * values.abs().max():
            return {EQUAL: torch.tensor(True)}
    return {EQUAL: torch.tensor(False), **seen}


def window(
    x: Tensor,
    samples: Tensor,
    sigma: float,
    *,
    constant: str = "right",
    count: float = -1,
    scale: str = "right",
    log: str = "logsumexp",
    p: float = 2,
) -> Tensor:
    """Compute the log-density of a Parzen window, with one mistake if asked for."""
    (n, d), m = x.shape, len(samples)
    distances = (x[:, None] - samples[None]).norm(p=p, dim=2).square()
    a = {
        "right": lambda: -distances / (2 * sigma**2),
        "sigma": lambda: -distances / (2 * sigma),
        "no 2": lambda: -distances / sigma**2,
        "root": lambda: -distances.sqrt() / (2 * sigma**2),
        "plus": lambda: distances / (2 * sigma**2),
        "mean": lambda: -distances / d / (2 * sigma**2),
    }[scale]()
    top = a.amax(dim=1, keepdim=True)
    one = {
        "logsumexp": lambda: a.logsumexp(dim=1),
        "naive": lambda: a.exp().sum(dim=1).log(),
        "all": lambda: (a - a.max()).exp().sum(dim=1).log() + a.max(),
        "left": lambda: (a - top).logsumexp(dim=1),
        "nearest": lambda: a.amax(dim=1),
        "of logs": lambda: a.mean(dim=1) + math.log(m),
        "no log": lambda: a.exp().sum(dim=1),
        "divided": lambda: a.logsumexp(dim=1) / m + math.log(m),
        "samples": lambda: a.logsumexp(dim=0),
        "sum of logs": lambda: a.sum(dim=1) + math.log(m),
        "everything": lambda: a.flatten().logsumexp(dim=0),
    }[log]()
    volume = 2 * math.pi * sigma**2
    return one + count * math.log(m) - {
        "right": d / 2 * math.log(volume), "none": 0, "plus": -d / 2 * math.log(volume),
        "one": math.log(volume) / 2, "double": d * math.log(volume),
        "sigma": d / 2 * math.log(2 * math.pi * sigma), "m": m / 2 * math.log(volume),
        "n": n / 2 * math.log(volume), "log10": d / 2 * math.log10(volume),
        "no pi": d * math.log(sigma), "apart": d / 2 * math.log(2 * math.pi) + math.log(sigma),
        "pi": d / 2 * math.log(math.pi * sigma**2), "each": m * d / 2 * math.log(volume),
    }[constant]  # fmt: skip


def by_distributions(x: Tensor, samples: Tensor, sigma: float) -> Tensor:
    """Use the mixture of torch.distributions."""
    d = torch.distributions
    which = d.Categorical(torch.ones(len(samples), device=samples.device))
    each = d.Independent(d.Normal(samples, sigma), 1)
    return d.MixtureSameFamily(which, each).log_prob(x)


EXERCISE = Exercise(
    id="5.6",
    title="The Parzen window",
    points=3,
    minutes=15,
    reference=parzen_log_density,
    cases=windows,
    observe=observe_density,
    parts=(Part("points near the samples", 2, cases=(0,)),),
    slips={
        "The Gaussian's constant is missing, d/2 log(2 pi sigma^2): without it different sigmas "
        "can't be compared.": partial(window, constant="none"),
        "Subtract the Gaussian's constant; you added it. The formula has - d/2 "
        "log(2 pi sigma^2).": partial(window, constant="plus"),
        "The Gaussian's constant is that of d dimensions: d/2 log(2 pi sigma^2), with "
        "d = x.shape[1].": [partial(window, constant=of) for of in ("one", "double", "m", "n")],
        "The Gaussian's constant is d/2 log(2 pi sigma^2): 2 pi and sigma squared are inside the "
        "log, and d/2 multiplies all of it.": [
            partial(window, constant=of) for of in ("sigma", "pi", "no pi", "apart")
        ],
        "The Gaussian's constant is the same for all samples: subtract it once, not for "
        "each.": partial(window, constant="each"),
        "Nats are natural logarithms: log, not log10 or log2.": [
            partial(window, constant="log10"),
            lambda x, samples, sigma: window(x, samples, sigma) / math.log(10),
            lambda x, samples, sigma: window(x, samples, sigma) / math.log(2),
        ],
        "Take the mean of the Gaussians, not their sum: subtract log m.": partial(window, count=0),
        "A mean is the sum divided by m: its logarithm is smaller by log m, not larger.": partial(
            window, count=1
        ),
        "Subtract log m, with m the number of samples: don't subtract m itself, and don't divide "
        "the log by m.": [
            partial(window, log="divided"),
            lambda x, samples, sigma: window(x, samples, sigma, count=0) - len(samples),
        ],
        "In the exponent the squared distance is divided by 2 sigma^2.": [
            partial(window, scale="sigma"),
            partial(window, scale="no 2"),
        ],
        "The exponent has the squared distance. cdist gives distances: square them.": partial(
            window, scale="root"
        ),
        "The distance is the Euclidean one, not the sum of absolute values (p=1).": partial(
            window, p=1
        ),
        "Subtract the log of the number of samples, len(samples), once.": [
            lambda x, samples, sigma: window(x, samples, sigma, count=0) - math.log(len(x)),
            lambda x, samples, sigma: window(x, samples, sigma, count=0) - math.log(x.shape[1]),
            partial(window, count=-2),
        ],
        "The exponent should be negative: the density is smaller far from a sample.": partial(
            window, scale="plus"
        ),
        "The squared distance is a sum over the dimensions, not a mean.": partial(
            window, scale="mean"
        ),
        "Far from every sample each exp underflows to 0, and its log is -inf. Use "
        "torch.logsumexp.": partial(window, log="naive"),
        "You subtract the same maximum from all rows. Where the exponents of a row are far below "
        "it, exp underflows. Subtract each row's own maximum, or use "
        "torch.logsumexp.": partial(window, log="all"),
        "You subtract the largest exponent before exp: add it again after the log.": partial(
            window, log="left"
        ),
        "That is the Gaussian of the nearest sample alone. Take the mean over all samples.": [
            partial(window, log="nearest"),
            partial(window, log="nearest", count=0),
        ],
        "That is the mean of the logarithms. Take the logarithm of the mean.": partial(
            window, log="of logs"
        ),
        "That is the sum of the logarithms. Take the logarithm of the mean.": [
            partial(window, log="sum of logs"),
            lambda x, samples, sigma: len(samples) * window(x, samples, sigma, log="of logs"),
        ],
        "That is the density, not its logarithm; and far from every sample it underflows.": (
            lambda x, samples, sigma: window(x, samples, sigma, log="naive").exp()
        ),
        "Return one number for each x: sum over the samples, dim=1.": partial(
            window, log="samples"
        ),
        "Return one number for each x: you also reduced over the rows of x.": [
            lambda x, samples, sigma: window(x, samples, sigma).mean(),
            lambda x, samples, sigma: window(x, samples, sigma).sum(),
            partial(window, log="everything"),
        ],
    },
    alternatives=(window, by_distributions),
    advice="Take one x and one sample at the same point. Then the result should be minus the "
    "constant, -d/2 log(2 pi sigma^2). If the sample is listed twice, the result "
    "should not change.",
    rtol=1e-3,
    atol=1e-3,
)
