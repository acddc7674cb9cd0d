"""LAPGAN: a plain GAN for 8 x 8 images, and a conditional GAN for each doubling of the side.

Denton, Chintala, Szlam and Fergus (2015), "Deep generative image models using a Laplacian pyramid
of adversarial networks". First built in notebook 06.

Differences from the authors' code: the coarsest networks are convolutional and small; kernels are
3 x 3 (theirs 7 x 7 and 5 x 5), with one layer more; LeakyReLU replaces ReLU; D has no dropout, and
it sees the residual next to the sum; levels learn from squares cropped out of their images; the
noise of a level is N(0, 1), theirs uniform on [-1, 1].

The pyramid is that of Burt and Adelson (1983): halving an image loses detail; the Laplacian pyramid
keeps exactly what was lost at each halving, so the image can be reconstructed without error.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from gancourse.papers.blocks import Rng, configured, require_size, up_block
from gancourse.shapes import Images, Labels, Latent, Logits

RESIDUAL_SCALE = 5
"""Factor by which the residual is multiplied before a level's D sees it."""

BLUR = (1 / 8, 3 / 8, 3 / 8, 1 / 8)
"""The blur before halving, in each direction. Burt and Adelson have five weights; four are
symmetric about the middle of a 2 x 2 block, so the halved image does not move by half a pixel."""

Resized = Float[Tensor, "batch channels _ _"]
"""Images whose side differs from that of the input."""

Plane = Float[Tensor, "batch 1 height width"]
"""The noise of a level: one plane next to the image's channels."""


# The pyramid -------------------------------------------------------------------------------------
def down(x: Images) -> Resized:
    """Blur and keep every second pixel: d(.) of Section 2.2.

    Parameters
    ----------
    x : Images
        (B, C, H, W) with even H and W. At the border the last pixels are repeated.

    Returns
    -------
    Tensor
        (B, C, H/2, W/2). A constant image keeps its value.

    Raises
    ------
    ValueError
        If a side is odd: `up` could not return to it.
    """
    if x.shape[2] % 2 or x.shape[3] % 2:
        raise ValueError(f"only even sides can be halved, got {tuple(x.shape)}")
    channels = x.shape[1]
    w = torch.tensor(BLUR, dtype=x.dtype, device=x.device)
    kernel = torch.outer(w, w).expand(channels, 1, 4, 4)
    padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
    return F.conv2d(padded, kernel, stride=2, groups=channels)  # each channel by itself


def up(x: Images) -> Resized:
    """Double the side, smoothly: u(.) of Section 2.2.

    Bilinear interpolation. Its weights, 1/4 and 3/4, are those of `down`, transposed.
    """
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def gaussian(x: Images, levels: int) -> list[Resized]:
    """An image and its halvings, finest first: x, d(x), d(d(x)), ...; levels + 1 in all."""
    images = [x]
    for _ in range(levels):
        images.append(down(images[-1]))
    return images


def laplacian(x: Images, levels: int) -> list[Resized]:
    r"""Residuals, finest first, and the coarsest image: levels + 1 tensors.

    :math:`h_k = I_k - u(I_{k+1})`, Section 2.2: what halving :math:`I_k` loses.

    Parameters
    ----------
    x : Images
        (B, C, H, W); H and W must be divisible by 2 to the power of `levels`.
    levels : int
        How many times the image is halved. 0 returns the image alone.

    Returns
    -------
    list[Tensor]
        Residuals lie in [-2, 2], mostly near 0; only the last entry is an image in [-1, 1].
    """
    images = gaussian(x, levels)
    residuals = [fine - up(coarse) for fine, coarse in pairwise(images)]
    return [*residuals, images[-1]]


def reconstruct(pyramid: list[Resized]) -> Resized:
    r"""Undo `laplacian`: :math:`I_k = u(I_{k+1}) + h_k`, from the coarsest level to the finest.

    Exact except for rounding, whatever `down` and `up` do: each residual was computed from them.
    """
    x = pyramid[-1]
    for residual in reversed(pyramid[:-1]):
        x = up(x) + residual
    return x


# Networks ----------------------------------------------------------------------------------------
@configured
class CoarseGenerator(nn.Module):
    """Latent vector, and a class if there are any, to an 8 x 8 image in (-1, 1).

    Parameters
    ----------
    noise_dim, channels, width : int
        Length of z; channels of the image; channels of the last hidden layer.
    classes : int
        0 makes a plain generator, ``G(z)``; otherwise ``G(z, c)``, with c one-hot next to z.
    rng : torch.Generator, optional
        Draws the initial weights; see `blocks.configured`.
    """

    def __init__(
        self,
        noise_dim: int = 64,
        channels: int = 3,
        width: int = 96,
        classes: int = 0,
        rng: Rng = None,
    ) -> None:
        super().__init__()
        self.classes = classes
        self.layers = nn.Sequential(
            nn.Unflatten(1, (noise_dim + classes, 1, 1)),
            *up_block(noise_dim + classes, 2 * width, stride=1, padding=0),  # 2w x 4 x 4
            *up_block(2 * width, width),                                     #  w x 8 x 8
            nn.Conv2d(width, channels, 3, padding=1),                        #  c x 8 x 8
            nn.Tanh(),
        )  # fmt: skip

    def forward(self, z: Latent, c: Labels | None = None) -> Float[Tensor, "batch channels 8 8"]:
        if self.classes:
            z = torch.cat([z, F.one_hot(c, self.classes).to(z)], dim=1)
        return self.layers(z)


@configured
class CoarseDiscriminator(nn.Module):
    """An 8 x 8 image, and its class if there are any, to a logit. Parameters as in G."""

    def __init__(
        self, channels: int = 3, width: int = 64, classes: int = 0, rng: Rng = None
    ) -> None:
        super().__init__()
        self.classes = classes
        self.layers = nn.Sequential(
            nn.Conv2d(channels + classes, width, 3, padding=1),          #  w x 8 x 8
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),         # 2w x 4 x 4
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 1, 4),
            nn.Flatten(0),
        )  # fmt: skip

    def forward(self, x: Images, c: Labels | None = None) -> Logits:
        require_size(x, 8)
        if self.classes:  # a plane of ones for the image's class, planes of zeros for the others
            planes = F.one_hot(c, self.classes).to(x)[:, :, None, None]
            x = torch.cat([x, planes.expand(-1, -1, *x.shape[2:])], dim=1)
        return self.layers(x)


@configured
class LevelGenerator(nn.Module):
    """A blurred image and a plane of noise to the residual that sharpens the image.

    ``forward(z, low)``: z (B, 1, H, W), low (B, channels, H, W). No tanh at the end: residuals lie
    in [-2, 2] and are mostly near 0. Fully convolutional, so it accepts any side.

    Parameters
    ----------
    channels, width : int
        Channels of the image; channels of the hidden layers.
    depth : int
        Convolutions between the first and the last. A residual depends on the pixels up to
        depth + 2 positions away.
    rng : torch.Generator, optional
        Draws the initial weights; see `blocks.configured`.
    """

    def __init__(self, channels: int = 3, width: int = 32, depth: int = 2, rng: Rng = None) -> None:
        super().__init__()
        layers = [nn.Conv2d(channels + 1, width, 3, padding=1), nn.LeakyReLU(0.2)]
        for _ in range(depth):
            layers += [nn.Conv2d(width, width, 3, padding=1), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, channels, 3, padding=1))

    def forward(self, z: Plane, low: Images) -> Images:
        return self.layers(torch.cat([low, z], dim=1))


@configured
class LevelDiscriminator(nn.Module):
    """A residual and the blurred image that it belongs to, to a logit.

    ``forward(residual, low)``. D sees two images, joined along the channels: the sharpened one,
    ``low + residual``, as in the authors' code, and the residual by itself, enlarged by
    `RESIDUAL_SCALE`. The second is ours: next to an image with values of size 1, small errors in
    the residual are hard to see (notebook 06 measures it).

    Parameters
    ----------
    channels, width : int
        Channels of the image; channels of the first layer, doubled up to 128.
    side : int
        Of the images, 8 or more, divisible by 2 until 4 is reached.
    rng : torch.Generator, optional
        Draws the initial weights; see `blocks.configured`.
    """

    def __init__(self, channels: int = 3, width: int = 32, side: int = 16, rng: Rng = None) -> None:
        super().__init__()
        self.side = side
        layers: list[nn.Module] = []
        c_in, c_out = 2 * channels, width
        while side > 4:
            layers += [nn.Conv2d(c_in, c_out, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
            c_in, c_out, side = c_out, min(2 * c_out, 128), side // 2
        self.layers = nn.Sequential(*layers, nn.Conv2d(c_in, 1, side), nn.Flatten(0))

    def forward(self, residual: Images, low: Images) -> Logits:
        require_size(residual, self.side)
        return self.layers(torch.cat([low + residual, RESIDUAL_SCALE * residual], dim=1))


# Training a level --------------------------------------------------------------------------------
def he_normal(net: nn.Module, rng: torch.Generator) -> nn.Module:
    """Convolutions' weights from N(0, std) after He et al. (2015), biases 0; returns the network.

    They keep the signal's size without batch norm, for LeakyReLU 0.2. `rng` lives on the CPU.
    """
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, a=0.2, generator=rng)
            nn.init.zeros_(layer.bias)
    return net


def squares(
    batches: Iterable[tuple[Images, Images]], side: int, rng: torch.Generator
) -> Iterator[tuple[Images, Images]]:
    """Pairs of a residual and its blurred image, cropped to one square at a new place per batch.

    Parameters
    ----------
    batches : Iterable[tuple[Images, Images]]
        Pairs of the same size, (B, C, H, W).
    side : int
        Of the squares, at most H and W.
    rng : torch.Generator
        Draws the places. It lives on the CPU: reading a number from a GPU would make it wait.
    """
    for residual, low in batches:
        height, width = low.shape[2:]
        top = int(torch.randint(height - side + 1, (), generator=rng))
        left = int(torch.randint(width - side + 1, (), generator=rng))
        square = (..., slice(top, top + side), slice(left, left + side))
        yield residual[square], low[square]


@torch.no_grad()
def sample_chain(
    coarse: Images,
    generators: Mapping[int, Callable[[Tensor, Tensor], Tensor]],
    rng: torch.Generator,
) -> list[Resized]:
    r"""Sharpen a coarse image level by level: :math:`I_k = u(I_{k+1}) + G_k(z_k, u(I_{k+1}))`.

    Section 2.3. Nothing is clipped on the way.

    Parameters
    ----------
    coarse : Images
        (B, C, 8, 8), drawn by a generator or taken from real images.
    generators : Mapping[int, Callable]
        By the side of what they make, coarse to fine: ``{16: G16, 32: G32}``; ``G(z, low)``.
    rng : torch.Generator
        Draws one plane of N(0, 1) noise per level, (B, 1, S, S).

    Returns
    -------
    list[Tensor]
        The coarse image and one more for each generator, each twice as large as the last.
    """
    images = [coarse]
    for G in generators.values():
        low = up(images[-1])
        shape = (len(low), 1, *low.shape[2:])
        z = torch.randn(shape, generator=rng, device=rng.device).to(low)
        images.append(low + G(z, low))
    return images
