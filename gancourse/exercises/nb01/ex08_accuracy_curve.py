"""Exercise 1.8: accuracy against eps."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancourse.exercises.base import AnswerError, Case, Exercise, Observation, observe_call
from gancourse.papers.adversarial import Attack, Model, accuracy_curve, fgsm


def curve(
    score: Callable[[Tensor], Tensor] = lambda hits: hits.float().mean(),
    attack_guess: bool = False,
    score_guess: bool = False,
    attacked: bool = True,
) -> Callable:
    """An accuracy curve; the arguments choose a slip.

    Parameters
    ----------
    score
        From booleans to a share.
    attack_guess, score_guess
        Whether the model's own first guess replaces the labels, in the attack or in the score.
    attacked
        Whether the attacked images are scored.
    """

    def answer(model: Model, attack: Attack, x: Tensor, y: Tensor, sizes: list) -> Tensor:
        guess = model(x).argmax(1)
        images = [attack(model, x, guess if attack_guess else y, eps) for eps in sizes]
        if not attacked:
            images = [x for _ in sizes]
        target = guess if score_guess else y
        return torch.stack([score(model(a).argmax(1) == target) for a in images])

    return answer


def curve_fgsm(model: Model, attack: Attack, x: Tensor, y: Tensor, sizes: list) -> Tensor:
    """FGSM instead of the given attack."""
    return curve()(model, fgsm, x, y, sizes)


def curve_accumulated(model: Model, attack: Attack, x: Tensor, y: Tensor, sizes: list) -> Tensor:
    """Each attack starts from the result of the one before."""
    shares = []
    for eps in sizes:
        x = attack(model, x, y, eps)
        shares.append((model(x).argmax(1) == y).float().mean())
    return torch.stack(shares)


class Brightness(nn.Module):
    """Class 1 where an image is bright on average, 0 where it is dark."""

    def forward(self, x: Tensor) -> Tensor:
        logit = 4 * x.flatten(1).mean(dim=1)
        return torch.stack([-logit, logit], dim=1)


def half_step(model: Model, x: Tensor, y: Tensor, eps: float) -> Tensor:
    """Half of FGSM's step, so that it is not FGSM. It fails under no_grad, as FGSM would."""
    x = x.detach().requires_grad_()
    loss = F.cross_entropy(model(x), y, reduction="sum")
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
    """16 images at given distances from the decision boundary; three have wrong labels."""
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
    reference=accuracy_curve,
    cases=curve_cases,
    observe=observe_curve,
    slips={
        "You called fgsm: call the `attack` that you are given.": curve_fgsm,
        "The attack needs gradients: use torch.no_grad() only for the scoring.": torch.no_grad()(
            curve()
        ),
        "Each size should start from the clean x; your attacks accumulate.": curve_accumulated,
        "This is the error, 1 - accuracy.": curve(lambda h: 1 - h.float().mean()),
        "This is a count: divide it by the size of the batch.": curve(lambda h: h.float().sum()),
        "You scored against the model's own first guess, so its errors on clean images are not "
        "counted. Use y.": curve(score_guess=True),
        "You attacked the model's own first guess, "
        "which corrects images that were wrong. Use y.": curve(attack_guess=True),
        "You scored the clean images: classify attack(...).": curve(attacked=False),
    },
    alternatives=(curve(),),
)
