"""What exercises of several notebooks share: random inputs, and observing a network."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from gancourse.exercises.base import AnswerError, Case, Observation


def integer(rng: torch.Generator, low: int, high: int) -> int:
    """A random integer from low to high, both included."""
    return int(torch.randint(low, high + 1, (), generator=rng))


def integers(rng: torch.Generator, *ranges: tuple[int, int]) -> list[Case]:
    """One case: an integer from each range, and a seed for the weights."""
    return [Case((*[integer(rng, low, high) for low, high in ranges], integer(rng, 0, 10**6)))]


def images(rng: torch.Generator, *shape: int) -> Tensor:
    """Random images in [-1, 1]."""
    return torch.rand(shape, generator=rng) * 2 - 1


def seeded(seed: int) -> torch.Generator:
    """A generator with a case's seed."""
    return torch.Generator().manual_seed(seed)


def as_network(layers: Any, name: str) -> nn.Module:
    """A network from what a function of layers returned: a list of layers, or a Sequential."""
    if layers is None:
        raise AnswerError(f"{name} returned nothing. Is a `return` missing?")
    if isinstance(layers, nn.Module) and not isinstance(layers, nn.Sequential):
        raise AnswerError(f"Return a list of layers: it is unpacked, nn.Sequential(*{name}(...)).")
    if not isinstance(layers, Iterable):
        raise AnswerError(f"Return a list of layers, not a {type(layers).__name__}.")
    return nn.Sequential(*layers)


def observe_network(net: Any, rng: torch.Generator, *inputs: tuple[int, ...]) -> Observation:
    """What a network computes: its size, its outputs, and the gradients at its inputs.

    Weights are drawn in the order in which layers run, so that the order in which they were
    declared does not matter.

    Parameters
    ----------
    net : nn.Module
        The answer; its weights are overwritten.
    rng : torch.Generator
        Draws inputs and weights.
    *inputs : tuple[int, ...]
        The shape of each input, batch first; two examples or more.
    """
    if not isinstance(net, nn.Module):
        raise AnswerError(f"Expected a network (an nn.Module), got a {type(net).__name__}.")
    given = [images(rng, *shape) for shape in inputs]
    _draw_weights(net, rng, given)
    for x in given:
        x.requires_grad_()
    y = net(*given)
    if not isinstance(y, Tensor):
        raise AnswerError(f"forward should return a tensor, got a {type(y).__name__}.")
    if not y.requires_grad:
        raise AnswerError("The output has no gradient: is there a detach() or no_grad() in it?")
    gradients = torch.autograd.grad(y.square().sum(), given, allow_unused=True)
    with torch.no_grad():
        one = net.eval()(*(x[:1] for x in given))
    sizes = sorted(p.numel() for p in net.parameters())
    observation = {
        "number of weights and biases": torch.tensor(sum(sizes)),
        "sizes of the weights and biases, sorted": torch.tensor(sizes),
        "output": y.detach(),
        "a batch of one, in eval mode": one,
    }
    for n, gradient in enumerate(gradients, start=1):
        which = "the input" if len(given) == 1 else f"input {n}"
        observation[f"gradient at {which}"] = torch.zeros(1) if gradient is None else gradient
    return observation


def _draw_weights(net: nn.Module, rng: torch.Generator, inputs: list[Tensor]) -> None:
    """Draw all weights and biases, in the order in which a forward pass uses the layers."""
    ran: list[nn.Module] = []
    layers = [m for m in net.modules() if not list(m.children())]
    hooks = [m.register_forward_hook(lambda m, *_: ran.append(m)) for m in layers]
    with torch.no_grad():
        net.train()(*inputs)
    for hook in hooks:
        hook.remove()
    for layer in layers:  # undo that pass
        if isinstance(layer, _NormBase):
            layer.reset_running_stats()
    with torch.no_grad():
        for p in dict.fromkeys(p for m in [*ran, net] for p in m.parameters()):
            spread = 1.4 / max(1, p[0].numel()) ** 0.5 if p.dim() > 1 else 0.4  # keeps the scale
            shift = 0.3 if p.dim() == 1 else 0
            p.copy_(torch.randn(p.shape, generator=rng) * spread + shift)


def fill(net: nn.Module, rng: torch.Generator) -> nn.Module:
    """Give every parameter values from `rng`, in order; returns the network."""
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.randn(p.shape, generator=rng) * 0.3)
    return net
