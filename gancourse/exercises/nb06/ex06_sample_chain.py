"""Exercise 6.6: the sampling chain."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gancourse.exercises.base import Case, Exercise, Observation
from gancourse.exercises.nb06._shared import observe_list
from gancourse.exercises.observe import images, integer, seeded
from gancourse.papers import lapgan


def observe_chain(answer: Callable[..., Any], case: Case) -> Observation:
    """Call it with two simple functions as generators, different for each level and input."""
    coarse, seed = case.args

    def level(scale: float) -> Callable[[Tensor, Tensor], Tensor]:
        return lambda z, low: scale * z - 0.5 * scale * low.flip(3) * low

    given = coarse.clone()
    result = answer(given, {8: level(0.7), 16: level(1.3)}, seeded(seed))
    unchanged = torch.tensor(torch.equal(given, coarse))
    return {**observe_list(result), "inputs left unchanged": unchanged}


def chain_cases(rng: torch.Generator) -> list[Case]:
    args = (images(rng, 2, 3, 4, 4), integer(rng, 0, 10**6))
    return [Case(args, note="from 2 images of 4 x 4")]


def chain_like(
    up: Callable = lapgan.up,
    add: bool = True,
    clip: bool = False,
    planes: int = 1,
    residuals: bool = False,
    swapped: bool = False,
    shared_noise: bool = False,
    only_last: bool = False,
) -> Callable[..., Any]:
    """Make a sampling chain, with a slip if asked for."""

    def sample_chain(coarse: Tensor, generators: dict[int, Any], rng: torch.Generator) -> Any:
        chain = [coarse]
        x = coarse
        for G in generators.values():
            low = up(x)
            m = 1 if shared_noise else len(low)
            z = torch.randn(m, planes, *low.shape[2:], generator=rng, device=rng.device)
            residual = G(low, z) if swapped else G(z, low)
            x = low + residual if add else residual
            x = x.clamp(-1, 1) if clip else x
            chain.append(residual if residuals else x)
        return chain[-1:] if only_last else chain

    return sample_chain


EXERCISE = Exercise(
    id="6.6",
    title="The sampling chain",
    points=3,
    minutes=15,
    reference=lapgan.sample_chain,
    cases=chain_cases,
    observe=observe_chain,
    slips={
        "Nothing is doubled. Call up before each generator.": chain_like(up=lambda x: x),
        "You passed on the residual as an image. Add it to the doubled image first.": chain_like(
            add=False
        ),
        "The chain is right, but the list should hold images, not residuals.": chain_like(
            residuals=True
        ),
        "You clipped on the way. Nothing is clipped in this chain.": chain_like(clip=True),
        "All images of the batch share one plane of noise. Draw one for each.": chain_like(
            shared_noise=True
        ),
        "The noise has three planes. A level's generator takes one.": chain_like(planes=3),
        "The arguments are swapped: it is G(z, low).": chain_like(swapped=True),
        "The list holds the last image only. It should begin with the coarse image and hold "
        "every step.": chain_like(only_last=True),
    },
    alternatives=(chain_like(),),
)
