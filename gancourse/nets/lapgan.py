"""LAPGAN, first built in notebook 06: a plain GAN at 8 x 8, and a conditional GAN per doubling.

Denton, Chintala, Szlam and Fergus (2015), "Deep generative image models using a Laplacian pyramid
of adversarial networks".

Differences from the authors' code: the coarsest networks are convolutional and small, kernels are
3 x 3 (theirs 7 x 7 and 5 x 5) in one layer more, LeakyReLU stands for ReLU, D has no dropout, and
it sees the residual beside the sum.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from gancourse.nets.blocks import up_block
from gancourse.shapes import Images, Labels, Logits, Noise

COARSE = 8
"""Side of the coarsest picture."""

ENLARGED = 5
"""How much larger than it is a level's D sees the residual."""

Plane = Float[Tensor, "batch 1 height width"]
"""The noise of a level: one plane beside the picture's colours."""


class CoarseGenerator(nn.Module):
    """Noise, and a class where there are any, to a picture of 8 x 8 in (-1, 1).

    Parameters
    ----------
    noise_dim, channels, width : int
        Length of z; colours; channels of the last hidden layer.
    classes : int
        0 makes a plain generator, ``G(z)``; otherwise ``G(z, c)``, with c one-hot beside z.
    """

    def __init__(
        self, noise_dim: int = 64, channels: int = 3, width: int = 96, classes: int = 0
    ) -> None:
        super().__init__()
        self.config: dict[str, Any] = {
            "noise_dim": noise_dim, "channels": channels, "width": width, "classes": classes,
        }  # fmt: skip
        self.classes = classes
        self.layers = nn.Sequential(
            nn.Unflatten(1, (noise_dim + classes, 1, 1)),
            *up_block(noise_dim + classes, 2 * width, stride=1, padding=0),  # 2w x 4 x 4
            *up_block(2 * width, width),                                     #  w x 8 x 8
            nn.Conv2d(width, channels, 3, padding=1),                        #  c x 8 x 8
            nn.Tanh(),
        )  # fmt: skip

    def forward(self, z: Noise, c: Labels | None = None) -> Float[Tensor, "batch channels 8 8"]:
        if self.classes:
            z = torch.cat([z, F.one_hot(c, self.classes).to(z)], dim=1)
        return self.layers(z)


class CoarseDiscriminator(nn.Module):
    """A picture of 8 x 8, and its class where there are any, to a logit. Parameters as in G."""

    def __init__(self, channels: int = 3, width: int = 64, classes: int = 0) -> None:
        super().__init__()
        self.config: dict[str, Any] = {"channels": channels, "width": width, "classes": classes}
        self.classes = classes
        self.layers = nn.Sequential(
            nn.Conv2d(channels + classes, width, 3, padding=1), nn.LeakyReLU(0.2),   #  w x 8 x 8
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1), nn.LeakyReLU(0.2),  # 2w x 4 x 4
            nn.Conv2d(2 * width, 1, 4),
            nn.Flatten(0),
        )  # fmt: skip

    def forward(self, x: Images, c: Labels | None = None) -> Logits:
        if self.classes:  # a plane of ones for the picture's class, planes of zeros for the others
            planes = F.one_hot(c, self.classes).to(x)[:, :, None, None]
            x = torch.cat([x, planes.expand(-1, -1, *x.shape[2:])], dim=1)
        return self.layers(x)


class LevelGenerator(nn.Module):
    """A blurred picture and a plane of noise to the residual that sharpens it.

    ``forward(z, low)``: z (B, 1, H, W), low (B, channels, H, W). No tanh at the end: residuals lie
    in [-2, 2] and are mostly near 0. Fully convolutional, so any side will do.

    Parameters
    ----------
    channels, width : int
        Colours; channels of the hidden layers.
    depth : int
        Convolutions between the first and the last. A residual depends on the pixels up to
        depth + 2 places away.
    """

    def __init__(self, channels: int = 3, width: int = 32, depth: int = 2) -> None:
        super().__init__()
        self.config: dict[str, Any] = {"channels": channels, "width": width, "depth": depth}
        layers = [nn.Conv2d(channels + 1, width, 3, padding=1), nn.LeakyReLU(0.2)]
        for _ in range(depth):
            layers += [nn.Conv2d(width, width, 3, padding=1), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, channels, 3, padding=1))

    def forward(self, z: Plane, low: Images) -> Images:
        return self.layers(torch.cat([low, z], dim=1))


class LevelDiscriminator(nn.Module):
    """A residual and the blurred picture it belongs to, to a logit.

    ``forward(residual, low)``. D looks at two pictures beside each other: the sharpened one,
    ``low + residual``, as in the authors' code, and the residual by itself, enlarged. The second is
    ours: beside a picture of size 1, faint specks of noise are hard to see (notebook 06 measures
    it).

    Parameters
    ----------
    channels, width : int
        Colours of a picture; channels of the first layer, doubled up to 128.
    side : int
        Of the pictures, 8 or more, divisible by 2 until 4 is reached.
    """

    def __init__(self, channels: int = 3, width: int = 32, side: int = 16) -> None:
        super().__init__()
        self.config: dict[str, Any] = {"channels": channels, "width": width, "side": side}
        layers: list[nn.Module] = []
        c_in, c_out = 2 * channels, width
        while side > 4:
            layers += [nn.Conv2d(c_in, c_out, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
            c_in, c_out, side = c_out, min(2 * c_out, 128), side // 2
        self.layers = nn.Sequential(*layers, nn.Conv2d(c_in, 1, side), nn.Flatten(0))

    def forward(self, residual: Images, low: Images) -> Logits:
        return self.layers(torch.cat([low + residual, ENLARGED * residual], dim=1))


@torch.no_grad()
def sample_chain(
    coarse: Images,
    generators: Mapping[int, Callable[[Tensor, Tensor], Tensor]],
    rng: torch.Generator,
    up: Callable[[Tensor], Tensor],
) -> list[Float[Tensor, "batch channels _ _"]]:
    r"""Sharpen a coarse picture level by level: :math:`I_k = u(I_{k+1}) + G_k(z_k, u(I_{k+1}))`.

    Denton et al. (2015), Section 2.3. Nothing is clipped on the way.

    Parameters
    ----------
    coarse : Images
        (B, C, 8, 8), drawn by a generator or taken from real pictures.
    generators : Mapping[int, Callable]
        By the side of what they make, coarse to fine: ``{16: G16, 32: G32}``; ``G(z, low)``.
    rng : torch.Generator
        Draws one plane of N(0, 1) noise a level, (B, 1, S, S).
    up : Callable
        Doubles the side: `datasets.pyramid.up`.

    Returns
    -------
    list[Tensor]
        The coarse picture and one more for each generator, each twice as large as the last.
    """
    pictures = [coarse]
    for G in generators.values():
        low = up(pictures[-1])
        shape = (len(low), 1, *low.shape[2:])
        z = torch.randn(shape, generator=rng, device=rng.device).to(low)
        pictures.append(low + G(z, low))
    return pictures
