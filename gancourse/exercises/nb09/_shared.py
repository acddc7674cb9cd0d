"""Small networks, and observing losses of two generators: for exercises 9.3, 9.4 and 9.6."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gancourse.exercises.base import AnswerError, Observation, as_tensor
from gancourse.exercises.differences import GRADIENT
from gancourse.exercises.observe import fill, images


class Tiny(nn.Module):
    """A generator or discriminator of a few weights that treats left and right differently."""

    def __init__(self, rng: torch.Generator, channels: int = 3) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, channels, (1, 2), padding=(0, 1))
        fill(self, rng)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)[..., : x.shape[-1]].tanh()


def unpaired(rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Images of both domains; those of Y are darker."""
    x, y = (images(rng, 2, 3, 4, 5) for _ in range(2))
    return x, 0.5 * y - 0.4


def observe_losses(losses: Any, names: Sequence[str], places: Mapping[str, Tensor]) -> Observation:
    """Each loss by its name, a number of any shape, and the gradient from each at each place."""
    text = f"Return a dictionary with the names {', '.join(names)}, and no others."
    if not isinstance(losses, Mapping):
        raise AnswerError(text)
    missing = [name for name in names if name not in losses]
    others = [str(name) for name in losses if name not in names]
    if missing or others:
        text += f" Missing: {', '.join(missing)}." if missing else ""
        raise AnswerError(text + (f" Not expected: {', '.join(others)}." if others else ""))
    seen = {name: as_tensor(losses[name], name) for name in names}
    seen = {name: x.reshape(()) if x.numel() == 1 else x for name, x in seen.items()}
    for name in names:
        found = _gradients(losses[name], list(places.values()))
        seen |= {f"{GRADIENT}`{p}` from {name}": g for p, g in zip(places, found, strict=True)}
    return seen


def _gradients(loss: Any, places: list[Tensor]) -> list[Tensor]:
    """The gradient of a loss at each tensor; empty where there is none."""
    found: Sequence[Tensor | None] = [None] * len(places)
    if isinstance(loss, Tensor) and loss.requires_grad:
        found = torch.autograd.grad(loss.sum(), places, retain_graph=True, allow_unused=True)
    return [torch.zeros(0) if g is None or not g.any() else g.detach() for g in found]
