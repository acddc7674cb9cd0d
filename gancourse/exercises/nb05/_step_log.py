"""A conditional training step under observation: its calls, and what is wrong with them."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import vector_to_parameters

from gancourse.exercises.base import AnswerError
from gancourse.exercises.nb02._step_causes import sizes
from gancourse.exercises.nb02._step_log import BATCH, NOISE, Dense, LoggedSGD, StepLog
from gancourse.exercises.observe import seeded
from gancourse.papers import gan

MISLEAD, PENALTY = "mislead", "penalty"
CLASSES = 4
"""Other than the 3 numbers of an example and the 2 of a latent vector."""


class Pair(nn.Module):
    """An example or a latent vector, and a condition; a layer for each, then a joint one."""

    def __init__(self, first: int, hidden: int, out: int, rng: torch.Generator) -> None:
        super().__init__()
        self.first, self.second = Dense(first, hidden, rng), Dense(CLASSES, hidden, rng)
        self.last, self.out = Dense(hidden, out, rng), out

    def forward(self, a: Tensor, c: Tensor) -> Tensor:
        y = self.last(F.leaky_relu(self.first(a) * self.second(c), 0.2))
        return y if self.out > 1 else y.flatten()


def networks(rng: torch.Generator) -> dict[str, nn.Module]:
    """G, to examples of 3 numbers, and D, with one logit per pair."""
    return {"G": Pair(2, 5, 3, rng), "D": Pair(3, 6, 1, rng)}


class ConditionalLog(StepLog):
    """The arguments of a conditional step, which write a log.

    `wrong` and `penalized` say which options are given. An item of the batches holds examples and
    one-hot conditions.
    """

    def __init__(self, seed: int, wrong: bool, penalized: bool) -> None:
        rng = seeded(seed)
        self.nets, self.spare = networks(rng), networks(rng)
        self.parameters = {name: list(net.parameters()) for name, net in self.nets.items()}
        self.x_rng, self.z_rng, self.c_rng = (seeded(seed + n) for n in (1, 2, 3))
        self.optimizers = [LoggedSGD(net, name, self) for name, net in self.nets.items()]
        self.moments = []
        self.options = {MISLEAD: self.mislead if wrong else None}
        self.options |= {PENALTY: self.penalty} if penalized else {}
        self.wrong, self.penalized = wrong, penalized

    def iterate(self, answer: Callable[..., Any], m: int, k: int = 1) -> Any:
        """One step of an answer, with batches of m pairs; returns what it returned."""
        self.moments, self.m = [], m
        self.x = self.c = self.other = torch.zeros(0)
        given = *self.nets.values(), *self.optimizers, self, self.sample_z
        try:
            return answer(*given, **self.options)
        except NotImplementedError:
            raise
        except (RuntimeError, ValueError) as error:  # torch's: say what it means here
            text = str(error).split("\n")[0]
            if not (advice := advise(text, self)):
                raise
            kind = ValueError if isinstance(error, ValueError) else RuntimeError
            raise kind(f"{text}. {advice}") from error

    def __next__(self) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        x = super().__next__()
        labels = torch.randint(CLASSES, (self.m,), generator=self.x_rng)
        if not self.x.numel():
            self.x, self.c = x.clone(), F.one_hot(labels, CLASSES).float()
            return x, self.c.clone()
        return x, F.one_hot(labels, CLASSES).float()

    def mislead(self, c: Tensor) -> Tensor:
        """Another condition for each one of the batch."""
        if not same(c, self.c):
            raise AnswerError("mislead takes the conditions of the batch: mislead(c).")
        steps = torch.randint(1, CLASSES, (self.m,), generator=self.c_rng)
        self.other = F.one_hot((c.argmax(dim=1) + steps) % CLASSES, CLASSES).float()
        self.note(MISLEAD, self.other)
        return self.other.clone()

    def penalty(self, D: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """A function of D's logits at x, with a gradient for all weights."""
        if not same(x, self.x):
            raise AnswerError("penalty takes the real examples x: penalty(Conditioned(D, c), x).")
        if D is self.nets["D"] or not callable(D):
            raise AnswerError(FIXED)
        logits = D(x)
        with torch.no_grad():
            expected = self.nets["D"](x, self.c)
        if not same(logits.detach(), expected):
            raise AnswerError(
                "The D that penalty gets should be D with the conditions of the real examples: "
                "Conditioned(D, c)."
            )
        self.note(PENALTY)
        return logits.square().mean() / 2


FIXED = "penalty(D, x) calls D(x), with one argument: give it Conditioned(D, c), not D itself."


def same(a: Any, b: Tensor) -> bool:
    """Whether these are the values, up to rounding."""
    return isinstance(a, Tensor) and a.shape == b.shape and torch.allclose(a, b, atol=1e-6)


def advise(text: str, log: ConditionalLog) -> str:
    """What an error of torch means in a conditional step; empty for others."""
    if "does not require grad" in text and not log.count("opt_D.step()"):
        return (
            "In D's turn only G(z, c) belongs under no_grad() or detach(): D's logits and the loss "
            "need their graph."
        )
    if "does not require grad" in text:
        return "In G's turn nothing belongs under no_grad() or detach(): its loss needs its graph."
    if "mat1 and mat2" in text:
        return "G takes (z, c) and D takes (x, c), in this order; z comes from sample_z(len(x))."
    return ""


# What is wrong with a step, in words --------------------------------------------------------------
def problem(log: ConditionalLog) -> str:
    """What is wrong with the calls of a step, or with an optimizer's gradient; empty if nothing."""
    for name, parameters in log.parameters.items():
        if not all(p.requires_grad for p in parameters):
            return (
                f"After your step the weights of {name} don't require a gradient any more, so the "
                f"next step can't train it. End with {name}.requires_grad_(True)."
            )
    return _calls(log) or _order(log) or _gradients(log)


def _calls(log: ConditionalLog) -> str:
    """Which calls are too few or too many, and what to do."""
    wanted = {BATCH: 1, NOISE: 2, "opt_D.step()": 1, "opt_G.step()": 1}
    wanted |= {MISLEAD: int(log.wrong), PENALTY: int(log.penalized)}
    wrong = [call for call, n in wanted.items() if log.count(call) != n]
    if not wrong:
        return ""
    counts = [f"{call} {log.count(call)}, should be {wanted[call]}" for call in wrong]
    return f"Number of calls in one step: {'; '.join(counts)}. {_what_to_do(log, wrong)}".strip()


def _what_to_do(log: ConditionalLog, wrong: list[str]) -> str:
    n = log.count
    if not n("opt_D.step()") or not n("opt_G.step()"):
        return f"Without its optimizer's step {'D' if n('opt_G.step()') else 'G'} never moves."
    if BATCH in wrong and n(BATCH):
        return "G's turn needs no new batch: it uses the conditions c of the same one."
    if n("opt_D.step()") > 1:
        return "D takes one step: add all terms of its loss first."
    if n(MISLEAD) > 1:
        return "Draw the wrong conditions once: a second call returns others."
    if MISLEAD in wrong:
        return "Where mislead is given, D's loss has a third term: real examples with mislead(c)."
    if PENALTY in wrong:
        return "Where penalty is given, add penalty(Conditioned(D, c), x) to D's loss once."
    if wrong != [NOISE]:
        return ""
    if n(NOISE) == 1 and not log.moments[log.steps("G")[0]].gradients["G"].any():
        return (
            "G's turn uses the fakes of D's turn again, which have no graph: G has no gradient and "
            "never moves. Draw fresh noise: D(G(sample_z(len(x)), c), c)."
        )
    return (
        "Draw fresh noise with sample_z(len(x)) once in each turn, for as many as there are in x."
    )


def _order(log: ConditionalLog) -> str:
    if log.steps("G")[0] < log.steps("D")[0]:
        return "opt_G.step() comes before opt_D.step(), but D's turn comes first."
    return sizes(log)


def _gradients(log: ConditionalLog) -> str:
    """A step without a gradient, or with an old one in it."""
    for name in "DG":
        place = log.steps(name)[0]
        now = log.moments[place].gradients[name]
        if not now.any():
            return (
                f"At opt_{name}.step() {name} has no gradient, so it can't move: is backward() "
                "missing, does a zero_grad() come after it, or is its input detached or made under "
                "no_grad()?"
            )
        begin = 0 if name == "D" else log.last(NOISE, place) or 0
        old = log.moments[begin].gradients[name]
        if old.any() and same(now, expected(log, name) + old):
            return (
                f"opt_{name}.step() uses the new gradient plus an old one. Call opt_{name}."
                "zero_grad() before backward(), or use descend."
            )
    return ""


def expected(log: ConditionalLog, name: str) -> Tensor:
    """The gradient that an optimizer's step should follow."""
    place = log.steps(name)[0]
    for net_name, net in log.spare.items():
        vector_to_parameters(log.moments[place].weights[net_name], net.parameters())
    G, D = log.spare.values()
    z_D, z_G = (moment.given for moment in log.moments if moment.call == NOISE)
    if name == "G":
        loss = gan.non_saturating_loss(D(G(z_G, log.c), log.c))
    else:
        real = D(log.x, log.c)
        loss = gan.discriminator_loss(real, D(G(z_D, log.c).detach(), log.c))
        if log.wrong:
            loss = loss - gan.saturating_loss(D(log.x, log.other))
        if log.penalized:
            loss = loss + real.square().mean() / 2
    parts = torch.autograd.grad(loss, list(log.spare[name].parameters()))
    return torch.cat([part.flatten() for part in parts])
