"""What is observed of a training loop with a moving average, and what is wrong with it.

A `StepLog` has the calls of the loop, and the state of both networks at each of them.
"""

from collections.abc import Callable
from copy import deepcopy
from operator import index
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from gancourse.exercises.base import AnswerError, Case, Observation
from gancourse.exercises.differences import RAW
from gancourse.exercises.nb02._step_log import BATCH, NOISE, Moment, StepLog
from gancourse.papers import gan

Loop = Callable[..., Any]
RUNS = {7: (3, 0.9), 11: (4, 0.75)}
"""Batch size -> iterations and the decay of the moving average; no two sizes are equal."""
START = 0.5
"""The average starts as so many times G: whether it moves, and how far, can be seen at once."""


def observe_loop(answer: Loop, case: Case) -> Observation:
    """What the loop called, the state of both networks then, and the moving average."""
    seed, m = case.args
    steps, decay = RUNS[m]
    log = StepLog(seed)
    log.m = m
    G, D = log.nets.values()
    average = deepcopy(G)
    with torch.no_grad():
        for p in average.parameters():
            p.mul_(START)
    answer(G, D, *log.optimizers, average, log, log.sample_z, index(steps), decay)
    if text := calls(log, steps):
        raise AnswerError(text)
    raw = {f"{RAW}average": weights(average), f"{RAW}G": weights(G)}
    for n, moment in enumerate(log.moments):
        raw[f"{RAW}{n} {moment.call}"] = moment.given
        for what, values in (("weights", moment.weights), ("gradients", moment.gradients)):
            raw |= {f"{RAW}{n} {what} {name}": x for name, x in values.items()}
    return raw


def conclude_loop(seen: Observation, case: Case) -> Observation:
    """What is wrong: with noise, the gradients that both players follow, and the moving average."""
    seed, m = case.args
    steps, decay = RUNS[m]
    log, every = StepLog(seed), {n.removeprefix(RAW): x for n, x in seen.items()}
    start = START * weights(log.nets["G"])
    log.m, G, average = m, every.pop("G"), every.pop("average")
    numbered = [n.split(" ", 1) for n in every if n[0].isdigit()]
    for n, call in numbered:
        if call.split(" ")[0] in ("weights", "gradients"):
            continue
        states = [
            {net: every[f"{n} {what} {net}"] for net in log.nets}
            for what in ("weights", "gradients")
        ]
        log.moments.append(Moment(call, every[f"{n} {call}"], *states))
    if text := calls(log, steps):
        raise AnswerError(text)
    if any(not w.equal(weights(log.nets[net])) for net, w in log.moments[0].weights.items()):
        raise AnswerError("Your loop does not begin with the networks that it is given.")
    wrong = {
        "latent vectors": noise(log),
        "D": player(log, "D"),
        "G": player(log, "G"),
        "the average": moved(log, G, average, start, decay),
    }
    if texts := [text for text in wrong.values() if text]:
        raise AnswerError(" ".join(texts), [name for name, text in wrong.items() if not text])
    return {"measurements that are wrong": torch.zeros(())}


def calls(log: StepLog, steps: int) -> str:
    """Steps and batches that are too few or too many, or in the wrong order."""
    for call in (BATCH, "opt_D.step()", "opt_G.step()"):
        if log.count(call) != steps:
            return f"In {steps} iterations your loop calls {call} {log.count(call)} times."
    if any(g < d for d, g in zip(log.steps("D"), log.steps("G"), strict=True)):
        return "opt_G.step() comes before opt_D.step(); D's turn comes first, as in Algorithm 1."
    return ""


def iterations(log: StepLog) -> list[tuple[int, int]]:
    """Begin and end of each iteration in the log: it ends with G's step."""
    ends = [place + 1 for place in log.steps("G")]
    return list(zip([0, *ends], ends, strict=False))


def noise(log: StepLog) -> str:
    """Whether each iteration draws latent vectors of its own, as many as a batch has examples."""
    draws = [len(moment.given) for moment in log.moments if moment.call == NOISE]
    if not draws:
        return "Your loop never calls sample_z."
    if set(draws) != {log.m}:
        return f"sample_z draws {draws[0]} latent vectors for a batch of {log.m} examples."
    for number, (begin, end) in enumerate(iterations(log), start=1):
        if not any(moment.call == NOISE for moment in log.moments[begin:end]):
            return f"In iteration {number} no latent vector is drawn: those of before are used."
    return ""


def player(log: StepLog, name: str) -> str:
    """How the gradient that a player's steps follow differs from that of its loss."""
    for number, (begin, end) in enumerate(iterations(log), start=1):
        place = next(n for n in log.steps(name) if begin <= n < end)
        now = log.moments[place].gradients[name]
        if not now.any():
            return f"At opt_{name}.step() in iteration {number} the gradient of {name} is 0."
        right = own_gradients(log, name, begin, place)
        if any(torch.allclose(now, own, rtol=1e-3, atol=1e-6) for own in right):
            continue
        before = log.moments[log.steps("D")[number - 1] if name == "G" else begin].gradients[name]
        return f"At opt_{name}.step() in iteration {number} the gradient {how(now, right, before)}."
    return ""


def how(now: Tensor, right: list[Tensor], before: Tensor) -> str:
    """How a gradient differs from that of the player's loss; `before` was there already."""
    if before.any() and any(torch.allclose(now, g + before, rtol=1e-3, atol=1e-6) for g in right):
        return "is the sum of that of the loss and of one that was there before"
    cosines = [torch.cosine_similarity(now, g, dim=0).item() for g in right]
    cosine = max(cosines, key=abs)
    if abs(cosine) < 0.9999:
        return "has another direction than that of the loss"
    return f"{'has another length than' if cosine > 0 else 'is opposite to'} that of the loss"


def own_gradients(log: StepLog, name: str, begin: int, place: int) -> list[Tensor]:
    """Gradients of a player's loss alone, for each noise that the iteration may have used."""
    here = range(begin, place)
    batch = log.last(BATCH, place)
    drawn = [n for n in here if log.moments[n].call == NOISE] or [log.last(NOISE, place)]
    for net_name, net in log.spare.items():
        vector_to_parameters(log.moments[place].weights[net_name], net.parameters())
    G, D = log.spare.values()
    found = []
    for n in drawn:
        if n is None or batch is None:
            continue
        x, z = log.moments[batch].given, log.moments[n].given
        if name == "D":
            loss = gan.discriminator_loss(D(x), D(G(z).detach()))
        else:
            loss = gan.non_saturating_loss(D(G(z)))
        parts = torch.autograd.grad(loss, list(log.spare[name].parameters()))
        found.append(torch.cat([part.flatten() for part in parts]))
    return found or [torch.zeros_like(log.moments[place].gradients[name])]


def moved(log: StepLog, G: Tensor, now: Tensor, start: Tensor, decay: float) -> str:
    """How the moving average differs from decay * average + (1 - decay) * G after each step."""
    later = [*(log.moments[n].weights["G"] for n in log.steps("G")[1:]), G]
    if torch.allclose(now, start):
        return "The average never moves."
    for share, text in AVERAGES.items():
        expected = start
        for w in later:
            part = {"decay": decay, "1 - decay": 1 - decay, "0": 0.0}[share]
            expected = part * expected + (1 - part) * w
        if torch.allclose(now, expected, rtol=1e-3, atol=1e-5):
            return text
    return "After the loop the average is not the EMA of G's weights after each step of G."


AVERAGES = {
    "decay": "",
    "1 - decay": "In each iteration the average keeps the share 1 - decay of itself, not decay.",
    "0": "After the loop the average is a copy of G.",
}


def weights(net: nn.Module) -> Tensor:
    return parameters_to_vector(net.parameters()).detach().clone()
