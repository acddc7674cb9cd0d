"""Exercise 7.7: reading the noise off a picture, the loss of a style encoder."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from gancourse.exercises.base import Case, Exercise, Observation, gradients, observe_result
from gancourse.exercises.differences import GRADIENT
from gancourse.exercises.observe import fill, integer, seeded
from gancourse.papers.text2image import style_loss


class TinyGenerator(nn.Module):
    """z and an embedding to an output that depends on their product."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(3, 6), nn.Linear(4, 6)

    def forward(self, z: Tensor, phi: Tensor) -> Tensor:
        return torch.tanh(self.a(z) * self.b(phi))


def style_cases(rng: torch.Generator) -> list[Case]:
    """A batch, whether a part of G is frozen before, and a seed for the weights."""
    return [
        Case((5, False, integer(rng, 0, 10**6)), note="for 5 latent vectors of length 3"),
        Case((2, True, integer(rng, 0, 10**6)), note="for a G with one frozen layer"),
    ]


def observe_style(answer: Callable[..., Any], case: Case) -> Observation:
    n, frozen, seed = case.args
    rng = seeded(seed)
    S, G = fill(nn.Linear(6, 3), rng), fill(TinyGenerator(), rng).eval()
    G.b.requires_grad_(not frozen)
    z, phi = torch.randn(n, 3, generator=rng), torch.randn(n, 4, generator=rng)
    loss = answer(S, G, z, phi)
    weights = {"S.weight": S.weight, "G's first weights": G.a.weight}
    none = {f"{GRADIENT}`{name}`": torch.zeros(0) for name in weights}
    reached = {name: w for name, w in weights.items() if w.requires_grad}
    return {**observe_result(loss), **none, **gradients(loss, reached)}


def style(
    S: nn.Module,
    G: nn.Module,
    z: Tensor,
    phi: Tensor,
    *,
    draw: Callable[..., Tensor] = lambda G, z, phi: G(z, phi),
    reduce: Callable[[Tensor], Tensor] = lambda d: d.square().sum(dim=1).mean(),
) -> Tensor:
    """The style loss, with a slip if asked for: how images are drawn, or a difference reduced."""
    with torch.no_grad():
        x = draw(G, z, phi)
    return reduce(z - S(x))


def detached(S: nn.Module, G: nn.Module, z: Tensor, phi: Tensor) -> Tensor:
    predicted = S(G(z, phi).detach())
    return nn.functional.mse_loss(predicted, z, reduction="sum") / len(z)


def frozen_meanwhile(S: nn.Module, G: nn.Module, z: Tensor, phi: Tensor) -> Tensor:
    """Restores what it found."""
    before = [p.requires_grad for p in G.parameters()]
    G.requires_grad_(False)
    x = G(z, phi)
    for p, needed in zip(G.parameters(), before, strict=True):
        p.requires_grad_(needed)
    return torch.linalg.vector_norm(S(x) - z, dim=1).square().mean()


EXERCISE = Exercise(
    id="7.7",
    title="Reading the noise off a picture",
    points=3,
    minutes=12,
    reference=style_loss,
    cases=style_cases,
    observe=observe_style,
    slips={
        "That is the mean over all numbers. Sum over the numbers of each z first; the mean is "
        "over the batch only.": partial(style, reduce=lambda d: d.square().mean()),
        "That is the sum over the batch: take the mean over its images.": partial(
            style, reduce=lambda d: d.square().sum()
        ),
        "The two dimensions are swapped: sum over the numbers of each z (dim=1), mean over the "
        "batch (dim=0).": partial(style, reduce=lambda d: d.square().sum(dim=0).mean()),
        "You took a root, as for a distance. The loss is the squared length: no root.": [
            partial(style, reduce=lambda d: d.norm(dim=1).mean()),
            partial(style, reduce=lambda d: d.norm()),
            partial(style, reduce=lambda d: d.square().sum(dim=1).mean().sqrt()),
            partial(style, reduce=lambda d: d.square().mean().sqrt()),
        ],
        "The mean is squared afterwards. Square first, then take the mean.": [
            partial(style, reduce=lambda d: d.norm(dim=1).mean().square()),
            partial(style, reduce=lambda d: d.mean().square()),
            partial(style, reduce=lambda d: d.sum(dim=1).mean().square()),
        ],
        "You sum the differences before you square them. Square each number first, then sum.": (
            partial(style, reduce=lambda d: d.sum(dim=1).square().mean())
        ),
        "You took absolute values of the differences. Square them.": [
            partial(style, reduce=lambda d: d.abs().sum(dim=1).mean()),
            partial(style, reduce=lambda d: d.abs().mean()),
        ],
        "The square is missing: differences of both signs cancel.": [
            partial(style, reduce=lambda d: d.sum(dim=1).mean()),
            partial(style, reduce=lambda d: -d.sum(dim=1).mean()),
            partial(style, reduce=lambda d: d.mean()),
        ],
        "There is an extra factor of 1/2: the loss is the squared length itself.": partial(
            style, reduce=lambda d: d.square().sum(dim=1).mean() / 2
        ),
        "The sign is wrong: a loss is minimized, and S(x) should come close to z.": partial(
            style, reduce=lambda d: -d.square().sum(dim=1).mean()
        ),
        "The arguments are swapped: it is G(z, phi).": partial(
            style, draw=lambda G, z, phi: G(phi, z)
        ),
    },
    alternatives=(style, detached, frozen_meanwhile),
    advice="With z of shape (B, 3) and an S that always returns 0 the loss is "
    "z.square().sum(dim=1).mean(). What is yours then?",
)
