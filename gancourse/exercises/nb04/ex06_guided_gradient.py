"""Exercise 4.6: guided backpropagation."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gancourse.exercises.base import Case, Exercise, Observation, as_tensor
from gancourse.exercises.nb04._shared import seed_first
from gancourse.exercises.observe import fill, seeded
from gancourse.papers import dcgan_probes


def observe_guided(answer: Callable[..., Any], case: Case) -> Observation:
    seed, channel = case.args
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
    """Make a guided_gradient with another rule for (slope, output) on the way back."""

    def guided(net: nn.Module, x: Tensor, layer: int, channel: int) -> Tensor:
        x = x.detach().requires_grad_()

        def guide(_layer: nn.Module, _inputs: tuple, output: Tensor) -> None:
            output.register_hook(lambda slope: rule(slope, output.detach()))

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
    cases=lambda rng: seed_first(rng, (0, 2)),
    observe=observe_guided,
    slips={
        "That is the ordinary gradient: nothing is held back on the way.": guided_like(
            lambda slope, output: slope
        ),
        "Half of "
        "the rule: also hold back the slope where the activation was not positive.": guided_like(
            lambda slope, output: slope.clamp(min=0)
        ),
        "Half of the rule: also hold back negative slopes.": guided_like(
            lambda slope, output: slope * (output > 0)
        ),
        "You "
        "keep what speaks against the filter: clamp(min=0) keeps what is positive.": guided_like(
            lambda slope, output: slope.clamp(max=0) * (output > 0)
        ),
        "The activation opens or closes the way; its size has no part in it. Multiply by (output "
        "> 0).": guided_like(lambda slope, output: slope.clamp(min=0) * output.clamp(min=0)),
        "You clip once, at the picture. Clip at every activation layer on the way.": guided_like(
            lambda slope, output: slope, lambda g: g.clamp(min=0)
        ),
    },
    alternatives=(
        guided_like(lambda slope, output: F.relu(slope) * (output > 0)),
        guided_like(lambda slope, output: torch.where((slope > 0) & (output > 0), slope, 0.0)),
    ),
)
