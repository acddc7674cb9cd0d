"""Diagnosis of a training run: rules that read its records.

Log signs with ``step = signs.examine(step, G, D)``, train, and call ``diagnose(records)``. The
rules are a table, `RULES`, with the reason for each threshold. Those about losses hold for
cross-entropy, in nats; the logged losses are compared with the logits that were heard, and for
another loss the rules about data, weights and distances remain.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, pstdev

from gancourse.training import code_rules, training_rules
from gancourse.training.loop import Record
from gancourse.training.loss_names import identify
from gancourse.training.rule import Rule, Signs

RULES = (*code_rules.RULES, *training_rules.RULES)
"""In order: causes come before their consequences. The thresholds were chosen on rings of
Gaussians, moons, drawn flowers and digits, with a wide margin to faulty and to healthy runs."""

LOG_4 = math.log(4)
NEAR = 0.05  # energy distance. Runs that ended below it had good samples
FALLING = 0.75  # last tenth over first: a fall that chance does not explain


def summary(records: Sequence[Record]) -> Signs:
    """The input of the rules: means over the second half of a run, and how its losses moved.

    - the mean of each number that was logged, by its own name;
    - what `loss_terms.identify` finds about the losses;
    - ``worst``: the largest absolute value of a loss or a mean logit in the whole run;
    - ``above_log4``: the share of records in which D's loss is above log 4;
    - ``swing``: standard deviation of D's loss; ``turns``: how often it crosses its own mean;
    - ``lead``: the share of pairs of a real example and a fake that D orders as its loss wants;
    - ``jump_G``, ``jump_D``: the largest change by a step, relative to the weights, of a record;
      ``moved_G`` and ``moved_D`` are the means of the second half;
    - ``alone``: the share of records in which only one player moved, if both were such;
    - ``limit_start``: the share of values at the limits in the first record;
    - ``examples``: about how many different real examples there are;
    - ``distance_before``, ``distance_end``: the distance in the first and the last tenth.

    Values that are not finite are left out.
    """
    late = records[len(records) // 2 :]
    names = dict.fromkeys(name for record in late for name in record.losses)
    columns = {name: _finite(late, name) for name in names}
    signs = Signs({name: fmean(values) for name, values in columns.items() if values})
    facts, nats = identify(records)
    nats = {net: values[len(values) // 2 :] for net, values in nats.items()}
    signs |= facts
    if nats["D"]:
        mean = signs["nats_D"] = fmean(nats["D"])
        signs["above_log4"] = sum(v > LOG_4 for v in nats["D"]) / len(nats["D"])
        signs["swing"] = pstdev(nats["D"])
        signs["turns"] = sum((a > mean) != (b > mean) for a, b in pairwise(nats["D"]))
    large = [abs(v) for n in names if n.startswith(("loss", "logit")) for v in _finite(records, n)]
    signs["worst"] = max(large, default=math.nan)
    if nats["G"]:
        signs["nats_G"] = fmean(nats["G"])
    signs["lead"] = 1 - signs["ahead"] if signs["wants_D"] == -1 else signs["ahead"]
    few = -(-len(records) // 10)
    for net in "GD":
        if moved := _finite(records, f"moved_{net}"):
            signs[f"jump_{net}"] = max(moved)
    idle = {net: [r.losses.get(f"moved_{net}", 1) == 0 for r in late] for net in "GD"}
    alone = [g != d for g, d in zip(idle["G"], idle["D"], strict=True)]
    signs["alone"] = fmean(alone) if any(idle["G"]) and any(idle["D"]) else 0.0
    signs["limit_start"] = records[0].losses.get("limit_fake", math.nan)
    if signs["repeats"] > 0:
        signs["examples"] = 1 / signs["repeats"]
    if "low_limit" in signs:
        signs.setdefault("high_limit", math.inf)
    for name, part in (("before", records[:few]), ("end", records[-few:])):
        if values := _finite(part, "distance"):
            signs[f"distance_{name}"] = fmean(values)
    return signs


def _finite(records: Sequence[Record], name: str) -> list[float]:
    values = [record.losses.get(name, math.nan) for record in records]
    return [value for value in values if math.isfinite(value)]


@dataclass(frozen=True)
class Finding:
    """A diagnosis: its name, the evidence for it, and the likely cause with what to do."""

    name: str
    evidence: str
    next_step: str

    def __str__(self) -> str:
        return f"{self.name}: {self.evidence}\n  -> {self.next_step}"


def diagnose(records: Sequence[Record]) -> list[Finding]:
    """Name what is wrong with a run, from the records of ``loop.train``.

    Parameters
    ----------
    records : Sequence[Record]
        With "loss_D" and "loss_G" and, for most faults, the signs of `examine`. The rules read the
        second half. An oscillation faster than the records is averaged out: record at least ten
        times per period.

    Returns
    -------
    list[Finding]
        Never empty. The first is the likely cause; others may be its consequences. If no rule
        applies there is one: "healthy" if the fakes came near to the data or clearly nearer,
        otherwise "unclear".
    """
    if not records:
        text = "there are no records."
        return [Finding("unclear", text, "Train, and pass the records of loop.train.")]
    for record in records:
        bad = {name: v for name, v in record.losses.items() if not math.isfinite(v)}
        if bad:
            return [_not_finite(record, bad)]
    signs = summary(records)
    found = [
        _finding(rule, signs) for rule in RULES if len(records) >= rule.needs and rule.test(signs)
    ]
    return found or [_nothing_found(signs, records)]


def _finding(rule: Rule, signs: Signs) -> Finding:
    next_step = rule.next_step(signs) if callable(rule.next_step) else rule.next_step
    return Finding(rule.name, rule.evidence.format_map(signs), next_step)


def _not_finite(record: Record, bad: dict[str, float]) -> Finding:
    """Losses that are nan or infinite; the data are named where they were so first."""
    losses = [name for name in bad if name.startswith("loss")] or list(bad)
    text = ", ".join(f"{name} is {bad[name]}" for name in losses) + f" at step {record.step}."
    if {"low_real", "high_real"} & bad.keys():
        text += " The batch of real examples was not finite."
        cure = "Look for nan in the data: a division by a range of 0, an empty crop, a bad file."
        return Finding("divergence", text, cure)
    rule = next(rule for rule in RULES if rule.name == "divergence")
    return Finding("divergence", text, str(rule.next_step))


def best_record(records: Sequence[Record], by: str = "distance") -> Record:
    """The record with the lowest mean of a number: where to stop, or which checkpoint to keep.

    Parameters
    ----------
    records : Sequence[Record]
        Of ``loop.train``.
    by : str
        The number's name; "distance" is logged by `examine`.

    Raises
    ------
    ValueError
        If no record has a finite value of it.
    """
    having = [record for record in records if math.isfinite(record.losses.get(by, math.nan))]
    if not having:
        raise ValueError(f"no record has a finite {by!r}; examine(step, G, D) logs 'distance'")
    return min(having, key=lambda record: record.losses[by])


def _nothing_found(signs: Signs, records: Sequence[Record]) -> Finding:
    if len(records) < max(rule.needs for rule in RULES):
        text = f"{len(records)} records are too few for a diagnosis."
        return Finding("unclear", text, "Train longer, or record more often (record_every).")
    now, before = signs["distance_end"], signs["distance_before"]
    if math.isnan(now):
        text = "no rule applies, but only losses were logged, and they can't show a collapse."
        return Finding("unclear", text, "Log signs: step = examine(step, G, D).")
    best = best_record(records)
    course = f"energy distance {before:.2f} at first, {now:.2f} now; lowest {_at(best)}."
    losses = f"loss_D {signs['loss_D']:.2f}" + (
        "" if signs["nats_D"] >= 0 else f" ({signs['loss_name_D'] or UNKNOWN})"
    )
    if now <= NEAR or now < FALLING * before:
        text = f"no rule applies. {losses}, spread {signs['spread']:.0%} of the data, {course}"
        return Finding("healthy", text, "Continue training, and look at samples.")
    text = f"nothing found, but the run has not converged: {losses}, {course}"
    return Finding(
        "unclear", text,
        "Look at samples. Train longer; stop at the step with the lowest distance; compare with a "
        "run that is known to be good; lower or raise both learning rates by a factor of 3.",
    )  # fmt: skip


UNKNOWN = "not a loss that is known here: not used"


def _at(record: Record) -> str:
    return f"{record.losses['distance']:.3f} at step {record.step}"
