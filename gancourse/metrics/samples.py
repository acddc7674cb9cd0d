"""Metrics of samples: arrays in, numbers out.

Each works on the features of any network, or on points as they are. Notebook 10 shows for each a
broken generator that it rates as good.
"""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from gancourse.shapes import to_float


@torch.no_grad()
def in_batches(net: nn.Module, inputs: Tensor, size: int = 500) -> Tensor:
    """A network's output for many images or latent vectors, in eval mode, ``size`` at a time.

    Images stored as bytes are scaled to [-1, 1]. The network's mode is restored afterwards. Returns
    (N, ...) for N inputs, without a graph.
    """
    training = net.training
    net.eval()
    parts = []
    for part in inputs.split(size):
        parts.append(net(to_float(part)))
    net.train(training)
    return torch.cat(parts)


def confident_share(probabilities: Float[Tensor, "n classes"], at_least: float = 0.9) -> float:
    """Share of samples for which a classifier's highest probability is at least this."""
    return (probabilities.max(dim=1).values >= at_least).float().mean().item()


def inception_score(probabilities: Float[Tensor, "n classes"]) -> float:
    r"""Confident and varied: :math:`\exp E_x[\mathrm{KL}(p(y|x) \,\|\, p(y))]`.

    Salimans et al. (2016), Section 4. With Inception's probabilities it is the Inception score; any
    other classifier gives a number on another scale, hence "inception-style".

    Parameters
    ----------
    probabilities : Float[Tensor, "n classes"]
        A classifier's p(y | x), one sample per row; zeros are allowed.

    Returns
    -------
    float
        From 1 (every row the same) to the number of classes (certain, and all classes equal).

    Raises
    ------
    ValueError
        If there is no sample.
    """
    if len(probabilities) == 0:
        raise ValueError("a score needs at least one sample")
    p = probabilities.cpu().double()  # not every GPU computes in double precision
    marginal = p.mean(dim=0)
    divergence = (torch.special.xlogy(p, p) - torch.special.xlogy(p, marginal)).sum(dim=1)
    return divergence.mean().exp().item()


def frechet_distance(a: Float[Tensor, "n features"], b: Float[Tensor, "m features"]) -> float:
    r"""Fréchet distance between two sets of features, each approximated by a Gaussian.

    :math:`\|\mu_a - \mu_b\|^2 + \mathrm{tr}(C_a + C_b - 2 (C_a C_b)^{1/2})`, the distance of
    Dowson and Landau (1982) that Heusel et al. (2017) use on Inception features as FID. Here any
    features can be used; compare a number only with others on the same features and sample size,
    such as that of one half of the real data against the other.

    Parameters
    ----------
    a, b : Float[Tensor, "n features"]
        One row per example, at least two rows each.

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
    a, b = a.detach().cpu().double(), b.detach().cpu().double()
    C_a, C_b = torch.atleast_2d(torch.cov(a.T)), torch.atleast_2d(torch.cov(b.T))
    # tr (C_a C_b)^(1/2) = sum of roots of eigenvalues of R C_b R, symmetric, with R = C_a^(1/2)
    values, vectors = torch.linalg.eigh(C_a)
    R = vectors * values.clamp(min=0).sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(R @ C_b @ R).clamp(min=0).sqrt().sum()
    distance = (a.mean(0) - b.mean(0)).square().sum() + C_a.trace() + C_b.trace() - 2 * cross
    return max(0.0, distance.item())


def kernel_distance(a: Float[Tensor, "n features"], b: Float[Tensor, "m features"]) -> float:
    r"""Squared maximum mean discrepancy under :math:`k(x, y) = (x \cdot y / d + 1)^3`.

    On Inception features this is the KID of Bińkowski et al. (2018), Section 4. It is unbiased:
    for two samples of the same distribution its mean is 0 at every sample size, so it can be
    negative.

    Parameters
    ----------
    a, b : Float[Tensor, "n features"]
        One row per example, at least two rows each.

    Returns
    -------
    float
        Near 0 for equal distributions; may be slightly negative.

    Raises
    ------
    ValueError
        With fewer than two rows: a row is not compared with itself.
    """
    if min(len(a), len(b)) < 2:
        raise ValueError(f"needs at least two rows each, got {len(a)} and {len(b)}")
    a, b = a.detach().cpu().double(), b.detach().cpu().double()

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        return (x @ y.T / x.shape[1] + 1) ** 3

    def within(x: Tensor) -> Tensor:
        k = kernel(x, x)
        return (k.sum() - k.trace()) / (len(x) * (len(x) - 1))

    return (within(a) + within(b) - 2 * kernel(a, b).mean()).item()


def covered(
    points: Float[Tensor, "n features"], cloud: Float[Tensor, "m features"], k: int = 3
) -> Bool[Tensor, " n"]:
    """Which points lie inside a set's estimated support: no further from one of its points than
    that point's k-th nearest neighbour in the set.

    Kynkäänniemi et al. (2019), Equation 1: the union of these balls is their estimate of a
    distribution's support.

    Parameters
    ----------
    points, cloud : Float[Tensor, "n features"]
        One row per point.
    k : int
        Neighbours, the point itself not counted; from 1 to one less than the number of points.

    Returns
    -------
    Bool[Tensor, " n"]
        True for points inside.

    Raises
    ------
    ValueError
        If the set has k points or fewer.
    """  # noqa: D205
    if not 1 <= k < len(cloud):
        raise ValueError(f"k must lie between 1 and {len(cloud) - 1}, got {k}")
    exact = "donot_use_mm_for_euclid_dist"  # gives a point distance 0 from itself
    own = torch.cdist(cloud, cloud, compute_mode=exact)
    radius = own.kthvalue(k + 1, dim=1).values  # the nearest is the point itself
    return (torch.cdist(points, cloud, compute_mode=exact) <= radius).any(dim=1)


def precision_recall(
    real: Float[Tensor, "n features"], fake: Float[Tensor, "m features"], k: int = 3
) -> tuple[float, float]:
    """Precision and recall: share of fakes inside the real examples' support, and the reverse.

    Kynkäänniemi et al. (2019), Equation 2; k = 3 is theirs. Both lie in [0, 1]. ValueError as in
    `covered`.
    """
    precision, recall = covered(fake, real, k), covered(real, fake, k)
    return precision.float().mean().item(), recall.float().mean().item()


def mode_coverage(
    points: Float[Tensor, "n dim"],
    centres: Float[Tensor, "modes dim"],
    radius: float,
    least: int = 1,
) -> tuple[int, float]:
    """Number of modes with points near them, and share of points near any mode: first in 02.

    Parameters
    ----------
    points : Float[Tensor, "n dim"]
        Samples.
    centres : Float[Tensor, "modes dim"]
        The centre of each mode.
    radius : float
        Distance that counts as near, in units of the data; usually 3 standard deviations of a mode.
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


def mode_shares(
    points: Float[Tensor, "n dim"], centres: Float[Tensor, "modes dim"], radius: float
) -> Float[Tensor, " modes"]:
    """Share of the points within a radius of each mode's centre (the nearest one, if several).

    The rest, up to 1, lies near no mode.
    """
    distance, nearest = torch.cdist(points.detach(), centres).min(dim=1)
    near = nearest[distance <= radius]
    return torch.bincount(near, minlength=len(centres)) / len(points)


def misplaced(shares: Float[Tensor, " modes"]) -> float:
    """Share of the samples that would have to move for all modes to have an equal share.

    0 if every mode has its share; 1 - 1/modes if all samples lie in one mode; 1 if none is near a
    mode. It is the total-variation distance between the shares and equal shares.
    """
    return 1 - shares.clamp(max=1 / len(shares)).sum().item()


def parzen_log_density(
    x: Float[Tensor, "n dim"], samples: Float[Tensor, "m dim"], sigma: float
) -> Float[Tensor, " n"]:
    r"""Log-density at each x of a Parzen window: a mean of m Gaussians, one around each sample.

    :math:`\log \frac1m \sum_j N(x; s_j, \sigma^2 I)`. Breuleux et al. (2011); Goodfellow et al.
    (2014) and Mirza and Osindero (2014) report its mean over MNIST's test set, in nats, of pixels
    in [0, 1] (in [-1, 1] it is lower by log 2 for each pixel). First built in notebook 05, which
    shows how it misleads.

    Parameters
    ----------
    x, samples : Float[Tensor, "n dim"]
        Examples, and a generator's samples; one per row.
    sigma : float
        Standard deviation of each Gaussian, above 0. Chosen on examples that are not part of x.

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
