"""Exercise 3.6: real and fake apart."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from gancourse.exercises.base import AnswerError, Case, Exercise, Observation, as_tensor
from gancourse.exercises.observe import fill, integer, seeded
from gancourse.papers import dcgan


def judge_apart(D: nn.Module, x: Tensor, fakes: Tensor) -> tuple[Tensor, Tensor]:
    """Logits of real images and of fakes, each batch by itself, for D's turn."""
    return D(x), D(fakes.detach())


def observe_logits(answer: Callable[..., Any], case: Case) -> Observation:
    seed, m, mode = case.args
    rng = seeded(seed)
    D = fill(dcgan.Discriminator(1, 2, 16), rng).train(mode == "train")
    x = torch.randn(m, 1, 16, 16, generator=rng)
    fakes = (torch.randn(m, 1, 16, 16, generator=rng) * 0.5 + 1).requires_grad_()
    result = answer(D, x, fakes)
    if not isinstance(result, tuple) or len(result) != 2:
        raise AnswerError("Return a tuple: the logits of the real images, and of the fakes.")
    real, fake = (as_tensor(t) for t in result)
    if not all(getattr(t, "requires_grad", False) for t in result):
        raise AnswerError("No gradient reaches D, so it would not learn. Detach only the fakes.")
    sum(t.sum() for t in result).backward()
    return {
        "real": real,
        "fake": fake,
        "a gradient reaches G": torch.tensor(fakes.grad is not None),
        "D is still in the mode in which it was": torch.tensor(D.training == (mode == "train")),
    }


def judge_together(D: nn.Module, x: Tensor, fakes: Tensor) -> tuple[Tensor, Tensor]:
    """Both in one batch."""
    both = D(torch.cat([x, fakes.detach()]))
    return both[: len(x)], both[len(x) :]


def judge_in_eval(D: nn.Module, x: Tensor, fakes: Tensor) -> tuple[Tensor, Tensor]:
    """With batch norm's moving averages."""
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
    slips={
        "Both are in one batch: batch norm then mixes their statistics, and D's logit for a real "
        "image depends on the fakes.": judge_together,
        "D is in evaluation mode: batch norm uses its moving averages, which lag behind. Leave D "
        "in the mode in which it was.": judge_in_eval,
        "A gradient reaches G. In D's turn "
        "the fakes are constants: detach them.": lambda D, x, fakes: (D(x), D(fakes)),
        "The two results are swapped: real first, then fake.": lambda D, x, fakes: judge_apart(
            D, x, fakes
        )[::-1],
        "These are probabilities; return the logits.": lambda D, x, fakes: tuple(
            t.sigmoid() for t in judge_apart(D, x, fakes)
        ),
    },
    alternatives=(lambda D, x, fakes: tuple(D(batch.detach()) for batch in (x, fakes)),),
)
