"""Exercise 1.3: the gradient in the picture."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from gancourse.exercises.base import Case, Exercise
from gancourse.exercises.nb01._shared import Tiny, labels, observe_clean, pictures
from gancourse.papers import adversarial


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


def gradient_cases(rng: torch.Generator) -> list[Case]:
    """A model, pictures and labels, for two sizes of the batch."""
    cases = [Case((Tiny(rng), pictures(rng, n), labels(rng, n))) for n in (3, 5)]
    plain = Tiny(rng).forward, pictures(rng, 2), labels(rng, 2)
    return [*cases, Case(plain, note="where the model is a plain function")]


EXERCISE = Exercise(
    id="1.3",
    title="The gradient in the picture",
    points=2,
    minutes=10,
    reference=adversarial.input_gradient,
    cases=gradient_cases,
    observe=observe_clean,
    slips={
        "You averaged over the batch: add reduction='sum', so that no picture's gradient depends "
        "on how many others there are.": gradient(F.cross_entropy),
        "That "
        "is the slope of the logit of y, not of the loss. It also has the other sign.": gradient(
            lambda logits, y: logits.gather(1, y[:, None]).sum()
        ),
        "cross_entropy takes logits: you applied softmax first, so it is applied twice.": gradient(
            lambda logits, y: F.cross_entropy(logits.softmax(1), y, reduction="sum")
        ),
        "Wrong sign: the loss itself, not minus the loss. The attack will go up.": gradient(
            lambda logits, y: -F.cross_entropy(logits, y, reduction="sum")
        ),
        "The gradient is right, but backward() also filled the parameters' .grad: the next "
        "training step would "
        "use it. torch.autograd.grad(loss, x) returns only what you ask for.": gradient_backward,
        "autograd.grad "
        "returns a tuple, with one gradient for each tensor: take its [0].": gradient_tuple,
        "The gradient is right, but you switched on requires_grad of the caller's x: what is made "
        "from it later drags a graph along. Start from x.detach().": gradient_marked,
    },
    alternatives=(
        gradient_one_by_one,
        gradient(lambda logits, y: -logits.log_softmax(1).gather(1, y[:, None]).sum()),
    ),
)
