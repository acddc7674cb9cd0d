"""Right and wrong answers to the exercises of notebook 06, and how they are observed."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gancourse.exercises.base import AnswerError, Case, Observation, as_tensor
from gancourse.papers import lapgan

Pair = tuple[Tensor, Tensor]


def listed(pictures: Any, what: str = "picture") -> Observation:
    """Observe a list of tensors: how many there are, and each."""
    if isinstance(pictures, Tensor) or not isinstance(pictures, (list, tuple)):
        raise AnswerError(f"Return a list of tensors, not a {type(pictures).__name__}.")
    seen = {f"{what} {i}": as_tensor(x, f"{what} {i}") for i, x in enumerate(pictures)}
    return {"number of entries": torch.tensor(len(pictures)), **seen}


def pictures(rng: torch.Generator, side: int, batch: int = 2, channels: int = 3) -> Tensor:
    return torch.rand(batch, channels, side, side, generator=rng) * 2 - 1


# 6.1 -------------------------------------------------------------------------------------------
def halving(rng: torch.Generator) -> list[Case]:
    return [
        Case((pictures(rng, 8),), note="on 2 random pictures of 8 x 8"),
        Case((torch.rand(1, 1, 4, 6, generator=rng),), note="on a grey picture of 4 x 6"),
    ]


def down_like(mode: str = "replicate", scale: float = 1.0, groups: bool = True) -> Callable:
    """Make a `down`, with a slip if asked for."""

    def down(x: Tensor) -> Tensor:
        w = torch.tensor(lapgan.WEIGHTS)
        kernel = w[:, None] * w[None, :] * scale
        channels = x.shape[1]
        padded = F.pad(x, (1, 1, 1, 1), mode=mode)
        if groups:
            kernel = kernel.expand(channels, 1, 4, 4)
            return F.conv2d(padded, kernel, stride=2, groups=channels)
        return F.conv2d(padded, kernel.expand(channels, channels, 4, 4), stride=2)

    return down


def three_means(x: Tensor) -> Tensor:
    """[1, 3, 3, 1] / 8 is the mean of two pixels, three times."""
    x = F.pad(x, (1, 1, 1, 1), mode="replicate")
    return F.avg_pool2d(F.avg_pool2d(F.avg_pool2d(x, 2, 1), 2, 1), 2)


def by_hand(x: Tensor) -> Tensor:
    """Rows, then columns, by slices."""
    for dim in (2, 3):
        x = x.movedim(dim, 0)
        x = torch.cat([x[:1], x, x[-1:]])
        x = (x[:-2:2] + 3 * x[1:-1:2] + 3 * x[2:-1:2] + x[3::2]) / 8
        x = x.movedim(0, dim)
    return x


def rows_only(x: Tensor) -> Tensor:
    """Blur in one direction only."""
    w = torch.tensor(lapgan.WEIGHTS).view(1, 1, 4, 1).expand(x.shape[1], 1, 4, 1)
    padded = F.pad(x, (0, 0, 1, 1), mode="replicate")
    return F.conv2d(padded, w, stride=2, groups=x.shape[1])


# 6.2 and 6.3 -----------------------------------------------------------------------------------
def observe_pyramid(answer: Callable[..., Any], case: Case) -> Observation:
    x, levels = case.args
    given = x.clone()
    return {
        **listed(answer(given, levels), "entry"),
        "inputs left unchanged": torch.tensor(torch.equal(given, x)),
    }


def near_copy(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest")


def laplacian_like(
    sign: int = 1, coarse: bool = True, turn: bool = False, up: Callable = lapgan.up
) -> Callable[[Tensor, int], list[Tensor]]:
    """Make a `laplacian`, with a slip if asked for."""

    def laplacian(x: Tensor, levels: int) -> list[Tensor]:
        parts = []
        for _ in range(levels):
            smaller = lapgan.down(x)
            parts.append(sign * (x - up(smaller)))
            x = smaller
        parts += [x] if coarse else []
        return parts[::-1] if turn else parts

    return laplacian


def recursive(x: Tensor, levels: int) -> list[Tensor]:
    """A lapgan is a residual on top of the halved picture's lapgan."""
    if levels == 0:
        return [x]
    smaller = lapgan.down(x)
    return [x - lapgan.up(smaller), *recursive(smaller, levels - 1)]


def of_residuals(x: Tensor, levels: int) -> list[Tensor]:
    """Goes on with the residual instead of the halved picture."""
    parts = []
    for _ in range(levels):
        residual = x - lapgan.up(lapgan.down(x))
        parts.append(residual)
        x = lapgan.down(residual)
    return [*parts, x]


def stacks(rng: torch.Generator) -> list[Case]:
    """Pyramids whose residuals are larger than any picture's, so that clipping shows."""
    parts = [2 * pictures(rng, side) for side in (16, 8)]
    return [Case(([*parts, pictures(rng, 4)],), note="on a lapgan of 16, 8 and 4 pixels")]


def observe_reconstruction(answer: Callable[..., Any], case: Case) -> Observation:
    given = [part.clone() for part in case.args[0]]
    picture = as_tensor(answer(given))
    same = len(given) == len(case.args[0]) and all(
        torch.equal(a, b) for a, b in zip(given, case.args[0], strict=True)
    )
    return {"result": picture, "the lapgan is left as it was": torch.tensor(same)}


def reconstruct_like(
    sign: int = 1, clip: bool = False, up: Callable = lapgan.up, pop: bool = False
) -> Callable[[list[Tensor]], Tensor]:
    """Make a `reconstruct`, with a slip if asked for."""

    def reconstruct(parts: list[Tensor]) -> Tensor:
        x = parts.pop() if pop else parts[-1]
        for residual in reversed(parts if pop else parts[:-1]):
            x = up(x) + sign * residual
            x = x.clamp(-1, 1) if clip else x
        return x

    return reconstruct


def sum_of_all(parts: list[Tensor]) -> Tensor:
    """Doubling is linear, so every part may be doubled to full size by itself."""
    total = torch.zeros_like(parts[0])
    for k, part in enumerate(parts):
        for _ in range(k):
            part = lapgan.up(part)
        total = total + part
    return total


def without_middle(parts: list[Tensor]) -> Tensor:
    """Adds the finest residual alone."""
    x = parts[-1]
    for _ in parts[:-1]:
        x = lapgan.up(x)
    return x + parts[0]


# 6.8 -------------------------------------------------------------------------------------------
def clouds(rng: torch.Generator) -> list[Case]:
    samples, examples = pictures(rng, 3, 4), pictures(rng, 3, 6)
    return [Case((samples, examples), note="for 4 samples and 6 examples of 3 x 3 pixels")]


def nearest_like(p: float = 2.0, worst: bool = False, turn: bool = False) -> Callable[..., Pair]:
    """Make a nearest-neighbour search, with a slip if asked for."""

    def nearest(samples: Tensor, examples: Tensor) -> Pair:
        a, b = (examples, samples) if turn else (samples, examples)
        distances = torch.cdist(a.flatten(1), b.flatten(1), p=p)
        found = distances.max(dim=1) if worst else distances.min(dim=1)
        return found.values, found.indices

    return nearest


def one_by_one(samples: Tensor, examples: Tensor) -> Pair:
    """A loop over the samples."""
    pairs = [(examples - x).square().sum(dim=(1, 2, 3)).sqrt().min(dim=0) for x in samples]
    return torch.stack([v for v, _ in pairs]), torch.stack([i for _, i in pairs])
