"""What several exercises of notebook 01 share: a tiny classifier and its inputs."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from gancourse.exercises.base import AnswerError, Case, Observation, copied, observe_result
from gancourse.exercises.differences import FACT
from gancourse.exercises.observe import images
from gancourse.papers.adversarial import Model, input_gradient

CLASSES, SHAPE = 5, (3, 2, 4)  # of the tiny classifier's logits and images
LEAVES = "Your code leaves gradients in the model's weights: "
DELETES = "Your code deletes the gradients that were in the model's weights: "
INSTEAD = "torch.autograd.grad(loss, x) returns the gradient, and changes nothing else."


def step(change: Callable[[Tensor], Tensor], low: float = -1, high: float = 1) -> Callable:
    """An attack of one step: x + eps * change(gradient), clamped."""

    def answer(model: Model, x: Tensor, y: Tensor, eps: float) -> Tensor:
        return (x + eps * change(input_gradient(model, x, y))).clamp(low, high)

    return answer


class Tiny(nn.Module):
    """Two smooth layers, with weights from a generator; an image's last value has no effect."""

    def __init__(self, rng: torch.Generator) -> None:
        super().__init__()
        first = torch.randn(6, math.prod(SHAPE), generator=rng) / 2
        first[:, -1] = 0
        self.first = nn.Parameter(first)
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


def stable(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """For each image: whether no gradient is so near zero that rounding could change its sign."""
    size = input_gradient(model, x, y).abs().flatten(1)
    return ((size == 0) | (size > 2e-5)).all(dim=1)


def observe_clean(answer: Callable[..., Any], case: Case) -> Observation:
    """What an answer returns, and what becomes of the gradients in the weights of its model.

    An argument `x` that requires gradients is given as the result of a computation.
    """
    model, *rest = case.args
    net = copied(getattr(model, "__self__", model))  # a method of a network is a plain function
    for p in net.parameters():
        p.grad = torch.ones_like(p)
    x, *rest = copied(tuple(rest))
    x, needed = 1 * x if x.requires_grad else x, x.requires_grad
    result = answer(net if isinstance(model, nn.Module) else net.forward, x, *rest, **case.kwargs)
    if result is None:
        raise AnswerError(
            "Your function returned None. Is a `return` missing? Or is it x.grad of a tensor "
            "that did not require a gradient when the model was called?"
        )
    found = [p.grad for p in net.parameters()]
    facts = {
        "The x that was given requires gradients now: start from x.detach().requires_grad_(), "
        "which is another tensor.": x.requires_grad and not needed,
        DELETES + INSTEAD: any(g is None or not g.any() for g in found),
        LEAVES + INSTEAD: any(g is not None and g.any() and not g.eq(1).all() for g in found),
    }
    if isinstance(result, Tensor) and result.is_floating_point():
        text = f"Your result has the type {result.dtype}, x has {x.dtype}: convert it with .to(x)."
        facts[text] = result.dtype != x.dtype
    true = {FACT + text: torch.tensor(True) for text, is_so in facts.items() if is_so}
    return {**observe_result(result), **true}


def one_step(low: float, high: float) -> Callable[[torch.Generator], list[Case]]:
    """A model, images, labels and eps: in the middle of the range, then at its ends."""

    def cases(rng: torch.Generator) -> list[Case]:
        eps = low + (high - low) * torch.rand((), generator=rng).item()
        cases = []
        for edges, batch in ((False, 6), (True, 7)):
            drawn = inputs(rng, batch, edges)
            while not stable(*drawn).all():
                drawn = inputs(rng, batch, edges)
            note = "on images with black and white in them" if edges else "on grey images"
            cases.append(Case((*drawn, eps), note=note))
        model, x, y = copied(
            tuple(part[:1] if isinstance(part, Tensor) else part for part in drawn)
        )
        with torch.no_grad():
            model.second.mul_(1e-6)
        return [*cases, Case((model, x, y, eps), note="on one image, with tiny gradients")]

    return cases
