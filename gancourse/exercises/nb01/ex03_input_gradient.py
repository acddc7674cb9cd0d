"""Exercise 1.3: the gradient with respect to the image."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from gancourse.exercises.base import Case, Exercise
from gancourse.exercises.nb01._shared import CLASSES, inputs, observe_clean
from gancourse.papers.adversarial import Model, input_gradient


def gradient(objective: Callable[[Tensor, Tensor], Tensor]) -> Callable:
    """The gradient with respect to x of any function of the logits and the labels."""

    def answer(model: Model, x: Tensor, y: Tensor) -> Tensor:
        x = x.detach().requires_grad_()
        return torch.autograd.grad(objective(model(x), y), x)[0]

    return answer


def by_backward(reduction: str) -> Callable:
    """The gradient by backward(), which fills those of the weights too."""

    def answer(model: Model, x: Tensor, y: Tensor) -> Tensor:
        x = x.detach().requires_grad_()
        F.cross_entropy(model(x), y, reduction=reduction).backward()
        return x.grad

    return answer


def changed(change: Callable[[Tensor], Tensor]) -> Callable:
    """The right gradient, and something done with it."""
    return lambda model, x, y: change(input_gradient(model, x, y))


def after(prepare: Callable[[Model], object]) -> Callable:
    """The right gradient, after a call of one of the network's methods."""

    def answer(model: Model, x: Tensor, y: Tensor) -> Tensor:
        prepare(model)
        return input_gradient(model, x, y)

    return answer


def gradient_tuple(model: Model, x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
    """The tuple that autograd returns."""
    x = x.detach().requires_grad_()
    return torch.autograd.grad(F.cross_entropy(model(x), y, reduction="sum"), x)


def gradient_constant(detach: bool) -> Callable:
    """Images that do not require a gradient."""

    def answer(model: Model, x: Tensor, y: Tensor) -> Tensor:
        x = x.detach() if detach else x
        return torch.autograd.grad(F.cross_entropy(model(x), y, reduction="sum"), x)[0]

    return answer


def gradient_elsewhere(model: Model, x: Tensor, y: Tensor) -> Tensor:
    """The model is called with other images than those that require a gradient."""
    loss = F.cross_entropy(model(x.detach()), y, reduction="sum")
    return torch.autograd.grad(loss, x.detach().requires_grad_())[0]


def gradient_restored(model: Model, x: Tensor, y: Tensor) -> Tensor:
    """The caller's x requires gradients for a while."""
    x.requires_grad_()
    g = torch.autograd.grad(F.cross_entropy(model(x), y, reduction="sum"), x)[0]
    x.requires_grad_(False)
    return g


def gradient_one_by_one(model: Model, x: Tensor, y: Tensor) -> Tensor:
    """Slow and right: a batch of one image at a time."""
    return torch.cat([input_gradient(model, x[i : i + 1], y[i : i + 1]) for i in range(len(x))])


def gradient_cases(rng: torch.Generator) -> list[Case]:
    """A model, images and labels; one image; a model that is a function; images with a graph."""
    model, x, y = inputs(rng, 4)
    plain = Case((model.forward, x, y), note="where the model is a plain function")
    model, x, y = inputs(rng, 2)
    note = "where x was computed by a network, as in Section 8"
    return [
        Case(inputs(rng, 6), note="with a batch of 6 images"),
        Case(inputs(rng, 1), note="with a single image"),
        plain,
        Case((model, x.requires_grad_(), y), note=note),
    ]


def one_hot(y: Tensor) -> Tensor:
    """Labels as rows of 0 and 1."""
    return F.one_hot(y, CLASSES).float()


EXERCISE = Exercise(
    id="1.3",
    title="The gradient with respect to the image",
    points=2,
    minutes=10,
    reference=input_gradient,
    cases=gradient_cases,
    observe=observe_clean,
    slips={
        "You averaged over the batch. With reduction='sum' no image's gradient depends on how "
        "many others there are.": [gradient(F.cross_entropy), by_backward("mean")],
        "This is the gradient of the logit of y, not of its cross-entropy: log_softmax is missing, "
        "and the sign differs.": gradient(lambda logits, y: logits.gather(1, y[:, None]).sum()),
        "nll_loss takes log-probabilities, and these are logits: use cross_entropy.": [
            gradient(lambda logits, y: F.nll_loss(logits, y, reduction="sum")),
            gradient(F.nll_loss),
        ],
        "cross_entropy takes logits: you applied softmax first, so it is applied twice.": [
            gradient(lambda logits, y: F.cross_entropy(logits.softmax(1), y, reduction="sum")),
            gradient(lambda logits, y: F.cross_entropy(logits.softmax(1), y)),
        ],
        "You differentiated the probability of y. The log is missing: J is -log of it.": [
            gradient(lambda logits, y: logits.softmax(1).gather(1, y[:, None]).sum()),
            gradient(lambda logits, y: F.nll_loss(logits.softmax(1), y, reduction="sum")),
            gradient(lambda logits, y: F.nll_loss(logits.softmax(1), y)),
        ],
        "The sign is wrong: differentiate the loss, -log of the probability of y.": [
            gradient(lambda logits, y: -F.cross_entropy(logits, y, reduction="sum")),
            gradient(lambda logits, y: -F.cross_entropy(logits, y)),
        ],
        "That is the logarithm to base 2: in nats it is the natural one, log.": gradient(
            lambda logits, y: F.cross_entropy(logits, y, reduction="sum") / math.log(2)
        ),
        "You differentiated the loss of the model's own first guess. Use the class y.": gradient(
            lambda logits, y: F.cross_entropy(logits, logits.argmax(1), reduction="sum")
        ),
        "The softmax goes over the images here. The classes are in dimension 1.": gradient(
            lambda logits, y: -logits.log_softmax(0).gather(1, y[:, None]).sum()
        ),
        "That is another loss. J is the cross-entropy, F.cross_entropy(logits, y, "
        "reduction='sum').": [
            gradient(lambda logits, y: F.mse_loss(logits.softmax(1), one_hot(y), reduction="sum")),
            gradient(
                lambda logits, y: F.binary_cross_entropy_with_logits(
                    logits, one_hot(y), reduction="sum"
                )
            ),
            gradient(lambda logits, y: logits.sum()),
        ],
        "log_p[:, y] takes the columns of all labels for every image: gather(1, y[:, None]) takes "
        "one for each, and so does cross_entropy.": gradient(
            lambda logits, y: -logits.log_softmax(1)[:, y].sum()
        ),
        "Each image gets its own gradient: don't add or average them over the batch.": [
            changed(lambda g: g.sum(0)),
            changed(lambda g: g.mean(0)),
        ],
        "That is the loss. Return its gradient with respect to x: torch.autograd.grad(loss, "
        "x)[0].": [
            lambda model, x, y: F.cross_entropy(model(x), y, reduction="sum"),
            lambda model, x, y: F.cross_entropy(model(x), y),
        ],
        "The sign() belongs to exercise 1.4: return the gradient itself.": changed(torch.sign),
        "Return the gradient as it is: don't scale it, and keep its sign.": [
            changed(torch.abs),
            changed(lambda g: g / g.abs().amax((1, 2, 3), keepdim=True)),
            changed(lambda g: g / g.flatten(1).norm(dim=1)[:, None, None, None]),
        ],
        "autograd.grad returns a tuple with one "
        "gradient for each tensor: take [0].": gradient_tuple,
        "That is the gradient of the first image only: is there a [0] too many?": changed(
            lambda g: g[0]
        ),
        "backward() and grad() start from one number: sum the losses of the images, with "
        "reduction='sum'.": gradient(
            lambda logits, y: F.cross_entropy(logits, y, reduction="none")
        ),
        "The tensor that you differentiate by has to require gradients, and to be the one that the "
        "model was called with: x = x.detach().requires_grad_() comes first.": [
            gradient_constant(True),
            gradient_constant(False),
            gradient_elsewhere,
        ],
        "model may be a plain function, without the methods of a network: only call it.": [
            after(lambda model: model.eval()),
            after(lambda model: model.zero_grad()),
            after(lambda model: model.requires_grad_(False)),
            after(lambda model: model.requires_grad_(False).requires_grad_(True)),
            after(lambda model: list(model.parameters())),
        ],
        "In Section 8 a network computes x, and then its requires_grad can't be switched off. "
        "Leave x alone: start from x.detach().requires_grad_().": gradient_restored,
    },
    alternatives=(
        gradient_one_by_one,
        gradient(lambda logits, y: -logits.log_softmax(1).gather(1, y[:, None]).sum()),
    ),
    advice="With a single image: is it the gradient of F.cross_entropy(model(x), y) with respect "
    "to x? And does the code only call model and leave x alone?",
)
