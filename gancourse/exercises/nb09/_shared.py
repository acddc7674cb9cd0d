"""Small networks, and observing losses of two generators: for exercises 9.4 and 9.6."""

from typing import Any

import torch
from torch import Tensor, nn

from gancourse.exercises.base import AnswerError, Case, Observation, as_tensor
from gancourse.exercises.observe import fill, images, integer


class Tiny(nn.Module):
    """A generator or discriminator of a few weights that treats left and right differently."""

    def __init__(self, rng: torch.Generator, channels: int = 3) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, channels, (1, 2), padding=(0, 1))
        fill(self, rng)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)[..., : x.shape[-1]].tanh()


def unpaired(rng: torch.Generator) -> list[Case]:
    """Images of both domains, and a seed for the weights."""
    x, y = images(rng, 2, 3, 4, 4), images(rng, 2, 3, 4, 4)
    return [Case((x, y, integer(rng, 0, 10**6)), note="on 2 images of each domain")]


def observe_losses(losses: dict[str, Any], G: nn.Module, F: nn.Module) -> Observation:
    """Each loss, and the gradients of G and F from a weighted sum of them."""
    seen = {name: as_tensor(loss, name) for name, loss in losses.items()}
    if any(loss.dim() for loss in seen.values()):
        return seen
    total = sum((n + 1.0) * loss for n, loss in enumerate(losses.values()))
    if not isinstance(total, Tensor) or not total.requires_grad:
        raise AnswerError("The losses have no gradient: is there a detach() or no_grad()?")
    for name, net in {"G": G, "F": F}.items():
        weights = list(net.parameters())
        gradients = torch.autograd.grad(total, weights, retain_graph=True, allow_unused=True)
        flat = [torch.zeros(1) if g is None else g.flatten() for g in gradients]
        seen[f"gradient that reaches {name}"] = torch.cat(flat)
    return seen
