"""Exercise 1.7: many small steps, with a target."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from gancourse.exercises.base import Case, Exercise
from gancourse.exercises.nb01._shared import inputs, observe_clean, stable
from gancourse.papers import adversarial
from gancourse.papers.adversarial import Model, input_gradient, project

EPS = 0.3  # of every case


def iterate(
    ball: bool = True,
    refresh: bool = True,
    limit: float = 1,
    whole: bool = False,
    sign: Callable[[bool], int] = lambda targeted: -1 if targeted else 1,
    end: Callable[[Tensor, Tensor, float], Tensor] = lambda x_adv, x, eps: x_adv,
) -> Callable:
    """The iterative attack; the arguments choose a slip.

    Parameters
    ----------
    ball, limit
        Whether each step ends in the box around x, and the largest value allowed.
    refresh
        Whether the gradient is computed again at every point.
    whole
        Whether a step has the size eps.
    sign
        The direction, from `targeted`.
    end
        Applied to the result, with x and eps.
    """

    def answer(
        model: Model,
        x: Tensor,
        y: Tensor,
        eps: float,
        step: float,
        steps: int,
        targeted: bool = False,
    ) -> Tensor:
        x_adv, reach = x, eps if ball else math.inf
        for _ in range(steps):
            g = input_gradient(model, x_adv if refresh else x, y)
            x_adv = x_adv + sign(targeted) * (eps if whole else step) * g.sign()
            x_adv = x_adv.clamp(x - reach, x + reach).clamp(-limit, limit)
        return end(x_adv, x, eps)

    return answer


project_late = iterate(ball=False, end=project)
clamp_late = iterate(limit=math.inf, end=lambda x_adv, x, eps: x_adv.clamp(-1, 1))


def iterate_in_place(
    model: Model,
    x: Tensor,
    y: Tensor,
    eps: float,
    step: float,
    steps: int,
    targeted: bool,
) -> Tensor:
    """x_adv is another name for x, and is changed in place."""
    x_adv = x
    for _ in range(steps):
        g = input_gradient(model, x_adv, y).sign()
        x_adv += (-step if targeted else step) * g
        x_adv = project(x_adv, x, eps)
    return x_adv


def many_steps(rng: torch.Generator) -> list[Case]:
    """Untargeted steps that leave the box, then targeted steps that stay inside."""
    cases = []
    for targeted, step, steps in ((False, 0.15, 4), (True, 0.07, 3)):
        while True:
            model, x, y = inputs(rng, 3, edges=True)
            path = [
                adversarial.iterate(model, x, y, EPS, step, n, targeted) for n in range(steps + 1)
            ]
            first, last = (input_gradient(model, p, y).sign() for p in (x, path[-2]))
            late = [f(model, x, y, EPS, step, steps, targeted) for f in (project_late, clamp_late)]
            # The gradient's signs have to change on the way, or computing them once would be
            # enough; and where the box is reached, projecting late has to make a difference.
            visible = targeted or not any(a.allclose(path[-1], atol=1e-3) for a in late)
            if visible and not first.equal(last) and all(stable(model, p, y) for p in path[:-1]):
                break
        note = "towards a target" if targeted else "away from the true class"
        cases.append(Case((model, x, y, EPS, step, steps), {"targeted": targeted}, note))
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
        "The steps add up to more than eps. Project "
        "after each one, around the original x.": iterate(ball=False),
        "You changed the x that was given: x_adv += changes it in place.": iterate_in_place,
        "Clamp to [-1, 1] after every step too.": clamp_late,
        "You projected only at the end, so gradients were computed outside the box.": project_late,
        "Compute the gradient at x_adv each time, not at x.": iterate(refresh=False),
        "`targeted` is ignored: with a target the loss has to decrease.": iterate(sign=lambda t: 1),
        "Without a target the loss of the true class has to increase.": iterate(sign=lambda t: -1),
        "The two directions are swapped.": iterate(sign=lambda t: 1 if t else -1),
        "The result is in the box, but outside [-1, 1]: clamp to both.": iterate(limit=math.inf),
        "Each step has size `step`; eps is the half-width of the box.": iterate(whole=True),
    },
    alternatives=(iterate(),),
    advice="With steps=1, is it FGSM of size `step`? If so: is x unchanged, and do you project "
    "after every step?",
)
