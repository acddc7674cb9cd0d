"""Arrays in, numbers out: how well samples match the data."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from gancourse.shapes import to_float


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
