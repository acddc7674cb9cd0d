"""Stacked digits: three random digits in the three colour channels, 1,000 equally likely modes.

A test for mode collapse (Metz, Poole, Pfau and Sohl-Dickstein 2017, arXiv 1611.02163, Section
3.3.1): a classifier of digits tells of every sample which of the 1,000 numbers it shows.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from gancourse.shapes import to_float

MODES = 1000
Digits = UInt8[Tensor, "digits 1 side side"]
Stacked = Float[Tensor, "count 3 side side"]


def stack(
    digits: Digits, count: int, rng: torch.Generator
) -> tuple[Stacked, Int[Tensor, "count 3"]]:
    """Images of three digits each, drawn with replacement.

    Parameters
    ----------
    digits : Digits
        Grey images (N, 1, side, side).
    count : int
        Images to make.
    rng : torch.Generator
        Draws the digits; on their device.

    Returns
    -------
    tuple[Stacked, Int[Tensor, "count 3"]]
        Images (count, 3, side, side) in [-1, 1]; which digits they show, (count, 3) rows of
        `digits`.
    """
    rows = torch.randint(len(digits), (count, 3), generator=rng, device=rng.device)
    return to_float(digits[rows.to(digits.device), 0]), rows


def batches(digits: Digits, size: int, rng: torch.Generator) -> Iterator[Stacked]:
    """Endless batches of `stack`; its parameters are described there."""
    while True:
        yield stack(digits, size, rng)[0]
