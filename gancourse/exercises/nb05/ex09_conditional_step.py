"""Exercise 5.9: the training step of the conditional game."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from gancourse.exercises.base import AnswerError, Case, Exercise, Observation
from gancourse.exercises.nb02.ex06_gan_step import answered, first_gradients, results
from gancourse.exercises.nb05._step_log import ConditionalLog, problem
from gancourse.exercises.observe import integer
from gancourse.exercises.parts import Part
from gancourse.papers import cgan, gan

Step = Callable[..., Mapping[str, Tensor]]
SIZES = (7, 11)  # of two batches; no other size is one of these


def steps(rng: torch.Generator) -> list[Case]:
    """Two steps each: Equation 2; with wrong conditions, a penalty, or both."""
    notes = {
        (False, False): "in two steps without wrong labels",
        (True, False): "in two steps with wrong labels",
        (True, True): "in two steps with wrong labels and a penalty",
        (False, True): "in two steps with a penalty, but without wrong labels",
    }
    return [Case((integer(rng, 0, 10**6), *options), note=n) for options, n in notes.items()]


def observe_step(answer: Step, case: Case) -> Observation:
    """Two steps: both networks' first gradients, the last losses, and all weights."""
    log, first = ConditionalLog(*case.args), {}
    for m in SIZES:
        losses = answered(log.iterate(answer, m), "conditional_step")
        if text := problem(log):
            raise AnswerError(text)
        first = first or first_gradients(log)
    return {**first, **results(log, losses, "two steps")}


# Steps with and without slips --------------------------------------------------------------------
bce = F.binary_cross_entropy_with_logits


def label_1(logits: Tensor) -> Tensor:
    return bce(logits, torch.ones_like(logits))


def label_0(logits: Tensor) -> Tensor:
    return bce(logits, torch.zeros_like(logits))


def three(
    real: Callable[[Tensor], Tensor] = label_1,
    fake: Callable[[Tensor], Tensor] = label_0,
    wrong: Callable[[Tensor], Tensor] = label_0,
    scale: float = 1.0,
) -> Callable[..., tuple[Tensor, Tensor]]:
    """D's loss in two parts: that of the real and the fake pairs, and that of the wrong ones."""

    def parts(logits: list[Tensor]) -> tuple[Tensor, Tensor]:
        game = real(logits[0]) + scale * fake(logits[1])
        return game, scale * wrong(logits[2]) if len(logits) > 2 else 0 * game

    return parts


def right_pairs(D: nn.Module, x: Tensor, fakes: Tensor, c: Tensor, other: Tensor) -> list[Tensor]:
    return [D(x, c), D(fakes, c), D(x, other)]


def right_conditions(c: Tensor, other: Tensor | None) -> dict[str, Tensor]:
    """Conditions of the fakes in D's turn; of G and of D in G's turn."""
    return {"fakes": c, "G": c, "D": c}


def as_returned(game: Tensor, wrong: Tensor, extra: Tensor, loss_G: Tensor) -> Any:
    return {"loss_D": game, "loss_G": loss_G}


def textbook_step(
    parts: Callable[..., tuple[Tensor, Tensor]] = three(),  # noqa: B008
    pairs: Callable[..., list[Tensor]] = right_pairs,
    conditions: Callable[..., dict[str, Tensor]] = right_conditions,
    loss_G: Callable[[Tensor], Tensor] = label_1,
    penalized: Callable[..., Tensor] = lambda penalty, D, x, c: penalty(lambda x: D(x, c), x),
    total: Callable[..., Tensor] = lambda game, wrong, extra: game + wrong + extra,
    result: Callable[..., Any] = as_returned,
    detach: bool = True,  # False is correct as well, but slower
) -> Step:
    """Make a step like that of most tutorials, with these choices."""

    def step(
        G: nn.Module,
        D: nn.Module,
        opt_G: Optimizer,
        opt_D: Optimizer,
        batches: Iterator[tuple[Tensor, Tensor]],
        sample_z: Callable[[int], Tensor],
        mislead: Callable[[Tensor], Tensor] | None = None,
        penalty: Callable[..., Tensor] | None = None,
    ) -> Any:
        x, c = next(batches)
        other = mislead(c) if mislead else None
        given = conditions(c, other)
        fakes = G(sample_z(len(x)), given["fakes"])
        fakes = fakes.detach() if detach else fakes
        logits = pairs(D, x, fakes, c, other) if mislead else [D(x, c), D(fakes, c)]
        game, wrong = parts(logits)
        extra = torch.zeros(())
        if penalty:
            extra = penalized(penalty, D, x, given.get("penalty", c))
        gan.descend(opt_D, total(game, wrong, extra))
        loss = loss_G(D(G(sample_z(len(x)), given["G"]), given["D"]))
        gan.descend(opt_G, loss)
        return result(game.detach(), wrong.detach(), extra.detach(), loss.detach())

    return step


def careful_step(
    G: nn.Module,
    D: nn.Module,
    opt_G: Optimizer,
    opt_D: Optimizer,
    batches: Iterator[tuple[Tensor, Tensor]],
    sample_z: Callable[[int], Tensor],
    mislead: Callable[[Tensor], Tensor] | None = None,
    penalty: Callable[..., Tensor] | None = None,
) -> dict[str, float]:
    """D's terms backpropagated apart, D frozen in G's turn, plain numbers returned."""
    x, c = next(batches)
    opt_D.zero_grad()
    if penalty:
        penalty(cgan.Conditioned(D, c), x).backward()
    if mislead:
        label_0(D(x, mislead(c))).backward()
    loss_real = label_1(D(x, c))
    loss_real.backward()
    with torch.no_grad():
        fakes = G(sample_z(len(x)), c)
    loss_fake = label_0(D(fakes, c))
    loss_fake.backward()
    opt_D.step()
    D.requires_grad_(False)
    loss = label_1(D(G(sample_z(len(x)), c), c))
    opt_G.zero_grad()
    loss.backward()
    opt_G.step()
    D.requires_grad_(True)
    return {"loss_D": (loss_real + loss_fake).item(), "loss_G": loss.item()}


step = textbook_step


def sum_of(loss: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """A loss that is summed over the batch."""
    return lambda logits: loss(logits) * len(logits)


EXERCISE = Exercise(
    id="5.9",
    title="A step of the conditional game",
    points=4,
    minutes=20,
    reference=cgan.conditional_step,
    cases=steps,
    observe=observe_step,
    parts=(
        Part("the gradient of D", 1, ("gradient of D*",)),
        Part("the gradient of G", 1, ("gradient of G*",)),
    ),
    slips={
        "D's third term has the target real: a real example with a wrong label is to be rejected, "
        "like a fake.": step(three(wrong=label_1)),
        "The labels in D's loss are swapped: real pairs are 1, fake pairs 0.": [
            step(three(label_0, label_1)),
            step(three(label_0, label_1, label_1)),
        ],
        "The third term is that of the fakes with wrong labels. It needs the real examples: "
        "D(x, mislead(c)).": step(
            pairs=lambda D, x, fakes, c, other: [D(x, c), D(fakes, c), D(fakes, other)]
        ),
        "The right and the wrong conditions of the real examples are swapped: D(x, c) is the real "
        "pair, D(x, mislead(c)) is to be rejected.": step(
            pairs=lambda D, x, fakes, c, other: [D(x, other), D(fakes, c), D(x, c)]
        ),
        "D gets each fake with a wrong label. A fake pair has the condition that G was given.": [
            step(pairs=lambda D, x, fakes, c, other: [D(x, c), D(fakes, other), D(x, other)]),
            step(conditions=lambda c, other: {"fakes": c if other is None else other, "G": c,
                                              "D": c}),
        ],
        "In G's turn D gets another condition than G. Both get c, the condition that the image is "
        "made for.": [
            step(conditions=lambda c, other: {"fakes": c, "G": c, "D": c.roll(1, 0)}),
            step(conditions=lambda c, other: {"fakes": c, "G": c.roll(1, 0), "D": c}),
            step(conditions=lambda c, other: {"fakes": c, "G": c,
                                              "D": c if other is None else other}),
            step(conditions=lambda c, other: {"fakes": c, "G": c if other is None else other,
                                              "D": c}),
        ],
        "In G's turn both networks get wrong conditions. These are for D's third term alone; G's "
        "turn uses c.": [
            step(conditions=lambda c, other, names=names: {"fakes": c}
                 | dict.fromkeys(names, c if other is None else other))
            for names in (("G", "D"), ("G", "D", "penalty"))
        ],
        "The third term has the wrong sign: saturating_loss is the mean of log(1 - D), which D "
        "ascends. Subtract it.": step(three(wrong=lambda logits: -label_0(logits))),
        "The third term has half a weight, as in Reed et al. Here all terms have the weight 1.": (
            step(three(wrong=lambda logits: 0.5 * label_0(logits)))
        ),
        "Where a penalty is given, the third term is missing in D's loss. Add both.": step(
            total=lambda game, wrong, extra: game + (extra if extra.requires_grad else wrong)
        ),
        "The wrong and the fake pairs have half a weight each, as in Reed et al. Here all terms "
        "have the weight 1.": step(
            lambda logits: three(scale=0.5)(logits) if len(logits) > 2 else three()(logits)
        ),
        "The third term is computed, but not part of the loss that D descends.": step(
            lambda logits: three(wrong=lambda wrong: 0 * wrong.sum())(logits)
        ),
        "The penalty is subtracted; add it to D's loss.": step(
            penalized=lambda penalty, D, x, c: -penalty(lambda x: D(x, c), x)
        ),
        "The penalty is computed, but not part of the loss that D descends.": step(
            penalized=lambda penalty, D, x, c: penalty(lambda x: D(x, c), x).detach()
        ),
        "The loss_D that you return holds the third term (or the penalty) too. D descends all of "
        "them, but loss_D is the loss of the real and fake pairs.": [
            step(result=lambda game, wrong, extra, g: {"loss_D": game + wrong, "loss_G": g}),
            step(result=lambda game, wrong, extra, g: {"loss_D": game + extra, "loss_G": g}),
            step(result=lambda game, wrong, extra, g: {"loss_D": game + wrong + extra,
                                                       "loss_G": g}),
        ],
        "The sign of D's loss is wrong: D descends -V, discriminator_loss(real, fake).": step(
            lambda logits: tuple(-part for part in three()(logits))
        ),
        "There is a sigmoid too many: the losses take logits, as D returns them.": [
            step(three(*[lambda logits, loss=loss: loss(logits.sigmoid())
                         for loss in (label_1, label_0, label_0)])),
            step(loss_G=lambda logits: label_1(logits.sigmoid())),
            step(three(*[lambda logits, loss=loss: loss(logits.sigmoid())
                         for loss in (label_1, label_0, label_0)]),
                 loss_G=lambda logits: label_1(logits.sigmoid())),
        ],
        "A loss is the mean over the batch, not the sum.": [
            step(three(*map(sum_of, (label_1, label_0, label_0))), loss_G=sum_of(label_1)),
            step(three(*map(sum_of, (label_1, label_0, label_0)))),
            step(loss_G=sum_of(label_1)),
        ],
        "G descends log(1 - D). Use non_saturating_loss, -log D, as in exercise 2.6.": step(
            loss_G=lambda logits: -label_0(logits)
        ),
        "G's loss has the target fake, so G learns to be recognized. Use "
        "non_saturating_loss.": step(loss_G=label_0),
        "The two losses are swapped in what you return.": step(
            result=lambda game, wrong, extra, g: {"loss_D": g, "loss_G": game}
        ),
    },
    alternatives=(step(), step(detach=False), careful_step),
    advice="List the pairs: D(x, c) is real; D(G(z, c), c) and, where mislead is given, "
    "D(x, mislead(c)) are not. G's turn has one pair, D(G(z, c), c).",
)  # fmt: skip
