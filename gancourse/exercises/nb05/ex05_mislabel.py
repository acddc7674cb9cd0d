"""Exercise 5.5: Wrong labels."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from gancourse.exercises.base import AnswerError, Case, Exercise, Observation, as_tensor
from gancourse.exercises.observe import integer, seeded
from gancourse.papers import cgan


def many_labels(rng: torch.Generator) -> list[Case]:
    """Very uneven, so that shuffled labels are recognised: half are 0 and a quarter are 1."""
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
        raise AnswerError(f"Expected {len(labels)} integers, one for each label.")
    steps = ((first.long() - labels) % classes).bincount(minlength=classes)[1:]
    even = steps.min() > 0.75 * steps.float().mean()  # 7 standard errors; 0.6 when shuffled
    return {
        "never the right label": torch.tensor(bool((first != labels).all())),
        "labels are in range": torch.tensor(bool(((first >= 0) & (first < classes)).all())),
        "all other labels equally often": even,
        "equal generators give equal labels": torch.tensor(first.equal(second)),
        "torch's global generator is not used": torch.tensor(untouched),
    }


def any_label(labels: Tensor, classes: int, rng: torch.Generator) -> Tensor:
    """Draw any label, the right one included."""
    return torch.randint(classes, labels.shape, generator=rng)


def offset(labels: Tensor, classes: int, rng: torch.Generator, *, wrap: bool = True) -> Tensor:
    """Add 1 to classes - 1, and wrap around or not."""
    moved = labels + torch.randint(1, classes, labels.shape, generator=rng)
    return moved % classes if wrap else moved


def shuffled(labels: Tensor, classes: int, rng: torch.Generator) -> Tensor:
    """Shuffle the labels of the batch."""
    return labels[torch.randperm(len(labels), generator=rng)]


def unseeded(labels: Tensor, classes: int, rng: torch.Generator) -> Tensor:
    """Draw from torch's global generator."""
    return (labels + torch.randint(1, classes, labels.shape)) % classes


def skip_right_label(labels: Tensor, classes: int, rng: torch.Generator) -> Tensor:
    """Draw one of classes - 1 numbers; those from the right label on move up by one."""
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
    slips={
        "Some labels are the right ones: D would learn to reject true pairs. "
        "Which offsets never lead back to the same label?": any_label,
        "Some wrong labels never occur: D learns to reject a 3 for a 2, say, but never an 8. "
        "(randint excludes its upper end.)": lambda labels, classes, rng: (labels + 1) % classes,
        "After shuffling, many images have their own label again, or that of another image "
        "of the same digit.": shuffled,
        "Some labels lie beyond the last class: wrap around with % classes.": partial(
            offset, wrap=False
        ),
        "Draw from the generator you are given: randint(..., generator=rng).": unseeded,
    },
    alternatives=(offset, skip_right_label),
)
