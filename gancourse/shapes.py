"""Names of shapes, used in every signature of the package.

In the order of a tensor's dimensions: ``batch`` (B), ``channels`` (C), ``height`` (H), ``width``
(W); ``noise`` is the length of one latent vector z; ``patch`` stands for further dimensions of a
discriminator's output: none, or a map for PatchGAN.

Images are floats in [-1, 1], everywhere. Networks return logits: a discriminator's probability is
``sigmoid(logit)``, and a classifier's is ``softmax(logits)``.
"""

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

Images = Float[Tensor, "batch channels height width"]
"""Images in [-1, 1]."""

Bytes = UInt8[Tensor, "batch channels height width"]
"""Images as they are stored: 0 to 255."""

Logits = Float[Tensor, " batch *patch"]
"""A discriminator's outputs, before any sigmoid: positive means "real"."""

ClassLogits = Float[Tensor, "batch classes"]
"""A classifier's outputs, before any softmax."""

Latent = Float[Tensor, "batch noise"]
"""Latent vectors z, one per row."""

Labels = Int[Tensor, " batch"]
"""Class indices, from 0."""

Scalar = Float[Tensor, ""]
"""One number: a loss, a distance."""


def to_float(images: Tensor) -> Tensor:
    """Bytes 0..255 to floats in [-1, 1]; floats are returned as they are."""
    return images.float().div(127.5).sub(1) if images.dtype == torch.uint8 else images


def to_bytes(images: Images) -> Bytes:
    """Floats in [-1, 1] to bytes 0..255, rounded; values outside are clipped."""
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
