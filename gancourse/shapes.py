"""Names of shapes, used in every signature of the package.

Letters, in the order in which they stand in a tensor: ``batch`` (B), ``channels`` (C), ``height``
(H), ``width`` (W); ``noise`` is the length of one noise vector z; ``patch`` is what a discriminator
that judges patches returns beside the batch: nothing, or a map.

Images are floats in [-1, 1], everywhere. Networks return logits: a discriminator's probability is
``sigmoid(logit)``, and a classifier's is ``softmax(logits)``.
"""

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

Noise = Float[Tensor, "batch noise"]
"""Noise vectors z, one a row."""

Labels = Int[Tensor, " batch"]
"""Class indices, from 0."""

Scalar = Float[Tensor, ""]
"""One number: a loss, a distance."""

__all__ = ["Bytes", "ClassLogits", "Images", "Labels", "Logits", "Noise", "Scalar"]
