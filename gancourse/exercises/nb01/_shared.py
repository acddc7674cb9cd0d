"""What several exercises of notebook 01 share: a tiny classifier and its inputs."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from gancourse.exercises.base import Case, Observation, observe_call
from gancourse.exercises.observe import images
from gancourse.papers.adversarial import Model, input_gradient

CLASSES, SHAPE = 3, (2, 2, 2)  # of the tiny classifier's logits and images


def step(change: Callable[[Tensor], Tensor], low: float = -1, high: float = 1) -> Callable:
    """An attack of one step: x + eps * change(gradient), clamped."""

    def answer(model: Model, x: Tensor, y: Tensor, eps: float) -> Tensor:
        return (x + eps * change(input_gradient(model, x, y))).clamp(low, high)

    return answer


class Tiny(nn.Module):
    """Two layers with weights from a generator; smooth, so that a gradient exists everywhere."""

    def __init__(self, rng: torch.Generator) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.randn(6, math.prod(SHAPE), generator=rng) / 2)
        self.second = nn.Parameter(torch.randn(CLASSES, 6, generator=rng))

    def forward(self, x: Tensor) -> Tensor:
        return (x.flatten(1) @ self.first.T).tanh() @ self.second.T


def inputs(rng: torch.Generator, batch: int, edges: bool = False) -> tuple[Tiny, Tensor, Tensor]:
    """A classifier, images with values up to 0.6, and a random class for each.

    With `edges`, the first row of each image is pure black and white.
    """
    model, x = Tiny(rng), 0.6 * images(rng, batch, *SHAPE)
    if edges:
        x[:, :, 0] = x[:, :, 0].sign()
    return model, x, torch.randint(CLASSES, (batch,), generator=rng)


def stable(model: nn.Module, x: Tensor, y: Tensor) -> bool:
    """Whether no gradient is so near zero that rounding could change its sign."""
    return bool(input_gradient(model, x, y).abs().min() > 2e-5)


def observe_clean(answer: Callable[..., Any], case: Case) -> Observation:
    """Call the answer, and check that the model's parameters and their gradients are unchanged."""
    model = getattr(case.args[0], "__self__", case.args[0])  # a plain function, or the network
    model.zero_grad(set_to_none=True)
    seen = dict(observe_call(answer, case))
    unchanged = all(p.grad is None and p.requires_grad for p in model.parameters())
    model.zero_grad(set_to_none=True)
    model.requires_grad_(True)
    return {**seen, "parameters left alone": torch.tensor(unchanged)}


def one_step(rng: torch.Generator) -> list[Case]:
    """A model, images, labels and eps: in the middle of the range, then at its ends."""
    eps = 0.05 + 0.1 * torch.rand((), generator=rng).item()
    cases = []
    for edges, batch in ((False, 3), (True, 6)):
        drawn = inputs(rng, batch, edges)
        while not stable(*drawn):
            drawn = inputs(rng, batch, edges)
        note = "on images with black and white in them" if edges else "on grey images"
        cases.append(Case((*drawn, eps), note=note))
    return cases
