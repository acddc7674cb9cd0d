"""Names of shapes, used in every signature of the package.

Letters, in the order in which they stand in a tensor: ``batch`` (B), ``channels`` (C), ``height``
(H), ``width`` (W); ``noise`` is the length of one noise vector z; ``patch`` is what a discriminator
that judges patches returns beside the batch: nothing, or a map.

Images are floats in [-1, 1], everywhere. Networks return logits: a discriminator's probability is
``sigmoid(logit)``, and a classifier's is ``softmax(logits)``.
"""

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

Images = Float[Tensor, "batch channels height width"]
"""Pictures in [-1, 1]."""

Bytes = UInt8[Tensor, "batch channels height width"]
"""Pictures as they are stored: 0 to 255."""

Logits = Float[Tensor, " batch *patch"]
"""A discriminator's answers, before any sigmoid: positive means "real"."""

ClassLogits = Float[Tensor, "batch classes"]
"""A classifier's answers, before any softmax."""

Latent = Float[Tensor, "batch noise"]
"""Latent vectors z, one per row."""

Labels = Int[Tensor, " batch"]
"""Class indices, from 0."""

Scalar = Float[Tensor, ""]
"""One number: a loss, a distance."""


def to_float(pictures: Tensor) -> Tensor:
    """Bytes 0..255 to floats in [-1, 1]; floats as they are."""
    return pictures.float().div(127.5).sub(1) if pictures.dtype == torch.uint8 else pictures


def to_bytes(images: Images) -> Bytes:
    """Floats in [-1, 1] to bytes 0..255, rounded; what lies outside is clipped."""
    return images.add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)


__all__ = [
    "Bytes",
    "ClassLogits",
    "Images",
    "Labels",
    "Latent",
    "Logits",
    "Scalar",
    "to_bytes",
    "to_float",
]
