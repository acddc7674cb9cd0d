"""Exercise 2.9: the R1 penalty."""

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
from gancourse.papers.gan import r1_penalty

Penalty = Callable[[nn.Module, Tensor], Any]
FILLED = (
    f"{FACT}Your code leaves gradients in the `.grad` of D's weights. Use torch.autograd.grad, "
    "not backward(): it returns the gradient and changes nothing else."
)
ERASED = (
    f"{FACT}Your code clears the `.grad` of D's weights, which may hold the gradients of another "
    "loss. torch.autograd.grad needs no clearing."
)
TOUCHED = (
    f"{FACT}The x that was given requires gradients now: start from x.detach().requires_grad_(), "
    "which is another tensor."
)


CHANGED = "Your code changes the values of the x that was given. Compute with a copy: x.clone()."


class Curved(nn.Module):
    """A small D with curvature, (B, ...) to (B,): its gradient varies from place to place."""

    def __init__(self, n: int, rng: torch.Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(0.9 * torch.randn(n, 5, generator=rng))
        self.head = nn.Parameter(0.9 * torch.randn(5, generator=rng))

    def forward(self, x: Tensor) -> Tensor:
        return (x.flatten(1) @ self.weight).tanh() @ self.head


def discriminator_and_examples(rng: torch.Generator) -> list[Case]:
    """Points, images, and a batch of one."""
    notes = {(5, 3): "on 5 points", (4, 3, 2, 5): "on a batch of 4 images", (1, 2): "on one point"}
    return [_case(rng, shape, note) for shape, note in notes.items()]


def _case(rng: torch.Generator, shape: tuple[int, ...], note: str) -> Case:
    while True:
        D = Curved(torch.Size(shape[1:]).numel(), rng)
        x = 0.5 * torch.randn(shape, generator=rng)
        norms = norms_at(D, x)
        if norms.min() > 0.3 and (norms - 1).abs().min() > 0.05 and D.head.abs().min() > 0.1:
            return Case((D, x), note=f"{note}, a tensor of shape {shape}")


def norms_at(D: nn.Module, x: Tensor) -> Tensor:
    """The norm of D's gradient at each example."""
    x = x.detach().requires_grad_()
    return torch.autograd.grad(D(x).sum(), x)[0].flatten(1).norm(dim=1)


def observe_penalty(answer: Penalty, case: Case) -> Observation:
    """Its value, the gradients of D's weights, from which D learns, and what is left in them."""
    D, x = copied(case.args)
    for p in D.parameters():
        p.grad = torch.ones_like(p)  # of another loss
    before = x.detach().clone()
    penalty = answer(D, x)
    if (x.detach() != before).any():
        raise AnswerError(CHANGED)
    if isinstance(penalty, Tensor) and penalty.numel() == 1:
        penalty = penalty.reshape(())
    left = [p.grad for p in D.parameters()]
    erased = any(grad is None or not grad.any() for grad in left)
    filled = not erased and any((grad != 1).any() for grad in left)
    texts = [ERASED] * erased + [FILLED] * filled + [TOUCHED] * x.requires_grad
    trained = {"D.weight": D.weight, "D.head": D.head}
    facts = {text: torch.tensor(True) for text in texts}
    return {**observe_result(penalty), **gradients(penalty, trained), **facts}


# Penalties with and without slips ----------------------------------------------------------------
def penalty_like(
    *,
    total: Callable = lambda logits: logits.sum(),
    square: Callable = lambda gradient: gradient.flatten(1).square().sum(1),
    finish: Callable = lambda squares: squares.mean(),
) -> Penalty:
    """Make an R1 penalty, with other steps if asked for."""

    def answer(D: nn.Module, x: Tensor) -> Any:
        x = x.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(total(D(x)), x, create_graph=True)
        return finish(square(gradient))

    return answer


def by_backward(D: nn.Module, x: Tensor) -> Tensor:
    x = x.detach().requires_grad_()
    D(x).sum().backward()
    return x.grad.flatten(1).square().sum(1).mean()


def without_create_graph(D: nn.Module, x: Tensor) -> Tensor:
    x = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(D(x).sum(), x)
    return gradient.flatten(1).square().sum(1).mean()


def not_required(D: nn.Module, x: Tensor) -> Tensor:
    return torch.autograd.grad(D(x).sum(), x, create_graph=True)[0].flatten(1).square().sum(1)


def as_tuple(D: nn.Module, x: Tensor) -> Any:
    x = x.detach().requires_grad_()
    return torch.autograd.grad(D(x).sum(), x, create_graph=True).flatten(1)


def of_weights(D: nn.Module, x: Tensor) -> Tensor:
    each = torch.autograd.grad(D(x).sum(), list(D.parameters()), create_graph=True)
    return sum(gradient.square().sum() for gradient in each)


def one_by_one(D: nn.Module, x: Tensor) -> Tensor:
    """A loop over the examples: slow and right."""
    return torch.stack([penalty_like()(D, example) for example in x.split(1)]).mean()


def by_grad_outputs(D: nn.Module, x: Tensor) -> Tensor:
    """As in most public code: a weight of 1 for each logit."""
    x = x.clone().requires_grad_(True)
    logits = D(x)
    ones = torch.ones_like(logits)
    gradient = torch.autograd.grad(logits, x, grad_outputs=ones, create_graph=True)[0]
    return gradient.pow(2).reshape(len(x), -1).sum(1).mean()


EXERCISE = Exercise(
    id="2.9",
    title="The R1 penalty",
    points=3,
    minutes=12,
    reference=r1_penalty,
    cases=discriminator_and_examples,
    observe=observe_penalty,
    parts=(Part("the value", 1, ("result",)),),
    slips={
        "The value is right, but D can't learn from it: pass create_graph=True to autograd.grad, "
        "and detach neither the gradient nor the result.": [
            without_create_graph,
            lambda D, x: penalty_like()(D, x).detach(),
            penalty_like(square=lambda gradient: gradient.detach().flatten(1).square().sum(1)),
        ],
        "D can't learn from this value, and your code leaves gradients in the weights. Use "
        "torch.autograd.grad(..., create_graph=True), not backward().": by_backward,
        "You differentiated D's mean, which divides every gradient by the batch size. "
        "Differentiate the sum of the logits.": penalty_like(total=torch.mean),
        "Take the mean over the examples, not the sum.": [
            penalty_like(finish=torch.sum),
            penalty_like(square=lambda gradient: gradient.norm() ** 2),
        ],
        "Sum the squares of one example's gradient, and average over examples only. You averaged "
        "over all numbers.": penalty_like(square=torch.square),
        "An image has more than one dimension: flatten(1) makes one row of each example before "
        "the sum over dim=1.": [
            penalty_like(square=lambda gradient: gradient.square().sum(1)),
            penalty_like(square=lambda gradient: gradient.square().sum(-1)),
        ],
        "The norm has to be squared.": [
            penalty_like(square=lambda gradient: gradient.flatten(1).norm(dim=1)),
            penalty_like(square=lambda gradient: gradient.flatten(1).square().sum(1).sqrt()),
        ],
        "That is the square of the mean norm. First square, then average.": penalty_like(
            square=lambda gradient: gradient.flatten(1).norm(dim=1),
            finish=lambda norms: norms.mean().square(),
        ),
        "The sum is over absolute values. The squared norm is the sum of squares.": penalty_like(
            square=lambda gradient: gradient.flatten(1).abs().sum(1)
        ),
        "You penalized how far the norm is from 1, as WGAN-GP does. R1 is the squared norm "
        "itself.": penalty_like(square=lambda gradient: (gradient.flatten(1).norm(dim=1) - 1) ** 2),
        "Return the expectation alone: gamma / 2 is multiplied outside.": [
            lambda D, x: penalty_like()(D, x) / 2,
            lambda D, x: 0.15 * penalty_like()(D, x),
        ],
        "That is the gradient of the probability. R1 takes D's logit, without a "
        "sigmoid.": penalty_like(total=lambda logits: logits.sigmoid().sum()),
        "You differentiated log D or D's loss. R1 takes the logit itself.": [
            penalty_like(total=lambda logits: nn.functional.logsigmoid(logits).sum()),
            penalty_like(total=lambda logits: nn.functional.softplus(logits).sum()),
        ],
        "That is the gradient with respect to D's weights. Differentiate with respect to "
        "x.": of_weights,
        "Return one number: average over the examples.": penalty_like(finish=lambda each: each),
        "autograd.grad needs a tensor that requires a gradient before D gets it: x = "
        "x.detach().requires_grad_() comes first.": not_required,
        "autograd.grad returns a tuple, with one gradient here: (gradient,) = ...": as_tuple,
        "autograd.grad differentiates one number: D(x).sum(). Each logit depends on its own "
        "example only, so the sum mixes nothing.": penalty_like(total=lambda logits: logits),
    },
    alternatives=(penalty_like(), one_by_one, by_grad_outputs),
    advice="Check D(x) = w · x by hand: its gradient is w at every x, so the penalty is the sum of "
    "the squares of w.",
    rtol=1e-3,
)
