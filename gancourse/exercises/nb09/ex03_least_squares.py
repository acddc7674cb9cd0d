"""Exercise 9.3: least-squares losses."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gancourse.exercises.base import Case, Exercise, Observation, copied
from gancourse.exercises.nb09._shared import observe_losses


def least_squares(real: Tensor, fake: Tensor) -> dict[str, Tensor]:
    """Both players' losses, as the package's `LSGAN`; here real and fake may differ in shape."""
    loss_D = ((real - 1).square().mean() + fake.square().mean()) / 2
    return {"loss_D": loss_D, "loss_G": (fake - 1).square().mean()}


def maps(rng: torch.Generator) -> list[Case]:
    def outputs(mean: float, *shape: int) -> Tensor:
        return (mean + 1.5 * torch.randn(shape, generator=rng)).requires_grad_()

    return [
        Case(
            (outputs(0.7, 2, 3, 4), outputs(0.2, 2, 3, 4)), note="on 2 maps of 3 x 4 outputs each"
        ),
        Case((outputs(0.7, 5), outputs(0.2, 3)), note="on 5 real outputs and 3 of fakes"),
    ]


def observe_squares(answer: Callable[..., Any], case: Case) -> Observation:
    real, fake = copied(case.args)
    return observe_losses(answer(real, fake), ("loss_D", "loss_G"), {"real": real, "fake": fake})


Reduce = Callable[[Tensor], Tensor]


def squares_like(
    end: Callable[[Tensor], Tensor] = lambda y: y,
    factors: tuple[float, float] = (0.5, 0.5),
    factor_G: float = 1.0,
    targets: tuple[float, float, float] = (1.0, 0.0, 1.0),
    size: Reduce = torch.square,
    mean: Reduce = torch.mean,
) -> Callable[[Tensor, Tensor], dict[str, Tensor]]:
    """Make least-squares losses, with a slip if asked for."""

    def losses(real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        real, fake = end(real), end(fake)
        r, f, g = (mean(size(x - t)) for x, t in zip((real, fake, fake), targets, strict=True))
        return {"loss_D": factors[0] * r + factors[1] * f, "loss_G": factor_G * g}

    return losses


def squares_by_torch(real: Tensor, fake: Tensor) -> dict[str, Tensor]:
    loss_D = (F.mse_loss(real, torch.ones_like(real)) + F.mse_loss(fake, 0 * fake.detach())) / 2
    return {"loss_D": loss_D, "loss_G": F.mse_loss(fake, torch.ones_like(fake))}


def pooled(real: Tensor, fake: Tensor) -> dict[str, Tensor]:
    both = torch.cat([(real - 1).flatten(), fake.flatten()])
    return {**least_squares(real, fake), "loss_D": both.square().mean()}


def in_one_mean(real: Tensor, fake: Tensor) -> dict[str, Tensor]:
    both = (real - 1).square() + fake.square()
    return {**least_squares(real, fake), "loss_D": both.mean() / 2}


def other_gan(
    on_real: Reduce, on_fake: Reduce, on_fake_in_G: Reduce, factor: float = 1
) -> Callable[[Tensor, Tensor], dict[str, Tensor]]:
    """Make the losses of another GAN: a function of each output, and means."""
    return lambda real, fake: {
        "loss_D": factor * (on_real(real).mean() + on_fake(fake).mean()),
        "loss_G": on_fake_in_G(fake).mean(),
    }


LOGS = (lambda r: F.softplus(-r), F.softplus, lambda f: F.softplus(-f))
HINGE = (lambda r: F.relu(1 - r), lambda f: F.relu(1 + f), torch.neg)
WASSERSTEIN = (torch.neg, lambda f: f, torch.neg)


def in_place(real: Tensor, fake: Tensor) -> dict[str, Tensor]:
    real -= 1
    return least_squares(real + 1, fake)


def fake_has_shape_of_real(real: Tensor, fake: Tensor) -> dict[str, Tensor]:
    on_fake = (fake - torch.zeros_like(real)).square().mean()
    return {"loss_D": ((real - 1).square().mean() + on_fake) / 2}


def mixed(
    D: Callable[[Tensor, Tensor], Any] = least_squares,
    G: Callable[[Tensor, Tensor], Any] = least_squares,
) -> Callable[[Tensor, Tensor], dict[str, Tensor]]:
    """The loss of D from one answer, that of G from another."""
    return lambda real, fake: {
        "loss_D": D(real, fake)["loss_D"],
        "loss_G": G(real, fake)["loss_G"],
    }


EXERCISE = Exercise(
    id="9.3",
    title="Least squares for both players",
    points=2,
    minutes=8,
    reference=least_squares,
    cases=maps,
    observe=observe_squares,
    slips={
        "There is a sigmoid. The least-squares loss compares D's output itself with 1 and 0.": [
            squares_like(torch.sigmoid),
            mixed(D=squares_like(torch.sigmoid)),
            mixed(G=squares_like(torch.sigmoid)),
        ],
        "That is the loss of another GAN. Take the mean squared distance of D's output from 1 or "
        "0.": [
            other_gan(*losses, factor)
            for losses in (LOGS, HINGE, WASSERSTEIN)
            for factor in (1, 0.5)
        ],
        "loss_D is twice as large as it should be: take half of the sum.": squares_like(
            factors=(1.0, 1.0)
        ),
        "Only one term of loss_D is halved. Halve their sum.": [
            squares_like(factors=(1.0, 0.5)),
            squares_like(factors=(0.5, 1.0)),
        ],
        "loss_G is halved too. Halve only loss_D.": squares_like(factor_G=0.5),
        "You halved loss_G instead of loss_D.": squares_like(factors=(1.0, 1.0), factor_G=0.5),
        "In loss_D the targets are swapped: that of real is 1, that of fake is 0.": squares_like(
            targets=(0.0, 1.0, 1.0)
        ),
        "The targets are swapped in both losses: D's target is 1 for real and 0 for fakes, G's is "
        "1.": squares_like(targets=(0.0, 1.0, 0.0)),
        "In loss_D fakes are compared with another number than 0.": [
            squares_like(targets=(1.0, -1.0, 1.0)),
            squares_like(targets=(1.0, 1.0, 1.0)),
        ],
        "A term of loss_D is missing: it has one for real outputs and one for fakes.": [
            squares_like(factors=(0.5, 0.0)),
            squares_like(factors=(0.0, 0.5)),
            squares_like(factors=(1.0, 0.0)),
            squares_like(factors=(0.0, 1.0)),
        ],
        "Targets are 1 and 0: smoothed labels are not asked for.": [
            squares_like(targets=targets)
            for targets in ((0.9, 0.0, 1.0), (0.9, 0.1, 1.0), (0.9, 0.0, 0.9), (0.9, 0.1, 0.9))
        ],
        "The second term of loss_D is subtracted. Add it.": squares_like(factors=(0.5, -0.5)),
        "loss_G should be 0 where D's output for fakes is 1, not where it is 0.": squares_like(
            targets=(1.0, 0.0, 0.0)
        ),
        "loss_G is computed from real. Compute it from fake.": mixed(
            G=lambda real, fake: least_squares(fake, real)
        ),
        "Your loss_G is the negative of a loss of D. It should be the mean of (fake - 1) "
        "squared.": [
            mixed(G=lambda real, fake: {"loss_G": -fake.square().mean()}),
            mixed(G=lambda real, fake: {"loss_G": -least_squares(real, fake)["loss_D"]}),
            mixed(G=lambda real, fake: {"loss_G": -2 * least_squares(real, fake)["loss_D"]}),
        ],
        "The two losses are swapped: look at their names.": lambda real, fake: {
            "loss_D": least_squares(real, fake)["loss_G"],
            "loss_G": least_squares(real, fake)["loss_D"],
        },
        "These are sums: return means.": squares_like(mean=torch.sum),
        "You took a root. The loss is the mean of the squares.": [
            squares_like(mean=lambda d: d.mean().sqrt()),
            squares_like(mean=lambda d: d.sum().sqrt()),
        ],
        "These are squares of means, in which values above and below the target cancel. Square "
        "first.": squares_like(size=lambda d: d, mean=lambda d: d.mean().square()),
        "Those are absolute differences. Square them.": squares_like(size=torch.abs),
        "All outputs are in one mean, which weights real and fake by their number of outputs. Take "
        "two means, and half of their sum.": pooled,
        "real and fake may have different shapes: don't add their values, and give the targets of "
        "each its own shape. Take two means, and half of their sum.": [
            in_one_mean,
            mixed(D=fake_has_shape_of_real),
        ],
        "Your code changes an argument in place, as -= and functions that end in _ do. real - 1 "
        "makes a new tensor.": in_place,
        "The losses are detached, so neither network learns. Return tensors, without item(), "
        "detach() or no_grad().": lambda real, fake: least_squares(real.detach(), fake.detach()),
        "An output is detached in loss_D, so D would learn nothing from it. The caller detaches "
        "the fakes from G.": [
            mixed(D=lambda real, fake: least_squares(real, fake.detach())),
            mixed(D=lambda real, fake: least_squares(real.detach(), fake)),
        ],
        "fake is detached in loss_G, so G would learn nothing.": mixed(
            G=lambda real, fake: least_squares(real, fake.detach())
        ),
    },
    alternatives=(squares_like(), squares_by_torch),
    advice="Compute both losses by hand for real = [2.0] and fake = [3.0]: loss_D is 5, loss_G is "
    "4.",
)
