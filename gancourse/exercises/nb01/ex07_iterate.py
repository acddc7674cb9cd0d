"""Exercise 1.7: many small steps, with a target."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from gancourse.exercises.base import Case, Exercise
from gancourse.exercises.nb01._shared import Tiny, clear, labels, observe_clean, pictures
from gancourse.papers import adversarial


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


EXERCISE = Exercise(
    id="1.7",
    title="Many small steps, with a target",
    points=4,
    minutes=20,
    reference=adversarial.iterate,
    cases=many_steps,
    observe=observe_clean,
    slips={
        "The steps add up to more than eps: no projection, or one around the last point instead "
        "of the original x.": iterate(ball=False),
        "You changed the x that was given: x_adv += writes into it.": iterate_in_place,
        "Clamp to [-1, 1] after every step too.": iterate_clamp_late,
        "You projected "
        "once, at the end: the slopes on the way were taken outside the box.": iterate_late,
        "Take the gradient at x_adv, not at x each time.": iterate(refresh=False),
        "`targeted` is ignored: go down the loss of the target.": iterate(sign=lambda t: 1),
        "Without a target, go up the loss of the true class.": iterate(sign=lambda t: -1),
        "Up and down are exchanged.": iterate(sign=lambda t: 1 if t else -1),
        "Inside the box, but outside [-1, 1]: clamp to both.": iterate(limit=math.inf),
        "Each step has size `step`; eps is the half-width of the box.": iterate(whole=True),
    },
    alternatives=(iterate(),),
    advice="With steps=1, is it FGSM of size `step`? If so: is x unchanged, and is every value "
    "back in the box and in [-1, 1] after every step?",
)
