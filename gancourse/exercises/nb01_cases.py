"""Questions of notebook 01's exercises: tiny networks with random weights, tiny pictures.

A sign is only well defined away from zero, so networks and pictures are drawn again until every
slope that a right answer uses is clearly not zero.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from gancourse import attacks
from gancourse.exercises.base import Case, Observation, as_tensor, observe_call

CLASSES, SHAPE = 3, (2, 2, 2)  # of the tiny networks' answers and pictures


class Tiny(nn.Module):
    """Two layers with weights from a generator; smooth, so that a slope exists everywhere."""

    def __init__(self, rng: torch.Generator) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.randn(6, math.prod(SHAPE), generator=rng) / 2)
        self.second = nn.Parameter(torch.randn(CLASSES, 6, generator=rng))

    def forward(self, x: Tensor) -> Tensor:
        return (x.flatten(1) @ self.first.T).tanh() @ self.second.T


class Brightness(nn.Module):
    """Class 1 where a picture is bright on average, 0 where it is dark."""

    def forward(self, x: Tensor) -> Tensor:
        light = 4 * x.flatten(1).mean(dim=1)
        return torch.stack([-light, light], dim=1)


def pictures(rng: torch.Generator, batch: int, edges: bool = False) -> Tensor:
    """Grey pictures with room around every value; with `edges`, a row of pure black and white."""
    x = (2 * torch.rand(batch, *SHAPE, generator=rng) - 1) * 0.6
    if edges:
        x[:, :, 0] = x[:, :, 0].sign()
    return x


def labels(rng: torch.Generator, batch: int) -> Tensor:
    """Any class, for each picture."""
    return torch.randint(CLASSES, (batch,), generator=rng)


def clear(model: nn.Module, x: Tensor, y: Tensor) -> bool:
    """Whether no slope is so near zero that rounding could turn its sign."""
    return bool(attacks.input_gradient(model, x, y).abs().min() > 2e-5)


def observe_clean(answer: Callable[..., Any], case: Case) -> Observation:
    """Call the answer, and see whether it left anything behind in the model's gradients."""
    model = case.args[0]
    model.zero_grad(set_to_none=True)
    seen = dict(observe_call(answer, case))
    untouched = all(parameter.grad is None for parameter in model.parameters())
    model.zero_grad(set_to_none=True)
    return {**seen, "parameters' gradients left alone": torch.tensor(untouched)}


def noise(rng: torch.Generator) -> list[Case]:
    """Pictures with room around every value, then pictures that touch the ends of the range."""
    x = 2 * torch.rand(2, 3, 16, 16, generator=rng) - 1
    eps = 0.1 + 0.1 * torch.rand((), generator=rng).item()
    seed = int(torch.randint(1_000_000, (), generator=rng))
    return [
        Case((0.7 * x, eps, seed), note="on grey pictures"),
        Case((x.sign(), eps, seed), note="on pictures of pure black and white"),
    ]


def observe_noise(answer: Callable[..., Any], case: Case) -> Observation:
    """Noise can't be compared draw by draw: look at what every right answer has in common."""
    x, eps, seed = case.args

    def call(seed: int) -> Tensor:
        return as_tensor(answer(x.clone(), eps, torch.Generator().manual_seed(seed)))

    noisy = call(seed)
    if noisy.shape != x.shape:
        return {"shape": torch.tensor(noisy.shape)}
    change = noisy - x
    free = x.abs() + eps < 1  # where the ends of the range are not in the way
    # 1,536 coins: the mean of a fair one lies within 0.026 with probability 2/3, and 0.2 is 8 sigma
    fair = not free.any() or (change[free] / eps).mean().abs() < 0.2
    facts = {
        "every value stays in [-1, 1]": noisy.abs().max() <= 1,
        "every free value moves by eps": (change[free].abs() - eps).abs().lt(1e-5).all(),
        "no value moves further than eps": change.abs().max() <= eps + 1e-5,
        "as many values go up as down": fair,
        "the same rng gives the same noise": noisy.equal(call(seed)),
        "another rng gives other noise": not noisy.equal(call(seed + 1)),
    }
    return {name: torch.tensor(bool(value)) for name, value in facts.items()}


def gradient(rng: torch.Generator) -> list[Case]:
    """A model, pictures and labels, for two sizes of the batch."""
    return [Case((Tiny(rng), pictures(rng, n), labels(rng, n))) for n in (3, 5)]


def one_step(rng: torch.Generator) -> list[Case]:
    """A model, pictures, labels and eps: in the middle of the range, then at its ends."""
    eps = 0.05 + 0.1 * torch.rand((), generator=rng).item()
    cases = []
    for edges, batch in ((False, 3), (True, 6)):
        drawn = Tiny(rng), pictures(rng, batch, edges), labels(rng, batch)
        while not clear(*drawn):
            drawn = Tiny(rng), pictures(rng, batch, edges), labels(rng, batch)
        note = "on pictures with black and white in them" if edges else "on grey pictures"
        cases.append(Case((*drawn, eps), note=note))
    return cases


def many_steps(rng: torch.Generator) -> list[Case]:
    """Steps that lead past the ball, then steps that stay inside; untargeted, then targeted."""
    cases = []
    for targeted, step, steps in ((False, 0.15, 4), (True, 0.07, 3)):
        while True:
            model, x, y = Tiny(rng), pictures(rng, 3, edges=True), labels(rng, 3)
            path = [attacks.iterate(model, x, y, 0.3, step, n, targeted) for n in range(steps + 1)]
            first = attacks.input_gradient(model, x, y).sign()
            last = attacks.input_gradient(model, path[-2], y).sign()
            # the slope must turn on the way, or one look at it would be enough
            if not first.equal(last) and all(clear(model, point, y) for point in path[:-1]):
                break
        note = "towards a target" if targeted else "away from the true class"
        cases.append(Case((model, x, y, 0.3, step, steps), {"targeted": targeted}, note))
    return cases


def curve(rng: torch.Generator) -> list[Case]:
    """16 pictures at known distances from the border; three of them are labelled wrongly."""
    order = torch.randperm(16, generator=rng)
    distance = 0.05 + 0.06 * torch.arange(16)  # 0.05 to 0.95
    side = 2 * torch.randint(2, (16,), generator=rng) - 1
    x = (distance * side)[:, None, None, None].expand(16, 1, 2, 2)
    y = (side > 0).long()
    y[4:7] = 1 - y[4:7]  # at 0.29, 0.35 and 0.41
    sizes = [0.0, 0.14, 0.32, 0.62]
    return [Case((Brightness(), attacks.fgsm, x[order].clone(), y[order], sizes))]
