"""R3GAN: Huang, Gokaslan, Kuleshov and Tompkin (NeurIPS 2024), arXiv 2501.05441.

The relativistic pairing loss of Jolicoeur-Martineau (2019), zero-centred gradient penalties at real
images (R1) and at fakes (R2), and residual networks without any normalization layer. Details are
those of the authors' code (github.com/brownvc/R3GAN).
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn, no_grad
from torch.optim import Optimizer

from gancourse.papers.blocks import Rng, configured, require_size, swap
from gancourse.papers.gan import descend, frozen, mean_loss, r1_penalty
from gancourse.shapes import Images, Latent, Logits, Scalar

GAIN = math.sqrt(2 / (1 + 0.2**2))
"""Keeps the variance through a LeakyReLU of slope 0.2 (He et al. 2015)."""


# Losses --------------------------------------------------------------------------------------
def pairing_loss(higher: Tensor, lower: Tensor) -> Scalar:
    r"""Mean of :math:`\log(1 + e^{-(a - b)})` over the pairs (a, b) of a batch, in nats.

    The relativistic pairing loss (the paper's Equation 2 with f(t) = -log(1 + exp(-t))): each fake
    is compared with a real example, so what counts is which of the two D prefers. D minimizes
    ``pairing_loss(real, fake)`` and G ``pairing_loss(fake, real)``; both are log 2 where D is
    undecided.

    Parameters
    ----------
    higher, lower : Float[Tensor, " batch"]
        Logits. The i-th logits of both form a pair.

    Raises
    ------
    ValueError
        The shapes differ, or the batch is empty.
    """
    if higher.shape != lower.shape:
        raise ValueError(
            f"pairs need as many real logits as fake ones, got shapes {tuple(higher.shape)} and "
            f"{tuple(lower.shape)}"
        )
    return mean_loss(F.softplus(lower - higher))


def pairing_losses(real: Tensor, fake: Tensor) -> tuple[Scalar, Scalar]:
    r"""Both players' relativistic pairing loss, (loss_D, loss_G); first built in notebook 11.

    D minimizes the mean of :math:`\log(1 + e^{-(a - b)})` over the pairs of a real logit a and a
    fake one b, G that of :math:`\log(1 + e^{-(b - a)})`: see `pairing_loss`. Their difference is
    the mean of b - a, so both change although only one player moves.

    Parameters
    ----------
    real, fake : Float[Tensor, " batch"]
        Logits. The i-th logits of both form a pair.

    Returns
    -------
    tuple[Float[Tensor, ""], Float[Tensor, ""]]
        Nats, at least 0, finite for every logit up to 1e36. Each has a gradient with respect to
        both arguments.

    Raises
    ------
    ValueError
        The shapes differ, or the batch is empty.
    """
    return pairing_loss(real, fake), pairing_loss(fake, real)


def r3gan_step(
    G: nn.Module,
    D: nn.Module,
    opt_G: Optimizer,
    opt_D: Optimizer,
    batches: Iterator[Tensor],
    sample_z: Callable[[int], Tensor],
    gamma: float,
    *,
    autocast: Callable[[], AbstractContextManager] = nullcontext,
) -> dict[str, Tensor]:
    """One iteration: D's turn with both penalties, then G's turn with new real examples.

    Parameters
    ----------
    G, D : nn.Module
        Generator, latent vectors to images; discriminator, images to logits, without batch norm.
    opt_G, opt_D : Optimizer
        One for each player.
    batches : Iterator[Tensor]
        Endless; two are used per step.
    sample_z : Callable[[int], Tensor]
        ``sample_z(m)`` returns m latent vectors.
    gamma : float
        Weight of both penalties: gamma / 2 times (R1 + R2), at every step; 0 omits them. The paper
        lowers it tenfold during training.
    autocast : Callable[[], AbstractContextManager]
        As in `gan.gan_step`. The penalties are computed outside of it, in full precision.

    Returns
    -------
    dict[str, Tensor]
        "loss_D" and "loss_G" in nats, without the penalties; "r1" and "r2", the squared norms.
    """
    # D's turn
    x = next(batches)
    with no_grad(), autocast():
        fakes = G(sample_z(len(x)))
    with autocast():
        real, fake = D(x), D(fakes)
    loss_D = pairing_loss(real.float(), fake.float())
    r1 = r2 = loss_D.new_zeros(())
    if gamma:
        r1, r2 = r1_penalty(D, x), r1_penalty(D, fakes.to(x.dtype))
    descend(opt_D, loss_D + gamma / 2 * (r1 + r2))

    # G's turn
    x = next(batches)
    with frozen(D):
        with autocast():
            real, fake = D(x).detach(), D(G(sample_z(len(x))))
        loss_G = pairing_loss(fake.float(), real.float())
        descend(opt_G, loss_G)
    values = {"loss_D": loss_D, "loss_G": loss_G, "r1": r1, "r2": r2}
    return {name: value.detach() for name, value in values.items()}


# Networks ------------------------------------------------------------------------------------
def without_norm(net: nn.Module, rng: torch.Generator) -> nn.Module:
    """Replace each batch norm of a convolutional network by a bias per channel, in place.

    The convolutions get the initial weights of He et al. (2015), which keep the variance without a
    normalization layer. With it a DCGAN can be trained by `r3gan_step`.

    Parameters
    ----------
    net : nn.Module
        Such as `dcgan.Generator` or `dcgan.Discriminator`.
    rng : torch.Generator
        Draws the initial weights, on the CPU.

    Returns
    -------
    nn.Module
        The network.
    """
    for layer in net.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            inputs = layer.weight[0].numel()  # numbers that reach one number of the output
            if isinstance(layer, nn.ConvTranspose2d):
                stride, kernel = layer.stride[0], layer.kernel_size[0]
                each_way = 1 if stride == 1 else kernel // stride  # stride 1: it enlarges one pixel
                inputs = layer.in_channels * each_way**2
            nn.init.normal_(layer.weight, 0, GAIN / math.sqrt(inputs), generator=rng)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return swap(net, nn.BatchNorm2d, lambda norm: Bias(norm.num_features))


class Bias(nn.Module):
    """Add a number per channel, 0 at the start."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Images) -> Images:
        return x + self.bias[:, None, None]


def _conv(c_in: int, c_out: int, kernel: int = 1, groups: int = 1, gain: float = 1.0) -> nn.Module:
    """A convolution without bias that multiplies the standard deviation by `gain`."""
    conv = nn.Conv2d(c_in, c_out, kernel, padding=kernel // 2, groups=groups, bias=False)
    nn.init.normal_(conv.weight, 0, gain / math.sqrt(conv.weight[0].numel()))
    return conv


def biased_leaky_relu(channels: int) -> nn.Module:
    """Add a bias per channel, then LeakyReLU with slope 0.2."""
    return nn.Sequential(Bias(channels), nn.LeakyReLU(0.2))


class ResidualBlock(nn.Module):
    """x + f(x), where f is 1 x 1, grouped 3 x 3, 1 x 1; f is 0 at the start.

    Parameters
    ----------
    channels : int
        Of input and output; f has twice as many inside.
    group : int
        Channels in a group of the 3 x 3 convolution.
    of : int
        Number of residual blocks in the network: it scales the initial weights (Zhang et al. 2019).
    """

    def __init__(self, channels: int, group: int, of: int) -> None:
        super().__init__()
        inner, gain = 2 * channels, GAIN * of ** (-1 / 4)
        self.layers = nn.Sequential(
            _conv(channels, inner, gain=gain),
            biased_leaky_relu(inner),
            _conv(inner, inner, kernel=3, groups=inner // group, gain=gain),
            biased_leaky_relu(inner),
            _conv(inner, channels, gain=0.0),
        )

    def forward(self, x: Images) -> Images:
        return x + self.layers(x)


class Resample(nn.Module):
    """Double or halve the side with the filter [1, 2, 1], with a 1 x 1 convolution if needed."""

    kernel: Tensor

    def __init__(self, c_in: int, c_out: int, up: bool) -> None:
        super().__init__()
        row = torch.tensor([1.0, 2.0, 1.0]) / 4
        self.register_buffer("kernel", row[:, None] * row, persistent=False)
        self.mix = _conv(c_in, c_out) if c_in != c_out else nn.Identity()
        self.up = up
        self.channels = c_out if up else c_in  # of the images that are filtered

    def forward(self, x: Images) -> Float[Tensor, "batch widths new_height new_width"]:
        kernel = self.kernel.to(x.dtype).expand(self.channels, 1, 3, 3)
        options = {"stride": 2, "padding": 1, "groups": self.channels}
        if self.up:
            return F.conv_transpose2d(self.mix(x), 4 * kernel, output_padding=1, **options)
        return self.mix(F.conv2d(x, kernel, **options))


@configured
class Generator(nn.Module):
    """Latent vectors to images: a learned 4 x 4 basis, residual blocks, doubling in between.

    Parameters
    ----------
    noise_dim : int
        Length of z.
    channels : int
        Of the images.
    widths : Sequence[int]
        Channels at 4 x 4, 8 x 8, ...: four of them give 32 x 32 pixels.
    blocks : int
        Residual blocks per resolution.
    group : int
        Channels in a group of the 3 x 3 convolutions; it divides twice each width.
    rng : torch.Generator, optional
        Draws the initial weights; see `blocks.configured`.
    """

    def __init__(
        self,
        noise_dim: int = 64,
        channels: int = 3,
        widths: Sequence[int] = (96, 96, 96, 96),
        blocks: int = 2,
        group: int = 16,
        rng: Rng = None,
    ) -> None:
        super().__init__()
        self.noise_dim = noise_dim
        self.basis = nn.Parameter(torch.randn(widths[0], 4, 4))
        self.linear = nn.Linear(noise_dim, widths[0], bias=False)
        nn.init.normal_(self.linear.weight, 0, noise_dim**-0.5)
        layers: list[nn.Module] = []
        for n, width in enumerate(widths):
            layers += [Resample(widths[n - 1], width, up=True)] if n else []
            layers += [ResidualBlock(width, group, blocks * len(widths)) for _ in range(blocks)]
        self.layers = nn.Sequential(*layers, _conv(widths[-1], channels))

    def forward(self, z: Latent) -> Images:
        return self.layers(self.basis * self.linear(z)[:, :, None, None])


@configured
class Discriminator(nn.Module):
    """Images to logits: `Generator` in reverse, with a 4 x 4 convolution per channel at the end.

    Parameters are those of `Generator`; `widths` are in its order, from 4 x 4 upwards.
    """

    def __init__(
        self,
        channels: int = 3,
        widths: Sequence[int] = (96, 96, 96, 96),
        blocks: int = 2,
        group: int = 16,
        rng: Rng = None,
    ) -> None:
        super().__init__()
        self.side = 4 * 2 ** (len(widths) - 1)
        down = list(reversed(widths))
        layers: list[nn.Module] = [_conv(channels, down[0])]
        for n, width in enumerate(down):
            layers += [Resample(down[n - 1], width, up=False)] if n else []
            layers += [ResidualBlock(width, group, blocks * len(widths)) for _ in range(blocks)]
        self.layers = nn.Sequential(*layers)
        last = nn.Conv2d(widths[0], widths[0], 4, groups=widths[0], bias=False)
        nn.init.normal_(last.weight, 0, 1 / 4)
        self.head = nn.Sequential(last, nn.Flatten(), nn.Linear(widths[0], 1, bias=False))
        nn.init.normal_(self.head[-1].weight, 0, widths[0] ** -0.5)

    def forward(self, x: Images) -> Logits:
        require_size(x, self.side)
        return self.head(self.layers(x)).squeeze(1)
