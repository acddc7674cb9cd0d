"""Exercise 10.3: the gradient penalty."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from gancourse.exercises.base import AnswerError, Case, Exercise, Observation, as_tensor
from gancourse.exercises.observe import integer, seeded
from gancourse.papers import tricks


class Curved(nn.Module):
    """A small critic with curvature, (..., n) to (...): its gradient varies from place to place."""

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
        x[0], fakes[0] = x[0] + 4, fakes[0] + 4  # D is nearly flat there: a norm below 1
        t = torch.rand(b, 1, generator=rng)
        note = f"on {b} real points and fakes of {n} numbers"
        cases.append(Case((seed, x, fakes, t), note=note))
    return cases


def observe_penalty(answer: Callable[..., Any], case: Case) -> Observation:
    """Its value, and the gradient of D's weights, from which D learns."""
    seed, x, fakes, t = case.args
    D = Curved(x.shape[1], seeded(seed))
    penalty = answer(D, x.clone(), fakes.clone(), t.clone())
    value = as_tensor(penalty)
    if not isinstance(penalty, Tensor):
        raise AnswerError("Return a tensor, so that D can learn from it.")
    can_learn = penalty.requires_grad and penalty.numel() == 1
    grads = torch.autograd.grad(penalty, [D.a], allow_unused=True) if can_learn else [None]
    return {
        "result": value,
        "has a graph that leads to D": torch.tensor(can_learn),
        "D's gradient": torch.zeros_like(D.a) if grads[0] is None else grads[0],
    }


def penalty_like(
    *,
    where: str = "between",
    one_share: bool = False,
    per_batch: bool = False,
    squared: bool = False,
    target: float = 1.0,
    graph: bool = True,
    one_sided: bool = False,
    mean: bool = False,
) -> Callable[..., Tensor]:
    """Make a gradient penalty, with a slip if asked for."""

    def answer(D: nn.Module, x: Tensor, fakes: Tensor, t: Tensor) -> Tensor:
        share = t[:1] if one_share else t
        mixed = {"between": share * x + (1 - share) * fakes, "real": x, "fake": fakes}[where]
        mixed = mixed.detach().requires_grad_()
        out = D(mixed)
        out = out.mean() if mean else out.sum()
        (gradient,) = torch.autograd.grad(out, mixed, create_graph=True)
        norm = gradient.norm() if per_batch else gradient.norm(dim=1)
        excess = (norm.square() if squared else norm) - target
        result = (excess.clamp(min=0) if one_sided else excess).square().mean()
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
        "All rows were mixed with the t of the first. t has one number for each row.": penalty_like(
            one_share=True
        ),
        "You took the gradient at the real points. Take it between real and fake, at t x + (1 - "
        "t) fakes.": penalty_like(where="real"),
        "That is one norm for the whole batch. Each row has its own: norm(dim=-1).": penalty_like(
            per_batch=True
        ),
        "You compared the squared norm with 1. "
        "Take the root, subtract 1, then square.": penalty_like(squared=True),
        "That pulls gradients to 0, as R1 does. The target is a norm of 1.": penalty_like(
            target=0.0
        ),
        "The number is right, but D can't learn from it. Pass create_graph=True to autograd.grad "
        "and don't detach the result.": penalty_like(graph=False),
        "You left out norms below 1. The paper's penalty is two-sided.": penalty_like(
            one_sided=True
        ),
        "You differentiated D's mean, which divides every gradient by the batch size. "
        "Differentiate the sum of D's outputs.": penalty_like(mean=True),
    },
    alternatives=(penalty_like(),),
    rtol=1e-3,
    atol=1e-4,
)
