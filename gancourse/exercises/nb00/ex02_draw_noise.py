"""Exercise 0.2: noise with a generator of its own."""

import torch
from torch import Tensor

from gancourse import env
from gancourse.exercises.base import Case, Exercise, Observation, as_tensor
from gancourse.exercises.differences import FACT
from gancourse.exercises.observe import integer, seeded

CALLS = 12  # with the same generator


def draw_noise(m: int, noise_dim: int, rng: torch.Generator) -> Tensor:
    """Draw m latent vectors from N(0, 1), with their own generator: (m, noise_dim)."""
    return env.noise(noise_dim, rng)(m)


def requests(rng: torch.Generator) -> list[Case]:
    """Number and length of the vectors, and a seed; about 12,000 numbers in all calls."""
    m = integer(rng, 55, 65)
    return [
        Case((m, 17, integer(rng, 0, 10**6)), note=f"for {m} vectors of length 17"),
        Case((1, 1013, integer(rng, 0, 10**6)), note="for one vector of length 1013"),
    ]


def observe_noise(answer, case: Case) -> Observation:
    """The shape, and facts: there are several right ways to draw the same distribution.

    Nothing is asked of an answer on a GPU: generators of this notebook are on the CPU.
    """
    if case.device:
        return {}
    m, noise_dim, seed = case.args
    before = torch.get_rng_state()
    try:
        rng = seeded(seed)
        first = answer(m, noise_dim, rng)
        z = as_tensor(first, "noise")
        if z.shape != (m, noise_dim) or not z.is_floating_point():
            return {"result": torch.ones_like(z)}  # compares the shape
        calls = [z, *(as_tensor(answer(m, noise_dim, rng), "noise") for _ in range(CALLS - 1))]
        again = as_tensor(answer(m, noise_dim, seeded(seed)), "noise")
        other = as_tensor(answer(m, noise_dim, seeded(seed + 1)), "noise")
        untouched = torch.equal(before, torch.get_rng_state())
    finally:
        torch.set_rng_state(before)
    facts = {
        "Return a torch tensor: networks take no other type.": not isinstance(first, Tensor),
        f"Your numbers have the type {z.dtype}, a network's weights torch.float32, and the two "
        "can't be multiplied: return .float().": z.dtype != torch.float32,
        "Your code uses torch's global generator, or sets its seed, and so changes the numbers of "
        "every other part of the program. Draw from rng, with generator=rng, and set no seed.": (
            not untouched
        ),
        **origin(calls, again, other),
        **distribution(torch.stack(calls).double()),
    }
    if not z.isfinite().all():
        facts = {
            "Some of your numbers are nan or infinite. Do you divide by a standard deviation, "
            "which a single vector doesn't have? Return the numbers as they are drawn.": True
        }
    elif len(z.unique()) == 1:
        facts = {"All your numbers are the same: draw them, with torch.randn.": True}
    true = {FACT + text: torch.tensor(True) for text, is_so in facts.items() if is_so}
    return {"result": torch.zeros_like(z), **true}


def origin(calls: list[Tensor], again: Tensor, other: Tensor) -> dict[str, bool]:
    """What is wrong with the use of the generator, in words.

    Parameters
    ----------
    calls : list[Tensor]
        The noise of several calls with one generator.
    again, other : Tensor
        That of a first call with another generator, of the same seed and of another one.
    """
    first, second = calls[:2]
    return {
        "The same seed gives different numbers: draw all of them from rng, with generator=rng, and "
        "set no seed.": not first.equal(again),
        "A second call with the same rng gives the same numbers. rng has a seed already: don't set "
        "or restore its state, and make no generator of your own; just draw from it.": (
            first.equal(second)
        ),
        "An rng with another seed gives the same numbers: draw from rng, with generator=rng.": (
            first.equal(other)
        ),
    }


def distribution(z: Tensor) -> dict[str, bool]:
    """What is wrong with the distribution of numbers (calls, m, noise_dim), in words.

    Of 12,000 numbers from N(0, 1) the mean has a standard error of 0.009, their standard deviation
    one of 0.006, and the share within 1 one of 0.004; all lie within 3 with a probability of 1e-14.
    """
    mean, spread, share = z.mean(), z.std(), (z.abs() < 1).double().mean()
    lengths, means = z.norm(dim=2), z.mean((1, 2))
    spreads = [z.flatten(1).std(dim=1, correction=k) for k in (0, 1)]
    equal = lengths.max() - lengths.min() < 1e-3 * lengths.mean()
    depend = (
        "so that each number depends on the others. Return them as they are drawn from N(0, 1)."
    )
    return {
        f"In each call the mean is exactly 0: you subtract a mean, {depend}": bool(
            means.abs().max() < 1e-5
        ),
        f"In each call the standard deviation is exactly 1: you divide by it, {depend}": any(
            (s - 1).abs().max() < 1e-5 for s in spreads
        ),
        "All your vectors have the same length; those from N(0, 1) don't. Return the numbers of "
        "torch.randn as they are: don't normalize them, or take only signs.": bool(equal),
        "Some numbers occur several times; those from N(0, 1) are all different. Draw "
        "m * noise_dim numbers in one call of torch.randn.": len(z.unique()) < 0.95 * z.numel(),
        f"All your numbers lie between {z.min():.2f} and {z.max():.2f}. N(0, 1) has no limits, and "
        "about a third of its numbers lie outside of [-1, 1]. Draw with torch.randn, and leave the "
        "values as they are.": bool(
            (z - mean).abs().max() < 3 * spread or z.min() >= 0 or z.max() <= 0
        ),
        f"Your numbers have the mean {mean:.2f}; that of N(0, 1) is 0.": bool(
            mean.abs() > 0.1 * max(1, spread)
        ),
        f"Your numbers have the standard deviation {spread:.2f}; that of N(0, 1) is 1.": bool(
            (spread - 1).abs() > 0.1
        ),
        f"{share:.0%} of your numbers lie between -1 and 1; of those from N(0, 1) it is 68%. Draw "
        "with torch.randn, and leave the values as they are.": bool((share - 0.683).abs() > 0.03),
    }


EXERCISE = Exercise(
    id="0.2",
    title="Noise from its own random number generator",
    points=1,
    minutes=3,
    reference=draw_noise,
    cases=requests,
    observe=observe_noise,
    slips={
        "Rows and columns are swapped: one latent vector per row, so (m, noise_dim).": (
            lambda m, noise_dim, rng: torch.randn(noise_dim, m, generator=rng)
        ),
        "That is a single vector. Draw m of them, one per row: (m, noise_dim).": [
            lambda m, noise_dim, rng: torch.randn(noise_dim, generator=rng),
            lambda m, noise_dim, rng: torch.randn(1, noise_dim, generator=rng),
        ],
        "That is one number for each vector. Each has noise_dim of them: (m, noise_dim).": [
            lambda m, noise_dim, rng: torch.randn(m, generator=rng),
            lambda m, noise_dim, rng: torch.randn(m, 1, generator=rng),
        ],
        "That is a single number: draw m * noise_dim of them, in the shape (m, noise_dim).": [
            lambda m, noise_dim, rng: torch.randn((), generator=rng),
            lambda m, noise_dim, rng: torch.randn(1, generator=rng),
            lambda m, noise_dim, rng: torch.randn(1, 1, generator=rng),
        ],
        "All numbers are in one row: use the shape (m, noise_dim), not the product.": (
            lambda m, noise_dim, rng: torch.randn(m * noise_dim, generator=rng)
        ),
        "That has two dimensions too many: a latent vector is one row of a matrix, "
        "(m, noise_dim).": lambda m, noise_dim, rng: torch.randn(m, noise_dim, 1, 1, generator=rng),
        "Those are integers. N(0, 1) is the normal distribution: torch.randn.": (
            lambda m, noise_dim, rng: torch.randint(2, (m, noise_dim), generator=rng)
        ),
        "Unlike NumPy's, a torch.Generator has no functions that draw: pass it to one of "
        "torch's, torch.randn(m, noise_dim, generator=rng).": [
            lambda m, noise_dim, rng: rng.normal(size=(m, noise_dim)),
            lambda m, noise_dim, rng: rng.standard_normal((m, noise_dim)),
            lambda m, noise_dim, rng: rng.randn(m, noise_dim),
            lambda m, noise_dim, rng: rng(m, noise_dim),
        ],
        "Pass the generator by its keyword: torch.randn(m, noise_dim, generator=rng).": [
            lambda m, noise_dim, rng: torch.randn(m, noise_dim, rng),
            lambda m, noise_dim, rng: torch.randn((m, noise_dim), rng),
            lambda m, noise_dim, rng: torch.randn(m, noise_dim, rng=rng),
        ],
    },
    alternatives=(
        lambda m, noise_dim, rng: torch.randn(m, noise_dim, generator=rng),
        lambda m, noise_dim, rng: torch.empty(m, noise_dim).normal_(generator=rng),
        lambda m, noise_dim, rng: torch.stack(
            [torch.randn(noise_dim, generator=rng) for _ in range(m)]
        ),
    ),
    advice="Does torch.randn with this shape and generator=rng return what you want?",
)
