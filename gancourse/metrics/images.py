"""Metrics of images against a reference: PSNR, SSIM, and distance in the features of a network."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from gancourse.shapes import Images


def luminance(x: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch height width"]:
    """The luma Y of ITU-R BT.601, 16 (black) to 235 (white), of images in [-1, 1]."""
    weights = torch.tensor([65.481, 128.553, 24.966], dtype=x.dtype, device=x.device)
    return 16 + torch.einsum("bchw,c->bhw", (x + 1) / 2, weights)


def _inside(x: Images, border: int) -> Float[Tensor, "batch _ _"]:
    if border < 0 or min(x.shape[2:]) <= 2 * border:
        raise ValueError(f"a border of {border} pixels leaves nothing of {tuple(x.shape)}")
    return luminance(x)[:, border : x.shape[2] - border, border : x.shape[3] - border]


def psnr(x: Images, real: Images, border: int = 4) -> Float[Tensor, " batch"]:
    r"""Peak signal-to-noise ratio, :math:`10 \log_{10}(255^2 / \mathrm{MSE})`, of the luminance.

    As in Ledig et al. (2017), Section 3.1: on the Y channel, with 4 pixels cut off at each border.
    First built in notebook 08.

    Parameters
    ----------
    x, real : Images
        (B, 3, H, W) in [-1, 1]. Round `x` to bytes first to measure what a file would hold.
    border : int
        Pixels cut off on each side.

    Returns
    -------
    Float[Tensor, " batch"]
        In dB, for each image; inf where the two are equal.

    Raises
    ------
    ValueError
        If nothing is left inside the border.
    """
    error = (_inside(x, border) - _inside(real, border)).square().mean(dim=(1, 2))
    return 10 * torch.log10(255**2 / error)


def ssim(x: Images, real: Images, border: int = 4) -> Float[Tensor, " batch"]:
    """Structural similarity (Wang et al. 2004) of the luminance, from scikit-image.

    With the settings of Wang's own code, which super-resolution papers use: a Gaussian window of
    11 x 11 with sigma 1.5, covariances divided by n, a range of 255.

    Parameters
    ----------
    x, real, border
        As for `psnr`; 11 pixels or more must be left inside the border.

    Returns
    -------
    Float[Tensor, " batch"]
        At most 1, for each image.

    Raises
    ------
    ValueError
        If fewer than 11 pixels are left inside the border.
    """
    from skimage.metrics import structural_similarity

    def one(a: Tensor, b: Tensor) -> float:
        return structural_similarity(
            a.cpu().double().numpy(), b.cpu().double().numpy(), data_range=255,
            gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
        )  # fmt: skip

    pairs = zip(_inside(x, border), _inside(real, border), strict=True)
    return torch.tensor([one(a, b) for a, b in pairs])


@torch.no_grad()
def perceptual_distance(
    phi: Callable[[Images], list[Tensor]], x: Images, real: Images
) -> Float[Tensor, " batch"]:
    r"""Distance of two images in the features of a network, 0 where they are equal.

    At each position of each map the vector of features is scaled to length 1; the squared distance
    of the two vectors is averaged over positions, then over maps. This is the form of LPIPS (Zhang
    et al. 2018, Equation 1) with all weights 1 and another network: the numbers are not LPIPS.

    Parameters
    ----------
    phi : Callable
        Images to a list of maps: `classifiers.pretrained.lite0_features()`.
    x, real : Images
        (B, 3, H, W) in [-1, 1].

    Returns
    -------
    Float[Tensor, " batch"]
        From 0 to 4, for each pair.
    """
    distances = []
    for a, b in zip(phi(x), phi(real), strict=True):
        difference = F.normalize(a.float(), dim=1) - F.normalize(b.float(), dim=1)
        distances.append(difference.square().sum(dim=1).mean(dim=(1, 2)))
    return torch.stack(distances).mean(dim=0)
