"""Exercise 0.2: noise with a generator of its own."""

import torch
from torch import Tensor

from gancourse import env
from gancourse.exercises.base import Case, Exercise, Observation, as_tensor
from gancourse.exercises.observe import seeded


def draw_noise(m: int, noise_dim: int, rng: torch.Generator) -> Tensor:
    """Draw m latent vectors from N(0, 1), with their own generator: (m, noise_dim)."""
    return env.noise(noise_dim, rng)(m)


def requests(rng: torch.Generator) -> list[Case]:
    """Number and length of the vectors, and a seed; enough numbers to measure their spread."""
    m = int(torch.randint(600, 700, (), generator=rng))
    seed = int(torch.randint(10**6, (), generator=rng))
    return [Case((m, 7, seed), note=f"asked for {m} vectors of length 7")]


def observe_noise(answer, case: Case) -> Observation:
    """Properties, not values: there are several right ways to draw the same distribution."""
    m, noise_dim, seed = case.args
    before = torch.get_rng_state()
    try:
        rng = seeded(seed)
        first = as_tensor(answer(m, noise_dim, rng))
        second = as_tensor(answer(m, noise_dim, rng))
        again = as_tensor(answer(m, noise_dim, seeded(seed)))
        untouched = torch.equal(before, torch.get_rng_state())
    finally:
        torch.set_rng_state(before)
    z = first.double()
    return {
        "noise": torch.zeros_like(z),  # compares the shape
        "the same seed gives the same numbers": torch.tensor(torch.equal(first, again)),
        "a second call gives new numbers": torch.tensor(not torch.equal(first, second)),
        "torch's global generator is unchanged": torch.tensor(untouched),
        "mean near 0": torch.tensor(bool(z.mean().abs() < 0.2)),  # of 4,200: 13 standard errors
        "standard deviation near 1": torch.tensor(bool((z.std() - 1).abs() < 0.2)),
        # a normal distribution has 68 % within 1; with 4,200 numbers the standard error is 0.7 %
        "share within 1 as for N(0, 1)": torch.tensor(
            bool(((z.abs() < 1).double().mean() - 0.683).abs() < 0.05)
        ),
        "no two numbers are equal": torch.tensor(len(z.unique()) > 0.95 * z.numel()),
    }


def reseeded(m: int, noise_dim: int, rng: torch.Generator) -> Tensor:
    """Slip: the generator is reset at each call."""
    return torch.randn(m, noise_dim, generator=rng.manual_seed(0))


def globally_seeded(m: int, noise_dim: int, rng: torch.Generator) -> Tensor:
    """Slip: repeatable, but it changes the global generator."""
    torch.manual_seed(0)
    return torch.randn(m, noise_dim)


EXERCISE = Exercise(
    id="0.2",
    title="Noise with a generator of its own",
    points=1,
    minutes=3,
    reference=draw_noise,
    cases=requests,
    observe=observe_noise,
    slips={
        "The numbers come from torch's global "
        "generator: pass generator=rng.": lambda m, noise_dim, rng: torch.randn(m, noise_dim),
        "torch.rand is uniform between 0 and 1. The normal distribution "
        "is torch.randn.": lambda m, noise_dim, rng: torch.rand(m, noise_dim, generator=rng),
        "That is uniform in [-1, 1]; here z is normal: torch.randn.": lambda m, noise_dim, rng: (
            2 * torch.rand(m, noise_dim, generator=rng) - 1
        ),
        "Rows and columns are swapped: one latent vector per row, "
        "so (m, noise_dim).": lambda m, noise_dim, rng: torch.randn(noise_dim, m, generator=rng),
        "You set the seed at each call, so each call returns the same noise. rng has a seed "
        "already: just draw from it.": reseeded,
        "torch.manual_seed changes the random numbers of every other part of the program. Draw "
        "from rng with generator=rng, and set no seed.": globally_seeded,
    },
    alternatives=(
        lambda m, noise_dim, rng: torch.randn(m, noise_dim, generator=rng),
        lambda m, noise_dim, rng: torch.empty(m, noise_dim).normal_(generator=rng),
        lambda m, noise_dim, rng: torch.stack(
            [torch.randn(noise_dim, generator=rng) for _ in range(m)]
        ),
    ),
)
