"""Exercise 1.3: the gradient in the picture."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from gancourse.exercises.base import Case, Exercise
from gancourse.exercises.nb01._shared import inputs, observe_clean
from gancourse.papers.adversarial import Model, input_gradient


def gradient(objective: Callable[[Tensor, Tensor], Tensor]) -> Callable:
    """The gradient with respect to x of any function of the logits and the labels."""

    def answer(model: Model, x: Tensor, y: Tensor) -> Tensor:
        x = x.detach().requires_grad_()
        return torch.autograd.grad(objective(model(x), y), x)[0]

    return answer


def gradient_backward(model: Model, x: Tensor, y: Tensor) -> Tensor:
    """Right numbers, but the parameters' gradients are filled too."""
    x = x.clone().requires_grad_()
    F.cross_entropy(model(x), y, reduction="sum").backward()
    return x.grad


def gradient_tuple(model: Model, x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
    """The tuple that autograd returns."""
    x = x.detach().requires_grad_()
    return torch.autograd.grad(F.cross_entropy(model(x), y, reduction="sum"), x)


def gradient_marked(model: Model, x: Tensor, y: Tensor) -> Tensor:
    """Right numbers, but the caller's x requires gradients afterwards."""
    x.requires_grad_()
    return torch.autograd.grad(F.cross_entropy(model(x), y, reduction="sum"), x)[0]


def gradient_one_by_one(model: Model, x: Tensor, y: Tensor) -> Tensor:
    """Slow and right: a batch of one image at a time."""
    return torch.cat([input_gradient(model, x[i : i + 1], y[i : i + 1]) for i in range(len(x))])


def gradient_cases(rng: torch.Generator) -> list[Case]:
    """A model, images and labels, for two sizes of the batch; then a model that is a function."""
    model, x, y = inputs(rng, 2)
    plain = Case((model.forward, x, y), note="where the model is a plain function")
    return [Case(inputs(rng, 3)), Case(inputs(rng, 5)), plain]


EXERCISE = Exercise(
    id="1.3",
    title="The gradient in the picture",
    points=2,
    minutes=10,
    reference=input_gradient,
    cases=gradient_cases,
    observe=observe_clean,
    slips={
        "You averaged over the batch. With reduction='sum' no image's gradient depends on how "
        "many others there are.": gradient(F.cross_entropy),
        "This is the gradient of the logit of y, not of the loss; its sign differs too.": gradient(
            lambda logits, y: logits.gather(1, y[:, None]).sum()
        ),
        "cross_entropy takes logits: you applied softmax first, so it is applied twice.": gradient(
            lambda logits, y: F.cross_entropy(logits.softmax(1), y, reduction="sum")
        ),
        "The sign is wrong: differentiate the loss, not minus the loss.": gradient(
            lambda logits, y: -F.cross_entropy(logits, y, reduction="sum")
        ),
        "The gradient is right, but backward() also filled the parameters' .grad. "
        "torch.autograd.grad(loss, x) returns only what you ask for.": gradient_backward,
        "autograd.grad returns a tuple with one "
        "gradient for each tensor: take [0].": gradient_tuple,
        "The gradient is right, but the caller's x now "
        "requires gradients. Start from x.detach().": gradient_marked,
    },
    alternatives=(
        gradient_one_by_one,
        gradient(lambda logits, y: -logits.log_softmax(1).gather(1, y[:, None]).sum()),
    ),
)
