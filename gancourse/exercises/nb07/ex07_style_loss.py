"""Exercise 7.7: reading the noise off a picture, the loss of a style encoder."""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from gancourse.exercises.base import Case, Exercise, Observation, as_tensor
from gancourse.exercises.observe import fill, integer, seeded
from gancourse.papers.text2image import style_loss


class TinyGenerator(nn.Module):
    """z and an embedding to an output that depends on their product."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(3, 5), nn.Linear(4, 5)

    def forward(self, z: Tensor, phi: Tensor) -> Tensor:
        return torch.tanh(self.a(z) * self.b(phi))


def style_cases(rng: torch.Generator) -> list[Case]:
    return [Case((integer(rng, 3, 5), integer(rng, 0, 10**6)), note="for a small S and G")]


def observe_style(answer: Callable[..., Any], case: Case) -> Observation:
    n, seed = case.args
    rng = seeded(seed)
    S, G = fill(nn.Linear(5, 3), rng), fill(TinyGenerator(), rng)
    z, phi = torch.randn(n, 3, generator=rng), torch.randn(n, 4, generator=rng)
    before = copy.deepcopy(G.state_dict())
    loss = answer(S, G, z.clone(), phi.clone())
    value = as_tensor(loss)
    if isinstance(loss, Tensor) and loss.requires_grad and loss.numel() == 1:
        loss.backward()
    kept = all(
        torch.equal(a, b) for a, b in zip(before.values(), G.state_dict().values(), strict=True)
    )
    return {
        "result": value,
        "S gets a gradient": torch.tensor(S.weight.grad is not None),
        "G gets no gradient": torch.tensor(all(p.grad is None for p in G.parameters())),
        "G's weights can still be trained": torch.tensor(
            all(p.requires_grad for p in G.parameters())
        ),
        "G's weights are left alone": torch.tensor(kept),
    }


def style(
    S: nn.Module,
    G: nn.Module,
    z: Tensor,
    phi: Tensor,
    *,
    detach: bool = True,
    train: bool = True,
    reduce: str = "rows",
) -> Tensor:
    """The style loss, with a slip if asked for."""
    x = G(z, phi)
    predicted = S(x.detach() if detach else x)
    d2 = (z - (predicted if train else predicted.detach())).square()
    each = {
        "rows": d2.sum(1).mean(), "all": d2.mean(), "sum": d2.sum(),
        "root": d2.sum(1).sqrt().mean(),
    }  # fmt: skip
    return each[reduce]


EXERCISE = Exercise(
    id="7.7",
    title="Reading the noise off a picture",
    points=3,
    minutes=12,
    reference=style_loss,
    cases=style_cases,
    observe=observe_style,
    slips={
        "G gets a gradient: it would be trained together with S. Generate the images under "
        "torch.no_grad().": partial(style, detach=False),
        "That is the mean over all numbers. Sum over the numbers of each z first; the mean is "
        "over the batch only.": partial(style, reduce="all"),
        "That is the sum over the batch: take the mean over its images.": partial(
            style, reduce="sum"
        ),
        "That is the distance; the loss is its square.": partial(style, reduce="root"),
        "S gets no gradient: only G belongs under torch.no_grad(), not S.": partial(
            style, train=False
        ),
    },
    alternatives=(style,),
)
