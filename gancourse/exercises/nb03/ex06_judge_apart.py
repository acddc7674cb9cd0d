"""Exercise 3.6: real and fake apart."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from gancourse.exercises.base import AnswerError, Case, Exercise, Observation, Slip, as_tensor
from gancourse.exercises.observe import fill, integer, seeded
from gancourse.papers import dcgan


def judge_apart(D: nn.Module, x: Tensor, fakes: Tensor) -> tuple[Tensor, Tensor]:
    """Logits of real pictures and of fakes, each batch by itself, for D's turn."""
    return D(x), D(fakes.detach())


def observe_logits(answer: Callable[..., Any], case: Case) -> Observation:
    seed, m, mode = case.args
    rng = seeded(seed)
    D = fill(dcgan.Discriminator(1, 2, 16), rng).train(mode == "train")
    x = torch.randn(m, 1, 16, 16, generator=rng)
    fakes = (torch.randn(m, 1, 16, 16, generator=rng) * 0.5 + 1).requires_grad_()
    result = answer(D, x, fakes)
    if not isinstance(result, tuple) or len(result) != 2:
        raise AnswerError("Return a tuple: the logits of the real pictures, and of the fakes.")
    real, fake = (as_tensor(t) for t in result)
    if not all(getattr(t, "requires_grad", False) for t in result):
        raise AnswerError("No gradient reaches D: it would not learn. Detach the fakes only.")
    (result[0].sum() + result[1].sum()).backward()
    reached = fakes.grad is not None
    return {
        "real": real,
        "fake": fake,
        "a gradient reaches G": torch.tensor(reached),
        "D is in the mode in which it came": torch.tensor(D.training == (mode == "train")),
    }


def judge_together(D: nn.Module, x: Tensor, fakes: Tensor) -> tuple[Tensor, Tensor]:
    """Both in one batch."""
    both = D(torch.cat([x, fakes.detach()]))
    return both[: len(x)], both[len(x) :]


def judge_in_eval(D: nn.Module, x: Tensor, fakes: Tensor) -> tuple[Tensor, Tensor]:
    """With running statistics."""
    D.eval()
    return D(x), D(fakes.detach())


EXERCISE = Exercise(
    id="3.6",
    title="Real and fake apart",
    points=2,
    minutes=10,
    reference=judge_apart,
    cases=lambda rng: [
        Case((integer(rng, 0, 10**6), integer(rng, 4, 6), mode), note=f"with D in {mode} mode")
        for mode in ("train", "eval")
    ],
    observe=observe_logits,
    slips=(
        Slip(
            judge_together,
            "You put both in one batch: batch norm then mixes their statistics, and D's answer "
            "on a real picture depends on the fakes beside it.",
        ),
        Slip(
            judge_in_eval,
            "D is in evaluation mode: it uses running statistics, which lag behind. Leave it "
            "in the mode in which it comes.",
        ),
        Slip(
            lambda D, x, fakes: (D(x), D(fakes)),
            "A gradient reaches G. In D's turn the fakes are constants: detach them.",
        ),
        Slip(
            lambda D, x, fakes: judge_apart(D, x, fakes)[::-1],
            "These are the right logits the wrong way round: real first, then fake.",
        ),
        Slip(
            lambda D, x, fakes: tuple(t.sigmoid() for t in judge_apart(D, x, fakes)),
            "These are probabilities; return the logits.",
        ),
    ),
    alternatives=(lambda D, x, fakes: tuple(D(batch.detach()) for batch in (x, fakes)),),
)
