"""Fully connected networks, for points rather than pictures."""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import skip_init


class MLP(nn.Sequential):
    """Linear layers with an activation between them, and none at the end.

    Parameters
    ----------
    *sizes : int
        Numbers of units from input to output, at least two: ``MLP(2, 64, 64, 1)``.
    slope : float
        Of the leaky ReLU below 0; 0 gives a plain ReLU.
    rng : torch.Generator
        Draws the initial weights (He et al., 2015). It lives on the CPU, so that a seed gives the
        same network on every device.

    Raises
    ------
    ValueError
        If there are fewer than two sizes.
    """

    def __init__(self, *sizes: int, rng: torch.Generator, slope: float = 0.2) -> None:
        if len(sizes) < 2:
            raise ValueError(f"an MLP needs its input and output size, got {sizes}")
        layers: list[nn.Module] = []
        for n_in, n_out in pairwise(sizes):
            # skip_init: torch's own draw would come from the global generator
            layers += [skip_init(nn.Linear, n_in, n_out), nn.LeakyReLU(slope)]
        super().__init__(*layers[:-1])  # the output is left as it is: a logit, or a point
        for layer in self.children():
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_normal_(layer.weight, a=slope, generator=rng)
                # not 0: each bias places a kink, and kinks are where the network can bend
                bound = layer.in_features**-0.5
                nn.init.uniform_(layer.bias, -bound, bound, generator=rng)

    def forward(self, x: Float[Tensor, " batch n_in"]) -> Float[Tensor, " batch n_out"]:
        return super().forward(x)


class Critic(nn.Module):
    """An `MLP` that gives one logit for each point: (batch, n) -> (batch,)."""

    def __init__(self, *sizes: int, rng: torch.Generator, slope: float = 0.2) -> None:
        super().__init__()
        self.layers = MLP(*sizes, 1, rng=rng, slope=slope)

    def forward(self, x: Float[Tensor, " batch n"]) -> Float[Tensor, " batch"]:
        return self.layers(x).squeeze(1)  # squeeze(1), not squeeze(): a batch of one stays a batch
