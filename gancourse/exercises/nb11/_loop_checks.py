"""What is wrong with a training loop, found by measuring what it does.

Each check returns a sentence, or an empty string. No sentence has a number that depends on the
settings of a loop: two loops with the same mistake get the same one.
"""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer

from gancourse.exercises.base import AnswerError
from gancourse.exercises.nb11._loop_run import COUNT, Run, Setting, flat, memory, peek, samples
from gancourse.training.player import expand

FIRST, SAVED, ALL = 3, 13, 24
"""Steps of the first measurements; steps before an interruption; steps of that run."""
LONG = (10, 20, 30, 45, 65, 90, 120, 160, 220, 300, 400)
"""Steps of the long run after which samples are measured; it ends as soon as all is well."""
NEARER, RANKED = 0.75, 0.9
"""Share of the first distance from the data; share of pairs that D has to rank."""
MANY = 12
"""Steps of an optimizer in one iteration that are too many."""

Answer = Callable[..., Any]


def chance() -> tuple:
    """The state of all global generators."""
    _, keys, *rest = np.random.get_state()
    return torch.get_rng_state().tolist(), random.getstate(), keys.tolist(), rest


# The first steps ---------------------------------------------------------------------------------
class First:
    """The first steps of a run, and what each of them changed."""

    def __init__(self, answer: Answer, given: Setting, seed: int) -> None:
        self.answer, self.given, self.seed = answer, given, seed
        before = chance()
        self.run = run = Run(answer, given, ALL, seed)
        self.before = self.weights()
        self.z: list[list[Tensor]] = []
        self.x: list[list[Tensor]] = []
        self.most, self.arrived, self.finite = 0, 0, True
        self.effect = {"D": 0.0, "G": 0.0}
        self.optimizers: list[int] = []
        for _ in range(FIRST):
            fakes = peek(run.G, given.z)
            margin = self.margin(fakes)
            losses = run.take()
            if text := left(run):
                raise AnswerError(text)
            self.effect["D"] += self.margin(fakes) - margin
            moved = peek(run.G, given.z)
            self.effect["G"] += (peek(run.D, moved).mean() - peek(run.D, fakes).mean()).item()
            self.finite &= all(bool(loss.isfinite()) for loss in losses.values())
            self.most = max([self.most, *run.events.values()])
            self.optimizers.append(len(run.optimizers))
            self.arrived = max(self.arrived, run.G.arrived)
            self.z.append(run.G.forget())
            self.x.append(run.D.forget())
        self.after, self.used_chance = self.weights(), chance() != before

    def margin(self, fakes: Tensor) -> float:
        """By how much D rates the data above these fakes, on average."""
        return (peek(self.run.D, self.given.x).mean() - peek(self.run.D, fakes).mean()).item()

    def weights(self) -> dict[str, Tensor]:
        return {name: flat(net) for name, net in self.run.nets.items()}

    def again(self, clear: str = "", seed: int | None = None, **other: Any) -> dict[str, Tensor]:
        """The weights after another such run, with gradients set to 0 before each step."""
        seed = self.seed if seed is None else seed
        run = Run(self.answer, self.given, ALL, seed, watched=0, **other)
        for _ in range(FIRST):
            run.clear(clear)
            run.take()
        return {name: flat(net) for name, net in run.nets.items()}


def left(run: Run) -> str:
    """In which state a step leaves the networks."""
    for name, net in run.nets.items():
        if not all(m.training for m in net.modules()):
            return f"After a step {name} is in eval mode: call {name}.train() before the next one."
        if not all(p.requires_grad for p in net.parameters()):
            return (
                f"After a step weights of {name} don't require gradients, so that the next one "
                f"can't train it: {name}.requires_grad_(True)."
            )
    return ""


def first_problem(first: First, last: Callable[[First], str]) -> str:
    """What is wrong with the first steps; `last` is one of the two checks that need other runs."""
    checks = still, side_effects, inputs, directions, last
    return next((text for check in checks if (text := check(first))), "")


def still(first: First) -> str:
    """A network that does not move, or whose losses are no numbers."""
    run = first.run
    if first.most > MANY:
        return "step() makes many iterations. It should make one: `train` calls it `steps` times."
    for name in "DG":
        if not first.after[name].isfinite().all():
            return f"After {FIRST} steps weights of {name} are nan or infinite."
        if first.after[name].equal(first.before[name]):
            return f"After {FIRST} steps the weights of {name} are as they were. {why(run, name)}"
    return "" if first.finite else "A loss is nan or infinite in the first steps."


def why(run: Run, name: str) -> str:
    """What was seen of a network's optimizer, for one that does not move."""
    if not run.optimizers:
        return ""
    if not any(name in run.of(optimizer) for optimizer in run.optimizers):
        others = [run.of(optimizer) for optimizer in run.optimizers]
        twice = " There are two for the other network." if len(others) > 1 else ""
        return f"No optimizer that steps has them.{twice}"
    if name not in run.blind:
        return "Its optimizer steps, with a gradient."
    if name == "G" and first_arrivals(run):
        return (
            "Its optimizer steps and backward() reaches G, but the gradient is 0 or None by then."
        )
    return "Its optimizer steps, but it has no gradient."


def first_arrivals(run: Run) -> bool:
    """Whether a gradient reaches G's output in one more step."""
    run.G.forget()
    run.take()
    return run.G.arrived > 0


def side_effects(first: First) -> str:
    """What a step changes that it should leave."""
    run = first.run
    if not run.images.equal(first.given.images):
        return "A step changes `images`. Compute with a copy."
    if first.used_chance:
        return (
            "A global generator of random numbers is used: torch's, NumPy's or Python's. Draw from "
            "the given one: torch.randn(m, dim, generator=rng, device=rng.device)."
        )
    if run.rng.initial_seed() != first.seed:
        return "Your code seeds `rng` again, so that numbers repeat. Only draw from it."
    if first.optimizers[-1] > first.optimizers[0]:
        return (
            "Each step makes a new optimizer, which knows nothing of earlier steps. Make both "
            "once, before step."
        )
    return ""


def directions(first: First) -> str:
    """Whether each player follows its goal."""
    D_wrong, G_wrong = (not first.effect[name] > 0 for name in "DG")
    if first.run.both:
        return "One optimizer's step changes D and G. In each turn only one of them should move."
    if D_wrong and (text := real_and_fake(first)):
        return text
    more = " G gets a gradient more than once in a step." if first.arrived > 1 else ""
    if D_wrong and G_wrong:
        return f"D learns to rate images below fakes, and G to lower D's logits of fakes.{more}"
    if D_wrong:
        return "D's steps lower its logits of images relative to those of fakes."
    return f"G's steps lower D's logits of its fakes.{more}" if G_wrong else ""


def inputs(first: First) -> str:
    """What the networks are given."""
    x = torch.cat([part.flatten(1) for part in first.x[0] if part.dim() > 1] or [torch.zeros(1, 1)])
    edge = x.mean(1) if first.given.bright else -x.mean(1)
    if x.abs().max() > 3 or (edge > 0.55).double().mean() < 0.08:
        return "The images that D gets are not those of `images`, scaled from 0..255 to [-1, 1]."
    old = {part.numpy().tobytes() for part in first.z[0]}
    for z in first.z[1:]:
        if z and all(part.numpy().tobytes() in old for part in z):
            return "G gets the same latent vectors in every step: draw z inside step."
    rows = [seen(first, n) for n in range(FIRST)]
    if rows[0] and all(r == rows[0] for r in rows) and len(rows[0]) < COUNT:
        return "D gets the same real images in every step: draw a batch inside step."
    return ""


def seen(first: First, step: int) -> set[int]:
    """Which of the images D was given in a step, as they are."""
    return matched(first.x[step], first.given)


def matched(inputs_of_D: list[Tensor], given: Setting) -> set[int]:
    rows = [part.flatten(1) for part in inputs_of_D if part[0].numel() == given.x[0].numel()]
    if not rows:
        return set()
    distance, index = torch.cdist(torch.cat(rows), given.x.flatten(1)).min(dim=1)
    return set(index[distance < 0.02].tolist())


def chance_and_past(first: First) -> str:
    """Whether the weights depend on gradients of earlier steps, on chance, and on rng."""
    if not equal(first.again("GD"), first.after):
        if not equal(first.again(), first.after):
            return "Two runs with equal seeds of `rng` differ: something else is random."
        names = [n for n in "DG" if not equal(first.again(n), first.after)]
        return f"Gradients of {' and '.join(names)} from an earlier step take part in the next."
    other = first.again(seed=first.seed + 1)
    if any(other[name].equal(first.after[name]) for name in "DG"):
        return (
            "Two runs with different seeds of `rng` are equal: is there a generator of your own, "
            "with a fixed seed?"
        )
    return ""


def real_and_fake(first: First) -> str:
    """Whether D's weights depend on the images and on the fakes."""
    other = first.again(images=255 - first.given.images)
    if other["D"].equal(first.after["D"]):
        return "D's weights don't depend on the images: D never learns what is real."
    if first.again(G=first.given.another)["D"].equal(first.after["D"]):
        return "D's weights don't depend on G: D never sees a fake."
    return ""


def equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return all(torch.allclose(a[name], b[name], rtol=1e-4, atol=1e-7) for name in b)


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
        self.buffers = [b.clone() for b in run.average.buffers() if b.dim()]

    def now(self) -> Tensor:
        """Its weights, or its images if it is built in another way than G."""
        return self.of(self.run.average)

    def of(self, net: torch.nn.Module) -> Tensor:
        shapes = [[p.shape for p in n.parameters()] for n in (self.run.average, self.run.G)]
        if shapes[0] == shapes[1]:
            return flat(net)
        return samples(net, self.run.given.z).flatten()

    def problem(self, before: Tensor) -> str:
        """After a step of G, which was `before` then."""
        run, now, G = self.run, self.now(), self.of(self.run.G)
        if now.equal(self.start):
            return "`average` never changes."
        lag, step = (now - G).norm(), (G - before).norm()
        if lag < 0.3 * step:
            return "`average` hardly differs from G: it does not average over steps."
        buffers = [b for b in run.average.buffers() if b.dim()]
        if buffers and all(a.equal(b) for a, b in zip(buffers, self.buffers, strict=True)):
            return "The buffers of `average` (batch norm's moving averages) stay as they were."
        images = samples(run.average, run.given.z)
        if images.shape[1:] != run.given.x.shape[1:] or len(images) != len(run.given.z):
            return "`average` doesn't return images for latent vectors z."
        return ""


# After an interruption ---------------------------------------------------------------------------
def resumed_problem(answer: Answer, given: Setting, seed: int) -> str:
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
def long_problem(answer: Answer, given: Setting, seed: int) -> str:
    """Train until samples are near the data and D ranks data above the first fakes."""
    run, done = Run(answer, given, LONG[-1], seed, D=given.neutral), 0
    level, fakes = given.x.mean(), peek(run.G, given.z)
    start, near, ranked, followed = abs(fakes.mean() - level), False, False, False
    for stop in LONG:
        for _ in range(stop - done):
            losses = run.take()
            run.G.forget(), run.D.forget()
        done = stop
        if not all(loss.isfinite() for loss in losses.values()):
            return "A loss becomes nan or infinite in a longer run."
        near |= bool(abs(peek(run.G, given.z).mean() - level) < NEARER * start)
        average = samples(run.average, given.z)
        followed |= bool(near and abs(average.mean() - level) < start)
        above = peek(run.D, given.x)[:, None] > peek(run.D, fakes)
        ranked |= bool(above.double().mean() > RANKED)
        if near and ranked and followed:
            return ""
    if not ranked:
        return f"After {done} steps D doesn't rate the images above the first fakes."
    if not near:
        return f"After {done} steps the samples of G are not nearer to the images."
    return f"After {done} steps the samples of `average` are not nearer to the images."
