"""Exercise 9.3: least-squares losses."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from gancourse.exercises.base import Case, Exercise
from gancourse.papers.cyclegan import lsgan_discriminator_loss, lsgan_generator_loss


def least_squares(real, fake):
    """Both players' losses; no annotations, so that wrong shapes are diagnosed, not refused."""
    return {
        "loss_D": lsgan_discriminator_loss(real, fake) / 2,
        "loss_G": lsgan_generator_loss(fake),
    }


def maps(rng: torch.Generator) -> list[Case]:
    real, fake = (1.5 * torch.randn(2, 3, 3, generator=rng) for _ in range(2))
    return [Case((real, fake), note="on 2 maps of 3 x 3 outputs each")]


def squares_like(
    end: Callable[[Tensor], Tensor] = lambda y: y,
    factor: float = 0.5,
    target_real: float = 1.0,
    target_G: float = 1.0,
    mean: Callable[[Tensor], Tensor] = torch.mean,
) -> Callable[[Tensor, Tensor], dict[str, Tensor]]:
    """Make least-squares losses, with a slip if asked for."""

    def losses(real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        real, fake = end(real), end(fake)
        loss_D = mean((real - target_real) ** 2) + mean((fake - (1 - target_real)) ** 2)
        return {"loss_D": factor * loss_D, "loss_G": mean((fake - target_G) ** 2)}

    return losses


def squares_by_torch(real: Tensor, fake: Tensor) -> dict[str, Tensor]:
    ones, zeros = torch.ones_like(real), torch.zeros_like(fake)
    loss_D = (F.mse_loss(real, ones) + F.mse_loss(fake, zeros)) / 2
    return {"loss_D": loss_D, "loss_G": F.mse_loss(fake, ones)}


EXERCISE = Exercise(
    id="9.3",
    title="Squares instead of logs",
    points=2,
    minutes=8,
    reference=least_squares,
    cases=maps,
    slips={
        "There is a sigmoid. The least-squares loss "
        "compares D's output itself with 1 and 0.": squares_like(end=torch.sigmoid),
        "loss_D is twice as large as asked for: it is half of the sum.": squares_like(factor=1.0),
        "In loss_D real and fake are swapped: real is 1, fake is 0.": squares_like(target_real=0.0),
        "loss_G is 0 where D's output for fakes is 1, not 0.": squares_like(target_G=0.0),
        "These are sums: return means.": squares_like(mean=torch.sum),
        "You took a root. The loss is the mean of the squares.": squares_like(
            mean=lambda d: d.mean().sqrt()
        ),
    },
    alternatives=(squares_like(), squares_by_torch),
)
