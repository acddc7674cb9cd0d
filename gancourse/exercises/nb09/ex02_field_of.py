"""Exercise 9.2: the receptive field of one output."""

from functools import partial

import torch
import torch.nn.functional as F

from gancourse.exercises.base import Case, Exercise
from gancourse.exercises.observe import integer, observe_number
from gancourse.papers import cyclegan

Layers = list[tuple[int, int]]


def stacks(rng: torch.Generator) -> list[Case]:
    """Layers of different kernels and strides; of one layer alone, strides don't matter."""
    one = [(integer(rng, 4, 40), 3)]
    other = [(integer(rng, 4, 5), 2), (integer(rng, 6, 7), 3), (3, 1), (integer(rng, 2, 3), 2)]
    return [
        Case(([(4, 2), (4, 1), (4, 1)],), note="on kernels 4, 4, 4 with strides 2, 1, 1"),
        Case((other,), note=f"on (kernel, stride) = {other}"),
        Case((one,), note=f"on one layer {one}"),
        Case(([],), note="on an empty list"),
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
    y = x * 1
    for kernel, stride in layers:
        y = F.conv1d(y, torch.ones(1, 1, kernel, dtype=torch.double), stride=stride)
    y[0, 0, 0].backward()
    return int((x.grad != 0).sum())


def sum_like(step=lambda kernel, stride: kernel - 1, start: int = 1):
    """Make a sum over the layers, without the product of strides."""
    return lambda layers: start + sum(step(kernel, stride) for kernel, stride in layers)


def rule_like(
    step=lambda field, kernel, stride: (field - 1) * stride + kernel,
    start: int = 1,
    order: int = -1,
):
    """Make a loop with some rule, from the last layer to the first unless `order` is 1."""

    def field_of(layers: Layers) -> int:
        field = start
        for kernel, stride in layers[::order]:
            field = step(field, kernel, stride)
        return field

    return field_of


def running_like(jump_first: bool = False, whole: bool = False, restart: bool = False):
    """Make a loop from the first layer, with the distance of neighbours in pixels."""

    def field_of(layers: Layers) -> int:
        field, distance = 1, 1
        for kernel, stride in layers:
            distance = distance * stride if jump_first else distance
            field += (kernel if whole else kernel - 1) * distance
            distance = distance if jump_first else (stride if restart else distance * stride)
        return field

    return field_of


def from_the_last_kernel(layers: Layers, again: int = 0) -> int:
    field = layers[-1][0]
    for kernel, stride in layers[: len(layers) - 1 + again][::-1]:
        field = (field - 1) * stride + kernel
    return field


def of_one_layer(index: int, layers: Layers) -> int | None:
    return layers[index][0] if layers else None


EXERCISE = Exercise(
    id="9.2",
    title="The receptive field of one output",
    points=2,
    minutes=10,
    reference=cyclegan.field_of,
    cases=stacks,
    observe=observe_number,
    slips={
        "The strides are not used: you summed kernel - 1. After a stride of 2, neighbouring "
        "positions are two pixels apart.": sum_like(),
        "You summed the kernels, but windows overlap: two layers of kernel 3 and stride 1 depend "
        "on only 5 pixels.": [
            sum_like(lambda kernel, stride: kernel, start=0),
            sum_like(lambda kernel, stride: kernel),
        ],
        "Each stride counts for all layers after it, not only for one: the strides multiply.": [
            sum_like(lambda kernel, stride: (kernel - 1) * stride),
            running_like(restart=True),
        ],
        "The rule is right, but the direction is wrong: start with 1 at the output and go "
        "backwards through the layers.": rule_like(order=1),
        "A layer's stride does not widen its own receptive field, only that of the layers after "
        "it.": running_like(jump_first=True),
        "Too large: the first and the last of r windows lie r - 1 strides apart, not r.": [
            rule_like(lambda field, kernel, stride: field * stride + kernel),
            rule_like(lambda field, kernel, stride: field * stride + kernel - 1),
        ],
        "Right but for the empty list: no layer widens the field there, so it is 1.": (
            lambda layers: cyclegan.field_of(layers) if layers else 0
        ),
        "One layer is left out. Use the rule for all layers, also for the first and the last.": [
            lambda layers: cyclegan.field_of(layers[:-1]),
            lambda layers: cyclegan.field_of(layers[1:]),
        ],
        "Your loop ends after one layer: is the return inside the loop?": [
            partial(of_one_layer, -1),
            partial(of_one_layer, 0),
        ],
        "A layer of kernel k widens the field by k - 1 positions, not by k.": running_like(
            whole=True
        ),
        "kernel and stride are swapped: each layer is (kernel, stride).": rule_like(
            lambda field, kernel, stride: (field - 1) * kernel + stride
        ),
        "Each step is 1 too small: the rule is (r - 1) s + k.": rule_like(
            lambda field, kernel, stride: (field - 1) * stride + kernel - 1
        ),
        "At the output the field is 1 position: start with 1, not with 0.": rule_like(start=0),
        "Start with 1, and use the rule once for each layer. You begin with the last kernel, and "
        "an empty list has none.": from_the_last_kernel,
        "Start with 1. You begin with the last kernel, and then count the last layer once more; "
        "and an empty list has no last layer.": lambda layers: from_the_last_kernel(layers, 1),
        "You multiplied the kernels, but neighbouring patches overlap: (r - 1) s + k.": rule_like(
            lambda field, kernel, stride: field * kernel
        ),
        "You multiplied the strides. That is the distance of neighbouring outputs in pixels, not "
        "the field of one.": rule_like(lambda field, kernel, stride: field * stride),
        "That is the area of the square. Return its side.": (
            lambda layers: cyclegan.field_of(layers) ** 2
        ),
    },
    alternatives=(field_forward, field_by_gradient, rule_like()),
    advice="One layer of kernel 4 has a field of 4; two of kernel 3 and stride 1 have one of 5. "
    "What does your function return for them, and what for an empty list?",
)
