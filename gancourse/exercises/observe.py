"""Looking at networks that students write: shared by the exercises of several notebooks."""

from typing import Any

import torch
from torch import Tensor, nn

from gancourse.exercises.base import AnswerError, Case, Observation


def number(rng: torch.Generator, low: int, high: int) -> int:
    """A whole number from low to high, both included."""
    return int(torch.randint(low, high + 1, (), generator=rng))


def drawn(rng: torch.Generator, *ranges: tuple[int, int]) -> list[Case]:
    """One case: a whole number from each range, and a seed for the weights."""
    return [Case((*[number(rng, low, high) for low, high in ranges], number(rng, 0, 10**6)))]


def fill(net: nn.Module, rng: torch.Generator) -> nn.Module:
    """Give every parameter values from `rng`, in order, so that equal layers compute the same."""
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.randn(p.shape, generator=rng) * 0.3)
    return net


def watch(net: Any, rng: torch.Generator, *shape: int) -> Observation:
    """What a network is and does: its parameters, its output, the gradient at its input."""
    if not isinstance(net, nn.Module):
        raise AnswerError(f"Expected a network (an nn.Module), got a {type(net).__name__}.")
    sizes = torch.tensor([p.numel() for p in net.parameters()])
    x = torch.randn(shape, generator=rng).requires_grad_()
    y = fill(net, rng).train()(x)
    if not isinstance(y, Tensor):
        raise AnswerError(f"forward should return a tensor, got a {type(y).__name__}.")
    if not y.requires_grad:
        raise AnswerError("The output has no gradient: is there a detach() or no_grad() in it?")
    (slope,) = torch.autograd.grad(y.square().sum(), x)
    with torch.no_grad():
        one = net.eval()(x[:1])
    return {
        "number of weights and biases": sizes.sum(),
        "size of each weight and bias, in order": sizes,
        "output": y.detach(),
        "a batch of one": one,
        "gradient at the input": slope,
    }
