"""What several exercises of notebook 09 share."""

from typing import Any

import torch
from torch import Tensor, nn

from gancourse.exercises.base import AnswerError, Case, Observation, as_tensor
from gancourse.exercises.observe import fill, integer


def pictures(rng: torch.Generator, *shape: int) -> Tensor:
    return torch.rand(shape, generator=rng) * 2 - 1


class Tiny(nn.Module):
    """A translator or critic of a few weights, that treats left and right differently."""

    def __init__(self, rng: torch.Generator, colours: int = 3) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, colours, (1, 2), padding=(0, 1))
        fill(self, rng)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)[..., : x.shape[-1]].tanh()


def game(rng: torch.Generator) -> list[Case]:
    x, y = pictures(rng, 2, 3, 4, 4), pictures(rng, 2, 3, 4, 4)
    return [Case((x, y, integer(rng, 0, 10**6)), note="on 2 pictures of each domain")]


def _observed(costs: dict[str, Any], nets: list[nn.Module]) -> Observation:
    """Each cost, and what the networks would learn from their weighted sum."""
    seen = {name: as_tensor(cost, name) for name, cost in costs.items()}
    if any(cost.dim() for cost in seen.values()):
        return seen
    total = sum((n + 1.0) * cost for n, cost in enumerate(costs.values()))
    if not isinstance(total, Tensor) or not total.requires_grad:
        raise AnswerError("The costs have no gradient: is there a detach() or no_grad()?")
    for net, name in zip(nets, "GF", strict=True):
        slopes = torch.autograd.grad(
            total, list(net.parameters()), retain_graph=True, allow_unused=True
        )
        flat = [torch.zeros(1) if s is None else s.flatten() for s in slopes]
        seen[f"gradient that reaches {name}"] = torch.cat(flat)
    return seen
