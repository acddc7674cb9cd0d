"""Losses on pictures: what they show, how they vary, and what a round trip changes."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from gancourse.objectives.game import mean_loss
from gancourse.shapes import Images, Scalar


def content_loss(phi: Callable[[Images], list[Tensor]], fake: Images, real: Images) -> Scalar:
    r"""Distance of pictures in the features of a network, Ledig et al. (2017), Equation 5.

    The mean squared difference of each map, averaged over the maps that `phi` returns; the paper
    has one. First built in notebook 08.

    Parameters
    ----------
    phi : Callable
        Pictures to a list of maps. Frozen: `nets.pretrained.content_features`.
    fake, real : Images
        (B, C, H, W) in [-1, 1]. The gradient flows to `fake` alone.

    Returns
    -------
    Float[Tensor, ""]
        At least 0, in squared units of the features.
    """
    with torch.no_grad():
        wanted = phi(real.detach())
    pairs = zip(phi(fake), wanted, strict=True)
    return torch.stack([F.mse_loss(a.float(), b.float()) for a, b in pairs]).mean()


def total_variation(x: Images) -> Scalar:
    r"""Mean step to the next pixel: :math:`E|x_{i+1,j} - x_{ij}| + E|x_{i,j+1} - x_{ij}|`.

    The anisotropic form of Rudin et al. (1992), which also has a slope where the picture is flat.
    Ledig et al. (2017) use such a term in one of their experiments. First used in notebook 08.

    Parameters
    ----------
    x : Images
        (B, C, H, W), both sides at least 2.

    Returns
    -------
    Float[Tensor, ""]
        0 for a flat picture; at most 4 for pictures in [-1, 1].

    Raises
    ------
    ValueError
        If a side is shorter than 2 pixels, or there is no picture.
    """
    if x.numel() == 0 or min(x.shape[2:]) < 2:
        raise ValueError(f"needs pictures of 2 x 2 pixels or more, got {tuple(x.shape)}")
    return x.diff(dim=2).abs().mean() + x.diff(dim=3).abs().mean()


def cycle_loss(
    x: Float[Tensor, " batch *example"], again: Float[Tensor, " batch *example"]
) -> Scalar:
    r"""What a round trip changes, :math:`E_x[\|F(G(x)) - x\|_1]`, as a mean over all values.

    One direction of Zhu et al. (2017), Equation 2. The identity term of their Section 5.2,
    :math:`E_y[\|G(y) - y\|_1]`, is the same distance. First built in notebook 09.

    Parameters
    ----------
    x, again : Float[Tensor, " batch *example"]
        Pictures, and what came back; in [-1, 1].

    Returns
    -------
    Float[Tensor, ""]
        From 0 to 2.

    Raises
    ------
    ValueError
        If the batch is empty.
    """
    return mean_loss((again - x).abs())
