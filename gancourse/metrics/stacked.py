"""Scores of stacked digits: which of the 1,000 numbers a generator draws, and how clearly."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gancourse.metrics.samples import in_batches
from gancourse.shapes import Images


class StackedScores(NamedTuple):
    """What `stacked_scores` measures."""

    modes: int
    """Numbers that occur at least once, of 1,000."""
    kl: float
    """Kullback-Leibler divergence of their shares from uniform, in nats."""
    sure: float
    """Share of samples in which the classifier is sure of all three digits."""


def stacked_scores(probabilities: Float[Tensor, "n 3 10"], at_least: float = 0.9) -> StackedScores:
    r"""Modes, :math:`\sum_k q_k \log(1000\, q_k)`, and the share of clear samples.

    Parameters
    ----------
    probabilities : Float[Tensor, "n 3 10"]
        A digit classifier's, for each channel of each sample.
    at_least : float
        Probability from which the classifier counts as sure.

    Returns
    -------
    StackedScores
        ``kl`` lies between 0 and log 1000 = 6.91. It is biased: n samples of a perfect generator
        have about 999 / (2 n), 0.02 for the usual 25,600.

    Raises
    ------
    ValueError
        The shape is another one, or there is no sample.
    """
    if probabilities.shape[1:] != (3, 10) or len(probabilities) == 0:
        shape = tuple(probabilities.shape)
        raise ValueError(f"expected probabilities of shape (n, 3, 10), n >= 1, got {shape}")
    digits = probabilities.argmax(dim=-1)  # (n, 3)
    numbers = digits @ torch.tensor([100, 10, 1], device=digits.device)
    shares = torch.bincount(numbers, minlength=1000).cpu().double() / len(numbers)
    sure = (probabilities.amax(dim=-1) >= at_least).all(dim=1)
    return StackedScores(
        modes=int((shares > 0).sum()),
        kl=torch.special.xlogy(shares, 1000 * shares).sum().item(),
        sure=sure.float().mean().item(),
    )


def read_digits(judge: nn.Module, images: Images) -> Float[Tensor, "n 3 10"]:
    """A digit classifier's probabilities for each channel of stacked images."""
    channels = images.flatten(0, 1).unsqueeze(1)  # (3 n, 1, side, side)
    return in_batches(judge, channels).softmax(dim=1).unflatten(0, (len(images), 3))
