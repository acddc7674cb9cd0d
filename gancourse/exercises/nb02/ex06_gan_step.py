"""Exercise 2.6: one iteration of Algorithm 1."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from gancourse.exercises.base import AnswerError, Case, Exercise, Observation, as_tensor
from gancourse.exercises.differences import FACT
from gancourse.exercises.nb02._step_causes import part_of_gradient, problem
from gancourse.exercises.nb02._step_log import StepLog
from gancourse.exercises.observe import integer
from gancourse.exercises.parts import Part
from gancourse.papers import gan

Step = Callable[..., Mapping[str, Tensor]]


def seed_and_k(rng: torch.Generator) -> list[Case]:
    """A seed, k, batch sizes and D's learning rate; no size is the size of anything else.

    Where D does not move, G's gradient does not depend on D's turn.
    """
    return [
        Case((integer(rng, 0, 10**6), 1, (7, 11), 0.2), note="in two iterations with k = 1"),
        Case((integer(rng, 0, 10**6), 2, (6,), 0.2), note="in one iteration with k = 2"),
        Case((integer(rng, 0, 10**6), 1, (8,), 0.0), note="with a learning rate of D of 0"),
    ]


def observe_step(answer: Step, case: Case) -> Observation:
    """Two iterations: both networks' first gradients, the last losses, and all weights."""
    seed, k, sizes, rate_D = case.args
    log, first = StepLog(seed), {}
    log.optimizers[1].param_groups[0]["lr"] = rate_D
    for n, m in enumerate(sizes):
        losses = answered(log.iterate(answer, m, k))
        text = problem(log, k) or (part_of_gradient(log) if n == 0 and k == 1 and rate_D else "")
        if text:
            raise AnswerError(text)
        first = first or first_gradients(log)
    return {**first, **results(log, losses, "two iterations")}


def first_gradients(log: StepLog) -> Observation:
    """The gradient of each network at its first step."""
    moments = {name: log.moments[log.steps(name)[0]] for name in ("D", "G")}
    return {
        f"gradient of {name} at its first step": moment.gradients[name]
        for name, moment in moments.items()
    }


def results(log: StepLog, losses: Mapping[str, Any], when: str) -> Observation:
    """The losses that were returned, and the weights after some steps."""
    attached = any(getattr(loss, "requires_grad", False) for loss in losses.values())
    fact = f"{FACT}Return loss.detach() for both: as they are, they keep their graphs in memory."
    return {
        **{name: number(losses[name], name) for name in ("loss_D", "loss_G")},
        **{f"weights of {name} after {when}": weights(log.nets[name]) for name in "DG"},
        **({fact: torch.tensor(True)} if attached else {}),
    }


def answered(losses: Any, step: str = "gan_step") -> Mapping[str, Any]:
    """What a step returned, if it is a dictionary of both losses."""
    form = 'Return {"loss_D": ..., "loss_G": ...}'
    if losses is None:
        raise AnswerError(f"{step} returned nothing. {form}.")
    if not isinstance(losses, Mapping):
        raise AnswerError(f"{form}, a dictionary; you returned a {type(losses).__name__}.")
    if set(losses) != {"loss_D", "loss_G"}:
        raise AnswerError(f"{form}; your dictionary has the keys {', '.join(map(repr, losses))}.")
    return losses


def number(loss: Any, name: str) -> Tensor:
    loss = as_tensor(loss, name)
    return loss.reshape(()) if loss.numel() == 1 else loss


def weights(net: nn.Module) -> Tensor:
    return nn.utils.parameters_to_vector(net.parameters()).detach()


# Steps with and without slips --------------------------------------------------------------------
bce = F.binary_cross_entropy_with_logits


def by_labels(real: Tensor, fake: Tensor) -> Tensor:
    return bce(real, torch.ones_like(real)) + bce(fake, torch.zeros_like(fake))


def label_1(fake: Tensor) -> Tensor:
    return bce(fake, torch.ones_like(fake))


def label_0(fake: Tensor) -> Tensor:
    return bce(fake, torch.zeros_like(fake))


def by_probabilities(real: Tensor, fake: Tensor) -> Tensor:
    return by_labels(real.sigmoid(), fake.sigmoid())


def sum_of(loss: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A loss that is summed over the batch."""
    return lambda *logits: loss(*logits) * len(logits[0])


def textbook_step(
    loss_D: Callable[[Tensor, Tensor], Tensor] = by_labels,
    loss_G: Callable[[Tensor], Tensor] = label_1,
    result: Callable[[list[Tensor], Tensor], Any] = lambda d, g: {"loss_D": d[-1], "loss_G": g},
    detach: bool = True,  # False is correct as well, but slower
) -> Step:
    """Make a step like that of most tutorials, with these losses, and with what it returns."""

    def step(
        G: nn.Module,
        D: nn.Module,
        opt_G: Optimizer,
        opt_D: Optimizer,
        batches: Iterator[Tensor],
        sample_z: Callable[[int], Tensor],
        k: int = 1,
    ) -> Any:
        losses_D = []
        for _ in range(k):
            x = next(batches)
            fakes = G(sample_z(len(x)))
            losses_D.append(loss_D(D(x), D(fakes.detach() if detach else fakes)))
            gan.descend(opt_D, losses_D[-1])
        loss = loss_G(D(G(sample_z(len(x)))))
        gan.descend(opt_G, loss)
        return result([loss.detach() for loss in losses_D], loss.detach())

    return step


def careful_step(
    G: nn.Module,
    D: nn.Module,
    opt_G: Optimizer,
    opt_D: Optimizer,
    batches: Iterator[Tensor],
    sample_z: Callable[[int], Tensor],
    k: int = 1,
) -> dict[str, float]:
    """D's two terms backpropagated apart, D frozen in G's turn, plain numbers returned."""
    for _ in range(k):
        opt_D.zero_grad()
        real = D(next(batches))
        loss_real = label_1(real)
        loss_real.backward()
        with torch.no_grad():
            fakes = G(sample_z(len(real)))
        loss_fake = label_0(D(fakes))
        loss_fake.backward()
        opt_D.step()
    D.requires_grad_(False)
    loss = label_1(D(G(sample_z(len(real)))))
    opt_G.zero_grad()
    loss.backward()
    opt_G.step()
    D.requires_grad_(True)
    return {"loss_D": (loss_real + loss_fake).item(), "loss_G": loss.item()}


step = textbook_step

EXERCISE = Exercise(
    id="2.6",
    title="One iteration of Algorithm 1",
    points=4,
    minutes=20,
    reference=gan.gan_step,
    cases=seed_and_k,
    observe=observe_step,
    parts=(
        Part("the gradient of D", 1, ("gradient of D*",), cases=(0,)),
        Part("the gradient of G", 1, ("gradient of G*",), cases=(2,)),
    ),
    slips={
        "The labels in D's loss are swapped: real is 1 and fake is 0.": step(
            lambda real, fake: by_labels(fake, real)
        ),
        "The sign of D's loss is wrong: D maximizes V, so it has to descend "
        "discriminator_loss, -V.": step(lambda real, fake: -by_labels(real, fake)),
        "D's loss is the sum of its two terms, not their mean: use discriminator_loss.": step(
            lambda real, fake: by_labels(real, fake) / 2
        ),
        "That is only one of the two terms of D's loss: it needs real and fake examples.": [
            step(lambda real, fake: label_1(real) + 0 * fake.sum()),
            step(lambda real, fake: label_0(fake) + 0 * real.sum()),
        ],
        "Both terms of D's loss have the same label: real is 1 and fake is 0.": [
            step(lambda real, fake: label_1(real) + label_1(fake)),
            step(lambda real, fake: label_0(real) + label_0(fake)),
        ],
        "There is a sigmoid too many: the losses take logits, as D returns them.": [
            step(by_probabilities, lambda fake: label_1(fake.sigmoid())),
            step(by_probabilities),
            step(loss_G=lambda fake: label_1(fake.sigmoid())),
        ],
        "Labels are 1 and 0 here; your D is trained with smoothed labels.": [
            step(lambda real, fake: 0.9 * label_1(real) + 0.1 * label_0(real) + label_0(fake)),
            step(lambda r, f: 0.9 * by_labels(r, f) + 0.1 * by_labels(-r, -f)),
        ],
        "A loss is the mean over the batch, not the sum.": [
            step(sum_of(by_labels), sum_of(label_1)),
            step(sum_of(by_labels)),
            step(loss_G=sum_of(label_1)),
        ],
        "G descends log(1 - D), as in Algorithm 1. This exercise asks for -log D, your "
        "generator_loss.": step(loss_G=lambda fake: -label_0(fake)),
        "G's loss has label 0, so G learns to be recognized as fake. Use generator_loss, with "
        "label 1.": step(loss_G=label_0),
        "G climbs its loss: its sign is wrong. Descend generator_loss.": step(
            loss_G=lambda fake: -label_1(fake)
        ),
        "loss_D is the mean over D's k steps; the last one is asked for.": step(
            result=lambda d, g: {"loss_D": sum(d) / len(d), "loss_G": g}
        ),
        "loss_D is the sum over D's k steps; the last one is asked for.": step(
            result=lambda d, g: {"loss_D": sum(d), "loss_G": g}
        ),
        "loss_D is that of D's first step; the last one is asked for.": step(
            result=lambda d, g: {"loss_D": d[0], "loss_G": g}
        ),
        "The two losses are swapped in what you return.": step(
            result=lambda d, g: {"loss_D": g, "loss_G": d[-1]}
        ),
    },
    alternatives=(step(), step(detach=False), careful_step),
    advice="D descends discriminator_loss(D(x), D(fakes)), and G generator_loss(D(G(z))): compare "
    "your lines with the table of Algorithm 1.",
)
