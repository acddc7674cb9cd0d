"""Exercise 1.2: random sign noise."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gancourse.exercises.base import Case, Exercise, Observation, as_tensor
from gancourse.exercises.observe import images, integer, seeded
from gancourse.papers import adversarial


def noise(draw: Callable[[Tensor, torch.Generator], Tensor], clamp: bool = True) -> Callable:
    """Noise of size eps; `draw` makes its values."""

    def answer(x: Tensor, eps: float, rng: torch.Generator) -> Tensor:
        noisy = x + eps * draw(x, rng)
        return noisy.clamp(-1, 1) if clamp else noisy

    return answer


def bits(x: Tensor, rng: torch.Generator) -> Tensor:
    """0 or 1 for each value."""
    return torch.randint(2, x.shape, generator=rng).float()


def shared_signs(x: Tensor, rng: torch.Generator) -> Tensor:
    """One sign for each position, the same for all images and channels."""
    return (2.0 * torch.randint(2, x.shape[2:], generator=rng) - 1).expand_as(x)


def noise_in_place(x: Tensor, eps: float, rng: torch.Generator) -> Tensor:
    """The right noise, but x itself is changed."""
    x += eps * (2 * bits(x, rng) - 1)
    return x.clamp_(-1, 1)


def noise_cases(rng: torch.Generator) -> list[Case]:
    """Images whose values can move freely, then images at the ends of the range."""
    x = images(rng, 2, 3, 16, 16)
    eps = 0.1 + 0.1 * torch.rand((), generator=rng).item()
    seed = integer(rng, 0, 10**6)
    return [
        Case((0.7 * x, eps, seed), note="on grey images"),
        Case((x.sign(), eps, seed), note="on images of pure black and white"),
    ]


def observe_noise(answer: Callable[..., Any], case: Case) -> Observation:
    """Random values can't be compared one by one: observe what all right answers share."""
    x, eps, seed = case.args
    x_given = x.clone()

    def call(seed: int) -> Tensor:
        return as_tensor(answer(x_given, eps, seeded(seed)))

    noisy = call(seed)
    if noisy.shape != x.shape:
        return {"shape": torch.tensor(noisy.shape)}
    change = noisy - x
    free = x.abs() + eps < 1  # where the ends of the range are not in the way
    # the mean of 1,536 fair signs has a standard deviation of 0.026: 0.2 is 8 of them
    fair = not free.any() or (change[free] / eps).mean().abs() < 0.2
    s = change.sign()  # independent between images, channels, rows and columns
    pairs = ((s[0], s[1]), (s[:, 0], s[:, 1]), (s[:, 1], s[:, 2]), (s[:, :, 1:], s[:, :, :-1]))
    alike = max((a * b).mean().abs() for a, b in (*pairs, (s[..., 1:], s[..., :-1])))
    facts = {
        "x is left as it is": x_given.equal(x),
        "every value stays in [-1, 1]": noisy.abs().max() <= 1,
        "every free value moves by eps": (change[free].abs() - eps).abs().lt(1e-5).all(),
        "no free value stays as it was": change[free].abs().gt(1e-9).all(),
        "no value moves further than eps": change.abs().max() <= eps + 1e-5,
        "as many values go up as down": fair,
        "every value has its own sign": not free.all() or alike < 0.4,
        "the same rng gives the same noise": call(seed).equal(noisy),
        "another rng gives other noise": not noisy.equal(call(seed + 1)),
    }
    return {name: torch.tensor(bool(value)) for name, value in facts.items()}


EXERCISE = Exercise(
    id="1.2",
    title="Random sign noise",
    points=2,
    minutes=8,
    reference=adversarial.random_sign_noise,
    cases=noise_cases,
    observe=observe_noise,
    slips={
        "Some values change by more than eps. Gaussian noise, or a factor other than eps?": noise(
            lambda x, rng: torch.randn(x.shape, generator=rng)
        ),
        "Values change by less than eps. Only +eps and -eps are allowed.": noise(
            lambda x, rng: images(rng, *x.shape)
        ),
        "Some values don't change: randint(-1, 2) draws 0 as well. Draw only -1 and +1.": noise(
            lambda x, rng: torch.randint(-1, 2, x.shape, generator=rng).float()
        ),
        "Values share a sign. Each value of each image and channel needs its own.": noise(
            shared_signs
        ),
        "You changed the x that was given; it is used again.": noise_in_place,
        "Your signs are 0 and 1; they should be -1 and +1.": noise(bits),
        "All values have the same sign, so the whole image gets brighter or darker.": noise(
            lambda x, rng: 2.0 * torch.randint(2, (), generator=rng) - 1
        ),
        "Your noise does not come from rng, so the result can't be repeated.": noise(
            lambda x, rng: 2 * torch.randint(2, x.shape).float() - 1
        ),
        "Some values leave [-1, 1]: clamp the result.": noise(
            lambda x, rng: 2 * bits(x, rng) - 1, clamp=False
        ),
    },
    alternatives=(
        noise(lambda x, rng: torch.where(torch.rand(x.shape, generator=rng) < 0.5, 1.0, -1.0)),
        noise(lambda x, rng: (torch.rand(x.shape, generator=rng) - 0.5).sign()),
    ),
)
