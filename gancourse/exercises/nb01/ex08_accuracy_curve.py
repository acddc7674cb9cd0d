"""Exercise 1.8: accuracy against eps."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancourse.exercises.base import AnswerError, Case, Exercise, Observation, observe_call
from gancourse.exercises.parts import Part
from gancourse.papers.adversarial import Attack, Model, accuracy_curve, fgsm

IMAGES, WRONG = 1001, 150
"""How many images, and how many at the end have another label than the model's guess."""


def curve(
    score: Callable[[Tensor], Tensor] = lambda hits: hits.float().mean(),
    order: Callable[[list], list] = lambda sizes: sizes,
    attack_guess: bool = False,
    score_guess: bool = False,
    attacked: bool = True,
) -> Callable:
    """An accuracy curve; the arguments choose a slip.

    Parameters
    ----------
    score
        From booleans to a share.
    order
        Applied to the sizes.
    attack_guess, score_guess
        Whether the model's own first guess replaces the labels, in the attack or in the score.
    attacked
        Whether the attacked images are scored.
    """

    def answer(model: Model, attack: Attack, x: Tensor, y: Tensor, sizes: list) -> Tensor:
        guess = model(x).argmax(1)
        images = [attack(model, x, guess if attack_guess else y, eps) for eps in order(sizes)]
        if not attacked:
            images = [x for _ in sizes]
        target = guess if score_guess else y
        return torch.stack([score(model(a).argmax(1) == target) for a in images])

    return answer


def curve_fgsm(model: Model, attack: Attack, x: Tensor, y: Tensor, sizes: list) -> Tensor:
    """Slip: FGSM instead of the given attack."""
    return curve()(model, fgsm, x, y, sizes)


def curve_accumulated(model: Model, attack: Attack, x: Tensor, y: Tensor, sizes: list) -> Tensor:
    """Slip: each attack starts from the result of the one before."""
    shares = []
    for eps in sizes:
        x = attack(model, x, y, eps)
        shares.append((model(x).argmax(1) == y).float().mean())
    return torch.stack(shares)


def curve_of_right(model: Model, attack: Attack, x: Tensor, y: Tensor, sizes: list) -> Tensor:
    """Slip: only images that were right before count."""
    right = model(x).argmax(1) == y
    return curve()(model, attack, x[right], y[right], sizes)


def curve_of_fooled(model: Model, attack: Attack, x: Tensor, y: Tensor, sizes: list) -> Tensor:
    """Slip: of the images that were right before, the share that is wrong now."""
    return 1 - curve_of_right(model, attack, x, y, sizes)


def curve_of_probability(model: Model, attack: Attack, x: Tensor, y: Tensor, sizes: list) -> Tensor:
    """Slip: no decision is made."""
    logits = [model(attack(model, x, y, eps)) for eps in sizes]
    return torch.stack([z.softmax(1).gather(1, y[:, None]).mean() for z in logits])


def curve_cat(model: Model, attack: Attack, x: Tensor, y: Tensor, sizes: list) -> Tensor:
    """Slip: cat in place of stack."""
    return torch.cat(list(curve()(model, attack, x, y, sizes)))


def curve_of_batches(size: int) -> Callable:
    """Slip: the mean of the accuracies of batches, of which the last is smaller."""

    def answer(model: Model, attack: Attack, x: Tensor, y: Tensor, sizes: list) -> Tensor:
        batches = list(zip(x.split(size), y.split(size), strict=True))
        return torch.stack([curve()(model, attack, *batch, sizes) for batch in batches]).mean(0)

    return answer


def curve_over_images(model: Model, attack: Attack, x: Tensor, y: Tensor, sizes: list) -> Tensor:
    """Slip: the most probable image of each class."""
    return torch.stack(
        [(model(attack(model, x, y, eps)).argmax(0) == y).float().mean() for eps in sizes]
    )


def curve_of_logits(model: Model, attack: Attack, x: Tensor, y: Tensor, sizes: list) -> Tensor:
    """Slip: the largest logit is compared with the label."""
    return torch.stack(
        [(model(attack(model, x, y, eps)).amax(1) == y).float().mean() for eps in sizes]
    )


def curve_filled(model: Model, attack: Attack, x: Tensor, y: Tensor, sizes: list) -> Tensor:
    """Right: a tensor that is filled by position."""
    shares = torch.zeros(len(sizes), device=x.device)
    for i, eps in enumerate(sizes):
        shares[i] = (model(attack(model, x, y, eps)).max(1).indices == y).sum() / len(y)
    return shares


class Brightness(nn.Module):
    """Class 1 where an image is bright on average, 0 where it is dark; nothing is of class 2."""

    def forward(self, x: Tensor) -> Tensor:
        logit = 4 * x.flatten(1).mean(dim=1)
        return torch.stack([-logit, logit, torch.full_like(logit, -9)], dim=1)


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
            raise AnswerError("Return a tensor: torch.tensor(list) makes one of a list of "
                              "numbers, torch.stack(list) of a list of tensors.")  # fmt: skip
        return result

    return observe_call(checked, case)


def curve_cases(rng: torch.Generator) -> list[Case]:
    """Images at random distances from the decision boundary; the last ones have wrong labels.

    Sizes are not in order. The last images would be a smaller batch of 64, 100 or 500.
    """
    distance = 0.05 + 0.9 * torch.rand(IMAGES, generator=rng)  # 0.05 to 0.95
    side = 2 * torch.randint(2, (IMAGES,), generator=rng) - 1
    x = (distance * side)[:, None, None, None].expand(IMAGES, 1, 2, 2).clone()
    y = (side > 0).long()
    y[-WRONG:] = 1 - y[-WRONG:]
    few = torch.arange(-WRONG - 4, -WRONG + 3)  # four with the right label, three with a wrong one
    distances = torch.tensor([0.001, 0.2, 0.4, 0.9, 0.3, 0.5, 0.7])
    times = torch.randint(1, 4, (7,), generator=rng)  # so that no share is known before
    few, distances = few.repeat_interleave(times), distances.repeat_interleave(times)
    x_few = x[few].sign() * distances[:, None, None, None]
    model, sizes = Brightness(), [0.64, 0.0, 1.24, 0.28]
    return [
        Case((model, half_step, x_few, y[few], sizes), note=f"with {len(few)} images"),
        Case((model, half_step, x_few, y[few], [0.28]), note="with a single size"),
        Case((model, half_step, x, y, sizes), note=f"with {IMAGES} images"),
    ]


EXERCISE = Exercise(
    id="1.8",
    title="Accuracy against eps",
    points=3,
    minutes=12,
    reference=accuracy_curve,
    cases=curve_cases,
    observe=observe_curve,
    parts=(Part("a few images", 1, cases=(0, 1)),),
    slips={
        "You called fgsm: call the `attack` that you are given.": curve_fgsm,
        "The attack needs gradients: use torch.no_grad() only for the scoring.": torch.no_grad()(
            curve()
        ),
        "Each size should start from the clean x; your attacks accumulate.": curve_accumulated,
        "This is the error, 1 - accuracy.": curve(lambda h: 1 - h.float().mean()),
        "This is a count: divide it by the size of the batch.": [
            curve(lambda h: h.float().sum()),
            curve(lambda h: h.sum()),
        ],
        "This is a percentage: return shares between 0 and 1.": curve(
            lambda h: 100 * h.float().mean()
        ),
        "The model's first guess replaces the label here, so an image that is misclassified before "
        "the attack can count as right. Compare the classes with y.": [
            curve(score_guess=True),
            curve(attack_guess=True, score_guess=True),
        ],
        "You attacked the model's own first guess, "
        "which can correct misclassified images. Use y.": curve(attack_guess=True),
        "You scored the clean images: classify attack(...).": curve(attacked=False),
        "You left out images that were wrong before the attack. They count as wrong: return "
        "the share of all images that are classified as y.": [curve_of_right, curve_of_fooled],
        "The mean of batches counts the images of a smaller last batch more than the others. Count "
        "the right ones, and divide by the number of all.": [
            curve_of_batches(n) for n in (64, 100, 256)
        ],
        "Each size needs its own attack; all of yours have the first size.": curve(
            order=lambda sizes: [sizes[0] for _ in sizes]
        ),
        "The shares belong to the sizes in the order given: don't sort them.": [
            curve(order=sorted),
            curve(order=lambda sizes: sorted(sizes, reverse=True)),
        ],
        "The sizes are already in units of [-1, 1]: pass them on as they are.": curve(
            order=lambda sizes: [2 / 255 * eps for eps in sizes]
        ),
        "argmax(0) goes over the images. The classes are in dimension 1.": curve_over_images,
        "You compared the largest logit with y. The most probable class is "
        "argmax(dim=1).": curve_of_logits,
        "That is the mean probability of y. Count the images whose most probable class is "
        "y.": curve_of_probability,
        "torch.cat joins tensors that have a dimension; single numbers are joined by "
        "torch.stack.": curve_cat,
        "Booleans have no mean: (...).float().mean().": curve(lambda h: h.mean()),
    },
    alternatives=(curve(), curve_filled),
    advice="With one size, is it the share of images whose argmax(dim=1) after the attack is y?",
)
