"""Differentiable augmentation: Zhao, Liu, Lin, Zhu and Han (2020), arXiv 2006.10738.

D sees augmented images only, real and generated alike, in its own turn and in G's (Equations 4 and
5). The augmentations are differentiable, so that G's gradient passes through them. With few
training images D then overfits later, and G does not learn the augmentations, as it would if only
real images were augmented. The strengths are those of the authors' code.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gancourse.papers.gan import discriminator_loss, non_saturating_loss
from gancourse.shapes import Images, Scalar

PerImage = Float[Tensor, "batch 1 1 1"]


def _uniform(x: Tensor, rng: torch.Generator) -> PerImage:
    return torch.rand(len(x), 1, 1, 1, generator=rng, device=rng.device).to(x)


def brightness(x: Images, rng: torch.Generator) -> Images:
    """Add one number per image, uniform in [-0.5, 0.5]."""
    return x + _uniform(x, rng) - 0.5


def saturation(x: Images, rng: torch.Generator) -> Images:
    """Scale each pixel's difference from its grey value by a factor in [0, 2], one per image."""
    grey = x.mean(dim=1, keepdim=True)
    return grey + 2 * _uniform(x, rng) * (x - grey)


def contrast(x: Images, rng: torch.Generator) -> Images:
    """Scale the difference from the image's mean by a factor in [0.5, 1.5], one per image."""
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    return mean + (_uniform(x, rng) + 0.5) * (x - mean)


def colour(x: Images, rng: torch.Generator) -> Images:
    """Brightness, saturation and contrast, in the order of the authors' code."""
    return contrast(saturation(brightness(x, rng), rng), rng)


def translation(x: Images, rng: torch.Generator, ratio: float = 1 / 8) -> Images:
    """Move each image by up to `ratio` of its side in both directions; fill with 0 (mid-grey)."""
    height, width = x.shape[-2:]
    most = round(ratio * height), round(ratio * width)
    steps = [
        torch.randint(-m, m + 1, (len(x), 1), generator=rng, device=rng.device).to(x.device)
        for m in most
    ]
    rows = torch.arange(height, device=x.device) + steps[0]  # (batch, height): where from
    columns = torch.arange(width, device=x.device) + steps[1]
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[
        :, None
    ]
    image = torch.arange(len(x), device=x.device)[:, None, None]
    rows, columns = rows.clamp(0, height - 1), columns.clamp(0, width - 1)
    moved = x.movedim(1, -1)[image, rows[:, :, None], columns[:, None]]  # (batch, h, w, channels)
    return moved.movedim(-1, 1) * inside[:, None].to(x)


def cutout(x: Images, rng: torch.Generator, ratio: float = 1 / 2) -> Images:
    """Set a square of `ratio` of the side to 0, at a random place, also across the edge."""
    height, width = x.shape[-2:]

    def inside(side: int) -> Tensor:
        centre = torch.randint(0, side + 1, (len(x), 1), generator=rng, device=rng.device)
        first = centre.to(x.device) - round(ratio * side) // 2
        position = torch.arange(side, device=x.device)
        return (position >= first) & (position < first + round(ratio * side))

    return x * ~(inside(height)[:, None, :, None] & inside(width)[:, None, None, :])


POLICY = (colour, translation, cutout)
"""The strongest of the paper's three policies, for a few hundred to a few thousand images."""


def augment(
    x: Images,
    rng: torch.Generator,
    policy: Sequence[Callable[[Images, torch.Generator], Images]] = POLICY,
) -> Images:
    """Augment each image of a batch, with a gradient.

    Parameters
    ----------
    x : Images
        In [-1, 1]; the result can exceed this range by a little, as in the authors' code.
    rng : torch.Generator
        Draws one set of numbers per image.
    policy : Sequence[Callable]
        Applied in this order: `colour`, `translation`, `cutout`.

    Returns
    -------
    Images
        Of the shape of `x`.
    """
    for change in policy:
        x = change(x, rng)
    return x


class Augmented(nn.Module):
    """D behind an augmentation: pass it to a training step in the place of D.

    The step then augments whatever D is given: real images and fakes, in both turns.

    Parameters
    ----------
    D : nn.Module
        A discriminator; its parameters are those of this module.
    rng : torch.Generator
        Draws the augmentations.
    change : Callable
        ``change(x, rng)``, see `augment`.
    """

    def __init__(
        self,
        D: nn.Module,
        rng: torch.Generator,
        change: Callable[[Images, torch.Generator], Images] = augment,
    ) -> None:
        super().__init__()
        self.D, self.rng, self.change = D, rng, change

    def forward(self, x: Images) -> Tensor:
        return self.D(self.change(x, self.rng))


def augmented_losses(
    D: nn.Module, x: Images, fakes: Images, T: Callable[[Images], Images]
) -> tuple[Scalar, Scalar]:
    """Both players' losses with a D that sees augmented images only: Equations 4 and 5.

    The losses are those of the 2014 paper (`gan.discriminator_loss`, `gan.non_saturating_loss`).
    Real images and fakes are augmented in D's turn, fakes also in G's, with new numbers at each
    call. First built in notebook 11; in training `Augmented` does the same for any step.

    Parameters
    ----------
    D : nn.Module
        Images to logits.
    x, fakes : Images
        Real images and G's samples, in [-1, 1].
    T : Callable[[Images], Images]
        A differentiable augmentation that draws new numbers at each call:
        ``partial(augment, rng=rng)``.

    Returns
    -------
    tuple[Float[Tensor, ""], Float[Tensor, ""]]
        (loss_D, loss_G) in nats. No gradient of loss_D reaches the fakes; that of loss_G does,
        through T.

    Raises
    ------
    ValueError
        If a batch is empty.
    """
    loss_D = discriminator_loss(D(T(x)), D(T(fakes.detach())))
    return loss_D, non_saturating_loss(D(T(fakes)))
