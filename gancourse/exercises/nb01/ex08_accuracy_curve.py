"""Exercise 1.8: accuracy against eps."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from gancourse.exercises.base import AnswerError, Case, Exercise, Observation, observe_call
from gancourse.papers import adversarial


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


class Brightness(nn.Module):
    """Class 1 where a picture is bright on average, 0 where it is dark."""

    def forward(self, x: Tensor) -> Tensor:
        light = 4 * x.flatten(1).mean(dim=1)
        return torch.stack([-light, light], dim=1)


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


def curve_cases(rng: torch.Generator) -> list[Case]:
    """16 pictures at known distances from the border; three of them are labelled wrongly."""
    order = torch.randperm(16, generator=rng)
    distance = 0.05 + 0.06 * torch.arange(16)  # 0.05 to 0.95
    side = 2 * torch.randint(2, (16,), generator=rng) - 1
    x = (distance * side)[:, None, None, None].expand(16, 1, 2, 2)
    y = (side > 0).long()
    y[4:7] = 1 - y[4:7]  # at 0.29, 0.35 and 0.41
    sizes = [0.0, 0.28, 0.64, 1.24]
    return [Case((Brightness(), half_step, x[order].clone(), y[order], sizes))]


EXERCISE = Exercise(
    id="1.8",
    title="Accuracy against eps",
    points=3,
    minutes=12,
    reference=adversarial.accuracy_curve,
    cases=curve_cases,
    observe=observe_curve,
    slips={
        "You called fgsm: call the `attack` that you are given.": curve_fgsm,
        "The attack takes slopes: torch.no_grad() only around the scoring.": torch.no_grad()(
            curve()
        ),
        "Each size should start from the clean x; yours pile up.": curve_piled,
        "That is the error, 1 - accuracy.": curve(lambda h: 1 - h.float().mean()),
        "That is a count; divide by the batch.": curve(lambda h: h.float().sum()),
        "You scored against the model's own first guess: its clean mistakes vanish.": curve(
            judge=True
        ),
        "You attacked the model's own guess: that repairs pictures it got answers. Use y.": curve(
            own=True
        ),
        "You scored the clean pictures: classify attack(...).": curve(attacked=False),
    },
    alternatives=(curve(),),
)
