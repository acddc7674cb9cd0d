"""The Dirac-GAN: Mescheder, Geiger and Nowozin (2018), arXiv 1801.04406, Definition 2.1.

The simplest GAN whose training can be computed by hand. Real data are the point 0, G's samples are
the point theta, and D is linear, D(x) = psi x. The only equilibrium is theta = psi = 0. The loss
here is the relativistic pairing loss of `r3gan`; since D(0) = 0, the non-saturating loss of 2014
gives the same field.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

Points = Float[Tensor, " *points"]
STEP = 0.01
"""Of a simulation, in units of time."""


def dirac_field(
    theta: Points, psi: Points, gamma_1: float, gamma_2: float
) -> tuple[Points, Points]:
    r"""The velocity of both parameters if each player follows minus the gradient of its own loss.

    D minimizes :math:`\log(1 + e^{\psi\theta}) + \gamma_1/2\, R_1 + \gamma_2/2\, R_2`, G
    minimizes :math:`\log(1 + e^{-\psi\theta})`. D's gradient is psi everywhere, so both penalties
    are psi squared. Section 3 of the paper has the field for other losses; first built in notebook
    11.

    Parameters
    ----------
    theta, psi : Float[Tensor, " *points"]
        G's and D's parameter: a point of the plane, or equally many of them.
    gamma_1, gamma_2 : float
        Weights of R1, at the real point, and R2, at the fake one.

    Returns
    -------
    tuple[Float[Tensor, " *points"], Float[Tensor, " *points"]]
        :math:`d\theta/dt` and :math:`d\psi/dt`, differentiable with respect to theta and psi.
    """
    fake = psi * theta  # D's logit; that of the real point is 0
    return (-fake).sigmoid() * psi, -fake.sigmoid() * theta - (gamma_1 + gamma_2) * psi


def dirac_rate(gamma: float) -> float:
    r"""Rate at which the Dirac-GAN approaches or leaves its equilibrium, per unit of time.

    The largest real part of the eigenvalues of the Jacobian at 0,
    :math:`((0, 1/2), (-1/2, -\gamma))`, which are :math:`(-\gamma \pm \sqrt{\gamma^2 - 1})/2`.

    Parameters
    ----------
    gamma : float
        Sum of the weights of R1 and R2.

    Returns
    -------
    float
        Near the equilibrium the distance behaves like ``exp(rate * t)``. The rate is 0 without a
        penalty (to first order the point circles) and lowest, -1/2, at gamma = 1; a larger gamma
        slows convergence down.
    """
    return (-gamma + math.sqrt(max(0.0, gamma**2 - 1))) / 2


def dirac_path(
    field: Callable[..., tuple[Tensor, Tensor]], gamma_1: float, gamma_2: float, time: float = 60
) -> Float[Tensor, "steps 2"]:
    """The path of (theta, psi) from (1, 1), simulated with the midpoint rule.

    Parameters
    ----------
    field : Callable
        `dirac_field` or another function with its arguments.
    gamma_1, gamma_2 : float
        Weights of the penalties.
    time : float
        Length of the simulation, in steps of `STEP`.

    Returns
    -------
    Float[Tensor, "steps 2"]
        In double precision.
    """
    point, path = torch.ones(2, dtype=torch.double), []
    for _ in range(round(time / STEP)):
        path.append(point)
        middle = point + STEP / 2 * torch.stack(field(*point, gamma_1, gamma_2)).detach()
        point = point + STEP * torch.stack(field(*middle, gamma_1, gamma_2)).detach()
    return torch.stack(path)


def path_rate(path: Float[Tensor, "steps 2"]) -> float:
    """Rate of a path as `dirac_rate` defines it, measured where the path is near 0.

    A path that spirals is measured from the first to the last peak of theta in its second half,
    any other one from the middle to the end.
    """
    late = path[len(path) // 2 :]
    size = late[:, 0].abs()
    peaks = (size[1:-1] > size[:-2]) & (size[1:-1] >= size[2:])
    places = [int(i) + 1 for i in peaks.nonzero()]
    if len(places) < 2:
        places, size = [0, len(late) - 1], late.norm(dim=1)
    first, last = places[0], places[-1]
    return float((size[last] / size[first]).log() / ((last - first) * STEP))
