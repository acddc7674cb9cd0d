"""Arrays in, numbers out: what a cloud of samples has in common with the data, and what it lacks.

Each measure works on features of any network, or on points as they are. First built in notebook 10,
which also shows for each a broken generator that it takes for a good one.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def inception_score(probabilities: Float[Tensor, "n classes"]) -> float:
    r"""Confident and varied: :math:`\exp E_x[\mathrm{KL}(p(y|x) \,\|\, p(y))]`.

    Salimans et al. (2016), Section 4. With Inception's probabilities it is the Inception score; any
    other classifier gives a number on another scale, hence "inception-style".

    Parameters
    ----------
    probabilities : Float[Tensor, "n classes"]
        A classifier's p(y | x), one sample a row; zeros are allowed.

    Returns
    -------
    float
        From 1 (every row the same) to the number of classes (sure of each row, all classes equal).

    Raises
    ------
    ValueError
        If there is no sample.
    """
    if len(probabilities) == 0:
        raise ValueError("a score needs at least one sample")
    p = probabilities.double()
    marginal = p.mean(dim=0)
    divergence = (torch.special.xlogy(p, p) - torch.special.xlogy(p, marginal)).sum(dim=1)
    return divergence.mean().exp().item()


def kernel_distance(a: Float[Tensor, "n features"], b: Float[Tensor, "m features"]) -> float:
    r"""Squared maximum mean discrepancy under :math:`k(x, y) = (x \cdot y / d + 1)^3`.

    On Inception features this is the KID of Bińkowski et al. (2018), Section 4. It is unbiased:
    for two samples of one distribution its mean is 0 at every sample size, so it may be negative.

    Parameters
    ----------
    a, b : Float[Tensor, "n features"]
        One row an example, at least two rows each.

    Raises
    ------
    ValueError
        With fewer than two rows: a row is never compared with itself.
    """
    if min(len(a), len(b)) < 2:
        raise ValueError(f"needs at least two rows each, got {len(a)} and {len(b)}")
    a, b = a.detach().double(), b.detach().double()

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        return (x @ y.T / x.shape[1] + 1) ** 3

    def within(x: Tensor) -> Tensor:
        k = kernel(x, x)
        return (k.sum() - k.trace()) / (len(x) * (len(x) - 1))

    return (within(a) + within(b) - 2 * kernel(a, b).mean()).item()


def covered(
    points: Float[Tensor, "n features"], cloud: Float[Tensor, "m features"], k: int = 3
) -> Bool[Tensor, " n"]:
    """Which points lie inside a cloud: no further from one of its points than that one's k-th
    nearest neighbour in the cloud.

    Kynkäänniemi et al. (2019), Equation 1: the union of these balls is their estimate of where a
    distribution lies.

    Parameters
    ----------
    points, cloud : Float[Tensor, "n features"]
        One row a point.
    k : int
        Neighbours, the point itself not counted; from 1 to one less than the cloud's points.

    Raises
    ------
    ValueError
        If the cloud has k points or fewer.
    """  # noqa: D205
    if not 1 <= k < len(cloud):
        raise ValueError(f"k must lie between 1 and {len(cloud) - 1}, got {k}")
    exact = "donot_use_mm_for_euclid_dist"  # else a point is not quite at distance 0 from itself
    own = torch.cdist(cloud, cloud, compute_mode=exact)
    radius = own.kthvalue(k + 1, dim=1).values  # the nearest is the point itself
    return (torch.cdist(points, cloud, compute_mode=exact) <= radius).any(dim=1)


def precision_recall(
    real: Float[Tensor, "n features"], fake: Float[Tensor, "m features"], k: int = 3
) -> tuple[float, float]:
    """Share of fakes inside the real cloud, and share of real examples inside the fakes' cloud.

    Kynkäänniemi et al. (2019), Equation 2; k = 3 is theirs.
    """
    precision, recall = covered(fake, real, k), covered(real, fake, k)
    return precision.float().mean().item(), recall.float().mean().item()


def mode_shares(
    points: Float[Tensor, "n dim"], centres: Float[Tensor, "modes dim"], radius: float
) -> Float[Tensor, " modes"]:
    """Share of the points within a radius of each mode's centre (of the nearest, where they meet).

    What is missing to 1 lies near no mode.
    """
    distance, nearest = torch.cdist(points.detach(), centres).min(dim=1)
    near = nearest[distance <= radius]
    return torch.bincount(near, minlength=len(centres)) / len(points)


def misplaced(shares: Float[Tensor, " modes"]) -> float:
    """Share of the samples that would have to move for all modes to have an equal share.

    0 where every mode has its part; 1 - 1/modes where all samples lie in one mode; 1 where none
    is near a mode. It is the total-variation distance of the shares to equal ones.
    """
    return 1 - shares.clamp(max=1 / len(shares)).sum().item()
