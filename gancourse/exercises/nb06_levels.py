"""Right and wrong answers to the exercises 6.4 to 6.6: the networks of a level, and the chain."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from gancourse.exercises.base import AnswerError, Case, Observation
from gancourse.exercises.nb06_answers import listed, pictures
from gancourse.exercises.observe import fill, number
from gancourse.papers import lapgan


# 6.4 and 6.5 -----------------------------------------------------------------------------------
def observe_level(answer: Callable[..., nn.Module], case: Case, planes: int = 1) -> Observation:
    """What a network of two inputs is and does; `planes` is the first input's number of channels.

    0 stands for as many as the picture has: a residual.
    """
    channels, width, size, seed = case.args
    rng = torch.Generator().manual_seed(seed)
    named = {"depth": size} if planes else {"side": 8 * size}
    net = answer(channels=channels, width=width, **named)
    if not isinstance(net, nn.Module):
        raise AnswerError(f"Expected a network (an nn.Module), got a {type(net).__name__}.")
    fill(net, rng)
    side = 6 if planes else 8 * size
    first = (2 * pictures(rng, side, 2, planes or channels)).requires_grad_()
    low = pictures(rng, side, 2, channels).requires_grad_()
    y = net(first, low)
    if not isinstance(y, Tensor) or not y.requires_grad:
        raise AnswerError("forward should return a tensor that gradients can flow through.")
    slopes = torch.autograd.grad(y.square().sum(), (first, low), allow_unused=True)
    slopes = [torch.zeros(1) if s is None else s for s in slopes]
    with torch.no_grad():
        one = net(first[:1], low[:1])
    return {
        "number of weights and biases": torch.tensor(sum(p.numel() for p in net.parameters())),
        "output": y.detach(),
        "a batch of one": one,
        "gradient at the first input": slopes[0],
        "gradient at the low-pass picture": slopes[1],
    }


def observe_judge(answer: Callable[..., nn.Module], case: Case) -> Observation:
    return observe_level(answer, case, planes=0)


def level_cases(rng: torch.Generator) -> list[Case]:
    return [Case((number(rng, 2, 3), number(rng, 3, 4), number(rng, 1, 2), number(rng, 0, 10**6)))]


class LevelLike(nn.Module):
    """A level's generator, with a slip if asked for."""

    def __init__(
        self,
        channels: int = 3,
        width: int = 32,
        depth: int = 2,
        *,
        end: Callable[[], nn.Module] = nn.Identity,
        plus: bool = False,
        join: Callable[[Tensor, Tensor], Tensor] = lambda z, low: torch.cat([low, z], dim=1),
        extra: int = 1,
        act: Callable[[], nn.Module] = lambda: nn.LeakyReLU(0.2),
        padding: int = 1,
    ) -> None:
        super().__init__()
        sizes = [channels + extra] + [width] * (depth + 1)
        layers: list[nn.Module] = []
        for a, b in pairwise(sizes):
            layers += [nn.Conv2d(a, b, 3, padding=padding), act()]
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, channels, 3, padding=padding), end())
        self.plus, self.join = plus, join

    def forward(self, z: Tensor, low: Tensor) -> Tensor:
        residual = self.layers(self.join(z, low))
        return low + residual if self.plus else residual


def judge_like(see: Callable[[Tensor, Tensor], tuple], end: Callable = lambda y: y) -> type:
    """Make a level's discriminator that looks at the two pictures of ``see(residual, low)``."""

    class Judge(lapgan.LevelDiscriminator):
        def forward(self, residual, low):  # no annotations: slips break them
            return end(self.layers(torch.cat(see(residual, low), dim=1)))

    return Judge


# 6.6 -------------------------------------------------------------------------------------------
def observe_chain(answer: Callable[..., Any], case: Case) -> Observation:
    """Two fake generators that treat noise and picture differently, and scale with the level."""
    coarse, seed = case.args

    def level(scale: float) -> Callable[[Tensor, Tensor], Tensor]:
        return lambda z, low: scale * z - 0.5 * scale * low.flip(3) * low

    generators = {8: level(0.7), 16: level(1.3)}
    given = coarse.clone()
    made = answer(given, generators, torch.Generator().manual_seed(seed))
    kept = torch.equal(given, coarse)
    return {**listed(made), "inputs left unchanged": torch.tensor(kept)}


def chain_cases(rng: torch.Generator) -> list[Case]:
    return [Case((pictures(rng, 4), number(rng, 0, 10**6)), note="from 2 pictures of 4 x 4")]


def chain_like(
    up: Callable = lapgan.up,
    add: bool = True,
    clip: bool = False,
    planes: int = 1,
    alone: bool = False,
    swapped: bool = False,
    one_noise: bool = False,
    only_last: bool = False,
) -> Callable[..., Any]:
    """Make a sampling chain, with a slip if asked for."""

    def chain(coarse: Tensor, generators: dict[int, Any], rng: torch.Generator) -> Any:
        made = [coarse]
        x = coarse
        for G in generators.values():
            low = up(x)
            m = 1 if one_noise else len(low)
            z = torch.randn(m, planes, *low.shape[2:], generator=rng, device=rng.device)
            residual = G(low, z) if swapped else G(z, low)
            x = low + residual if add else residual
            x = x.clamp(-1, 1) if clip else x
            made.append(residual if alone else x)
        return made[-1:] if only_last else made

    return chain
