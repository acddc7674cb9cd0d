"""What is wrong with a training loop, by measuring whole runs: its average, a resumed run, samples.

Each check returns a sentence, or an empty string, as in `_loop_first`.
"""

from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from gancourse.exercises.nb11._loop_run import (
    ALL,
    COUNT,
    Answer,
    Recorder,
    Run,
    Setting,
    flat,
    matched,
    memory,
    peek,
    samples,
)  # fmt: skip
from gancourse.training.player import expand

SAVED = 13
"""Steps before an interruption."""
LONG = (10, 20, 30, 45, 65, 90, 120, 160, 220, 300, 400)
"""Steps of the long run after which samples are measured; it ends as soon as all is well."""
LATE = 130
"""Steps of the long run after which both networks are still trained."""
NEARER, RANKED = 0.75, 0.9
"""Share of the first distance from the data; share of pairs that D has to rank."""


# The average -------------------------------------------------------------------------------------
def average_at_start(run: Run) -> str:
    if run.average is run.G:
        return "`average` is G itself. Make a copy: copy.deepcopy(G)."
    if memory(run.average) & memory(run.G):
        return "`average` shares its weights with G. Make a deep copy: copy.deepcopy(G)."
    return ""


class Average:
    """What becomes of `average` in a run."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.start = self.now()
        self.parameters = [p.detach().clone() for p in run.average.parameters()]
        self.buffers = [b.clone() for b in run.average.buffers() if b.dim()]

    def now(self) -> Tensor:
        """Its weights, or its images if it is built in another way than G."""
        return self.of(self.run.average)

    def of(self, net: torch.nn.Module) -> Tensor:
        shapes = [[p.shape for p in n.parameters()] for n in (self.run.average, self.run.G)]
        if shapes[0] == shapes[1]:
            return flat(net)
        return samples(net, self.run.given).flatten()

    def problem(self, before: Tensor) -> str:
        """After a step of G, which was `before` then."""
        run, now, G = self.run, self.now(), self.of(self.run.G)
        if now.equal(self.start):
            return "`average` never changes."
        trained = [p.detach() for p in run.G.parameters()]
        for p, old, new in zip(run.average.parameters(), self.parameters, trained, strict=False):
            if p.detach().equal(old) and p.shape == new.shape and (new - old).abs().max() > 1e-3:
                return "Some weights of `average` never change: go through all of G's parameters."
        lag, step = (now - G).norm(), (G - before).norm()
        if lag < 0.3 * step:
            return "`average` hardly differs from G: it does not average over steps."
        buffers = [b for b in run.average.buffers() if b.dim()]
        if buffers and all(a.equal(b) for a, b in zip(buffers, self.buffers, strict=True)):
            return "The buffers of `average` (batch norm's moving averages) stay as they were."
        samples(run.average, run.given)
        return ""


# After an interruption ---------------------------------------------------------------------------
def resumed_problem(answer: Answer, given: Setting, seed: int, raw: dict[str, Tensor]) -> str:
    """Compare a run with one that is resumed from its checkpoint."""
    run = Run(answer, given, ALL, seed)
    if text := average_at_start(run):
        return text
    average, state, rest, z = Average(run), None, [], []
    used: set[int] = set()
    for n in range(1, ALL + 1):
        before = average.of(run.G)
        losses = run.take()
        z += run.G.forget()
        used |= matched(run.D.forget(), given)
        if n == SAVED:
            if text := average.problem(before):
                return text
            state = run.saved()
        elif n > SAVED:
            rest.append(torch.stack(list(losses.values())))
    if text := noise(z) or part(used):
        return text
    other = Run(answer, given, ALL, seed)
    other.restore(state)
    again = [torch.stack(list(other.take().values())) for _ in rest]
    now = {"G": (run.G, other.G), "D": (run.D, other.D), "average": (run.average, other.average)}
    states = [[[*net.parameters(), *net.buffers()] for net in pair] for pair in now.values()]
    pairs = [pair for a, b in states for pair in zip(a, b, strict=True)]
    pairs += list(zip(rest, again, strict=True))
    if all(torch.allclose(a.double(), b.double(), rtol=1e-4, atol=1e-6) for a, b in pairs):
        return ""
    return f"After an interruption the run continues differently. {lacking(run)}"


def part(used: set[int]) -> str:
    """Whether these are images of the first half only, though many batches were drawn."""
    if used and max(used) < COUNT // 2:
        return "Only the first of the images are used: draw indices up to len(images)."
    return ""


def noise(z: list[Tensor]) -> str:
    """Whether latent vectors are normal: so are those with which samples are drawn later."""
    values = torch.cat([part.flatten() for part in z]) if z else torch.randn(0)
    if len(values) and (abs(values.mean()) > 0.15 or abs(values.std() - 1) > 0.15):
        return (
            "The latent vectors don't have mean 0 and standard deviation 1. Use torch.randn: "
            "samples are drawn with normal z later."
        )
    return ""


def lacking(run: Run) -> str:
    """What `keep` lacks, as far as this can be seen."""
    kept = list(expand(run.keep).values())
    weights = {id(p) for x in kept if isinstance(x, torch.nn.Module) for p in x.parameters()}
    nets = {**run.nets, "average": run.average}
    found = [n for n, net in nets.items() if not {id(p) for p in net.parameters()} <= weights]
    found += [] if any(x is run.rng for x in kept) else ["rng"]
    for optimizer in run.optimizers:
        found += [f"the {what} of {' and '.join(run.of(optimizer)) or 'a network'}"
                  for what in parts_of(optimizer, kept)]  # fmt: skip
    if found:
        return f"`keep` lacks: {', '.join(found)}."
    return (
        "Networks, optimizers and rng are in `keep`, so something else changes from step to step: "
        "a counter, a schedule, an iterator, a variable."
    )


def parts_of(optimizer: Optimizer, kept: list[Any]) -> list[str]:
    """What is missing for an optimizer."""
    missing = []
    if optimizer.state and not any(x is optimizer for x in kept):
        missing.append("optimizer")
    if any("initial_lr" in group for group in optimizer.param_groups):
        if not any(getattr(x, "optimizer", None) is optimizer for x in kept):
            missing.append("learning-rate schedule")
    return missing


# The long run ------------------------------------------------------------------------------------
def long_problem(answer: Answer, given: Setting, seed: int, raw: dict[str, Tensor]) -> str:
    """Train until samples are near the data and D ranks data above the first fakes.

    The weights of G and D then are added to `raw`.
    """
    run, done = Run(answer, given, LONG[-1], seed, D=given.neutral), 0
    level, start = given.x.mean(), distance(given, peek(run.G, given.z))
    followed = False
    for stop in LONG:
        for _ in range(stop - done):
            losses = run.take()
            run.G.forget(), run.D.forget()
        done = stop
        if not all(loss.isfinite() for loss in losses.values()):
            return "A loss becomes nan or infinite in a longer run."
        if "G" not in raw and near(given, run.G):
            raw["G"] = flat(run.G)
        if "D" not in raw and ranks(given, run.D):
            raw["D"] = flat(run.D)
        average = samples(run.average, given)
        followed |= bool("G" in raw and abs(average.mean() - level) < start)
        if {"G", "D"} <= {*raw} and followed:
            return late(run, done)
    if "D" not in raw:
        return f"After {done} steps D doesn't rate the images above the first fakes."
    if "G" not in raw:
        return f"After {done} steps the samples of G are not nearer to the images."
    return f"After {done} steps the samples of `average` are not nearer to the images."


def distance(given: Setting, fakes: Tensor) -> Tensor:
    """Of the mean brightness of fakes from that of the images."""
    return abs(fakes.mean() - given.x.mean())


def near(given: Setting, G: Recorder) -> bool:
    """Whether G's samples are nearer to the images than those of the first G."""
    first = distance(given, peek(given.G, given.z))
    return bool(distance(given, peek(G, given.z)) < NEARER * first)


def ranks(given: Setting, D: Recorder) -> bool:
    """Whether D rates the images above the first fakes."""
    above = peek(D, given.x)[:, None] > peek(D, peek(given.G, given.z))
    return bool(above.double().mean() > RANKED)


def late(run: Run, done: int) -> str:
    """Whether both networks are still trained shortly before the end of the run."""
    for _ in range(LATE - done):
        run.take()
        run.G.forget(), run.D.forget()
    rates = [group["lr"] for optimizer in run.optimizers for group in optimizer.param_groups]
    if min(rates, default=0) < 0:
        return f"A learning rate is negative in step {LATE} of {LONG[-1]}."
    before = {name: flat(net) for name, net in run.nets.items()}
    run.take()
    if still := [name for name, net in run.nets.items() if flat(net).equal(before[name])]:
        return (
            f"In step {LATE} of {LONG[-1]} the weights of {' and '.join(still)} don't change any "
            "more. Is the decay's length `steps`?"
        )
    return ""
