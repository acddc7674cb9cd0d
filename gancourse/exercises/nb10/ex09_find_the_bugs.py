"""Exercise 10.9: a training loop with three bugs."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from operator import index
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters
from torch.optim import Optimizer

from gancourse.exercises.base import AnswerError, Case, Exercise, Observation
from gancourse.exercises.differences import RAW
from gancourse.exercises.nb02._step_log import BATCH, NOISE, Moment, StepLog
from gancourse.exercises.observe import integer
from gancourse.exercises.parts import Part
from gancourse.papers import gan

Loop = Callable[..., Any]
RUNS = {7: (3, 0.9), 11: (4, 0.75)}
"""Batch size -> iterations and the decay of the moving average; no two sizes are equal."""
START = 0.5
"""The average starts as so many times G: whether it moves, and how far, can be seen at once."""


def training_loop(
    G: nn.Module,
    D: nn.Module,
    opt_G: Optimizer,
    opt_D: Optimizer,
    average: nn.Module,
    batches: Iterator[Tensor],
    sample_z: Callable[[int], Tensor],
    steps: int,
    decay: float = 0.99,
) -> None:
    """Algorithm 1 for so many steps; `average` becomes the EMA of G's weights."""
    for _ in range(steps):
        gan.gan_step(G, D, opt_G, opt_D, batches, sample_z)
        gan.ema_update(average, G, decay)


def seeds(rng: torch.Generator) -> list[Case]:
    """Two runs that differ in the batch's size, the number of iterations and the decay."""
    return [
        Case((integer(rng, 0, 10**6), m), note=f"in {steps} iterations with decay = {decay}")
        for m, (steps, decay) in RUNS.items()
    ]


# What is measured --------------------------------------------------------------------------------
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
    changed = {name: x for name, x in seen.items() if not name.startswith(RAW)}
    return {"measurements that are wrong": torch.zeros(()), **changed}


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


# Loops with and without bugs ---------------------------------------------------------------------
def minus(x: Tensor) -> Tensor:
    return F.softplus(-x).mean()


def plus(x: Tensor) -> Tensor:
    return F.softplus(x).mean()


def log_loss(real: Tensor, fake: Tensor) -> Tensor:
    return minus(real) + plus(fake)


def loop(
    *,
    fixed_noise: bool = False,
    twice: bool = False,  # latent vectors are drawn in each turn
    clears: tuple[str, ...] = ("D", "G"),
    detach: bool = False,
    share: Callable[[float], float] | None = lambda decay: 1 - decay,
    loss_D: Callable[[Tensor, Tensor], Tensor] = log_loss,
    loss_G: Callable[[Tensor], Tensor] = minus,
    cut: bool = False,
    early: bool = False,
    size: Callable[[Tensor], int] = len,
) -> Loop:
    """The notebook's loop, with some of its bugs or others."""

    def answer(
        G: nn.Module,
        D: nn.Module,
        opt_G: Optimizer,
        opt_D: Optimizer,
        average: nn.Module,
        batches: Iterator[Tensor],
        sample_z: Callable[[int], Tensor],
        steps: int,
        decay: float = 0.99,
    ) -> None:
        z = None
        for _ in range(steps):
            x = next(batches)
            z = sample_z(size(x)) if z is None or not fixed_noise else z
            fakes = G(z).detach() if detach else G(z)
            loss = loss_D(D(x), D(fakes))
            if "D" in clears:
                opt_D.zero_grad()
            loss.backward()
            opt_D.step()
            z = sample_z(size(x)) if twice else z
            fakes = G(z).detach() if cut else G(z)
            if "G" in clears:
                opt_G.zero_grad()
            if early:
                update(average, G, share, decay)
            loss_G(D(fakes)).backward()
            opt_G.step()
            if not early:
                update(average, G, share, decay)

    return answer


def update(average: nn.Module, G: nn.Module, share: Any, decay: float) -> None:
    with torch.no_grad():
        for mean, p in zip(average.parameters(), G.parameters(), strict=True):
            if share:
                mean.lerp_(p, share(decay))


def one_per_turn(*args: Any, **kwargs: Any) -> None:
    loop(twice=True, detach=True)(*args, **kwargs)


EXERCISE = Exercise(
    id="10.9",
    title="Three bugs in a loop",
    points=3,
    minutes=18,
    reference=training_loop,
    cases=seeds,
    observe=observe_loop,
    conclude=conclude_loop,
    parts=(
        Part("the latent vectors", 1, ("latent vectors",)),
        Part("the gradients of G", 1, ("G",)),
    ),
    slips={
        "sample_z belongs inside the loop: so far G is trained on one fixed batch of latent "
        "vectors, and nothing is learned about any other.": [
            loop(fixed_noise=True),
            loop(fixed_noise=True, detach=True),
        ],
        "The gradients of all earlier iterations, and of D's loss, are still in G: call "
        "opt_G.zero_grad() before loss_G.backward().": [
            loop(clears=("D",)),
            loop(clears=("D",), twice=True),
        ],
        "Detached fakes keep D's loss out of G, but G still adds up its own gradients: call "
        "opt_G.zero_grad() in each iteration.": loop(clears=("D",), detach=True),
        "mean.lerp_(p, w) is (1 - w) * mean + w * p. The new weights get the small share, "
        "1 - decay.": [loop(share=lambda decay: decay), loop(share=lambda d: d, twice=True)],
        "That removes the moving average. It should follow G slowly, at 1 - decay.": loop(
            share=lambda decay: 1.0
        ),
        "The update of the average is missing: it belongs after opt_G.step().": loop(share=None),
        "Update the average after opt_G.step(), with G's new weights.": loop(early=True),
        "D's gradients are added up over the iterations now: keep opt_D.zero_grad().": [
            loop(clears=("G",)),
            loop(clears=("G",), twice=True, detach=True),
        ],
        "In G's turn the fakes need their graph: only D's turn may detach them.": loop(cut=True),
        "D learns the opposite: real examples have label 1, softplus(-D(x)), and fakes 0, "
        "softplus(D(fakes)).": loop(loss_D=lambda real, fake: log_loss(fake, real)),
        "D's loss is the sum of its two terms, as it was.": loop(
            loss_D=lambda real, fake: log_loss(real, fake) / 2
        ),
        "G's loss has the wrong label or sign now. It was right as it stood: descend "
        "softplus(-D(G(z))).": [loop(loss_G=plus), loop(loss_G=lambda fake: -minus(fake))],
        "Draw as many latent vectors as the batch has examples, sample_z(len(x)).": loop(
            size=lambda x: 64
        ),
    },
    alternatives=(loop(), loop(detach=True), loop(twice=True), one_per_turn),
    advice="Print, for three iterations: the number of calls of sample_z, the norm of G's gradient "
    "before opt_G.step(), and the distance between average and G. What should each be?",
)
