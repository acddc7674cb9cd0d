"""What several exercises of notebook 02 share."""

import torch
import torch.nn.functional as F
from torch import Tensor

from gancourse.exercises.base import Case
from gancourse.exercises.observe import integer

logsigmoid = F.logsigmoid


def logits(rng: torch.Generator) -> list[Case]:
    """Logits on real and on fake examples: small ones, and some with large absolute values."""
    real, fake = torch.randn(2, integer(rng, 3, 6), generator=rng) * 2 + torch.tensor([[1.0], [-1]])
    large = 110 + 10 * torch.rand(2, generator=rng)
    pairs = ((real, fake), (-large[:1], large[1:]))
    return [Case(pair, note=f"On real = {show(pair[0])}, fake = {show(pair[1])}") for pair in pairs]


def show(logits: Tensor) -> str:
    """The logits as text, for the note of a case."""
    return "[" + ", ".join(f"{value:.2f}" for value in logits.tolist()) + "]"
