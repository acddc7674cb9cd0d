"""DCGAN, first built in notebook 03.

Radford, Metz and Chintala (2016), "Unsupervised representation learning with deep convolutional
generative adversarial networks".

Differences from the paper: kernels are 4x4, not 5x5, so that the stride divides them and every
output pixel is reached by equally many weights; the width and side are arguments.
"""

import math
from itertools import pairwise

from torch import nn

from gancourse.papers.blocks import Rng, configured, down_block, require_size, up_block
from gancourse.shapes import Images, Latent, Logits


def doublings(size: int) -> int:
    """How many times 4 is doubled to reach an image's side; ValueError if that is impossible."""
    times = round(math.log2(size / 4)) if size >= 8 else 0
    if times < 1 or 4 * 2**times != size:
        raise ValueError(f"size must be 8, 16, 32, 64, ..., got {size}")
    return times


@configured
class Generator(nn.Module):
    """Latent vector to image: each block doubles the side. Figure 1: size = 64, width = 128.

    Parameters
    ----------
    noise_dim : int
        Length of z: 100 in the paper.
    channels : int
        Of the image: 3 for colour, 1 for grey.
    width : int
        Channels before the last layer; each earlier layer has twice as many.
    size : int
        Side of the image in pixels: 8, 16, 32, 64, ...; ValueError for others.
    rng : torch.Generator, optional
        Draws the initial weights; see `blocks.configured`.

    Output lies in (-1, 1) because of the tanh; scale real images to match.
    """

    def __init__(
        self,
        noise_dim: int = 100,
        channels: int = 3,
        width: int = 64,
        size: int = 64,
        rng: Rng = None,
    ) -> None:
        super().__init__()
        self.noise_dim = noise_dim
        w = [width * 2**i for i in reversed(range(doublings(size)))]  # 8w, 4w, 2w, w for 64
        self.layers = nn.Sequential(
            nn.Unflatten(1, (noise_dim, 1, 1)),                               #  z x  1 x  1
            *up_block(noise_dim, w[0], stride=1, padding=0),                  # 8w x  4 x  4
            *[layer for a, b in pairwise(w) for layer in up_block(a, b)],     #  w x 32 x 32
            nn.ConvTranspose2d(w[-1], channels, 4, stride=2, padding=1),      #  c x 64 x 64
            nn.Tanh(),
        )  # fmt: skip

    def forward(self, z: Latent) -> Images:
        return self.layers(z)


@configured
class Discriminator(nn.Module):
    """Image to logit: each block halves the side; no batch norm on the input layer (Section 3).

    Returns one logit per image, shape (B,). Parameters as in `Generator`. Images of another size
    raise ValueError.
    """

    def __init__(self, channels: int = 3, width: int = 64, size: int = 64, rng: Rng = None) -> None:
        super().__init__()
        self.size = size
        w = [width * 2**i for i in range(doublings(size))]  # w, 2w, 4w, 8w for 64
        self.layers = nn.Sequential(
            *down_block(channels, w[0], norm=False),                          #  w x 32 x 32
            *[layer for a, b in pairwise(w) for layer in down_block(a, b)],   # 8w x  4 x  4
            nn.Conv2d(w[-1], 1, 4),                                           #  1 x  1 x  1
            nn.Flatten(0),                                 # (B,), also for a batch of one
        )  # fmt: skip

    def forward(self, x: Images) -> Logits:
        require_size(x, self.size)
        return self.layers(x)
