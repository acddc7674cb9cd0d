"""Gaussian and Laplacian pyramids, first built in notebook 06 (Burt and Adelson, 1983).

Halving a picture loses detail; the Laplacian pyramid keeps exactly what was lost at each halving,
so a picture can be taken apart and put together again without error.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from gancourse.shapes import Images

Other = Float[Tensor, "batch channels _ _"]
"""Pictures whose side differs from those that come in."""

WEIGHTS = (1 / 8, 3 / 8, 3 / 8, 1 / 8)
"""The blur, in each direction. Burt and Adelson have five weights; four are symmetric about the
middle of a 2 x 2 block, so the halved picture does not move by half a pixel."""


def down(x: Images) -> Other:
    """Blur and keep every second pixel: d(.) of Denton et al. (2015), Section 2.2.

    Parameters
    ----------
    x : Images
        (B, C, H, W) with even H and W. Beyond the border its last pixels are repeated.

    Returns
    -------
    Tensor
        (B, C, H/2, W/2). A constant picture keeps its value.

    Raises
    ------
    ValueError
        If a side is odd: `up` could not return to it.
    """
    if x.shape[2] % 2 or x.shape[3] % 2:
        raise ValueError(f"only even sides can be halved, got {tuple(x.shape)}")
    channels = x.shape[1]
    w = torch.tensor(WEIGHTS, dtype=x.dtype, device=x.device)
    kernel = torch.outer(w, w).expand(channels, 1, 4, 4)
    padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
    return F.conv2d(padded, kernel, stride=2, groups=channels)  # each channel by itself


def up(x: Images) -> Other:
    """Double the side, smoothly: u(.) of Denton et al. (2015), Section 2.2.

    Bilinear interpolation. Its weights, 1/4 and 3/4, are those of `down`, run backwards.
    """
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def gaussian(x: Images, levels: int) -> list[Other]:
    """A picture and its halvings, finest first: x, d(x), d(d(x)), ...; levels + 1 in all."""
    pictures = [x]
    for _ in range(levels):
        pictures.append(down(pictures[-1]))
    return pictures


def laplacian(x: Images, levels: int) -> list[Other]:
    r"""Residuals, finest first, and the coarsest picture: levels + 1 tensors.

    :math:`h_k = I_k - u(I_{k+1})`, Denton et al. (2015), Section 2.2: what halving `I_k` loses.

    Parameters
    ----------
    x : Images
        (B, C, H, W); H and W must be divisible by 2 to the power of `levels`.
    levels : int
        How often the picture is halved. 0 returns the picture alone.

    Returns
    -------
    list[Tensor]
        Residuals lie in [-2, 2], mostly near 0; only the last entry is a picture in [-1, 1].
    """
    pictures = gaussian(x, levels)
    residuals = [fine - up(coarse) for fine, coarse in pairwise(pictures)]
    return [*residuals, pictures[-1]]


def reconstruct(pyramid: list[Other]) -> Other:
    r"""Undo `laplacian`: :math:`I_k = u(I_{k+1}) + h_k`, from the coarsest level to the finest.

    Exact but for rounding, for whatever `down` and `up` do: each residual was computed from them.
    """
    x = pyramid[-1]
    for residual in reversed(pyramid[:-1]):
        x = up(x) + residual
    return x
