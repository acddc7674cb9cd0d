"""Exercise 5.1: A label as a vector."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gancourse.exercises.base import FACT, Case, Exercise, Observation, as_tensor
from gancourse.exercises.observe import integer
from gancourse.papers import cgan

BITS = f"{FACT}Layers have 32-bit weights, and your result has another dtype. Add .float()."


def some_labels(rng: torch.Generator) -> list[Case]:
    """All classes but the last occur, and there are more labels than classes."""
    classes = integer(rng, 3, 7)
    extra = torch.randint(classes, (integer(rng, 2, 5),), generator=rng)
    labels = torch.cat([torch.arange(classes - 1), extra.clamp(max=classes - 2)])
    labels = labels[torch.randperm(len(labels), generator=rng)]
    return [Case((labels, classes), note=f"for labels {labels.tolist()} of {classes} classes")]


def observe_one_hot(answer: Callable[..., Any], case: Case) -> Observation:
    labels, classes = case.args
    vectors = as_tensor(answer(labels.clone(), classes))
    if vectors.is_floating_point() and vectors.dtype != torch.float32:
        return {"result": vectors, BITS: torch.tensor(True)}
    return {"result": vectors}


def by_scatter(labels: Tensor, classes: int) -> Tensor:
    """Write a 1 into each row of zeros."""
    zeros = torch.zeros(len(labels), classes, device=labels.device)
    return zeros.scatter_(1, labels[:, None], 1.0)


EXERCISE = Exercise(
    id="5.1",
    title="A label as a vector",
    points=1,
    minutes=5,
    reference=cgan.one_hot,
    cases=some_labels,
    observe=observe_one_hot,
    slips={
        "The values are right, but they are integers, and a linear layer needs floats. Add "
        ".float().": lambda labels, classes: F.one_hot(labels, classes),
        "That is the label as a number, so a 9 counts nine times as much as a 1. Give each class "
        "its own position.": lambda labels, classes: labels[:, None].float(),
        "Rows and columns are swapped: one row per label, "
        "one column per class.": lambda labels, classes: F.one_hot(labels, classes).float().T,
        "Labels start at 0: the 1 of label 0 is in the first position.": lambda labels, classes: (
            F.one_hot((labels - 1) % classes, classes).float()
        ),
        "The other positions should be 0, not -1. Then a linear layer selects the weights of one "
        "class.": lambda labels, classes: 2 * F.one_hot(labels, classes).float() - 1,
    },
    alternatives=(
        by_scatter,
        lambda labels, classes: torch.eye(classes, device=labels.device)[labels],
    ),
)
