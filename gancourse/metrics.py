"""Arrays in, numbers out: how well samples match the data."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from gancourse.shapes import Images, to_float


def frechet_distance(a: Float[Tensor, "n features"], b: Float[Tensor, "m features"]) -> float:
    r"""Fréchet distance between two clouds of features, each taken for a Gaussian.

    :math:`\|\mu_a - \mu_b\|^2 + \mathrm{tr}(C_a + C_b - 2 (C_a C_b)^{1/2})`, the distance of
    Dowson and Landau (1982) that Heusel et al. (2017) use on Inception features as FID. Here any
    features do; a number means something only beside others on the same features and sample size,
    such as that of one half of the real data against the other.

    Parameters
    ----------
    a, b : Float[Tensor, "n features"]
        One row an example, at least two rows each.

    Returns
    -------
    float
        At least 0, in squared units of the features. Biased upwards for few rows.

    Raises
    ------
    ValueError
        With fewer than two rows, where there is no covariance.
    """
    if min(len(a), len(b)) < 2:
        raise ValueError(f"a covariance needs at least two rows, got {len(a)} and {len(b)}")
    a, b = a.detach().double().cpu(), b.detach().double().cpu()
    C_a, C_b = torch.atleast_2d(torch.cov(a.T)), torch.atleast_2d(torch.cov(b.T))
    # tr (C_a C_b)^(1/2) = sum of roots of eigenvalues of R C_b R, symmetric, with R = C_a^(1/2)
    values, vectors = torch.linalg.eigh(C_a)
    R = vectors * values.clamp(min=0).sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(R @ C_b @ R).clamp(min=0).sqrt().sum()
    distance = (a.mean(0) - b.mean(0)).square().sum() + C_a.trace() + C_b.trace() - 2 * cross
    return max(0.0, distance.item())


def mode_coverage(
    points: Float[Tensor, "n dim"],
    centres: Float[Tensor, "modes dim"],
    radius: float,
    least: int = 1,
) -> tuple[int, float]:
    """How many modes have points near them, and the share of points near any: first in 02.

    Parameters
    ----------
    points : Float[Tensor, "n dim"]
        Samples.
    centres : Float[Tensor, "modes dim"]
        The centre of each mode.
    radius : float
        What counts as near, in units of the data; 3 standard deviations of a mode is usual.
    least : int
        Points that a mode must have near it to count.

    Returns
    -------
    tuple[int, float]
        Modes found, from 0 to ``len(centres)``; share of points within `radius` of some centre.
    """
    distance, nearest = torch.cdist(points.detach(), centres).min(dim=1)
    near = distance <= radius
    points_at = torch.bincount(nearest[near], minlength=len(centres))
    return int((points_at >= least).sum()), near.float().mean().item()


def confident_share(probabilities: Float[Tensor, "n classes"], at_least: float = 0.9) -> float:
    """Share of samples that a classifier gives to one class with at least this probability."""
    return (probabilities.max(dim=1).values >= at_least).float().mean().item()


@torch.no_grad()
def nearest(
    samples: Float[Tensor, " n *example"], examples: Float[Tensor, " m *example"]
) -> tuple[Float[Tensor, " n"], Int[Tensor, " n"]]:
    """Find the nearest example of each sample: Euclidean distance and index, first in notebook 06.

    Parameters
    ----------
    samples, examples : Float[Tensor, "n *example"]
        Pictures, features or points, of one shape. A picture's distance is over all its values.

    Returns
    -------
    tuple[Tensor, Tensor]
        Distances in the units of the data, and indices into `examples`, (n,) each.

    Raises
    ------
    ValueError
        If there is no example.
    """
    if len(examples) == 0:
        raise ValueError("there is no example to be near to")
    distances = torch.cdist(samples.flatten(start_dim=1), examples.flatten(start_dim=1))
    found = distances.min(dim=1)
    return found.values, found.indices


@torch.no_grad()
def in_batches(net: nn.Module, inputs: Tensor, size: int = 500) -> Tensor:
    """A network's output for many images or noise vectors, in eval mode, ``size`` at a time.

    Pictures stored as bytes are scaled to [-1, 1]. The network's mode is put back afterwards.
    """
    training = net.training
    net.eval()
    parts = []
    for part in inputs.split(size):
        parts.append(net(to_float(part)))
    net.train(training)
    return torch.cat(parts)


def parzen_log_density(
    x: Float[Tensor, "n dim"], samples: Float[Tensor, "m dim"], sigma: float
) -> Float[Tensor, " n"]:
    r"""Log-density at each x of a Parzen window: a mean of m Gaussians, one round each sample.

    :math:`\log \frac1m \sum_j N(x; s_j, \sigma^2 I)`. Breuleux et al. (2011); Goodfellow et al.
    (2014) and Mirza and Osindero (2014) report its mean over MNIST's test set, in nats, of pixels
    in [0, 1] (in [-1, 1] it is lower by log 2 for each pixel). First built in notebook 05, which
    shows how it misleads.

    Parameters
    ----------
    x, samples : Float[Tensor, "n dim"]
        Examples, and what a generator made; one a row.
    sigma : float
        Standard deviation of each Gaussian, above 0. Chosen on examples that are not measured.

    Raises
    ------
    ValueError
        If sigma is not above 0, or there are no samples.
    """
    if sigma <= 0 or len(samples) == 0:
        raise ValueError(f"needs sigma above 0 and samples, got {sigma=}, {len(samples)} samples")
    parts = [torch.cdist(part, samples).square() for part in x.split(500)]  # (n, m) in pieces
    exponent = -torch.cat(parts) / (2 * sigma**2)
    constant = math.log(len(samples)) + x.shape[1] / 2 * math.log(2 * math.pi * sigma**2)
    return exponent.logsumexp(dim=1) - constant  # logsumexp: every single term may underflow


def most_similar(
    vectors: Float[Tensor, "batch dim"], table: Float[Tensor, "words dim"], k: int
) -> Int[Tensor, "batch k"]:
    """The k rows of a table with the highest cosine to each vector, the most similar first.

    First built in notebook 05.
    """
    cosine = F.normalize(vectors, dim=1) @ F.normalize(table, dim=1).T
    return cosine.topk(k, dim=1).indices


def luminance(x: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch height width"]:
    """The luma Y of ITU-R BT.601, 16 (black) to 235 (white), of pictures in [-1, 1]."""
    weights = torch.tensor([65.481, 128.553, 24.966], dtype=x.dtype, device=x.device)
    return 16 + torch.einsum("bchw,c->bhw", (x + 1) / 2, weights)


def _inside(x: Images, border: int) -> Float[Tensor, "batch _ _"]:
    if border < 0 or min(x.shape[2:]) <= 2 * border:
        raise ValueError(f"a border of {border} pixels leaves nothing of {tuple(x.shape)}")
    return luminance(x)[:, border : x.shape[2] - border, border : x.shape[3] - border]


def psnr(x: Images, real: Images, border: int = 4) -> Float[Tensor, " batch"]:
    r"""Peak signal-to-noise ratio, :math:`10 \log_{10}(255^2 / \mathrm{MSE})`, of the luminance.

    As in Ledig et al. (2017), Section 3.1: on the Y channel, with a strip of 4 pixels cut off at
    each border. First built in notebook 08.

    Parameters
    ----------
    x, real : Images
        (B, 3, H, W) in [-1, 1]. Round `x` to bytes before if it is to be what a file would hold.
    border : int
        Pixels cut off on each side.

    Returns
    -------
    Float[Tensor, " batch"]
        In dB, for each picture; inf where the two are equal.

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
        At most 1, for each picture.
    """
    from skimage.metrics import structural_similarity

    def one(a: Tensor, b: Tensor) -> float:
        return structural_similarity(
            a.double().cpu().numpy(), b.double().cpu().numpy(), data_range=255,
            gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
        )  # fmt: skip

    pairs = zip(_inside(x, border), _inside(real, border), strict=True)
    return torch.tensor([one(a, b) for a, b in pairs])


@torch.no_grad()
def perceptual_distance(
    phi: Callable[[Images], list[Tensor]], x: Images, real: Images
) -> Float[Tensor, " batch"]:
    r"""Distance of two pictures in the features of a network, 0 where they are equal.

    At each place of each map the vector of features is scaled to length 1; the squared distance
    of the two vectors is averaged over places, then over maps. This is the form of LPIPS (Zhang
    et al. 2018, Equation 1) with all weights 1 and another network: the numbers are no LPIPS.

    Parameters
    ----------
    phi : Callable
        Pictures to a list of maps: `nets.pretrained.lite0_features()`.
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


def recall_at(
    queries: Float[Tensor, "batch dim"], gallery: Float[Tensor, "batch dim"], k: int
) -> float:
    """Share of queries whose true partner, the row of the same number, is among the k most similar.

    Similarity is the cosine. Chance is k / batch. First built in notebook 09.
    """
    if not len(queries) == len(gallery) >= k > 0:
        raise ValueError(f"needs as many partners as queries, and at least {k=} of them")
    own = torch.arange(len(queries), device=queries.device)[:, None]
    return (most_similar(queries, gallery, k) == own).any(dim=1).float().mean().item()
