"""Which loss was logged: logged numbers compared with the terms that were heard.

Versions are tried in order; those of a correct training come first.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np

from gancourse.training.loop import Record

PROBABILITIES = "of probabilities"
SATURATING = "log(1 - D), which saturates"
EXACT = 2e-3  # relative: means of records in single precision, or autocast

Columns = Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Version:
    """One way to train a player: what its logged loss would be."""

    loss: str
    """Cross-entropy, least squares, hinge, Wasserstein, relativistic, ..."""
    wants: int
    """1: real examples get the higher logits; -1: the lower ones; 0: neither, a mistake."""
    value: tuple[tuple[float, str], ...]
    """A sum: factor and term ("1" is the constant)."""
    note: str = ""


def _discriminator_versions() -> list[Version]:
    found = []
    for loss, real, fake in (
        ("cross-entropy", "real", "fake"), (f"cross-entropy {PROBABILITIES}", "p_real", "p_fake"),
    ):  # fmt: skip
        pair = lambda a, b, real=real, fake=fake: ((1, f"{real}{a}"), (1, f"{fake}{b}"))  # noqa: E731
        found += [
            Version(loss, 1, pair(1, 0)),
            Version(loss, -1, pair(0, 1)),
            Version(loss, 0, ((1, f"{real}1"),), "the term of the fakes is missing"),
            Version(loss, 0, ((1, f"{fake}0"),), "the term of the real examples is missing"),
            Version(loss, 0, pair(1, 1), "both real examples and fakes have label 1"),
            Version(loss, 0, pair(0, 0), "both real examples and fakes have label 0"),
        ]
    square = lambda kind, label: (  # noqa: E731
        (1, f"{kind}_sq"), (-2 * label, kind), (label**2, "1"),
    )  # fmt: skip
    for low in (0.0, -1.0):
        found += [
            Version("least squares", 1, square("real", 1) + square("fake", low)),
            Version("least squares", -1, square("real", low) + square("fake", 1)),
        ]
    found += [
        Version("least squares", 0, square("real", 1), "the term of the fakes is missing"),
        Version("least squares", 0, square("fake", 0), "the term of the real examples is missing"),
        Version("hinge", 1, ((1, "hinge_real-"), (1, "hinge_fake+"))),
        Version("hinge", -1, ((1, "hinge_real+"), (1, "hinge_fake-"))),
        Version("relativistic", 1, ((1, "pair"),)),
        Version("relativistic", -1, ((1, "pair"), (1, "real"), (-1, "fake"))),
        Version("relativistic average", 1, ((1, "rel"),)),
        Version("Wasserstein", 1, ((1, "fake"), (-1, "real"))),
        Version("Wasserstein", -1, ((1, "real"), (-1, "fake"))),
    ]
    return found


def _generator_versions() -> list[Version]:
    """Here `wants` says which logits G wants for its fakes: 1, high; -1, low."""
    found = []
    for loss, fake in (
        ("cross-entropy", "fake"), (f"cross-entropy {PROBABILITIES}", "p_fake")
    ):  # fmt: skip
        found += [
            Version(loss, 1, ((1, f"{fake}1"),)),
            Version(loss, 1, ((-1, f"{fake}0"),), SATURATING),
            Version(loss, -1, ((1, f"{fake}0"),)),
            Version(loss, -1, ((-1, f"{fake}1"),)),
        ]
    found += [
        Version("least squares", 1, ((1, "fake_sq"), (-2, "fake"), (1, "1"))),
        Version("least squares", -1, ((1, "fake_sq"),)),
        Version("Wasserstein", 1, ((-1, "fake"),)),
        Version("Wasserstein", -1, ((1, "fake"),)),
        Version("relativistic", 1, ((1, "pair"),)),
        Version("relativistic average", 1, ((1, "rel"),)),
    ]
    return found


VERSIONS = {"D": _discriminator_versions(), "G": _generator_versions()}


UNBOUNDED = {"Wasserstein", "hinge"}
TOGETHER = (
    {"cross-entropy"}, {f"cross-entropy {PROBABILITIES}"}, {"least squares"},
    UNBOUNDED, {"relativistic"}, {"relativistic average"},
)  # fmt: skip
"""Losses of D and G that make one game: a hinge loss of D goes with Wasserstein's of G."""


def identify(records: Sequence[Record]) -> tuple[dict[str, Any], dict[str, list[float]]]:
    """Which losses were logged, from records with "loss_D", "loss_G" and `terms`.

    Returns
    -------
    dict
        ``terms``: whether there are any. For each player ``loss_name_``, ``wants_`` and ``note_``,
        as in `Version`, and ``high_``, in words; nan and "" where no version fits. ``share``: of
        wrong labels in D's cross-entropy, from 0 to 1, where it is clear.
    dict
        By player the cross-entropies in nats, record by record, D's as a sum of two terms. Empty
        for another loss. Without `terms` they are the logged losses.
    """
    logged = {net: [r.losses.get(f"loss_{net}", math.nan) for r in records] for net in "DG"}
    finite = {net: [v for v in values if math.isfinite(v)] for net, values in logged.items()}
    facts: dict[str, Any] = {"terms": any("D:real1" in r.losses for r in records)}
    for net in "DG":
        facts |= {f"loss_name_{net}": "", f"note_{net}": "", f"wants_{net}": math.nan}
    if not facts["terms"]:
        return facts, finite
    usable = [
        r for r in records if "D:real1" in r.losses and {"loss_D", "loss_G"} <= r.losses.keys()
    ]
    if not usable:
        return facts, {"D": [], "G": []}
    columns = {name: [r.losses[name] for r in usable] for name in usable[0].losses if ":" in name}
    lows = [r.losses.get("low_logit", -1) for r in usable]
    highs = [r.losses.get("high_logit", 2) for r in usable]
    columns["p"] = [1.0] if 0 <= min(lows) and max(highs) <= 1 else []
    found: dict[str, Version | None] = {}
    for net in "GD":
        values = [r.losses[f"loss_{net}"] for r in usable]
        found[net] = known_loss(net, values, columns)
        if net == "D" and found[net] is None:
            shares = other_labels(values, columns)
            if shares:
                facts["share"] = sum(shares) / 2
                found[net] = VERSIONS["D"][0]
            elif found["G"]:
                found[net] = with_penalty(values, columns, found["G"].loss)
        if version := found[net]:
            high = {1: "higher", -1: "lower", 0: ""}[version.wants]
            facts |= {f"loss_name_{net}": version.loss, f"note_{net}": version.note}
            facts |= {f"wants_{net}": version.wants, f"high_{net}": high}
    return facts, _in_nats(found, columns)


def _in_nats(found: Mapping[str, Version | None], columns: Columns) -> dict[str, list[float]]:
    version = found["D"]
    if not version or not version.loss.startswith("cross-entropy"):
        return {"D": [], "G": []}
    prefix = "p_" if version.loss.endswith(PROBABILITIES) else ""
    a, b = (0, 1) if version.wants == -1 else (1, 0)
    real, fake = columns[f"D:{prefix}real{a}"], columns[f"D:{prefix}fake{b}"]
    theirs = columns[f"G:{prefix}fake{a}"]
    if found["G"] and found["G"].note == SATURATING:
        theirs = [-v for v in columns[f"G:{prefix}fake{b}"]]
    return {"D": [r + f for r, f in zip(real, fake, strict=True)], "G": list(theirs)}


def known_loss(player: str, logged: Sequence[float], columns: Columns) -> Version | None:
    """The version of a loss that gives a player's logged numbers, or half or twice of them.

    Parameters
    ----------
    player : {"D", "G"}
        Whose loss it is.
    logged : Sequence[float]
        By record.
    columns : Mapping[str, Sequence[float]]
        The results of `terms` by record.

    Returns
    -------
    Version or None
        None where none does: another loss, or one with a penalty.
    """
    size = sum(abs(value) for value in logged) + 1e-3 * len(logged)
    fits = [
        (sum(abs(seen - scale * v) for seen, v in zip(logged, values, strict=True)) / size, fit)
        for fit in VERSIONS[player]
        if not fit.loss.endswith(PROBABILITIES) or columns["p"]
        for values in [_values(fit, player, columns)]
        for scale in (1.0, 0.5, 2.0)
    ]
    right = min(error for error, fit in fits if fit.wants > 0)
    # a mistake has to fit to rounding, and much better: near a logit of 0 all versions are alike
    fits = [(e, fit) for e, fit in fits if fit.wants > 0 or e < min(1e-4, right / 20)]
    least = min(error for error, _ in fits)
    if least > EXACT:
        return None
    return next(fit for error, fit in fits if error <= 3 * least + 1e-5)


def with_penalty(logged: Sequence[float], columns: Columns, loss_G: str) -> Version | None:
    """The version of D's loss to which a penalty was added: the logged numbers are never below it.

    Only versions that go with G's loss are tried. None where none fits.
    """
    family = next(names for names in TOGETHER if loss_G in names)
    best, least = None, math.inf
    for version in VERSIONS["D"]:
        if version.loss not in family or not version.wants:
            continue
        if version.wants < 0 and version.loss not in UNBOUNDED:
            continue  # others are at least 0, like a penalty: the wrong one may fit by chance
        values = _values(version, "D", columns)
        for scale in (1.0, 0.5):
            above = [seen - scale * v for seen, v in zip(logged, values, strict=True)]
            if min(above) > -EXACT * (1 + fmean(map(abs, logged))) and fmean(above) < least:
                best, least = version, fmean(above)
    return best


def other_labels(logged: Sequence[float], columns: Columns) -> tuple[float, float] | None:
    """How much of D's logged cross-entropy has the other label: smoothed, noisy or wrong labels.

    With a share s of the real examples labelled 0, their term is (1 - s) real1 + s real0, which is
    real1 + s D(x); with a share t of the fakes labelled 1, theirs is fake0 - t D(G(z)). The shares
    are fitted to all records.

    Returns
    -------
    tuple[float, float] or None
        The shares of real examples and of fakes, from 0 to 1. None where they don't explain the
        difference from plain labels.
    """
    real, fake = np.array(columns["D:real"]), np.array(columns["D:fake"])
    plain = np.array(columns["D:real1"]) + np.array(columns["D:fake0"])
    for scale in (1.0, 0.5):
        off = np.array(logged) / scale - plain
        logits = np.stack([real, -fake], axis=1)
        shares = np.linalg.lstsq(logits, off, rcond=None)[0]
        error = np.sqrt(np.square(off - logits @ shares).mean())
        explained = error < 0.5 * np.sqrt(np.square(off).mean()) and error < 0.02 * plain.mean()
        if explained and -0.02 < shares.min() and shares.max() < 1.02:
            return tuple(float(share) for share in shares.clip(0, 1))
    return None


def _values(version: Version, player: str, columns: Columns) -> list[float]:
    n = len(columns["D:real"])
    parts = [
        [factor] * n if name == "1" else [factor * v for v in columns[f"{player}:{name}"]]
        for factor, name in version.value
    ]
    return [sum(values) for values in zip(*parts, strict=True)]
