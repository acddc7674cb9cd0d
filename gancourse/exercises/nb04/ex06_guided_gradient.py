"""Exercise 4.6: guided backpropagation."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gancourse.exercises.base import FACT, Case, Exercise, Observation, as_tensor
from gancourse.exercises.observe import fill, integer, seeded
from gancourse.papers import dcgan_probes

FORWARD = (
    f"{FACT}In the forward pass the layers should return what they always do, but your hook "
    "changes their outputs: by what `guide` returns, or in place. Only register a hook on the "
    "gradient."
)


def filters(rng: torch.Generator) -> list[Case]:
    channels, seed = torch.randperm(3, generator=rng).tolist(), integer(rng, 0, 10**6)
    return [
        Case((1, channels[0], False, seed)),
        Case((-1, channels[1], True, seed), note="where activations are exactly 0"),
    ]


def observe_guided(answer: Callable[..., Any], case: Case) -> Observation:
    layer, channel, black, seed = case.args
    rng = seeded(seed)
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.LeakyReLU(0.2), nn.Conv2d(4, 3, 3, padding=1),
        nn.LeakyReLU(0.2), nn.Conv2d(3, 1, 6), nn.Flatten(0),
    )  # fmt: skip
    fill(net, rng)[2].bias.data.add_(2)  # so that every filter responds somewhere
    net[2].weight.data.mul_(4)  # so that some gradients are above 1
    x = torch.randn(5, 1, 6, 6, generator=rng)
    if black:
        x[2] = net[0].bias.data[:] = 0
    seen: list[Tensor] = []
    for conv in net[2:5:2]:
        conv.register_forward_pre_hook(lambda _layer, inputs: seen.append(as_tensor(inputs[0])))
    result = as_tensor(answer(net, x.clone(), layer, channel))
    during = seen[:2]
    net(x)
    same = all(map(torch.equal, during, seen[-2:]))
    return {FORWARD: torch.tensor(not same), **({"result": result} if same else {})}


def guided_like(
    rule: Callable[[Tensor, Tensor], Tensor | None],
    last: Callable[[Tensor], Tensor] = lambda g: g,
    on: Callable[[Tensor], Tensor] = lambda output: output,
) -> Callable[..., Tensor]:
    """Make a guided_gradient with another rule for (gradient, output) in the backward pass."""

    def guided(net: nn.Module, x: Tensor, layer: int, channel: int) -> Tensor:
        x = x.detach().requires_grad_()

        def guide(_layer: nn.Module, _inputs: tuple, output: Tensor) -> None:
            on(output).register_hook(lambda gradient: rule(gradient, output.detach()))

        hooks = [a.register_forward_hook(guide) for a in dcgan_probes.activation_layers(net)]
        try:
            response = dcgan_probes.feature_maps(net, x)[layer][:, channel].amax((1, 2))
            return last(torch.autograd.grad(response.sum(), x)[0])
        finally:
            for hook in hooks:
                hook.remove()

    return guided


def hooks_on_layers(net: nn.Module, x: Tensor, layer: int, channel: int) -> Tensor:
    """Register a backward hook on each layer during the forward pass, and leave it there."""

    def guide(layer: nn.Module, _inputs: tuple, output: Tensor) -> None:
        layer.register_full_backward_hook(
            lambda _layer, gradients, _out: (gradients[0].clamp(min=0) * (output > 0),)
        )

    x = x.detach().requires_grad_()
    hooks = [a.register_forward_hook(guide) for a in dcgan_probes.activation_layers(net)]
    response = dcgan_probes.feature_maps(net, x)[layer][:, channel].amax((1, 2))
    for hook in hooks:
        hook.remove()
    return torch.autograd.grad(response.sum(), x)[0]


def not_a_function(net: nn.Module, x: Tensor, layer: int, channel: int) -> Tensor:
    output = net(x.requires_grad_())
    output.register_hook((output > 0).float())
    return torch.autograd.grad(output.sum(), x)[0]


def no_gradient_yet(net: nn.Module, x: Tensor, layer: int, channel: int) -> Tensor:
    output = net(x.detach().requires_grad_())
    output.register_hook(gradient.clamp(min=0))  # noqa: F821 - it is defined nowhere
    return output


EXERCISE = Exercise(
    id="4.6",
    title="Guided backpropagation",
    points=3,
    minutes=12,
    reference=dcgan_probes.guided_gradient,
    cases=filters,
    observe=observe_guided,
    slips={
        "That is the ordinary gradient: nothing is set to 0 in the backward pass. The "
        "function that you register has to return the new gradient; if it returns None, nothing "
        "changes.": guided_like(lambda gradient, output: gradient),
        "That is one of two conditions. The other one: the activation was positive there, "
        "too.": guided_like(lambda gradient, output: gradient.clamp(min=0)),
        "That is one of two conditions. The other one: the gradient is positive.": guided_like(
            lambda gradient, output: gradient * (output > 0)
        ),
        "Both conditions must hold: and, not or.": [
            guided_like(
                lambda gradient, output: gradient * ((gradient > 0) | (output > 0)),
            ),
            guided_like(lambda gradient, output: gradient.clamp(min=0) + gradient * (output > 0)),
        ],
        "A negative gradient passes where the output is negative: the product of two negative "
        "numbers is positive. Test both signs separately.": guided_like(
            lambda gradient, output: gradient * (gradient * output > 0)
        ),
        "Nothing passes. At the response the gradient is positive, and so is the activation: let "
        "positive gradients pass where the output is positive.": [
            guided_like(lambda gradient, output: gradient.clamp(max=0) * (output > 0)),
            guided_like(lambda gradient, output: gradient.clamp(max=0)),
            guided_like(lambda gradient, output: gradient.clamp(min=0) * (output <= 0)),
        ],
        "A negative gradient should become 0; abs() makes it positive.": [
            guided_like(lambda gradient, output: gradient.abs() * (output > 0)),
            guided_like(lambda gradient, output: gradient.abs()),
        ],
        "The activation decides whether a gradient passes; its size does not matter. Multiply by "
        "(output > 0).": [
            guided_like(lambda gradient, output: gradient.clamp(min=0) * output.clamp(min=0)),
            guided_like(lambda gradient, output: gradient.clamp(min=0) * output),
            guided_like(lambda gradient, output: gradient * output.clamp(min=0)),
            guided_like(lambda gradient, output: gradient * output),
        ],
        "An activation that is exactly 0 is not positive: > 0, not >= 0.": guided_like(
            lambda gradient, output: gradient.clamp(min=0) * (output >= 0)
        ),
        "Where the output is not positive, nothing should pass, not even 0.2 of the gradient: "
        "treat the layers as ReLUs.": guided_like(
            lambda gradient, output: gradient.clamp(min=0) * torch.where(output > 0, 1.0, 0.2)
        ),
        "register_hook() takes a function, which gets the gradient later: lambda gradient: ...": [
            not_a_function,
            no_gradient_yet,
        ],
        "That is the mask alone: what passes is the gradient, multiplied by the mask.": [
            guided_like(lambda gradient, output: ((gradient > 0) & (output > 0)).float()),
            guided_like(lambda gradient, output: (output > 0).float()),
            guided_like(lambda gradient, output: (gradient > 0) & (output > 0)),
        ],
        "That is the activation itself, where both are positive. What passes is the "
        "gradient.": guided_like(lambda gradient, output: output * (gradient > 0) * (output > 0)),
        "You clip once, at the image. Clip at every activation layer.": guided_like(
            lambda gradient, output: gradient, lambda g: g.clamp(min=0)
        ),
        "You clip at the image, too. The rule is for activation layers only.": guided_like(
            lambda gradient, output: gradient.clamp(min=0) * (output > 0), lambda g: g.clamp(min=0)
        ),
        "A backward hook on the layer comes too late for this pass, and stays there. Use "
        "output.register_hook instead.": hooks_on_layers,
        "Register the hook on output itself: no gradient passes through a detached "
        "copy.": guided_like(lambda gradient, output: gradient, on=lambda output: output.detach()),
    },
    alternatives=(
        guided_like(lambda gradient, output: F.relu(gradient) * (output > 0)),
        guided_like(
            lambda gradient, output: torch.where((gradient > 0) & (output > 0), gradient, 0.0)
        ),
    ),
    advice="Go through the example above the exercise: a gradient of 5, 4, -2, 1 arrives where the "
    "activation is 2, -1, 3, 1. What does your function return for it?",
)
