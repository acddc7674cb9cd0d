"""Exercise 9.2: the receptive field of one output."""

import torch
import torch.nn.functional as F

from gancourse.exercises.base import Case, Exercise
from gancourse.exercises.observe import integer
from gancourse.papers import cyclegan

Layers = list[tuple[int, int]]


def stacks(rng: torch.Generator) -> list[Case]:
    paper = [(4, 2), (4, 2), (4, 2), (4, 1), (4, 1)]
    other = [(integer(rng, 3, 5), 2), (integer(rng, 3, 5), 3), (integer(rng, 3, 7), 1)]
    return [
        Case((paper[2:],), note="on kernels 4, 4, 4 with strides 2, 1, 1"),
        Case((other,), note=f"on (kernel, stride) = {other}"),
    ]


def field_forward(layers: Layers) -> int:
    """From the first layer: by the distance in pixels between neighbours of a layer."""
    field, distance = 1, 1
    for kernel, stride in layers:
        field += (kernel - 1) * distance
        distance *= stride
    return field


def field_by_gradient(layers: Layers) -> int:
    """Count the pixels that one output depends on."""
    size = 1
    for kernel, stride in reversed(layers):
        size = (size - 1) * stride + kernel
    x = torch.zeros(1, 1, size + 7, dtype=torch.double).requires_grad_()
    y = x
    for kernel, stride in layers:
        y = F.conv1d(y, torch.ones(1, 1, kernel, dtype=torch.double), stride=stride)
    y[0, 0, 0].backward()
    return int((x.grad != 0).sum())


def without_strides(layers: Layers) -> int:
    return 1 + sum(kernel - 1 for kernel, _ in layers)


def front_to_back(layers: Layers) -> int:
    field = 1
    for kernel, stride in layers:
        field = (field - 1) * stride + kernel
    return field


def jump_too_early(layers: Layers) -> int:
    field, distance = 1, 1
    for kernel, stride in layers:
        distance *= stride
        field += (kernel - 1) * distance
    return field


def off_by_strides(layers: Layers) -> int:
    field = 1
    for kernel, stride in reversed(layers):
        field = field * stride + kernel
    return field


def product(layers: Layers) -> int:
    field = 1
    for kernel, _ in layers:
        field *= kernel
    return field


EXERCISE = Exercise(
    id="9.2",
    title="What one logit sees",
    points=2,
    minutes=10,
    reference=cyclegan.field_of,
    cases=stacks,
    slips={
        "The strides are not used: you summed kernel - 1. After a stride of 2, neighbouring "
        "positions are two pixels apart.": without_strides,
        "The right rule in the wrong direction: start with 1 at the output and go backwards "
        "through the layers.": front_to_back,
        "A layer's stride does not widen its own receptive field, only that of the layers after "
        "it.": jump_too_early,
        "Too large: the first and the last of r "
        "windows lie r - 1 strides apart, not r.": off_by_strides,
        "You multiplied the kernels. Neighbouring patches overlap.": product,
    },
    alternatives=(field_forward, field_by_gradient),
)
