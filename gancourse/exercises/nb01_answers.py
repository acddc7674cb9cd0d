"""Other answers to notebook 01's exercises: right ones, and the wrong ones that people write."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from gancourse.papers import adversarial


def noise(draw: Callable[[Tensor, torch.Generator], Tensor], clamp: bool = True) -> Callable:
    """Noise of size eps from any way of drawing it."""

    def answer(x: Tensor, eps: float, rng: torch.Generator) -> Tensor:
        noisy = x + eps * draw(x, rng)
        return noisy.clamp(-1, 1) if clamp else noisy

    return answer


def coins(x: Tensor, rng: torch.Generator) -> Tensor:
    """0 or 1 for each value."""
    return torch.randint(2, x.shape, generator=rng).float()


def shared_coins(x: Tensor, rng: torch.Generator) -> Tensor:
    """One coin for each place, the same for all pictures and channels."""
    return (2.0 * torch.randint(2, x.shape[2:], generator=rng) - 1).expand_as(x)


def noise_in_place(x: Tensor, eps: float, rng: torch.Generator) -> Tensor:
    """The right noise, but x itself is changed."""
    x += eps * (2 * coins(x, rng) - 1)
    return x.clamp_(-1, 1)


def gradient(objective: Callable[[Tensor, Tensor], Tensor]) -> Callable:
    """The slope in x of any objective of the logits and the labels."""

    def answer(model: adversarial.Model, x: Tensor, y: Tensor) -> Tensor:
        x = x.detach().requires_grad_()
        return torch.autograd.grad(objective(model(x), y), x)[0]

    return answer


def gradient_backward(model: adversarial.Model, x: Tensor, y: Tensor) -> Tensor:
    """Right numbers, but the parameters' gradients are filled too."""
    x = x.clone().requires_grad_()
    F.cross_entropy(model(x), y, reduction="sum").backward()
    return x.grad


def gradient_tuple(model: adversarial.Model, x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
    """The tuple that autograd returns."""
    x = x.detach().requires_grad_()
    return torch.autograd.grad(F.cross_entropy(model(x), y, reduction="sum"), x)


def gradient_marked(model: adversarial.Model, x: Tensor, y: Tensor) -> Tensor:
    """Right numbers, but the caller's x asks for gradients from then on."""
    x.requires_grad_()
    return torch.autograd.grad(F.cross_entropy(model(x), y, reduction="sum"), x)[0]


def gradient_one_by_one(model: adversarial.Model, x: Tensor, y: Tensor) -> Tensor:
    """Slow and right."""
    one = [adversarial.input_gradient(model, x[i : i + 1], y[i : i + 1]) for i in range(len(x))]
    return torch.cat(one)


def step(change: Callable[[Tensor], Tensor], low: float = -1, high: float = 1) -> Callable:
    """An attack of one step: x + eps * change(gradient), clamped."""

    def answer(model: adversarial.Model, x: Tensor, y: Tensor, eps: float) -> Tensor:
        return (x + eps * change(adversarial.input_gradient(model, x, y))).clamp(low, high)

    return answer


def fgsm_where(model: adversarial.Model, x: Tensor, y: Tensor, eps: float) -> Tensor:
    """FGSM without a sign."""
    up = adversarial.input_gradient(model, x, y) > 0
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
        model: adversarial.Model,
        x: Tensor,
        y: Tensor,
        eps: float,
        step: float,
        steps: int,
        targeted: bool = False,
    ) -> Tensor:
        x_adv, reach = x, eps if ball else math.inf
        for _ in range(steps):
            g = adversarial.input_gradient(model, x_adv if refresh else x, y)
            x_adv = x_adv + sign(targeted) * (eps if whole else step) * g.sign()
            x_adv = x_adv.clamp(x - reach, x + reach).clamp(-limit, limit)
        return x_adv

    return answer


def iterate_late(
    model: adversarial.Model,
    x: Tensor,
    y: Tensor,
    eps: float,
    step: float,
    steps: int,
    targeted: bool = False,
) -> Tensor:
    """Projected once, at the end."""
    return adversarial.project(adversarial.iterate(model, x, y, 9.0, step, steps, targeted), x, eps)


def iterate_in_place(
    model: adversarial.Model,
    x: Tensor,
    y: Tensor,
    eps: float,
    step: float,
    steps: int,
    targeted: bool,
) -> Tensor:
    """x_adv is another name for x, and is written into."""
    x_adv = x
    for _ in range(steps):
        g = adversarial.input_gradient(model, x_adv, y).sign()
        x_adv += (-step if targeted else step) * g
        x_adv = adversarial.project(x_adv, x, eps)
    return x_adv


def iterate_clamp_late(
    model: adversarial.Model,
    x: Tensor,
    y: Tensor,
    eps: float,
    step: float,
    steps: int,
    targeted: bool = False,
) -> Tensor:
    """Back into the box at every step, into [-1, 1] only at the end."""
    return iterate(limit=math.inf)(model, x, y, eps, step, steps, targeted).clamp(-1, 1)


def curve_fgsm(
    model: adversarial.Model, attack: Callable, x: Tensor, y: Tensor, sizes: list
) -> Tensor:
    """FGSM, whatever attack is given."""
    return curve()(model, adversarial.fgsm, x, y, sizes)


def curve(
    score: Callable[[Tensor], Tensor] = lambda hits: hits.float().mean(),
    own: bool = False,
    judge: bool = False,
    attacked: bool = True,
) -> Callable:
    """An accuracy curve; `own` adversarial the model's own guesses, `judge` scores against them."""

    def answer(
        model: adversarial.Model, attack: Callable, x: Tensor, y: Tensor, sizes: list
    ) -> Tensor:
        guess = model(x).argmax(1)
        new = [attack(model, x, guess if own else y, s) if attacked else x for s in sizes]
        return torch.stack([score(model(a).argmax(1) == (guess if judge else y)) for a in new])

    return answer


def curve_piled(
    model: adversarial.Model, attack: Callable, x: Tensor, y: Tensor, sizes: list
) -> Tensor:
    """Each attack starts from the last one's result."""
    shares = []
    for eps in sizes:
        x = attack(model, x, y, eps)
        shares.append((model(x).argmax(1) == y).float().mean())
    return torch.stack(shares)
