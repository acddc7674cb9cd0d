"""Other answers to notebook 01's exercises: right ones, and the wrong ones that people write."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancourse import attacks


def noise(draw: Callable[[Tensor, torch.Generator], Tensor], clamp: bool = True) -> Callable:
    """Noise of size eps from any way of drawing it."""

    def answer(x: Tensor, eps: float, rng: torch.Generator) -> Tensor:
        noisy = x + eps * draw(x, rng)
        return noisy.clamp(-1, 1) if clamp else noisy

    return answer


def coins(x: Tensor, rng: torch.Generator) -> Tensor:
    """0 or 1 for each value."""
    return torch.randint(2, x.shape, generator=rng).float()


def gradient(objective: Callable[[Tensor, Tensor], Tensor]) -> Callable:
    """The slope in x of any objective of the logits and the labels."""

    def answer(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        x = x.detach().requires_grad_()
        return torch.autograd.grad(objective(model(x), y), x)[0]

    return answer


def gradient_backward(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Right numbers, but the parameters' gradients are filled too."""
    x = x.clone().requires_grad_()
    F.cross_entropy(model(x), y, reduction="sum").backward()
    return x.grad


def gradient_one_by_one(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Slow and right."""
    one = [attacks.input_gradient(model, x[i : i + 1], y[i : i + 1]) for i in range(len(x))]
    return torch.cat(one)


def step(change: Callable[[Tensor], Tensor], low: float = -1, high: float = 1) -> Callable:
    """An attack of one step: x + eps * change(gradient), clamped."""

    def answer(model: nn.Module, x: Tensor, y: Tensor, eps: float) -> Tensor:
        return (x + eps * change(attacks.input_gradient(model, x, y))).clamp(low, high)

    return answer


def fgsm_where(model: nn.Module, x: Tensor, y: Tensor, eps: float) -> Tensor:
    """FGSM without a sign."""
    up = attacks.input_gradient(model, x, y) > 0
    return torch.where(up, (x + eps).clamp(max=1), (x - eps).clamp(min=-1))


def length(g: Tensor) -> Tensor:
    """Euclidean length of each picture's gradient, for division."""
    return g.flatten(1).norm(dim=1)[:, None, None, None]


def iterate(
    ball: bool = True,
    refresh: bool = True,
    limit: float = 1,
    whole: bool = False,
    sign: Callable[[bool], int] = lambda targeted: -1 if targeted else 1,
) -> Callable:
    """The iterative attack, with one thing left out or changed."""

    def answer(
        model: nn.Module,
        x: Tensor,
        y: Tensor,
        eps: float,
        step: float,
        steps: int,
        targeted: bool = False,
    ) -> Tensor:
        x_adv, reach = x, eps if ball else math.inf
        for _ in range(steps):
            g = attacks.input_gradient(model, x_adv if refresh else x, y)
            x_adv = x_adv + sign(targeted) * (eps if whole else step) * g.sign()
            x_adv = x_adv.clamp(x - reach, x + reach).clamp(-limit, limit)
        return x_adv

    return answer


def curve(
    score: Callable[[Tensor], Tensor] = lambda hits: hits.float().mean(),
    own: bool = False,
    judge: bool = False,
    attacked: bool = True,
) -> Callable:
    """An accuracy curve; `own` attacks the model's own guesses, `judge` scores against them."""

    def answer(model: nn.Module, attack: Callable, x: Tensor, y: Tensor, sizes: list) -> Tensor:
        guess = model(x).argmax(1)
        new = [attack(model, x, guess if own else y, s) if attacked else x for s in sizes]
        return torch.stack([score(model(a).argmax(1) == (guess if judge else y)) for a in new])

    return answer


def curve_piled(model: nn.Module, attack: Callable, x: Tensor, y: Tensor, sizes: list) -> Tensor:
    """Each attack starts from the last one's result."""
    shares = []
    for eps in sizes:
        x = attack(model, x, y, eps)
        shares.append((model(x).argmax(1) == y).float().mean())
    return torch.stack(shares)
