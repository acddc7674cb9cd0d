"""Exercise 4.6: guided backpropagation."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gancourse.exercises.base import Case, Exercise, Observation, as_tensor
from gancourse.exercises.observe import fill, integers, seeded
from gancourse.papers import dcgan_probes


def observe_guided(answer: Callable[..., Any], case: Case) -> Observation:
    channel, seed = case.args
    rng = seeded(seed)
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.LeakyReLU(0.2), nn.Conv2d(4, 3, 3, padding=1),
        nn.LeakyReLU(0.2), nn.Conv2d(3, 1, 6), nn.Flatten(0),
    )  # fmt: skip
    fill(net, rng)[2].bias.data.add_(2)  # so that every filter responds somewhere
    x = torch.randn(5, 1, 6, 6, generator=rng)
    result = as_tensor(answer(net, x.clone(), 1, channel))
    probe = x.clone().requires_grad_()
    (after,) = torch.autograd.grad(net(probe).sum(), probe)
    return {"result": result, "an ordinary gradient afterwards": after}


def guided_like(rule: Callable[[Tensor, Tensor], Tensor], last: Callable = lambda g: g) -> Callable:
    """Make a guided_gradient with another rule for (gradient, output) in the backward pass."""

    def guided(net: nn.Module, x: Tensor, layer: int, channel: int) -> Tensor:
        x = x.detach().requires_grad_()

        def guide(_layer: nn.Module, _inputs: tuple, output: Tensor) -> None:
            output.register_hook(lambda gradient: rule(gradient, output.detach()))

        hooks = [a.register_forward_hook(guide) for a in dcgan_probes.activation_layers(net)]
        response = dcgan_probes.feature_maps(net, x)[layer][:, channel].flatten(1).max(1).values
        for hook in hooks:
            hook.remove()
        return last(torch.autograd.grad(response.sum(), x)[0])

    return guided


EXERCISE = Exercise(
    id="4.6",
    title="Guided backpropagation",
    points=3,
    minutes=12,
    reference=dcgan_probes.guided_gradient,
    cases=lambda rng: integers(rng, (0, 2)),
    observe=observe_guided,
    slips={
        "That is the ordinary gradient: nothing is set to 0 in the backward pass.": guided_like(
            lambda gradient, output: gradient
        ),
        "That is one of two conditions. The gradient also passes only where the activation was "
        "positive.": guided_like(lambda gradient, output: gradient.clamp(min=0)),
        "That is one of two conditions. Negative gradients don't pass either.": guided_like(
            lambda gradient, output: gradient * (output > 0)
        ),
        "You keep the negative gradients: clamp(min=0) keeps the positive ones.": guided_like(
            lambda gradient, output: gradient.clamp(max=0) * (output > 0)
        ),
        "The activation decides whether a gradient passes; its size does not matter. Multiply by "
        "(output > 0).": guided_like(
            lambda gradient, output: gradient.clamp(min=0) * output.clamp(min=0)
        ),
        "You clip once, at the image. Clip at every activation layer.": guided_like(
            lambda gradient, output: gradient, lambda g: g.clamp(min=0)
        ),
    },
    alternatives=(
        guided_like(lambda gradient, output: F.relu(gradient) * (output > 0)),
        guided_like(
            lambda gradient, output: torch.where((gradient > 0) & (output > 0), gradient, 0.0)
        ),
    ),
)
