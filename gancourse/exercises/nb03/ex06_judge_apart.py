"""Exercise 3.6: real and fake apart."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gancourse.exercises.base import AnswerError, Case, Exercise, Observation, as_tensor
from gancourse.exercises.observe import fact, fill, integer, seeded
from gancourse.papers import dcgan


def judge_apart(D: nn.Module, x: Tensor, fakes: Tensor) -> tuple[Tensor, Tensor]:
    """Logits of real images and of fakes, each batch by itself, for D's turn."""
    return D(x), D(fakes.detach())


def observe_logits(answer: Callable[..., Any], case: Case) -> Observation:
    """The logits, and which gradients they have; the two batches have different sizes."""
    seed, mode = case.args
    rng = seeded(seed)
    D = fill(dcgan.Discriminator(1, 2, 16), rng).train(mode == "train")
    x = torch.randn(5, 1, 16, 16, generator=rng)
    z = torch.randn(3, 1, 16, 16, generator=rng).requires_grad_()
    fakes = z * 0.5 + 1  # a graph leads to them, as to images that G made
    result = answer(D, x, fakes)
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        raise AnswerError("Return two results: the logits of the real images, and of the fakes.")
    seen = {name: as_tensor(t, name) for name, t in zip(("real", "fake"), result, strict=True)}
    return seen | gradient_facts(D, fakes, result)


def gradient_facts(D: nn.Module, fakes: Tensor, result: Sequence[Any]) -> Observation:
    """Facts on where the two logits have gradients, and where not."""
    facts: Observation = {}
    untrained = [
        name
        for name, logits in zip(("the real images", "the fakes"), result, strict=True)
        if not reaches(logits, list(D.parameters()))
    ]
    if untrained:
        facts |= fact(
            f"No gradient reaches D from its logits of {' and of '.join(untrained)}, so D would "
            "learn nothing from them: pass fakes.detach() to D, detach nothing else, and don't "
            "freeze D."
        )
    if fakes.grad_fn is None:
        facts |= fact(
            "`fakes` itself is cut off from G, also for the caller, who could no longer train G "
            "on it: use fakes.detach(), which leaves it as it is."
        )
    elif any(reaches(logits, [fakes]) for logits in result):
        facts |= fact(
            "A gradient reaches G through `fakes`. In D's turn the fakes are constants: detach "
            "them before D gets them."
        )
    return facts


def reaches(logits: Any, inputs: list[Tensor]) -> bool:
    """Whether a gradient of the logits reaches any of these tensors."""
    inputs = [x for x in inputs if x.requires_grad]
    if not inputs or not isinstance(logits, Tensor) or not logits.requires_grad:
        return False
    try:
        found = torch.autograd.grad(logits.sum(), inputs, retain_graph=True, allow_unused=True)
    except RuntimeError as error:
        raise AnswerError(
            "The graph of the logits is used up: return them without calling backward(). The "
            "caller does that."
        ) from error
    return any(g is not None and bool(g.any()) for g in found)


def judge_together(D: nn.Module, x: Tensor, fakes: Tensor) -> tuple[Tensor, Tensor]:
    """Both in one batch."""
    both = D(torch.cat([x, fakes.detach()]))
    return both[: len(x)], both[len(x) :]


def judge_halves(D: nn.Module, x: Tensor, fakes: Tensor) -> tuple[Tensor, Tensor]:
    """Both in one batch, of which each half is returned."""
    return D(torch.cat([x, fakes.detach()])).chunk(2)


def judge_attached(D: nn.Module, x: Tensor, fakes: Tensor) -> tuple[Tensor, Tensor]:
    """Both in one batch, and a gradient reaches G."""
    both = D(torch.cat([x, fakes]))
    return both[: len(x)], both[len(x) :]


def judge_in(mode: bool, after: bool | None) -> Callable[..., tuple[Tensor, Tensor]]:
    """Make an answer that sets D's mode, and another one afterwards; None: that of before."""

    def judge(D: nn.Module, x: Tensor, fakes: Tensor) -> tuple[Tensor, Tensor]:
        before = D.training
        D.train(mode)
        logits = judge_apart(D, x, fakes)
        D.train(before if after is None else after)
        return logits

    return judge


def judge_singly(D: nn.Module, x: Tensor, fakes: Tensor) -> tuple[Tensor, ...]:
    """Each image is a batch of its own."""
    return tuple(torch.cat([D(image[None]) for image in part]) for part in (x, fakes.detach()))


def judge_again(D: nn.Module, x: Tensor, fakes: Tensor) -> tuple[Tensor, Tensor]:
    """Evaluation mode for the fakes alone."""
    real, before = D(x), D.training
    fake = D.eval()(fakes.detach())
    D.train(before)
    return real, fake


def on_logits(change: Callable[[Tensor], Tensor]) -> Callable[..., tuple[Tensor, ...]]:
    """Make an answer that changes the logits."""
    return lambda D, x, fakes: tuple(change(t) for t in judge_apart(D, x, fakes))


EXERCISE = Exercise(
    id="3.6",
    title="Real and fake apart",
    points=2,
    minutes=10,
    reference=judge_apart,
    cases=lambda rng: [
        Case((integer(rng, 0, 10**6), mode), note=f"with D in {mode} mode")
        for mode in ("train", "eval")
    ],
    observe=observe_logits,
    slips={
        "Both are in one batch: batch norm then mixes their statistics, and D's logit for a real "
        "image depends on the fakes.": [judge_together, judge_halves, judge_attached],
        "D is in evaluation mode: batch norm uses its moving averages, which lag behind. Leave D "
        "in the mode in which it was.": [judge_in(False, after) for after in (False, True, None)],
        "D is in training mode, whatever it was before. Leave D in the mode in which it was.": [
            judge_in(True, True), judge_in(True, None),
        ],
        "The fakes are judged in evaluation mode, the real images are not: leave D's mode "
        "alone.": judge_again,
        "Each image is in a batch of its own, so batch norm normalizes it with its own "
        "statistics. Pass each batch as a whole.": judge_singly,
        "The two results are swapped: real first, then fake.": lambda D, x, fakes: judge_apart(
            D, x, fakes
        )[::-1],
        "These are probabilities; return the logits.": on_logits(torch.sigmoid),
        "Return one logit per image, not their mean.": on_logits(torch.mean),
        "Both results are D's logits of the real images.": lambda D, x, fakes: (D(x), D(x)),
    },
    alternatives=(
        lambda D, x, fakes: [D(batch.detach()) for batch in (x, fakes)],
        lambda D, x, fakes: judge_apart(D, x, fakes.data.clone()),
    ),
    advice="Does D get `x` as one batch and `fakes` as another, and nothing else?",
)  # fmt: skip
