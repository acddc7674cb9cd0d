"""What is wrong with a training loop, by measuring its first steps.

Each check returns a sentence, or an empty string. No sentence has a number that depends on the
settings of a loop: two loops with the same mistake get the same one.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from gancourse.exercises.base import AnswerError
from gancourse.exercises.nb11._loop_run import (
    ALL,
    COUNT,
    FIRST,
    Answer,
    Run,
    Setting,
    flat,
    load,
    matched,
    peek,
)  # fmt: skip

MANY = 12
"""Steps of an optimizer in one iteration that are too many."""


class First:
    """The first steps of a run, and what each of them changed."""

    def __init__(self, answer: Answer, given: Setting, seed: int) -> None:
        self.answer, self.given, self.seed = answer, given, seed
        before = torch.get_rng_state()
        self.run = run = Run(answer, given, ALL, seed)
        self.before = self.weights()
        self.z: list[list[Tensor]] = []
        self.x: list[list[Tensor]] = []
        self.most, self.arrived, self.finite = 0, 0, True
        self.optimizers: list[int] = []
        self.steps: list[dict[str, Tensor]] = []
        for _ in range(FIRST):
            losses = run.take()
            if text := left(run):
                raise AnswerError(text)
            self.finite &= all(bool(loss.isfinite()) for loss in losses.values())
            self.most = max([self.most, *run.events.values()])
            self.optimizers.append(len(run.optimizers))
            self.arrived = max(self.arrived, run.G.arrived)
            self.z.append(run.G.forget())
            self.x.append(run.D.forget())
            self.steps.append(self.weights())
        self.after = self.steps[-1]
        self.effect = effects(given, [self.before, *self.steps])
        self.used_chance = not torch.get_rng_state().equal(before)

    def weights(self) -> dict[str, Tensor]:
        return {name: flat(net) for name, net in self.run.nets.items()}

    def again(
        self, clear: str = "", seed: int | None = None, steps: int = FIRST, **other: Any
    ) -> dict[str, Tensor]:
        """The weights after another such run, with gradients set to 0 before each step."""
        seed = self.seed if seed is None else seed
        run = Run(self.answer, self.given, ALL, seed, watched=0, **other)
        for _ in range(steps):
            run.clear(clear)
            run.take()
        return {name: flat(net) for name, net in run.nets.items()}


def effects(given: Setting, weights: Sequence[Mapping[str, Tensor]]) -> dict[str, float]:
    """How far steps from weights to weights brought each player towards its goal, on average.

    "D": how much higher the data are rated above the fakes of before; "G": how much higher D rates
    the new fakes than those of before.
    """
    G, D = copy.deepcopy(given.G), copy.deepcopy(given.D)
    total = {"D": 0.0, "G": 0.0}
    for old, new in pairwise(weights):
        fakes = peek(load(G, old["G"]), given.z)
        margins = [
            peek(load(D, w["D"]), given.x).mean() - peek(D, fakes).mean() for w in (old, new)
        ]
        total["D"] += (margins[1] - margins[0]).item()
        moved = peek(load(G, new["G"]), given.z)
        total["G"] += (peek(D, moved).mean() - peek(D, fakes).mean()).item()
    return total


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
        weights = [step[name] for step in first.steps]
        if any(a.equal(b) for a, b in pairwise(weights)):
            return f"In some steps the weights of {name} don't change. Each step has both turns."
    return "" if first.finite else "A loss is nan or infinite in the first steps."


def why(run: Run, name: str) -> str:
    """What was seen of a network's optimizer, for one that does not move."""
    if not run.optimizers:
        return ""
    others = [run.of(optimizer) for optimizer in run.optimizers]
    if not all(others):
        return "An optimizer has weights of neither G nor D: train these themselves, no copies."
    if not any(name in networks for networks in others):
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
            "torch's global generator is used. Draw from the given one: "
            "torch.randn(m, dim, generator=rng, device=rng.device)."
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
        return "What D gets has no images of `images`, scaled from 0..255 to [-1, 1]."
    for name, batches in (
        ("G gets a batch of equal latent vectors", first.z[0]),
        ("D gets a batch of equal images", first.x[0]),
    ):
        if any(len(part) > 3 and (part == part[:1]).all() for part in batches):
            return f"{name}: each example of a batch is another one."
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


def chance_and_past(first: First) -> str:
    """Whether the weights depend on gradients of earlier steps, on chance, and on rng."""
    if not equal(first.again("GD"), first.after):
        if not equal(first.again(), first.after):
            return (
                "Two runs with equal seeds of `rng` differ: does something draw from Python's or "
                "NumPy's generator?"
            )
        names = [n for n in "DG" if not equal(first.again(n), first.after)]
        return f"Gradients of {' and '.join(names)} from an earlier step take part in the next."
    gated = first.again(steps=1, gated=True)
    if not equal(gated, first.steps[0]):
        return "G's loss takes part in D's step. D should follow the gradient of its own loss."
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
