"""Exercise 5.5: wrong labels."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from gancourse.exercises.base import AnswerError, Case, Exercise, Observation, Slip, as_tensor
from gancourse.exercises.observe import integer, seeded
from gancourse.papers import cgan


def many_labels(rng: torch.Generator) -> list[Case]:
    """Very uneven, half 0 and a quarter 1, so that shuffling them is not taken for a draw."""
    classes = integer(rng, 4, 6)
    labels = torch.randint(classes, (4000,), generator=rng)
    labels[::2] = 0
    labels[1::4] = 1
    return [Case((labels, classes, integer(rng, 0, 10**6)), note=f"for 4000 of {classes} labels")]


def observe_mislabel(answer: Callable[..., Any], case: Case) -> Observation:
    labels, classes, seed = case.args
    before = torch.get_rng_state()
    first, second = (as_tensor(answer(labels.clone(), classes, seeded(seed))) for _ in range(2))
    untouched = torch.equal(before, torch.get_rng_state())
    if first.shape != labels.shape or first.is_floating_point() or first.is_complex():
        raise AnswerError(f"Expected {len(labels)} whole numbers, one for each label.")
    steps = ((first.long() - labels) % classes).bincount(minlength=classes)[1:]
    even = steps.min() > 0.75 * steps.float().mean()  # 7 standard errors; 0.6 when shuffled
    return {
        "never the right label": torch.tensor(bool((first != labels).all())),
        "labels are known ones": torch.tensor(bool(((first >= 0) & (first < classes)).all())),
        "every other label equally often": even,
        "equal generators give equal labels": torch.tensor(first.equal(second)),
        "torch's own generator is left alone": torch.tensor(untouched),
    }


def any_label(labels: Tensor, classes: int, rng: torch.Generator) -> Tensor:
    """Any label, the right one included."""
    return torch.randint(classes, labels.shape, generator=rng)


def step_on(labels: Tensor, classes: int, rng: torch.Generator, *, wrap: bool = True) -> Tensor:
    """From 1 to classes - 1 steps on, round the circle or off its end."""
    moved = labels + torch.randint(1, classes, labels.shape, generator=rng)
    return moved % classes if wrap else moved


def shuffled(labels: Tensor, classes: int, rng: torch.Generator) -> Tensor:
    """The labels of the batch in another order."""
    return labels[torch.randperm(len(labels), generator=rng)]


def unseeded(labels: Tensor, classes: int, rng: torch.Generator) -> Tensor:
    """From torch's global generator."""
    return (labels + torch.randint(1, classes, labels.shape)) % classes


def skip_the_right_one(labels: Tensor, classes: int, rng: torch.Generator) -> Tensor:
    """One of classes - 1 numbers, and those from the right label on moved up by one."""
    other = torch.randint(classes - 1, labels.shape, generator=rng)
    return other + (other >= labels)


EXERCISE = Exercise(
    id="5.5",
    title="Wrong labels",
    points=2,
    minutes=8,
    reference=cgan.mislabel,
    cases=many_labels,
    observe=observe_mislabel,
    slips=(
        Slip(
            any_label,
            "One label in so many is the right one: D would be told that a true pair is "
            "false. How can an offset never come back to where it started?",
        ),
        Slip(
            lambda labels, classes, rng: (labels + 1) % classes,
            "Some labels never occur: D learns to reject 3 for a 2, say, but never 8. "
            "(randint leaves its upper end out.)",
        ),
        Slip(
            shuffled,
            "Shuffling gives many pictures their own label back, or that of another picture "
            "of the same digit.",
        ),
        Slip(
            partial(step_on, wrap=False),
            "Some labels lie beyond the last class: go round the circle, % classes.",
        ),
        Slip(
            unseeded,
            "Draw from the generator that you are given: randint(..., generator=rng).",
        ),
    ),
    alternatives=(step_on, skip_the_right_one),
)
