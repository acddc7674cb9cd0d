"""Layers that several papers share, fully connected networks, and how a network is created."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import skip_init

from gancourse.shapes import Images, Logits

Rng = torch.Generator | None
"""A generator on the CPU, so that a seed gives the same network on every device; None: torch's."""


@contextmanager
def initial_weights(rng: Rng) -> Iterator[None]:
    """Layers created inside draw their initial weights from `rng`.

    torch's layers draw from the global generator. Here that generator is seeded from `rng` for as
    long as the block lasts, and then put back as it was. With None nothing changes.

    Parameters
    ----------
    rng : torch.Generator, optional
        Lives on the CPU, so that a seed gives the same network on every device.
    """
    if rng is None:
        yield
        return
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**62, (), generator=rng)))
        yield


def configured(cls: type[nn.Module]) -> type[nn.Module]:
    """Class decorator for the networks of the package: they can be seeded and saved.

    An argument `rng` of the constructor draws the initial weights, see `initial_weights`. The other
    arguments are kept as the attribute ``config``, with which `training.networks.load` creates the
    network again.
    """
    create = cls.__init__
    signature = inspect.signature(create)

    @wraps(create)
    def __init__(self, *args, **kwargs) -> None:  # noqa: N807
        call = signature.bind(self, *args, **kwargs)
        call.apply_defaults()
        _, *arguments = call.arguments.items()  # without self
        with initial_weights(call.arguments.get("rng")):
            create(self, *args, **kwargs)
        self.config = {name: value for name, value in arguments if name != "rng"}

    cls.__init__ = __init__
    return cls


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


def require_size(x: Tensor, size: int) -> None:
    """ValueError unless images (B, C, H, W) have sides of `size` pixels.

    A discriminator of convolutions alone would return a map of logits for larger images, and a
    training with it goes on without a word.
    """
    if x.dim() != 4 or x.shape[2:] != (size, size):
        raise ValueError(
            f"this network was built for batches of images of {size} x {size} pixels, got a tensor "
            f"of shape {tuple(x.shape)}: resize the images, or build the network for their size"
        )


def swap(net: nn.Module, kind: type[nn.Module], by: Callable[[nn.Module], nn.Module]) -> nn.Module:
    """Replace every layer of a kind, in place, and return the network.

    ``swap(D, nn.BatchNorm2d, lambda layer: nn.Identity())`` removes batch norm.
    """
    for parent in list(net.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, kind):
                setattr(parent, name, by(child))
    return net


def count_parameters(net: nn.Module) -> int:
    """Number of trainable parameters of a network."""
    return sum(p.numel() for p in net.parameters() if p.requires_grad)


class Shifted(nn.Module):
    """A discriminator behind a random shift of each image: differentiable augmentation.

    Zhao et al. (2020): real and generated images get the same kind of random transformation, in
    D's turn and in G's, and gradients pass through it. So G does not learn to draw shifted images,
    as it would if only the real ones were augmented. Pixels from beyond the edge are mirrored.

    Parameters
    ----------
    D : nn.Module
        Images to logits. Its parameters are this network's.
    rng : torch.Generator
        Draws the shifts; put it into `train`'s ``keep``.
    n : int
        Largest shift in each direction, in pixels.
    """

    def __init__(self, D: nn.Module, rng: torch.Generator, n: int = 3) -> None:
        super().__init__()
        self.D, self.rng, self.n = D, rng, n

    def forward(self, x: Images) -> Logits:
        wide = F.pad(x, [self.n] * 4, mode="reflect")
        size = (2, len(x), 1)
        moves = torch.randint(2 * self.n + 1, size, generator=self.rng, device=self.rng.device)
        i = moves[0].to(x.device) + torch.arange(x.shape[2], device=x.device)  # (B, H)
        j = moves[1].to(x.device) + torch.arange(x.shape[3], device=x.device)  # (B, W)
        b = torch.arange(len(x), device=x.device)[:, None, None]
        return self.D(wide[b, :, i[:, :, None], j[:, None, :]].movedim(3, 1))


class MLP(nn.Sequential):
    """Linear layers with an activation between them, and none at the end: for points, not images.

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


class MLPDiscriminator(nn.Module):
    """An `MLP` that gives one logit per point: (batch, n) -> (batch,)."""

    def __init__(self, *sizes: int, rng: torch.Generator, slope: float = 0.2) -> None:
        super().__init__()
        self.layers = MLP(*sizes, 1, rng=rng, slope=slope)

    def forward(self, x: Float[Tensor, " batch n"]) -> Float[Tensor, " batch"]:
        return self.layers(x).squeeze(1)  # squeeze(1), not squeeze(): a batch of one stays a batch
