"""SRGAN: an image four times larger in each direction.

Ledig, Theis, Huszar, Caballero, Cunningham, Acosta, Aitken, Tejani, Totz, Wang and Shi (2017),
"Photo-realistic single image super-resolution using a generative adversarial network", arXiv
1609.04802. With the default arguments the networks are those of Figure 4; arguments make them
narrower. First built in notebook 08.

Differences from the paper: low-resolution images are in [-1, 1], like all images of the course (the
paper: [0, 1]), and D returns a logit.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn, no_grad
from torch.optim import Optimizer

from gancourse.papers.blocks import Rng, configured, require_size
from gancourse.papers.gan import discriminator_loss, frozen, non_saturating_loss
from gancourse.shapes import Images, Scalar

SCALE = 4
"""Ratio of the sides of the large and the small image."""

Enlarged = Float[Tensor, "batch channels _ _"]
"""Images or feature maps whose sides are a multiple of those of the input."""


# Networks ----------------------------------------------------------------------------------------
class ResidualBlock(nn.Module):
    """Convolution, batch norm, PReLU, convolution, batch norm, and the input added: Figure 4.

    Parameters
    ----------
    width : int
        Channels, in and out. Kernels are 3 x 3.
    norm : bool
        False leaves batch norm out; the convolutions then have biases.
    """

    def __init__(self, width: int = 64, norm: bool = True) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *_conv(width, width, norm),
            nn.PReLU(),
            *_conv(width, width, norm),
        )

    def forward(self, x: Images) -> Images:
        return x + self.layers(x)


def _conv(c_in: int, c_out: int, norm: bool, stride: int = 1) -> list[nn.Module]:
    conv = nn.Conv2d(c_in, c_out, 3, stride, padding=1, bias=not norm)  # batch norm has a bias
    return [conv, nn.BatchNorm2d(c_out)] if norm else [conv]


def pixel_shuffle(x: Images, r: int) -> Float[Tensor, "batch _ _ _"]:
    """Channels to pixels: (B, C r r, H, W) to (B, C, r H, r W).

    The second half of a sub-pixel convolution (Shi et al. 2016, Equation 4). Output pixel
    (r y + i, r x + j) of channel c is input pixel (y, x) of channel c r r + i r + j.
    """
    batch, channels, height, width = x.shape
    x = x.reshape(batch, channels // r**2, r, r, height, width)
    return x.permute(0, 1, 4, 2, 5, 3).reshape(batch, -1, r * height, r * width)


def _icnr(c_in: int, c_out: int) -> nn.Module:
    """A sub-pixel convolution whose four sets of weights start equal: Aitken et al. (2017).

    At the start it convolves and then copies each pixel: a flat input gives a flat output.
    """
    conv = nn.Conv2d(c_in, 4 * c_out, 3, padding=1)
    with no_grad():
        conv.weight.copy_(conv.weight[::4].repeat_interleave(4, dim=0))
        conv.bias.copy_(conv.bias[::4].repeat_interleave(4))
    return nn.Sequential(conv, nn.PixelShuffle(2))


UPSAMPLERS: dict[str, Callable[[int, int], nn.Module]] = {
    "subpixel": lambda a, b: nn.Sequential(nn.Conv2d(a, 4 * b, 3, padding=1), nn.PixelShuffle(2)),
    "icnr": _icnr,
    "transposed": lambda a, b: nn.ConvTranspose2d(a, b, 3, 2, padding=1, output_padding=1),
    "resize": lambda a, b: nn.Sequential(
        nn.UpsamplingNearest2d(scale_factor=2), nn.Conv2d(a, b, 3, padding=1)
    ),
}
"""Ways to double the side, c_in to c_out channels; the paper's is "subpixel".

"icnr" is the same layer with other initial weights; "resize" copies pixels, then convolves (Odena
et al. 2016), and can't produce a pattern from a flat input whatever its weights.
"""


@configured
class Generator(nn.Module):
    """An image to one four times as high and as wide; any sides, (B, 3, H, W).

    Called SRResNet where it is trained without a discriminator.

    Parameters
    ----------
    width, blocks : int
        Channels of the hidden layers; residual blocks. The paper: 64 and 16.
    tail : int, optional
        Channels of the two upsampling stages, which need most of the arithmetic; by default
        `width`.
    ends : Sequence[int]
        Kernel sides of the first and the last convolution.
    norm : bool
        Whether the residual blocks have batch norm.
    on_bicubic : bool
        Whether the network's output is added to the bicubic enlargement. Not in the paper; a short
        training then need not learn the smooth part.
    upsampling : {"subpixel", "icnr", "transposed", "resize"}
        One of `UPSAMPLERS`.
    rng : torch.Generator, optional
        Draws the initial weights; see `blocks.configured`.
    """

    def __init__(
        self,
        width: int = 64,
        blocks: int = 16,
        *,
        tail: int | None = None,
        ends: Sequence[int] = (9, 9),
        norm: bool = True,
        on_bicubic: bool = False,
        upsampling: Literal["subpixel", "icnr", "transposed", "resize"] = "subpixel",
        rng: Rng = None,
    ) -> None:
        super().__init__()
        tail, (first, last) = tail or width, ends
        double = UPSAMPLERS[upsampling]
        self.head = nn.Sequential(nn.Conv2d(3, width, first, padding=first // 2), nn.PReLU())
        body = [ResidualBlock(width, norm) for _ in range(blocks)]
        self.body = nn.Sequential(*body, *_conv(width, width, norm))
        self.up = nn.Sequential(double(width, tail), nn.PReLU(), double(tail, tail), nn.PReLU())
        self.tail = nn.Conv2d(tail, 3, last, padding=last // 2)
        self.on_bicubic = on_bicubic
        if on_bicubic:  # start near the bicubic image
            with no_grad():
                self.tail.weight.mul_(0.1)
                self.tail.bias.zero_()

    @property
    def reach(self) -> int:
        """Distance, in pixels of the small image, beyond which a pixel has no influence."""
        first, last = (side // 2 for side in self.config["ends"])
        return math.ceil(first + 2 * self.config["blocks"] + 1 + 1.5 + last / 4)

    def forward(self, x: Images) -> Enlarged:
        h = self.head(x)
        y = self.tail(self.up(h + self.body(h)))  # the long skip connection
        if self.on_bicubic:
            y = y.float() + F.interpolate(x, scale_factor=SCALE, mode="bicubic", antialias=True)
        return y


@configured
class Discriminator(nn.Module):
    """Eight convolutions, from 64 to 512 maps, and two dense layers: an image to a logit.

    Figure 4: 3 x 3 kernels, LeakyReLU 0.2, batch norm in all but the first, stride 2 in every
    second.

    Parameters
    ----------
    width : int
        Maps of the first convolution; the last has 8 times, the dense layer 16 times as many.
    side : int
        Of the images, divisible by 16. The paper: 96.
    rng : torch.Generator, optional
        Draws the initial weights; see `blocks.configured`.
    """

    def __init__(self, width: int = 64, side: int = 96, rng: Rng = None) -> None:
        super().__init__()
        self.side = side
        layers: list[nn.Module] = []
        c_in = 3
        for n, times in enumerate((1, 1, 2, 2, 4, 4, 8, 8)):
            c_out = times * width
            layers += [*_conv(c_in, c_out, norm=n > 0, stride=1 + n % 2), nn.LeakyReLU(0.2)]
            c_in = c_out
        self.layers = nn.Sequential(
            *layers,
            nn.Flatten(),
            nn.Linear(c_in * (side // 16) ** 2, 16 * width),
            nn.LeakyReLU(0.2),
            nn.Linear(16 * width, 1),
            nn.Flatten(0),
        )

    def forward(self, x: Images) -> Float[Tensor, " batch"]:
        require_size(x, self.side)
        return self.layers(x)


# Losses and training -----------------------------------------------------------------------------
def content_loss(phi: Callable[[Images], list[Tensor]], fake: Images, real: Images) -> Scalar:
    r"""Distance of images in the features of a network: Equation 5.

    The mean squared difference of each map, averaged over the maps that `phi` returns; the paper
    has one.

    Parameters
    ----------
    phi : Callable
        Images to a list of maps, frozen: `classifiers.pretrained.content_features`.
    fake, real : Images
        (B, C, H, W) in [-1, 1]. The gradient flows to `fake` alone.

    Returns
    -------
    Float[Tensor, ""]
        At least 0, in squared units of the features.
    """
    with no_grad():
        targets = phi(real.detach())
    pairs = zip(phi(fake), targets, strict=True)
    return torch.stack([F.mse_loss(a.float(), b.float()) for a, b in pairs]).mean()


def total_variation(x: Images) -> Scalar:
    r"""Mean absolute difference of neighbouring pixels, vertically plus horizontally.

    :math:`E|x_{i+1,j} - x_{ij}| + E|x_{i,j+1} - x_{ij}|`: the anisotropic form of Rudin et al.
    (1992), which also has a gradient where the image is flat. As a regularization term it penalizes
    noise, and with it all texture. The paper adds it to one of its losses, that of SRResNet-VGG22,
    with weight 2e-8 (Section 3.4), and does not define it there. Where a sum over the pixels is
    meant, that is ``2e-8 * x[0].numel()`` times this mean: 5.5e-4 for images of 3 x 96 x 96.

    Parameters
    ----------
    x : Images
        (B, C, H, W), both sides at least 2.

    Returns
    -------
    Float[Tensor, ""]
        0 for a flat image; at most 4 for images in [-1, 1].

    Raises
    ------
    ValueError
        If a side is shorter than 2 pixels, or there is no image.
    """
    if x.numel() == 0 or min(x.shape[2:]) < 2:
        raise ValueError(f"needs images of 2 x 2 pixels or more, got {tuple(x.shape)}")
    return x.diff(dim=2).abs().mean() + x.diff(dim=3).abs().mean()


def srgan_step(
    G: nn.Module,
    D: nn.Module,
    opt_G: Optimizer,
    opt_D: Optimizer,
    batches: Iterator[tuple[Tensor, Tensor]],
    content: Callable[[Tensor, Tensor], Tensor],
    *,
    adversarial: float = 1e-3,
    parts: int = 1,
    autocast: Callable[[], AbstractContextManager] = nullcontext,
) -> dict[str, Tensor]:
    """One step of D and one of G: Equations 2, 3 and 6.

    Parameters
    ----------
    G, D, opt_G, opt_D, autocast
        As in `gan.gan_step`; ``G(low)`` is an image, and there is no noise.
    batches : Iterator[tuple[Tensor, Tensor]]
        Endless; each item holds small images and the large ones that they were made from.
    content : Callable[[Tensor, Tensor], Tensor]
        From G's images and the real ones to a loss, such as `content_loss`; further terms, such
        as `total_variation`, may be added in it. It gets fp32, outside of `autocast`.
    adversarial : float
        Weight of -log D(G(low)), which is added to it.
    parts : int
        Gradient accumulation, for little memory: the batch goes through the networks in so many
        parts, whose gradients are added up. Batch norm then sees the parts, all else is the same.

    Returns
    -------
    dict[str, Tensor]
        "loss_D", "content" and "adversarial" (without its weight), means over the batch.
    """
    low, high = next(batches)
    pairs = list(zip(low.chunk(parts), high.chunk(parts), strict=True))
    means = {name: low.new_zeros(()) for name in ("loss_D", "content", "adversarial")}

    def share(name: str, loss: Tensor, part: Tensor) -> Tensor:
        """A part's contribution to the mean over the batch."""
        weighted = loss * (len(part) / len(low))
        means[name] += weighted.detach()
        return weighted

    opt_D.zero_grad()
    for x, y in pairs:
        with no_grad(), autocast():  # D's turn: G is fixed
            fakes = G(x)
        with autocast():
            real, fake = D(y), D(fakes)
        share("loss_D", discriminator_loss(real.float(), fake.float()), x).backward()
    opt_D.step()

    opt_G.zero_grad()
    with frozen(D):
        for x, y in pairs:
            with autocast():
                fakes = G(x)
                fake = D(fakes)
            loss_content = share("content", content(fakes.float(), y), x)
            loss_adversarial = share("adversarial", non_saturating_loss(fake.float()), x)
            (loss_content + adversarial * loss_adversarial).backward()
    opt_G.step()
    return means
