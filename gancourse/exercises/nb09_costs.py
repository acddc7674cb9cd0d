"""Exercises 9.3, 9.4 and 9.6, what the players pay: references, right and wrong answers."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancourse.exercises.base import AnswerError, Case, Observation, as_tensor
from gancourse.exercises.nb09_answers import pictures
from gancourse.exercises.observe import fill, number
from gancourse.papers.cyclegan import cycle_loss, lsgan_discriminator_loss, lsgan_generator_loss


# references -----------------------------------------------------------------------------------
def least_squares(real, fake):
    """Both players' losses; no annotations, so that wrong shapes are diagnosed, not refused."""
    return {
        "loss_D": lsgan_discriminator_loss(real, fake) / 2,
        "loss_G": lsgan_generator_loss(fake),
    }


def round_trips(G, F, x, y):
    """What both round trips change: x to Y and back, y to X and back."""
    return cycle_loss(x, F(G(x))), cycle_loss(y, G(F(y)))


def generator_costs(G, F, D_X, D_Y, x, y):
    """The five costs of the generators by name, without their weights."""
    fake_y, fake_x = G(x), F(y)
    return {
        "loss_G": lsgan_generator_loss(D_Y(fake_y)),
        "loss_F": lsgan_generator_loss(D_X(fake_x)),
        "cycle_X": cycle_loss(x, F(fake_y)),
        "cycle_Y": cycle_loss(y, G(fake_x)),
        "identity": cycle_loss(y, G(y)) + cycle_loss(x, F(x)),
    }


# 9.3 -------------------------------------------------------------------------------------------
def maps(rng: torch.Generator) -> list[Case]:
    real, fake = (1.5 * torch.randn(2, 3, 3, generator=rng) for _ in range(2))
    return [Case((real, fake), note="on two maps of 3 x 3 answers each")]


def squares_like(
    end: Callable[[Tensor], Tensor] = lambda y: y,
    half: float = 0.5,
    real_is: float = 1.0,
    G_wants: float = 1.0,
    mean: Callable[[Tensor], Tensor] = torch.mean,
) -> Callable[[Tensor, Tensor], dict[str, Tensor]]:
    """Make least-squares losses, with a slip if asked for."""

    def losses(real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        real, fake = end(real), end(fake)
        loss_D = mean((real - real_is) ** 2) + mean((fake - (1 - real_is)) ** 2)
        return {"loss_D": half * loss_D, "loss_G": mean((fake - G_wants) ** 2)}

    return losses


def squares_by_torch(real: Tensor, fake: Tensor) -> dict[str, Tensor]:
    ones, zeros = torch.ones_like(real), torch.zeros_like(fake)
    loss_D = (F.mse_loss(real, ones) + F.mse_loss(fake, zeros)) / 2
    return {"loss_D": loss_D, "loss_G": F.mse_loss(fake, ones)}


# 9.4 and 9.6 -----------------------------------------------------------------------------------
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
    return [Case((x, y, number(rng, 0, 10**6)), note="on 2 pictures of each domain")]


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


def observe_trips(answer: Callable[..., Any], case: Case) -> Observation:
    x, y, seed = case.args
    rng = torch.Generator().manual_seed(seed)
    G, F_ = Tiny(rng), Tiny(rng)
    result = answer(G, F_, x.clone(), y.clone())
    if not isinstance(result, tuple) or len(result) != 2:
        raise AnswerError("Return two costs: cycle_X, cycle_Y.")
    return _observed(dict(zip(("cycle_X", "cycle_Y"), result, strict=True)), [G, F_])


def trips_like(
    distance: Callable[[Tensor], Tensor] = lambda d: d.abs().mean(),
    swapped: bool = False,
    cut: bool = False,
    order: int = 1,
    once: bool = False,
) -> Callable[..., tuple[Tensor, Tensor]]:
    """Make the two round trips, with a slip if asked for."""

    def trips(G: nn.Module, F_: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        if swapped:
            G, F_ = F_, G
        there_x, there_y = G(x), F_(y)
        if cut:
            there_x, there_y = there_x.detach(), there_y.detach()
        back_x, back_y = (there_x, there_y) if once else (F_(there_x), G(there_y))
        costs = distance(back_x - x), distance(back_y - y)
        return costs[::order]

    return trips


def observe_costs(answer: Callable[..., Any], case: Case) -> Observation:
    x, y, seed = case.args
    rng = torch.Generator().manual_seed(seed)
    G, F_, D_X, D_Y = Tiny(rng), Tiny(rng), Tiny(rng, 1), Tiny(rng, 1)
    costs = answer(G, F_, D_X, D_Y, x.clone(), y.clone())
    names = ("loss_G", "loss_F", "cycle_X", "cycle_Y", "identity")
    if not isinstance(costs, dict) or set(costs) != set(names):
        raise AnswerError(f"Return a dictionary with exactly these names: {', '.join(names)}.")
    return _observed({name: costs[name] for name in names}, [G, F_])


def costs_like(
    swap_D: bool = False,
    wants: float = 1.0,
    cut: bool = False,
    own: Callable[..., Tensor] | None = None,
    weigh: bool = False,
    on_back: bool = False,
) -> Callable[..., dict[str, Tensor]]:
    """Make the five costs of the generators, with a slip if asked for."""

    def distance(a: Tensor, b: Tensor) -> Tensor:
        return (a - b).abs().mean()

    def costs(
        G: nn.Module, F_: nn.Module, D_X: nn.Module, D_Y: nn.Module, x: Tensor, y: Tensor
    ) -> dict[str, Tensor]:
        fake_y, fake_x = G(x), F_(y)
        back_x, back_y = F_(fake_y), G(fake_x)
        judged_y, judged_x = (back_y, back_x) if on_back else (fake_y, fake_x)
        if cut:
            judged_y, judged_x = judged_y.detach(), judged_x.detach()
        if swap_D:
            D_X, D_Y = D_Y, D_X
        identity = own(G, F_, x, y) if own else distance(G(y), y) + distance(F_(x), x)
        w = (10, 5) if weigh else (1, 1)
        return {
            "loss_G": (D_Y(judged_y) - wants).square().mean(),
            "loss_F": (D_X(judged_x) - wants).square().mean(),
            "cycle_X": w[0] * distance(back_x, x),
            "cycle_Y": w[0] * distance(back_y, y),
            "identity": w[1] * identity,
        }

    return costs
