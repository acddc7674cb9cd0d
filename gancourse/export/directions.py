"""Directions of latent space along which a generator's images change most, for the sliders.

Haerkoenen, Hertzmann, Lehtinen and Paris (2020), "GANSpace: discovering interpretable GAN
controls", arXiv 2004.02546. As in its method for BigGAN (Section 2.2): PCA of what the generator
computes from many latent vectors, then directions in z by linear regression on the principal
components. They use the features of an early layer. Here it is the generated images, at no more
than 16 x 16 pixels, because the layers of a student's own network are unknown.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from gancourse.export.generators import generate
from gancourse.shapes import Latent


class Directions(NamedTuple):
    """Directions, and how much of the images' variance their principal components have."""

    vectors: Float[Tensor, "k noise"]
    """Orthogonal, of length 1."""
    shares: Float[Tensor, " k"]
    """In [0, 1], descending."""


def find(net: nn.Module, z: Latent, count: int = 6) -> Directions:
    r"""The latent directions that belong to the first principal components of the images.

    With the coordinates x of an image in a component, the direction is the u that minimizes
    :math:`E[\|x u - z\|^2]`, that is :math:`E[x z] / E[x^2]`. Directions are made orthogonal, one
    after the other, so that a slider does not undo another one.

    Parameters
    ----------
    net : nn.Module
        The generator, in eval mode.
    z : Latent
        Many latent vectors; several hundred give stable directions.
    count : int
        Directions at most. There are fewer where z is shorter, or where the images vary less.

    Returns
    -------
    Directions
        Possibly none: a generator that returns one image has no direction.
    """
    images = generate(net, z)
    size = [min(16, side) for side in images.shape[2:]]
    x = F.adaptive_avg_pool2d(images, size).flatten(1)
    x = x - x.mean(0)
    _, scale, components = torch.linalg.svd(x, full_matrices=False)
    variance = scale.square()
    none = Directions(z.new_zeros(0, z.shape[1]), z.new_zeros(0))
    if variance.sum() < 1e-6 * x.numel():  # less than a level of a pixel: nothing changes
        return none
    shares = variance / variance.sum()
    vectors: list[Tensor] = []
    kept: list[Tensor] = []
    for component, share in zip(components, shares, strict=True):
        if len(vectors) == min(count, z.shape[1]) or share < 1e-4:
            break
        u = (x @ component) @ (z - z.mean(0))
        u = u / u.norm()
        for v in vectors:
            u = u - (u @ v) * v
        if u.norm() > 0.1:  # not nearly in the span of the earlier ones
            vectors.append(u / u.norm())
            kept.append(share)
    return Directions(torch.stack(vectors), torch.stack(kept)) if vectors else none
