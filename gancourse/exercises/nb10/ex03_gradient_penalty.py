"""Exercise 10.3: the gradient penalty."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from gancourse.exercises.base import (
    AnswerError,
    Case,
    Exercise,
    Observation,
    copied,
    gradients,
    observe_result,
)
from gancourse.exercises.differences import FACT
from gancourse.exercises.parts import Part
from gancourse.papers import tricks

Penalty = Callable[..., Any]
FILLED = (
    f"{FACT}Your code leaves gradients in the `.grad` of D's weights, and training would add its "
    "own to them: use torch.autograd.grad, not backward()."
)


class Curved(nn.Module):
    """A small critic with curvature, (..., n) to (...): its gradient varies from place to place."""

    def __init__(self, n: int, rng: torch.Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(0.9 * torch.randn(n, 5, generator=rng))
        self.head = nn.Parameter(0.9 * torch.randn(5, generator=rng))

    def forward(self, x: Tensor) -> Tensor:
        return (x @ self.weight).tanh() @ self.head


def critic_and_points(rng: torch.Generator) -> list[Case]:
    """Gradients of norms below and above 1, at the mixed points and at the real ones."""
    return [_case(rng, 5, 3), _case(rng, 4, 2)]


def _case(rng: torch.Generator, b: int, n: int) -> Case:
    while True:
        D, t = Curved(n, rng), 0.1 + 0.8 * torch.rand(b, 1, generator=rng)
        x, fakes = torch.randn(b, n, generator=rng), 1 + torch.randn(b, n, generator=rng)
        norms = norm_at(D, t * x + (1 - t) * fakes).detach()
        if norms.min() < 0.7 and norms.max() > 1.4 and (norms - 1).abs().min() > 0.02:
            return Case((D, x, fakes, t), note=f"on {b} real points and {b} fakes of {n} numbers")


def norm_at(D: nn.Module, x: Tensor) -> Tensor:
    """The norm of D's gradient at each point."""
    x = x.detach().requires_grad_()
    return torch.autograd.grad(D(x).sum(), x, create_graph=True)[0].norm(dim=1)


def observe_penalty(answer: Penalty, case: Case) -> Observation:
    """Its value, and the gradients of D's weights, from which D learns."""
    D, x, fakes, t = copied(case.args)
    state = torch.get_rng_state()
    penalty = answer(D, x, fakes, t)
    if not torch.equal(state, torch.get_rng_state()):
        raise AnswerError("Your code draws random numbers. Mix with the given t instead.")
    if isinstance(penalty, Tensor) and penalty.numel() == 1:
        penalty = penalty.reshape(())
    if not all(p.requires_grad for p in D.parameters()):
        raise AnswerError("Your code leaves D's weights without requires_grad: D can't learn.")
    filled = any(p.grad is not None for p in D.parameters())
    seen = {**observe_result(penalty), **gradients(penalty, {"D.weight": D.weight})}
    if filled:
        seen[FILLED] = torch.tensor(True)
    return seen


def penalty_like(
    *,
    mix: Callable = lambda x, fakes, t: t * x + (1 - t) * fakes,
    total: Callable = torch.sum,
    norm: Callable = lambda gradient: gradient.norm(dim=1),
    finish: Callable = lambda norm: (norm - 1).square().mean(),
) -> Penalty:
    """Make a gradient penalty, with other steps if asked for."""

    def answer(D: nn.Module, x: Tensor, fakes: Tensor, t: Tensor) -> Any:
        mixed = mix(x, fakes, t).detach().requires_grad_()
        (gradient,) = torch.autograd.grad(total(D(mixed)), mixed, create_graph=True)
        return finish(norm(gradient))

    return answer


def after(change: Callable[..., Any]) -> Penalty:
    """Make an answer from the right penalty: `change` gets it first, then the arguments."""
    return lambda *args: change(penalty_like()(*args), *args)


def without_create_graph(D: nn.Module, x: Tensor, fakes: Tensor, t: Tensor) -> Tensor:
    mixed = (t * x + (1 - t) * fakes).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(D(mixed).sum(), mixed)
    return (gradient.norm(dim=1) - 1).square().mean()


def by_backward(D: nn.Module, x: Tensor, fakes: Tensor, t: Tensor) -> Tensor:
    mixed = (t * x + (1 - t) * fakes).detach().requires_grad_()
    D(mixed).sum().backward()
    return (mixed.grad.norm(dim=1) - 1).square().mean()


def with_respect_to(which: int, *, in_place: bool) -> Penalty:
    """Make a penalty on the gradient at x or at the fakes, through the mixed points."""

    def answer(D: nn.Module, x: Tensor, fakes: Tensor, t: Tensor) -> Tensor:
        ends = [x if in_place else x.clone(), fakes if in_place else fakes.clone()]
        end = ends[which].requires_grad_()
        out = D(t * ends[0] + (1 - t) * ends[1])
        (gradient,) = torch.autograd.grad(out.sum(), end, create_graph=True)
        return (gradient.norm(dim=1) - 1).square().mean()

    return answer


def not_required(D: nn.Module, x: Tensor, fakes: Tensor, t: Tensor) -> Tensor:
    mixed = t * x + (1 - t) * fakes
    return torch.autograd.grad(D(mixed).sum(), mixed, create_graph=True)[0]


def too_late(D: nn.Module, x: Tensor, fakes: Tensor, t: Tensor) -> Tensor:
    mixed = (t * x + (1 - t) * fakes).detach().requires_grad_()
    return torch.autograd.grad(D(mixed.clone().detach()).sum(), mixed, create_graph=True)[0]


def as_tuple(method: str) -> Penalty:
    """Make an answer that takes the tuple for its tensor."""

    def answer(D: nn.Module, x: Tensor, fakes: Tensor, t: Tensor) -> Any:
        mixed = (t * x + (1 - t) * fakes).detach().requires_grad_()
        gradient = torch.autograd.grad(D(mixed).sum(), mixed, create_graph=True)
        return getattr(gradient, method)()

    return answer


def row_by_row(D: nn.Module, x: Tensor, fakes: Tensor, t: Tensor) -> Tensor:
    """A loop over the rows."""
    rows = zip(x.split(1), fakes.split(1), t.split(1), strict=True)
    return torch.stack([penalty_like()(D, *row) for row in rows]).mean()


def critic_difference(D: nn.Module, x: Tensor, fakes: Tensor) -> Tensor:
    return D(fakes).mean() - D(x).mean()


SLIPS = {
    "You mixed all rows with the same number. t has one for each row: t * x + (1 - t) * fakes.": [
        penalty_like(mix=lambda x, fakes, t: t[0] * x + (1 - t[0]) * fakes),
        penalty_like(mix=lambda x, fakes, t: t.mean() * x + (1 - t.mean()) * fakes),
        penalty_like(mix=lambda x, fakes, t: (x + fakes) / 2),
    ],
    "The weights are swapped: t belongs to the real points, 1 - t to the fakes.": penalty_like(
        mix=lambda x, fakes, t: (1 - t) * x + t * fakes
    ),
    "Both weights are t. They add up to 1: t * x + (1 - t) * fakes.": penalty_like(
        mix=lambda x, fakes, t: t * (x + fakes)
    ),
    "You took the gradient at the real points or at the fakes. Take it between them, at "
    "t x + (1 - t) fakes.": [
        penalty_like(mix=lambda x, fakes, t: x), penalty_like(mix=lambda x, fakes, t: fakes),
    ],
    "You differentiated with respect to x or fakes, which multiplies the gradient by t or 1 - t. "
    "Differentiate with respect to the mixed points.": [
        with_respect_to(which, in_place=in_place) for which in (0, 1) for in_place in (True, False)
    ],
    "That is one norm for the whole batch. Each row has its own: norm(dim=-1).": penalty_like(
        norm=torch.norm
    ),
    "The norm ran over the batch. Take it over the numbers of each row: norm(dim=-1).":
        penalty_like(norm=lambda gradient: gradient.norm(dim=0)),
    "That is the L1 norm. Take the Euclidean one: the root of the sum of squares.": penalty_like(
        norm=lambda gradient: gradient.abs().sum(1)
    ),
    "The formula takes one norm for each row. You compared each partial derivative with 1.": [
        penalty_like(norm=lambda gradient: gradient),
        penalty_like(norm=lambda gradient: gradient.abs()),
    ],
    "You compared the squared norm with 1. Take the root, subtract 1, then square.": penalty_like(
        norm=lambda gradient: gradient.square().sum(1)
    ),
    "Square the norm's deviation from 1 for each row, before the mean.": [
        penalty_like(finish=lambda norm: (norm - 1).mean()),
        penalty_like(finish=lambda norm: (norm - 1).abs().mean()),
        penalty_like(finish=lambda norm: (norm.mean() - 1).square()),
    ],
    "The norm is the root of the sum of squares, not of their mean.": penalty_like(
        norm=lambda gradient: gradient.square().mean(1).sqrt()
    ),
    "Subtract 1 from the norm; you added it.": penalty_like(
        finish=lambda norm: (norm + 1).square().mean()
    ),
    "You squared the norm and then subtracted 1. Subtract 1, then square.": penalty_like(
        finish=lambda norm: (norm.square() - 1).mean()
    ),
    "That pulls gradients to 0, as R1 does. The target is a norm of 1.": [
        penalty_like(finish=lambda norm: norm.square().mean()),
        penalty_like(finish=lambda norm: norm.mean()),
        penalty_like(mix=lambda x, fakes, t: x, finish=lambda norm: norm.square().mean()),
    ],
    "Take the mean over the rows, not the sum.": penalty_like(
        finish=lambda norm: (norm - 1).square().sum()
    ),
    "You penalized only norms above 1. The paper's penalty is two-sided.": penalty_like(
        finish=lambda norm: (norm - 1).clamp(min=0).square().mean()
    ),
    "You penalized only norms below 1. The paper's penalty is two-sided.": penalty_like(
        finish=lambda norm: (1 - norm).clamp(min=0).square().mean()
    ),
    "You differentiated D's mean, which divides every gradient by the batch size. "
    "Differentiate the sum of D's outputs.": penalty_like(total=torch.mean),
    "Return the expectation alone, without lambda.": after(lambda penalty, *_: 10 * penalty),
    "That is the critic's whole loss. Return its last expectation alone.": [
        after(lambda penalty, D, x, fakes, t: critic_difference(D, x, fakes) + penalty),
        after(lambda penalty, D, x, fakes, t: critic_difference(D, x, fakes) + 10 * penalty),
    ],
    "The value is right, but D can't learn from it: pass create_graph=True to autograd.grad, "
    "and detach neither the gradient nor the result.": [
        without_create_graph, after(lambda penalty, *_: penalty.detach()), by_backward,
    ],
    "autograd.grad needs a tensor that requires a gradient before D gets it: "
    "mixed = (t * x + (1 - t) * fakes).requires_grad_().": not_required,
    "D's output does not depend on the tensor that you differentiate with respect to: pass that "
    "same tensor to D.": too_late,
    "autograd.grad differentiates one number: D(mixed).sum(). Each output depends on its own row "
    "only, so the sum does not mix rows.": penalty_like(total=lambda out: out),
    "autograd.grad returns a tuple, with one gradient here: (gradient,) = ...": [
        as_tuple(method) for method in ("norm", "square", "pow", "view", "flatten", "reshape")
    ],
}  # fmt: skip


EXERCISE = Exercise(
    id="10.3",
    title="The gradient penalty",
    points=3,
    minutes=15,
    reference=tricks.gradient_penalty,
    cases=critic_and_points,
    observe=observe_penalty,
    parts=(Part("the value", 1, ("result",)),),
    slips=SLIPS,
    alternatives=(
        penalty_like(),
        row_by_row,
        penalty_like(mix=lambda x, fakes, t: torch.lerp(fakes, x, t)),
        penalty_like(norm=lambda gradient: gradient.square().sum(1).sqrt()),
        after(lambda penalty, *_: penalty[None]),
    ),
    advice="Check one row by hand: where is the mixed point, and what is the norm of D's gradient "
    "there?",
    rtol=1e-3,
    atol=1e-4,
)
