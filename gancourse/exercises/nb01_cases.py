"""Questions of notebook 01's exercises: tiny networks with random weights, tiny pictures.

A sign is only well defined away from zero, so networks and pictures are drawn again until every
slope that a right answer uses is clearly not zero.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from gancourse.exercises.base import AnswerError, Case, Observation, as_tensor, observe_call
from gancourse.papers import adversarial

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
    given = x.clone()

    def call(seed: int) -> Tensor:
        return as_tensor(answer(given, eps, torch.Generator().manual_seed(seed)))

    noisy = call(seed)
    if noisy.shape != x.shape:
        return {"shape": torch.tensor(noisy.shape)}
    change = noisy - x
    left_alone = given.equal(x)
    free = x.abs() + eps < 1  # where the ends of the range are not in the way
    # 1,536 coins: the mean of a fair one lies within 0.026 with probability 2/3, and 0.2 is 8 sigma
    fair = not free.any() or (change[free] / eps).mean().abs() < 0.2
    s = change.sign()  # pictures, channels, rows and columns: neighbours have coins of their own
    pairs = ((s[0], s[1]), (s[:, 0], s[:, 1]), (s[:, 1], s[:, 2]), (s[:, :, 1:], s[:, :, :-1]))
    alike = max((a * b).mean().abs() for a, b in (*pairs, (s[..., 1:], s[..., :-1])))
    facts = {
        "x is left as it is": left_alone,
        "every value stays in [-1, 1]": noisy.abs().max() <= 1,
        "every free value moves by eps": (change[free].abs() - eps).abs().lt(1e-5).all(),
        "no free value stays as it was": change[free].abs().gt(1e-9).all(),
        "no value moves further than eps": change.abs().max() <= eps + 1e-5,
        "as many values go up as down": fair,
        "every value has its own coin": not free.all() or alike < 0.4,
        "the same rng gives the same noise": noisy.equal(call(seed)),
        "another rng gives other noise": not noisy.equal(call(seed + 1)),
    }
    return {name: torch.tensor(bool(value)) for name, value in facts.items()}


def gradient(rng: torch.Generator) -> list[Case]:
    """A model, pictures and labels, for two sizes of the batch."""
    cases = [Case((Tiny(rng), pictures(rng, n), labels(rng, n))) for n in (3, 5)]
    plain = Tiny(rng).forward, pictures(rng, 2), labels(rng, 2)
    return [*cases, Case(plain, note="where the model is a plain function")]


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


def _unclamped(model: Tiny, x: Tensor, y: Tensor, step: float, steps: int, down: bool) -> Tensor:
    """The way in a box of half-width 0.3 that is clamped to [-1, 1] only at its end."""
    point = x
    for _ in range(steps):
        g = adversarial.input_gradient(model, point, y).sign()
        point = (point + (-step if down else step) * g).clamp(x - 0.3, x + 0.3)
    return point.clamp(-1, 1)


def many_steps(rng: torch.Generator) -> list[Case]:
    """Steps that lead past the ball, then steps that stay inside; untargeted, then targeted."""
    cases = []
    for targeted, step, steps in ((False, 0.15, 4), (True, 0.07, 3)):
        while True:
            model, x, y = Tiny(rng), pictures(rng, 3, edges=True), labels(rng, 3)
            path = [
                adversarial.iterate(model, x, y, 0.3, step, n, targeted) for n in range(steps + 1)
            ]
            first = adversarial.input_gradient(model, x, y).sign()
            last = adversarial.input_gradient(model, path[-2], y).sign()
            late = adversarial.iterate(model, x, y, 9.0, step, steps, targeted)  # no box on the way
            late = adversarial.project(late, x, 0.3)
            # the slope must turn on the way, or one look at it would be enough; and where the box
            # is reached, it must matter that it is kept at every step
            wide = _unclamped(model, x, y, step, steps, targeted)
            told = targeted or not any(a.allclose(path[-1], atol=1e-3) for a in (late, wide))
            if told and not first.equal(last) and all(clear(model, p, y) for p in path[:-1]):
                break
        note = "towards a target" if targeted else "away from the true class"
        cases.append(Case((model, x, y, 0.3, step, steps), {"targeted": targeted}, note))
    return cases


def half_step(model: adversarial.Model, x: Tensor, y: Tensor, eps: float) -> Tensor:
    """An attack that is not FGSM: half of its step. Without gradients it fails, as FGSM would."""
    x = x.detach().requires_grad_()
    loss = nn.functional.cross_entropy(model(x), y, reduction="sum")
    return (x + eps / 2 * torch.autograd.grad(loss, x)[0].sign()).detach().clamp(-1, 1)


def observe_curve(answer: Callable[..., Any], case: Case) -> Observation:
    """The curve has to be a tensor, since the notebook stacks several."""

    def checked(*args: Any) -> Any:
        result = answer(*args)
        if not isinstance(result, Tensor) and result is not None and result is not Ellipsis:
            raise AnswerError("Return a tensor: torch.stack(list) makes one.")
        return result

    return observe_call(checked, case)


def curve(rng: torch.Generator) -> list[Case]:
    """16 pictures at known distances from the border; three of them are labelled wrongly."""
    order = torch.randperm(16, generator=rng)
    distance = 0.05 + 0.06 * torch.arange(16)  # 0.05 to 0.95
    side = 2 * torch.randint(2, (16,), generator=rng) - 1
    x = (distance * side)[:, None, None, None].expand(16, 1, 2, 2)
    y = (side > 0).long()
    y[4:7] = 1 - y[4:7]  # at 0.29, 0.35 and 0.41
    sizes = [0.0, 0.28, 0.64, 1.24]
    return [Case((Brightness(), half_step, x[order].clone(), y[order], sizes))]
