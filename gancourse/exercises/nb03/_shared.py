"""What exercises of notebook 03 share: whether later sections can replace and save the layers."""

from collections import Counter
from collections.abc import Sequence

import torch
from torch import nn

from gancourse.exercises.base import Observation
from gancourse.exercises.differences import STEP
from gancourse.exercises.observe import fact, observe_network

MODULES = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "tanh": nn.Tanh,
    "batch_norm": nn.BatchNorm2d,
    "conv2d": nn.Conv2d,
    "conv_transpose2d": nn.ConvTranspose2d,
}
"""Steps of a forward pass, and the layers that Section 6 replaces."""


def observe_layers(
    net: nn.Module, rng: torch.Generator, *shape: int, name: str = "x"
) -> Observation:
    """What a network computes, its steps, and facts on layers that can't be replaced or saved.

    The shapes of single weights are left out: the steps say the same, and in words. `name` is that
    of forward's argument.
    """
    every = observe_network(net, rng, **{name: shape})
    steps = Counter(key.split()[1] for key in every if key.startswith(STEP))
    seen = {"number of convolutions": torch.tensor(steps["conv2d"] + steps["conv_transpose2d"])}
    seen |= {key: value for key, value in every.items() if not key.startswith("weight ")}
    for step, kind in MODULES.items():
        found = sum(isinstance(layer, kind) for layer in net.modules())
        if found < steps[step]:
            seen |= fact(
                f"The forward pass computes {step} {_times(steps[step])}, but the network has "
                f"{found or 'no'} nn.{kind.__name__}: make every layer a module of its own, not a "
                "function in forward, because Section 6 replaces layers."
            )
    used = [x.shape for key, x in every.items() if key.startswith("weight ")]
    own = [p.shape for p in net.parameters()]
    if own != used and sorted(own) == sorted(used):
        seen |= fact(
            "The layers are registered in a different order than they run: create them in the "
            "order in which they run. The notebook saves weights in their order."
        )
    return seen


def replaced(net: nn.Module, before: Sequence[nn.Parameter]) -> Observation:
    """The fact that a network has other parameters than before, not other values in the same."""
    same = [id(p) for p in net.parameters()] == [id(p) for p in before]
    return {} if same else fact(
        "You replaced the network's parameters by new tensors: change its own in place, with "
        "methods like normal_() or copy_(). An optimizer would still update the old ones."
    )  # fmt: skip


def _times(n: int) -> str:
    return "once" if n == 1 else f"{n} times"
