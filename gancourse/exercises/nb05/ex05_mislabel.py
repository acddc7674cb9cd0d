"""Exercise 5.5: Wrong labels."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from gancourse.exercises.base import FACT, AnswerError, Case, Exercise, Observation, as_tensor
from gancourse.exercises.differences import RAW
from gancourse.exercises.observe import integer, seeded
from gancourse.papers import cgan

SAME = f"{FACT}These are the labels that you were given: draw another one for each."
FIXED = (
    f"{FACT}Equal labels all get the same new label. Draw a step for each label of the batch: "
    "torch.randint(1, classes, labels.shape, ...)."
)
STAYS = f"{FACT}Some new labels are the right ones: D would learn to reject matching pairs."
OUTSIDE = f"{FACT}Some labels are not in the range from 0 to classes - 1."
UNSEEDED = f"{FACT}The same seed gives different labels: draw from rng, with generator=rng."
REPEATED = (
    f"{FACT}Two calls in a row with the same rng give the same labels. Draw with generator=rng, "
    "and set no seed yourself: rng advances with each draw."
)
COUNTS = (4000, 1000, 1000, 1000, 1000)  # so uneven that shuffled labels are recognized


def uneven_labels(rng: torch.Generator) -> list[Case]:
    labels = torch.arange(len(COUNTS)).repeat_interleave(torch.tensor(COUNTS))
    labels = labels[torch.randperm(len(labels), generator=rng)]
    return [Case((labels, len(COUNTS), integer(rng, 0, 10**6)))]


def observe_mislabel(answer: Callable[..., Any], case: Case) -> Observation:
    """New labels; and of 50 labels twice from one generator, and from another of the same seed."""
    labels, classes, seed = case.args
    labels = labels[:50] if case.device else labels
    new = as_labels(answer(labels.clone(), classes, seeded(seed)), labels)
    some, rng = labels[:50], seeded(seed)
    first, second = (as_tensor(answer(some.clone(), classes, rng)) for _ in range(2))
    again = as_tensor(answer(some.clone(), classes, seeded(seed)))
    return {f"{RAW}new": new, f"{RAW}first": first, f"{RAW}second": second, f"{RAW}again": again}


def conclude_mislabel(seen: Observation, case: Case) -> Observation:
    """Facts, and how often each label occurs: per 1000, 60 of which are 6 standard errors."""
    labels, classes, _ = case.args
    new, first, second, again = (seen[RAW + name] for name in ("new", "first", "second", "again"))
    new = as_labels(new, labels)
    same = new.equal(labels)
    fixed = not same and all(len(new[labels == k].unique()) == 1 for k in range(classes))
    facts = {
        SAME: same,
        FIXED: fixed,
        STAYS: bool((new == labels).any()),
        OUTSIDE: bool(((new < 0) | (new >= classes)).any()),
        UNSEEDED: not first.equal(again),
        REPEATED: first.equal(second),
    }
    counts = {
        "labels that stay the same, per 1000": per_1000(new == labels)[1],
        "how often the step (new - label) % classes is 0, 1, ..., per 1000 labels": per_1000(
            (new - labels) % classes
        ),
        "how often a step is that of the label before, per 1000": per_1000(
            (new - labels).diff() % classes == 0
        )[1],
        "how often label 0 becomes 0, 1, ..., per 1000": per_1000(
            new[labels == 0].clamp(0, classes)
        ),
        "how often a new label is 0, 1, ..., per 1000": per_1000(new.clamp(0, classes)),
    }
    return {
        **{fact: torch.tensor(so) for fact, so in facts.items()},  # in front: they say it best
        **({} if same or fixed else counts),
    }


def as_labels(result: Any, labels: Tensor) -> Tensor:
    new = as_tensor(result)
    if new.shape != labels.shape:
        raise AnswerError(
            f"Expected one new label for each of the {len(labels)} labels, shape "
            f"{tuple(labels.shape)}; got shape {tuple(new.shape)}."
        )
    if new.is_floating_point() or new.is_complex() or new.dtype == torch.bool:
        raise AnswerError(f"Expected integers, as labels are; got {new.dtype}.")
    return new.long()


def per_1000(values: Tensor) -> Tensor:
    """How often 0, 1, 2, ... occur; as integers, of which nothing but an order is said."""
    counts = values.long().bincount(minlength=len(COUNTS))
    return (1000 * counts / len(values)).round().long()


def any_label(labels: Tensor, classes: int, rng: torch.Generator) -> Tensor:
    """Draw any label, the right one included."""
    return torch.randint(classes, labels.shape, generator=rng, device=rng.device)


def offset(
    labels: Tensor, classes: int, rng: torch.Generator, low: int = 1, up: int = 0, wrap: int = 0
) -> Tensor:
    """Add 1 to classes - 1, and wrap around; or other steps, and another modulus."""
    steps = torch.randint(low, classes + up, labels.shape, generator=rng, device=rng.device)
    return (labels + steps) % (classes + wrap)


def unwrapped(labels: Tensor, classes: int, rng: torch.Generator) -> Tensor:
    return offset(labels, classes, rng, wrap=classes)


def clamped(labels: Tensor, classes: int, rng: torch.Generator) -> Tensor:
    return unwrapped(labels, classes, rng).clamp(max=classes - 1)


def shuffled(labels: Tensor, classes: int, rng: torch.Generator) -> Tensor:
    """Shuffle the labels of the batch."""
    return labels[torch.randperm(len(labels), generator=rng, device=rng.device)]


def neighbour(labels: Tensor, classes: int, rng: torch.Generator, step: int) -> Tensor:
    """Take a neighbour of the right label where that was drawn."""
    new = any_label(labels, classes, rng)
    return torch.where(new == labels, (labels + step) % classes, new)


def fallback(labels: Tensor, classes: int, rng: torch.Generator, label: int) -> Tensor:
    """Take a fixed label where the right one was drawn."""
    new = any_label(labels, classes, rng)
    return torch.where(new == labels, label, new)


def skip_right_label(
    labels: Tensor, classes: int, rng: torch.Generator, at: int = 0, up: int = -1
) -> Tensor:
    """Draw one of classes - 1 numbers; those from the right label on move up by one."""
    other = torch.randint(classes + up, labels.shape, generator=rng, device=rng.device)
    return other + (other >= labels + at).long()


EXERCISE = Exercise(
    id="5.5",
    title="Wrong labels",
    points=2,
    minutes=8,
    reference=cgan.mislabel,
    cases=uneven_labels,
    observe=observe_mislabel,
    conclude=conclude_mislabel,
    slips={
        "The right label occurs as often as each of the others. Which steps on the circle never "
        "lead back to the same label?": [any_label, partial(offset, low=0), partial(offset, up=1)],
        "One step never occurs. randint(low, high) includes low and excludes high, so steps from 1 "
        "to classes - 1 are randint(1, classes).": [partial(offset, up=-1), partial(offset, low=2)],
        "These are the labels of other images of the batch, which often have the same label. Draw "
        "new ones.": [
            shuffled,
            lambda labels, classes, rng: labels.roll(1),
        ],
        "Beyond the last class the labels start again at 0: wrap around with % classes.": [
            unwrapped,
            clamped,
        ],
        "The last label, classes - 1, never occurs: randint excludes its upper end, and % (classes "
        "- 1) ends at classes - 2.": [
            partial(offset, wrap=-1),
            lambda labels, classes, rng: any_label(labels, classes - 1, rng),
        ],
        "Where the right label was drawn, you always take the same replacement, which then occurs "
        "more often than the rest. Draw a step from 1 to classes - 1 instead.": [
            partial(neighbour, step=1),
            partial(neighbour, step=-1),
            lambda labels, classes, rng: fallback(labels, classes, rng, 0),
            lambda labels, classes, rng: fallback(labels, classes, rng, classes - 1),
        ],
        "You returned the steps. Add each to its label.": lambda labels, classes, rng: offset(
            torch.zeros_like(labels), classes, rng
        ),
        "The number of classes is the argument `classes`, not always 10.": [
            lambda labels, classes, rng: offset(labels, 10, rng),
            lambda labels, classes, rng: offset(labels, 10, rng) % classes,
        ],
        "A number that equals the label has to move up, too: >=, not >.": partial(
            skip_right_label, at=1
        ),
        "Draw from the classes - 1 other labels, randint(classes - 1), before you skip the right "
        "one.": partial(skip_right_label, up=0),
    },
    alternatives=(offset, skip_right_label),
    advice="Count the steps, ((new - labels) % classes).bincount(): 0 should never occur, and 1 to "
    "classes - 1 about equally often, for each label.",
    atol=60,
)
