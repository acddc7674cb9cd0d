"""What several exercises of notebook 01 share."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from gancourse.exercises.base import Case, Observation, observe_call
from gancourse.papers import adversarial


def step(change: Callable[[Tensor], Tensor], low: float = -1, high: float = 1) -> Callable:
    """An attack of one step: x + eps * change(gradient), clamped."""

    def answer(model: adversarial.Model, x: Tensor, y: Tensor, eps: float) -> Tensor:
        return (x + eps * change(adversarial.input_gradient(model, x, y))).clamp(low, high)

    return answer


CLASSES, SHAPE = 3, (2, 2, 2)  # of the tiny networks' answers and pictures


class Tiny(nn.Module):
    """Two layers with weights from a generator; smooth, so that a slope exists everywhere."""

    def __init__(self, rng: torch.Generator) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.randn(6, math.prod(SHAPE), generator=rng) / 2)
        self.second = nn.Parameter(torch.randn(CLASSES, 6, generator=rng))

    def forward(self, x: Tensor) -> Tensor:
        return (x.flatten(1) @ self.first.T).tanh() @ self.second.T


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
    return bool(adversarial.input_gradient(model, x, y).abs().min() > 2e-5)


def observe_clean(answer: Callable[..., Any], case: Case) -> Observation:
    """Call the answer, and see whether it left anything behind in the model's gradients."""
    model = getattr(case.args[0], "__self__", case.args[0])  # a plain function, or the network
    model.zero_grad(set_to_none=True)
    seen = dict(observe_call(answer, case))
    untouched = all(p.grad is None and p.requires_grad for p in model.parameters())
    model.zero_grad(set_to_none=True)
    model.requires_grad_(True)
    return {**seen, "parameters left alone": torch.tensor(untouched)}


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
