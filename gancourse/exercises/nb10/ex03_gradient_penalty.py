"""Exercise 10.3: the gradient penalty."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from gancourse.exercises.base import AnswerError, Case, Exercise, Observation, as_tensor
from gancourse.exercises.observe import integer, seeded
from gancourse.papers import tricks


class Curved(nn.Module):
    """A small critic with curvature, (..., n) to (...): its slope differs from place to place."""

    def __init__(self, n: int, rng: torch.Generator) -> None:
        super().__init__()
        self.a = nn.Parameter(0.45 * torch.randn(n, 5, generator=rng))
        self.b = nn.Parameter(0.45 * torch.randn(5, generator=rng))

    def forward(self, x: Tensor) -> Tensor:
        return (x @ self.a).tanh() @ self.b


def critic_and_points(rng: torch.Generator) -> list[Case]:
    cases = []
    for n in (2, 3):
        b, seed = integer(rng, 4, 6), integer(rng, 0, 10**6)
        x, fakes = torch.randn(b, n, generator=rng), 1 + torch.randn(b, n, generator=rng)
        x[0], fakes[0] = x[0] + 4, fakes[0] + 4  # D is nearly flat there: a slope below 1
        t = torch.rand(b, 1, generator=rng)
        note = f"on {b} real points and fakes of {n} numbers"
        cases.append(Case((seed, x, fakes, t), note=note))
    return cases


def observe_penalty(answer: Callable[..., Any], case: Case) -> Observation:
    """Its value, and what D would learn from it: the gradient of its parameters."""
    seed, x, fakes, t = case.args
    D = Curved(x.shape[1], seeded(seed))
    penalty = answer(D, x.clone(), fakes.clone(), t.clone())
    seen = {"result": as_tensor(penalty)}
    if not isinstance(penalty, Tensor):
        raise AnswerError("Return a tensor, so that D can learn from it.")
    can_learn = penalty.requires_grad and penalty.numel() == 1
    seen["has a graph that leads to D"] = torch.tensor(can_learn)
    grads = torch.autograd.grad(penalty, [D.a], allow_unused=True) if can_learn else [None]
    seen["D's gradient"] = torch.zeros_like(D.a) if grads[0] is None else grads[0]
    return seen


def penalty_like(
    *,
    where: str = "between",
    one_share: bool = False,
    whole: bool = False,
    squared: bool = False,
    target: float = 1.0,
    graph: bool = True,
    one_sided: bool = False,
    mean_slope: bool = False,
) -> Callable[..., Tensor]:
    """Make a gradient penalty, with a slip if asked for."""

    def answer(D: nn.Module, x: Tensor, fakes: Tensor, t: Tensor) -> Tensor:
        share = t[:1] if one_share else t
        mixed = {"between": share * x + (1 - share) * fakes, "real": x, "fake": fakes}[where]
        mixed = mixed.detach().requires_grad_()
        out = D(mixed)
        out = out.mean() if mean_slope else out.sum()
        (slope,) = torch.autograd.grad(out, mixed, create_graph=True)
        length = slope.norm() if whole else slope.norm(dim=1)
        length = length.square() if squared else length
        over = (length - target).clamp(min=0) if one_sided else length - target
        result = over.square().mean()
        return result if graph else result.detach()

    return answer


EXERCISE = Exercise(
    id="10.3",
    title="The gradient penalty",
    points=3,
    minutes=15,
    reference=tricks.gradient_penalty,
    cases=critic_and_points,
    observe=observe_penalty,
    slips={
        "All "
        "rows were mixed with the share of the first. t has one share for each row.": penalty_like(
            one_share=True
        ),
        "You took the slope at the real points. It is wanted at points between real and fake: t x "
        "+ (1 - t) fakes.": penalty_like(where="real"),
        "One "
        "length for the whole batch. Each row has a slope of its own: norm(dim=-1).": penalty_like(
            whole=True
        ),
        "You compared "
        "the squared length with 1. Take the root, subtract 1, then square.": penalty_like(
            squared=True
        ),
        "That pulls slopes to 0 (as R1 does). The target is a slope of length 1.": penalty_like(
            target=0.0
        ),
        "The number is right, but D can't learn from it: pass create_graph=True to autograd.grad "
        "and don't detach the result.": penalty_like(graph=False),
        "You forgave slopes below 1. The paper's penalty is two-sided.": penalty_like(
            one_sided=True
        ),
        "You differentiated D's mean: every slope is divided by the batch size. Sum D's answers: "
        "each row's slope then is its own.": penalty_like(mean_slope=True),
    },
    alternatives=(penalty_like(),),
    rtol=1e-3,
    atol=1e-4,
)
