"""Exercise 1.2: random sign noise."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gancourse.exercises.base import Case, Exercise, Observation, as_tensor
from gancourse.exercises.differences import FACT, RAW
from gancourse.exercises.observe import images, integer, seeded
from gancourse.papers import adversarial


def noise(draw: Callable[[Tensor, torch.Generator], Tensor], low: float = -1) -> Callable:
    """Noise of size eps; `draw` makes its values. Clamped, unless `low` is minus infinity."""

    def answer(x: Tensor, eps: float, rng: torch.Generator) -> Tensor:
        return (x + eps * draw(x, rng).to(x)).clamp(low, math.inf if low == -math.inf else 1)

    return answer


def signs(x: Tensor, rng: torch.Generator) -> Tensor:
    """-1 or +1 for each value."""
    return 2 * torch.randint(2, x.shape, generator=rng, device=rng.device) - 1


def only_noise(x: Tensor, eps: float, rng: torch.Generator) -> Tensor:
    """Slip: the noise without the image."""
    return (eps * signs(x, rng)).to(x).clamp(-1, 1)


def clamped_noise(x: Tensor, eps: float, rng: torch.Generator) -> Tensor:
    """Slip: the noise is clamped, not the result."""
    return x + (eps * signs(x, rng)).to(x).clamp(-1, 1)


def reflected(x: Tensor, eps: float, rng: torch.Generator) -> Tensor:
    """Slip: values that would leave the range go the other way."""
    change = (eps * signs(x, rng)).to(x)
    return torch.where((x + change).abs() > 1, x - change, x + change)


def noise_cases(rng: torch.Generator) -> list[Case]:
    """Images whose values can move freely, then images at the ends of the range."""
    x = images(rng, 2, 3, 12, 40)
    eps = 0.1 + 0.1 * torch.rand((), generator=rng).item()
    seed = integer(rng, 0, 10**6)
    return [
        Case((0.7 * x, eps, seed), note="on grey images"),
        Case((x[:1].sign(), eps, seed), note="on an image of pure black and white"),
    ]


def observe_noise(answer: Callable[..., Any], case: Case) -> Observation:
    """Four results: of the seed, of the same generator again, of the same seed, of another one."""
    x, eps, seed = case.args
    rng = seeded(seed)
    first = answer(x.clone(), eps, rng)
    noisy = as_tensor(first)
    if noisy.shape != x.shape or not noisy.is_floating_point():
        return {f"{RAW}first": noisy}
    facts = {
        "Return a torch tensor: the model takes one.": not isinstance(first, Tensor),
        f"Your result has the type {noisy.dtype}, x has {x.dtype}: convert it with .to(x).": (
            noisy.dtype != x.dtype
        ),
    }
    return {
        f"{RAW}first": noisy,
        f"{RAW}second": as_tensor(answer(x.clone(), eps, rng)),
        f"{RAW}again": as_tensor(answer(x.clone(), eps, seeded(seed))),
        f"{RAW}other": as_tensor(answer(x.clone(), eps, seeded(seed + 1))),
        **{FACT + text: torch.tensor(True) for text, is_so in facts.items() if is_so},
    }


def conclude_noise(seen: Observation, case: Case) -> Observation:
    """What all right answers share, since random values can't be compared one by one.

    Values are the shape, and, of pure black and white images, the ends of the range; the rest are
    facts in words.
    """
    x, eps, _ = case.args
    noisy = seen[f"{RAW}first"]
    if noisy.shape != x.shape or not noisy.is_floating_point():
        return {"result": torch.ones_like(noisy)}  # compares the shape
    second, again, other = (seen[f"{RAW}{name}"] for name in ("second", "again", "other"))
    grey = bool(x.abs().max() < 1)
    r = (noisy.double() - x) / eps
    facts = {
        **(steps(r, eps) if grey else steps_inside(r, eps)),
        "Another rng gives the same signs in another place, or turned: draw each of them from "
        "rng, with x.shape.": grey and alike((noisy - x).sign(), (other - x).sign()),
        "The same seed gives different noise: draw all signs from rng, with generator=rng, and set "
        "no seed.": not again.equal(noisy),
        "A second call with the same rng gives the same noise: draw from rng, set no seed, and "
        "make no generator of your own.": second.equal(noisy),
        "An rng with another seed gives the same noise: draw from rng, with generator=rng.": (
            other.equal(noisy)
        ),
    }
    if not noisy.isfinite().all():
        facts = {"Some values are nan or infinite.": True}
    ends = {} if grey else {"smallest and largest value": torch.stack(noisy.aminmax())}
    true = {FACT + text: torch.tensor(True) for text, is_so in facts.items() if is_so}
    return {"result": torch.zeros_like(noisy), **ends, **true}


def steps(r: Tensor, eps: float) -> dict[str, bool]:
    """What is wrong with the changes r, in units of eps, of values that can move freely.

    The share of 2,880 fair signs has a standard error of 0.9 %, the mean product of 1,440 pairs one
    of 0.026.
    """
    size, up = r.abs(), float((r > 0).double().mean())
    kept = float((size < 1e-3).double().mean())
    most, least = size.max() * eps, size.min() * eps
    one_way = r.gt(0).all() or r.lt(0).all()
    return {
        "Nothing changes: add eps times the signs to x.": kept == 1,
        f"{kept:.0%} of the values don't change. Each sign should be -1 or +1, and never 0.": (
            kept > 0.02
        ),
        f"Every value changes by {most:.3g}, not by eps = {eps:.3g}: use eps as it is.": (
            bool((size - 1).abs().max() > 1e-3 and most - least < 1e-3 * most)
        ),
        f"Values change by {least:.3g} to {most:.3g}, but all should change by eps = {eps:.3g}: "
        "add eps times a sign, -1 or +1, and nothing else.": bool((size - 1).abs().max() > 1e-3),
        "All values change in the same direction: draw a sign for each, in the shape x.shape, "
        "so that both -1 and +1 occur.": bool(one_way),
        **shared(r.sign()),
        f"{up:.0%} of the values go up. With a probability of 1/2 for each sign it is about "
        "half.": abs(up - 0.5) > 0.08,
    }


def alike(a: Tensor, b: Tensor) -> bool:
    """Whether signs are those of another draw, shifted or turned.

    The mean product of 2,880 independent pairs has a standard error of 0.019.
    """
    if a.shape != b.shape:
        return False
    spectrum = torch.fft.rfft(a.flatten()) * torch.fft.rfft(b.flatten()).conj()
    return float(torch.fft.irfft(spectrum).abs().max()) > 0.3 * a.numel()


def shared(s: Tensor) -> dict[str, bool]:
    """Along which dimensions signs are not independent, in words."""
    found = {}
    for d, word in ((3, "columns"), (2, "rows"), (1, "channels"), (0, "images")):
        n = s.shape[d] - 1
        alike = float((s.narrow(d, 0, n) * s.narrow(d, 1, n)).mean())
        found[
            f"All {word} have the same signs: draw one for each value of each image and channel, "
            "with x.shape."
        ] = alike > 0.99
        found[
            f"The signs of neighbouring {word} depend on each other: draw one for each value, with "
            "x.shape."
        ] = abs(alike - float(s.mean()) ** 2) > 0.3
    return found


def steps_inside(r: Tensor, eps: float) -> dict[str, bool]:
    """What is wrong with the changes of values at the ends of the range."""
    size = r.abs()
    moved = float((size > 1e-3).double().mean())
    odd = size[(size > 1e-3) & ((size - 1).abs() > 1e-3)]
    most = odd.max() * eps if len(odd) else 0
    return {
        f"Black and white values should stay, or change by eps = {eps:.3g}; some change by "
        f"{most:.3g}. Clamp only what is outside of [-1, 1].": len(odd) > 0,
        f"{moved:.0%} of the black and white values change. Each moves inwards with a probability "
        "of 1/2, and is otherwise clamped: about half should change.": abs(moved - 0.5) > 0.08,
    }


EXERCISE = Exercise(
    id="1.2",
    title="Random sign noise",
    points=2,
    minutes=8,
    reference=adversarial.random_sign_noise,
    cases=noise_cases,
    observe=observe_noise,
    conclude=conclude_noise,
    slips={
        "Some values leave [-1, 1]: clamp the result.": [
            noise(signs, low=-math.inf),
            clamped_noise,
        ],
        "The course's images lie in [-1, 1], not in [0, 1].": noise(signs, low=0),
        "A value that would leave [-1, 1] should end at -1 or 1: clamp the result, and don't "
        "change the sign of the noise.": reflected,
        "You returned the noise alone: add it to x.": only_noise,
        "The generator is a keyword argument: generator=rng.": [
            noise(lambda x, rng: 2 * torch.randint(2, x.shape, rng) - 1),
            noise(lambda x, rng: torch.rand(x.shape, rng).round() * 2 - 1),
            noise(lambda x, rng: torch.randn(x.shape, rng).sign()),
        ],
        "Unlike NumPy's, a torch.Generator has no functions that draw: pass it to one of torch's, "
        "torch.randint(2, x.shape, generator=rng, device=rng.device).": [
            noise(lambda x, rng: rng.choice([-1, 1], size=x.shape)),
            noise(lambda x, rng: rng.integers(2, size=x.shape)),
            noise(lambda x, rng: rng.randint(2, x.shape)),
            noise(lambda x, rng: rng.random(x.shape)),
        ],
        "torch can't subtract booleans: convert them first, with .float().": [
            noise(lambda x, rng: (torch.rand(x.shape, generator=rng) > 0.5) - 0.5),
            noise(lambda x, rng: 1 - (torch.rand(x.shape, generator=rng) > 0.5)),
        ],
    },
    alternatives=(
        noise(signs),
        noise(
            lambda x, rng: torch.where(
                torch.rand(x.shape, generator=rng, device=rng.device) < 0.5, 1.0, -1.0
            )
        ),
        noise(lambda x, rng: torch.randn(x.shape, generator=rng, device=rng.device).sign()),
    ),
    advice="On grey images: is result - x either -eps or +eps everywhere, and each about as often?",
)
