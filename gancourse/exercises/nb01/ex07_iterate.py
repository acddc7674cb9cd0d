"""Exercise 1.7: many small steps, with a target."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancourse.exercises.base import AnswerError, Case, Exercise, Observation
from gancourse.exercises.differences import FACT
from gancourse.exercises.nb01._shared import inputs, observe_clean, stable
from gancourse.exercises.parts import Part
from gancourse.papers import adversarial
from gancourse.papers.adversarial import Model, input_gradient, l2_norm, project

EPS, STEP, STEPS, BATCH = 0.3, 0.15, 4, 6  # the box is left in the third step
Bound = Callable[[Tensor, Tensor, float], Tensor]
"""From a point, the original images and eps to a point within some limits."""


def iterate(
    sign: Callable[[bool], int] = lambda targeted: -1 if targeted else 1,
    size: Callable[[float, float, int], float] = lambda eps, step, steps: step,
    more: int = 0,
    refresh: bool = True,
    restart: bool = False,
    change: Callable[[Tensor], Tensor] = torch.sign,
    bound: Bound = project,
    end: Bound = lambda x_adv, x, eps: x_adv,
) -> Callable:
    """The iterative attack; the arguments choose a slip.

    Parameters
    ----------
    sign, size, more
        The direction, from `targeted`; the size of a step, from eps, step and steps; how many steps
        too many.
    refresh, restart
        Whether the gradient is computed again at every point, and whether each step starts at x.
    change
        From a gradient to the direction of a step.
    bound, end
        Applied after each step, and after the last.
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
        x_adv = x
        for _ in range(steps + more):
            g = change(input_gradient(model, x_adv if refresh else x, y))
            start = x if restart else x_adv
            x_adv = bound(start + sign(targeted) * size(eps, step, steps) * g, x, eps)
        return end(x_adv, x, eps)

    return answer


def box(x_adv: Tensor, x: Tensor, eps: float) -> Tensor:
    """Half of the projection: within eps of x."""
    return x_adv.clamp(x - eps, x + eps)


def clamp(x_adv: Tensor, x: Tensor, eps: float) -> Tensor:
    """The other half: within [-1, 1]."""
    return x_adv.clamp(-1, 1)


def free(x_adv: Tensor, x: Tensor, eps: float) -> Tensor:
    """No limit."""
    return x_adv


def iterate_in_place(
    model: Model, x: Tensor, y: Tensor, eps: float, step: float, steps: int, targeted: bool = False
) -> Tensor:
    """Slip: x_adv is another name for x, and is changed in place."""
    x_adv = x
    for _ in range(steps):
        g = input_gradient(model, x_adv, y).sign()
        x_adv += (-step if targeted else step) * g
        x_adv = project(x_adv, x, eps)
    return x_adv


def once(
    model: Model, x: Tensor, y: Tensor, eps: float, step: float, steps: int, targeted: bool = False
) -> Tensor:
    """Slip: one step."""
    return adversarial.iterate(model, x, y, eps, step, 1, targeted)


def momentum(decay: float) -> Callable:
    """Slip: the sign of the sum of all gradients."""

    def answer(
        model: Model,
        x: Tensor,
        y: Tensor,
        eps: float,
        step: float,
        steps: int,
        targeted: bool = False,
    ) -> Tensor:
        x_adv, total = x, torch.zeros_like(x)
        for _ in range(steps):
            total = decay * total + input_gradient(model, x_adv, y)
            x_adv = project(x_adv + (-step if targeted else step) * total.sign(), x, eps)
        return x_adv

    return answer


def choosy(keep: Callable[[Tensor, Tensor, Tensor, bool], Tensor]) -> Callable:
    """Slip: some steps are not taken.

    `keep` gets the logits before and after a step, the labels and `targeted`, and says for which
    images the step is not taken.
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
        x_adv = x
        for _ in range(steps):
            new = adversarial.iterate(model, x_adv, y, 2.0, step, 1, targeted)
            new = project(new, x, eps)
            kept = keep(model(x_adv), model(new), y, targeted)
            x_adv = torch.where(kept.view(-1, 1, 1, 1), x_adv, new)
        return x_adv

    return answer


def reached(logits: Tensor, y: Tensor, targeted: bool) -> Tensor:
    """For each image, whether its class is the target, or no longer the true one."""
    return (logits.argmax(1) == y).eq(targeted)


def worse(
    before: Tensor, after: Tensor, y: Tensor, targeted: bool, reduction: str = "none"
) -> Tensor:
    """For each image, or on average, whether the loss went the wrong way."""
    a, b = (F.cross_entropy(logits, y, reduction=reduction) for logits in (before, after))
    return a < b if targeted else a > b


clamp_late = iterate(bound=box, end=clamp)
project_late = [iterate(bound=free, end=project), iterate(bound=clamp, end=project)]
stop_early = [
    choosy(lambda before, after, y, targeted: reached(before, y, targeted)),
    choosy(lambda before, after, y, targeted: reached(before, y, targeted).all()),
]
only_better = [
    choosy(worse),
    choosy(lambda before, after, y, targeted: worse(before, after, y, targeted, "mean")),
]
CLOSE = [clamp_late, *project_late, iterate(refresh=False), iterate(restart=True), momentum(1)]
"""Slips whose result is easily the right one."""


def telling(model: nn.Module, x: Tensor, y: Tensor, targeted: bool) -> Tensor:
    """For each image, whether its gradients have clear signs, and its last step is a wrong one.

    It has reached the class before, and the loss goes the wrong way.
    """
    settings = [(model, x, y, EPS, STEP, n, targeted) for n in range(STEPS + 1)]
    *before, last, end = [adversarial.iterate(*setting) for setting in settings]
    clear = torch.stack([stable(model, p, y) for p in (*before, last)]).all(0)
    with torch.no_grad():
        bad = reached(model(last), y, targeted) & worse(model(last), model(end), y, targeted)
    return clear & bad & ((end - last).abs().amax((1, 2, 3)) > 0.01)


def steps_of(rng: torch.Generator, targeted: bool) -> Case:
    """Steps that leave the box, chosen so that no slip gets the right result."""
    while True:
        model, x, y = inputs(rng, 150, edges=True)
        chosen = telling(model, x, y, targeted).nonzero().flatten()[:BATCH]
        if len(chosen) < BATCH:
            continue
        args = (model, x[chosen], y[chosen], EPS, STEP, STEPS)
        right = adversarial.iterate(*args, targeted)
        if not any(slip(*args, targeted).allclose(right, atol=1e-3) for slip in CLOSE):
            where = "towards a target" if targeted else "away from the true class"
            return Case(args, {"targeted": targeted}, f"with {STEPS} steps {where}")


def many_steps(rng: torch.Generator) -> list[Case]:
    """One step, and several in both directions."""
    while True:
        drawn = inputs(rng, BATCH, edges=True)
        if stable(*drawn).all():
            break
    model, x, y = drawn
    one = Case((model, x[:1], y[:1], EPS, STEP, 1), note="with steps=1, on one image")
    return [one, steps_of(rng, targeted=False), steps_of(rng, targeted=True)]


def observe_attack(answer: Callable[..., Any], case: Case) -> Observation:
    """What `observe_clean` sees; whether the result is random, and whether it has a graph."""
    results = []

    def keep(*args: Any, **kwargs: Any) -> Any:
        results.append(answer(*args, **kwargs))
        return results[-1]

    seen = observe_clean(keep, case)
    if case.args[-1] == 1:
        first, again = (s.get("result", torch.zeros(0)) for s in (seen, observe_clean(keep, case)))
        if not first.nan_to_num().equal(again.nan_to_num()):
            raise AnswerError(
                "Two calls with the same arguments give different results. Nothing is random here: "
                "start at x itself."
            )
    if isinstance(results[0], Tensor) and results[0].requires_grad:
        text = "Your result has a graph, through which Section 8 would backpropagate: return "
        seen = {**seen, f"{FACT}{text}x_adv.detach().": torch.tensor(True)}
    return seen


EXERCISE = Exercise(
    id="1.7",
    title="Many small steps, with a target",
    points=4,
    minutes=20,
    reference=adversarial.iterate,
    cases=many_steps,
    observe=observe_attack,
    parts=(
        Part("a single step", 1, cases=(0,)),
        Part("steps away from the true class", 2, cases=(1,)),
    ),
    slips={
        "The steps add up to more than eps. Project "
        "after each one, around the original x.": iterate(bound=clamp),
        "Nothing keeps the result near x or in [-1, 1]: project after each step.": iterate(
            bound=free
        ),
        "The result is in the box, but outside [-1, 1]: clamp to both.": iterate(bound=box),
        "Images lie in [-1, 1], not in [0, 1].": iterate(
            bound=lambda x_adv, x, eps: box(x_adv, x, eps).clamp(0, 1)
        ),
        "The box has the half-width eps, not step.": iterate(
            bound=lambda x_adv, x, eps: project(x_adv, x, STEP)
        ),
        "Clamp to [-1, 1] after every step too, not only at the end.": clamp_late,
        "You projected only at the end, so gradients were computed outside the box.": project_late,
        "You changed the x that was given: x_adv += changes it in place.": iterate_in_place,
        "Compute the gradient at x_adv each time, not at x.": iterate(refresh=False),
        "Each step starts at x here. It should start at x_adv, where the last one ended.": iterate(
            restart=True
        ),
        "`targeted` is ignored: with a target the loss has to decrease.": iterate(sign=lambda t: 1),
        "Without a target the loss of the true class has to increase.": iterate(sign=lambda t: -1),
        "The two directions are swapped.": iterate(sign=lambda t: 1 if t else -1),
        "Each step has size `step`; eps is the half-width of the box.": [
            iterate(size=lambda eps, step, steps: eps),
            iterate(size=lambda eps, step, steps: eps, sign=lambda t: 1),
        ],
        "Each step has size `step`, not eps / steps.": iterate(
            size=lambda eps, step, steps: eps / steps
        ),
        "A step has the size `step` in every value: use the sign of the gradient only.": [
            iterate(change=lambda g: g),
            iterate(change=lambda g: g / l2_norm(g)[:, None, None, None]),
        ],
        "That is one step too few: use a loop over range(steps).": iterate(more=-1),
        "That is one step too many: use a loop over range(steps).": iterate(more=1),
        "That is the result of a single step: is `return` inside the loop?": once,
        "You add up the gradients of several steps. Each step uses the gradient at x_adv alone.": [
            momentum(1),
            momentum(0.9),
        ],
        "You stop as soon as the class is reached, or left. Take all the steps: the loss still "
        "changes.": stop_early,
        "You take only steps that improve the loss. Take all of them: the formula has no "
        "condition.": only_better,
        "A value whose gradient is exactly 0 should stay as it is, since sign(0) is 0; yours "
        "moves, or becomes nan.": [
            iterate(change=lambda g: torch.where(g > 0, 1.0, -1.0)),
            iterate(change=lambda g: g / g.abs()),
        ],
    },
    alternatives=(iterate(),),
    advice="With steps=1, is it FGSM of size `step`? If so: is x unchanged, and do you project "
    "after every step?",
)
