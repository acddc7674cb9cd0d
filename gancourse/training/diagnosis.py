"""Diagnosis of a training run: rules that read its records.

Log signs with ``step = signs.examine(step, G, D)``, train, and call ``diagnose(records)``. The
rules are a table of thresholds, `RULES`, each with its reason. They hold for cross-entropy on
logits, in nats, with -log D or log(1 - D) for G; not for least squares, a hinge loss or a
Wasserstein critic.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, pstdev

from gancourse.training.loop import Record

LOG_4 = math.log(4)
ALIKE = 0.06  # a spread below it: one fake for all noise. Untrained networks have 0.16 and more


class Signs(dict[str, float]):
    """Numbers by name. One that was not logged is nan, and every comparison with nan is false."""

    def __missing__(self, name: str) -> float:
        return math.nan


def summary(records: Sequence[Record]) -> Signs:
    """The input of the rules: means over the second half of a run, and how its losses moved.

    - the mean of each number that was logged, by its own name;
    - ``worst``: the largest absolute value of a loss or a mean logit in the whole run, in nats;
    - ``above_log4``: the share of records in which D's loss is above log 4;
    - ``swing``: standard deviation of D's loss; ``turns``: how often it crosses its own mean;
    - ``distance_before``: the distance in the first quarter of the run.

    Values that are not finite are left out.
    """
    late = records[len(records) // 2 :]
    names = dict.fromkeys(name for record in late for name in record.losses)
    columns = {name: _finite(late, name) for name in names}
    signs = Signs({name: fmean(values) for name, values in columns.items() if values})
    in_nats = [n for n in names if n.startswith(("loss", "logit"))]
    signs["worst"] = max((abs(v) for n in in_nats for v in _finite(records, n)), default=math.nan)
    if loss_D := columns.get("loss_D"):
        mean = fmean(loss_D)
        signs["above_log4"] = sum(v > LOG_4 for v in loss_D) / len(loss_D)
        signs["swing"] = pstdev(loss_D)
        above = [v > mean for v in loss_D]
        signs["turns"] = sum(a != b for a, b in pairwise(above))
    if before := _finite(records[: -(-len(records) // 4)], "distance"):
        signs["distance_before"] = fmean(before)
    return signs


def _finite(records: Sequence[Record], name: str) -> list[float]:
    values = [record.losses.get(name, math.nan) for record in records]
    return [value for value in values if math.isfinite(value)]


@dataclass(frozen=True)
class Finding:
    """A diagnosis: its name, the evidence for it, and the next step."""

    name: str
    evidence: str
    next_step: str

    def __str__(self) -> str:
        return f"{self.name}: {self.evidence}\n  -> {self.next_step}"


@dataclass(frozen=True)
class Rule:
    """A fault: the test for it, the evidence to show, and the next step to take."""

    name: str
    test: Callable[[Signs], bool]
    evidence: str
    """A format string for the signs: "loss_D is {loss_D:.2f}"."""
    next_step: str
    needs: int = 8
    """Number of records that the test needs: 1 for facts."""


# In order: causes come before their consequences. The thresholds were chosen on rings of Gaussians,
# drawn flowers and digits, with a wide margin to faulty and to healthy runs.
RULES = (
    Rule(  # with one example, batch norm subtracts the example itself
        "batch of one",
        lambda s: s["batch"] == 1 and s["batch_norm"] > 0,
        "batches hold one example, and {batch_norm:.0f} layers of batch norm are in training mode: "
        "each example is normalized by its own mean and variance.",
        "Use larger batches (16 or more), or instance or layer norm, or none.",
        needs=1,
    ),
    Rule(  # tanh is at most 1; 1.05 and 1.001 allow for interpolation and rounding
        "values outside [-1, 1]",
        lambda s: s["range_real"] > 1.05 and s["range_fake"] <= 1.001,
        "real examples reach {range_real:.3g}, fakes only {range_fake:.3g}: G can't produce such "
        "values, and D needs nothing else to recognize the fakes.",
        "Scale the data to [-1, 1]: x / 127.5 - 1 for bytes, 2 x - 1 for values in [0, 1].",
        needs=1,
    ),
    Rule(  # a fact, not a threshold: in D's turn G is a fixed sampler
        "missing detach",
        lambda s: s["fakes_graph"] > 0,
        "in {fakes_graph:.0%} of the steps the fakes of D's turn carry a graph back into G. That "
        "costs time, and where G's gradient is not zeroed before its own turn, G also helps D.",
        "Make the fakes of D's turn under torch.no_grad(), or pass fakes.detach() to D.",
        needs=1,
    ),
    Rule(  # D's loss is at least -log(1 - D(G(z))), G's is -log D(G(z)): with one D they can't both
        # be small. Their sum is at least log 4 = 1.39, by convexity; 1 allows for D's step
        # between the turns. log(1 - D) is negative, so this does not apply to it.
        "wrong labels",
        lambda s: s["loss_G"] >= 0 and s["loss_D"] + s["loss_G"] < 1,
        "loss_D + loss_G is {loss_D:.2g} + {loss_G:.2g} nats; for opposite objectives the "
        "sum is 1.39 or more. Mean logits: real {logit_real:.2g}, fake {logit_fake:.2g}.",
        "If fakes have the higher logits, D is trained with swapped labels: real is 1, fake is 0. "
        "Otherwise G's label or sign is wrong: it should minimize -log D(G(z)).",
    ),
    Rule(  # exp(-50): no data justify such certainty. At any time of the run, since networks that
        # have diverged often stop changing, with all units saturated
        "divergence",
        lambda s: s["worst"] > 50,
        "a loss or a mean logit has reached {worst:.3g} nats.",
        "Divide the learning rates by 10; look for a log or a division that needs a lower bound.",
        needs=1,
    ),
    Rule(  # the gradient shrinks layer by layer. In healthy runs the ratio was 0.04 or more
        "vanishing gradient",
        lambda s: s["grad_G"] == 0 or s["grad_first"] < 1e-3 * s["grad_last"],
        "the gradient has norm {grad_first:.2g} at G's first layer, {grad_last:.2g} at its last.",
        "If both are 0, no gradient flows from D to G: remove a detach or no_grad there. Otherwise "
        "use (leaky) ReLU between layers, batch norm, and an initialization that keeps the scale.",
    ),
    Rule(  # the derivative of log(1 - D) by the logit is -D(G(z)): 0 where loss_G is near 0
        "saturation",
        lambda s: -0.25 < s["loss_G"] <= 0 and s["loss_D"] < 0.4,
        "G minimizes log(1 - D), which is {loss_G:.2g} here, while D wins (loss_D {loss_D:.2g}): "
        "the loss is flat where G is bad.",
        "Let G minimize -log D(G(z)); then check whether D is too strong.",
    ),
    Rule(  # D is right with a probability of exp(-0.125) = 0.88 on each example, or better. A
        # single fake is easy to recognize: that is a collapse, whichever player wins
        "D too strong",
        lambda s: s["loss_D"] < 0.25 and s["loss_G"] > 2 and not s["spread"] < ALIKE,
        "loss_D is {loss_D:.2g} nats (1.39 for an undecided D), loss_G is {loss_G:.2g}: D "
        "recognizes nearly every fake.",
        "Lower D's learning rate or its steps k, raise G's; add R1, spectral norm, or input noise.",
    ),
    Rule(  # healthy losses drift by a tenth of a nat; five crossings are no trend. Where all fakes
        # are one point, D's loss oscillates because the point jumps: again a collapse
        "oscillation",
        lambda s: s["swing"] > 0.35 and s["turns"] >= 5 and not s["spread"] < ALIKE,
        "D's loss oscillates by {swing:.2g} nats (standard deviation) around {loss_D:.2g} and "
        "crosses its mean {turns:.0f} times in the second half.",
        "Lower both learning rates and Adam's beta_1 (0 to 0.5); take turns at every step; add R1; "
        "average G's weights.",
    ),
    Rule(  # a constant 1/2 gives log 4; with more, D is worse than a constant
        "D too weak",
        lambda s: s["above_log4"] > 0.9 and s["distance"] > 0.15,
        "loss_D is above log 4 = 1.39 in {above_log4:.0%} of the later records ({loss_D:.2f} on "
        "average), though fakes and data are far apart (energy distance {distance:.2f}).",
        "Raise D's learning rate, width, or steps k; check that its optimizer steps at all.",
    ),
    Rule(  # healthy runs had a spread near 1, and a reach no larger than stray
        "mode collapse",
        lambda s: s["spread"] < 0.4 or s["reach"] > 3 * s["stray"],
        "fakes differ from each other by {spread:.0%} of what real examples do; distance "
        "of a real example to the nearest fake: {reach:.2g}, of a fake to the data: {stray:.2g}.",
        "Look at samples. Slow G down or add R1; show D whole batches (minibatch discrimination); "
        "check that the noise varies and that G depends on it.",
    ),
)


def diagnose(records: Sequence[Record]) -> list[Finding]:
    """Name what is wrong with a run, from the records of ``loop.train``.

    Parameters
    ----------
    records : Sequence[Record]
        With "loss_D" and "loss_G" and, for most faults, the numbers of `measure_signs`. The rules
        read the second half. An oscillation faster than the records is averaged out: record at
        least ten times per period.

    Returns
    -------
    list[Finding]
        Never empty. The first is the likely cause; others may be its consequences. One finding
        named "healthy" if no rule applies, or "unclear" if the records allow no conclusion.
    """
    if not records:
        return [
            Finding(
                "unclear",
                "there are no records.",
                "Train, and pass the records of loop.train.",
            )
        ]
    for record in records:
        for name, value in record.losses.items():
            if not math.isfinite(value):
                text = f"{name} is {value} at step {record.step}."
                return [Finding("divergence", text, _rule("divergence").next_step)]
    signs = summary(records)
    found = [
        Finding(rule.name, rule.evidence.format_map(signs), rule.next_step)
        for rule in RULES
        if len(records) >= rule.needs and rule.test(signs)
    ]
    return found or [_nothing_found(signs, len(records))]


def _rule(name: str) -> Rule:
    return next(rule for rule in RULES if rule.name == name)


def _nothing_found(signs: Signs, count: int) -> Finding:
    if count < max(rule.needs for rule in RULES):
        text = f"{count} records are too few for a diagnosis."
        return Finding("unclear", text, "Train longer, or record more often (record_every).")
    if math.isnan(signs["distance"]):
        text = "no rule applies, but only losses were logged, and they can't show a collapse."
        return Finding("unclear", text, "Log signs: step = examine(step, G, D).")
    if signs["distance"] > max(0.25, 0.9 * signs["distance_before"]):
        text = (
            "no rule applies, but fakes are no nearer to the data than before: energy distance "
            f"{signs['distance_before']:.2f}, then {signs['distance']:.2f}."
        )
        return Finding("unclear", text, "Look at samples; train longer; compare with a known run.")
    text = (
        f"no rule applies. loss_D {signs['loss_D']:.2f}, spread {signs['spread']:.0%} of the data, "
        f"energy distance {signs['distance_before']:.2f} at first and {signs['distance']:.2f} now."
    )
    return Finding("healthy", text, "Continue training, and look at samples.")
