"""Pieces that several papers' networks share."""

from collections.abc import Callable

import torch
from torch import nn


def down_block(
    c_in: int, c_out: int, stride: int = 2, padding: int = 1, norm: bool = True
) -> list[nn.Module]:
    """Strided convolution, batch norm, LeakyReLU 0.2: a discriminator's layer (first in 03)."""
    conv = nn.Conv2d(c_in, c_out, 4, stride, padding, bias=not norm)
    return [conv, *([nn.BatchNorm2d(c_out)] if norm else []), nn.LeakyReLU(0.2)]


def up_block(c_in: int, c_out: int, stride: int = 2, padding: int = 1) -> list[nn.Module]:
    """Transposed convolution, batch norm, ReLU: a generator's layer (first in notebook 03)."""
    conv = nn.ConvTranspose2d(c_in, c_out, 4, stride, padding, bias=False)  # BN supplies the bias
    return [conv, nn.BatchNorm2d(c_out), nn.ReLU()]


def init_normal(net: nn.Module, rng: torch.Generator, std: float = 0.02) -> nn.Module:
    """Weights from N(0, std), biases 0, batch norm's gain from N(1, std); returns the network.

    Radford et al. (2016), Section 4, for the weights; the gain is that of the authors' code.
    `rng` lives on the CPU, so that a seed gives the same network on every device.
    """
    with torch.no_grad():
        for name, p in net.named_parameters():
            if p.dim() > 1:
                p.copy_(torch.empty(p.shape).normal_(0, std, generator=rng))
            elif name.endswith("bias"):
                p.zero_()
            else:
                p.copy_(torch.empty(p.shape).normal_(1, std, generator=rng))
    return net


def swap(net: nn.Module, kind: type[nn.Module], by: Callable[[nn.Module], nn.Module]) -> nn.Module:
    """Replace every layer of a kind, in place, and return the network.

    ``swap(D, nn.BatchNorm2d, lambda layer: nn.Identity())`` takes batch norm out.
    """
    for parent in list(net.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, kind):
                setattr(parent, name, by(child))
    return net


def count_parameters(net: nn.Module) -> int:
    """How many numbers a network learns."""
    return sum(p.numel() for p in net.parameters() if p.requires_grad)
