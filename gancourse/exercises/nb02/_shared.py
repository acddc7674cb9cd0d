"""What several exercises of notebook 02 share."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from gancourse.exercises.base import Case, Observation, observe_call
from gancourse.exercises.differences import FACT, GRADIENT
from gancourse.exercises.observe import integer

logsigmoid = F.logsigmoid


def logits(rng: torch.Generator) -> list[Case]:
    """Logits on real and on fake examples: small ones, and very large ones of both signs."""
    size = integer(rng, 3, 6)
    small = torch.randn(2, size, generator=rng) * 2 + torch.tensor([[1.0], [-1]])
    large = -very_large(rng), very_large(rng)
    return [
        Case(tuple(part.requires_grad_() for part in pair), note=f"on {show_both(*pair)}")
        for pair in (small.unbind(), large)
    ]


def very_large(rng: torch.Generator) -> Tensor:
    """Two logits of about 1,000, one of each sign, and one of about 40, where float32 rounds 1."""
    return torch.tensor([1000.0, -900, 40]) + 5 * torch.rand(3, generator=rng)


def show_both(real: Tensor, fake: Tensor) -> str:
    """Both logits as text, for the note of a case."""
    return f"real = {show(real)}, fake = {show(fake)}"


def show(logits: Tensor) -> str:
    """The logits as text."""
    return "[" + ", ".join(f"{value:.2f}" for value in logits.tolist()) + "]"


FLAT = (
    f"{FACT}Very large logits get no gradient from your function, though D is wrong on some of "
    "them: something is rounded, clamped or cut off on the way."
)


def observe_loss(answer: Callable[..., Tensor], case: Case) -> Observation:
    """A loss and its gradients, and whether it is flat at very large logits of either sign."""
    seen = observe_call(answer, case)
    gradients = [g for name, g in seen.items() if name.startswith(GRADIENT)]
    large = case.args[0].abs().max() > 500
    flat = large and not any(g[:2].any() for g in gradients)
    return {FLAT: torch.tensor(bool(flat)), **seen}
