"""SRGAN, first built in notebook 08: a picture four times larger in each direction.

Ledig et al. (2017), "Photo-realistic single image super-resolution using a generative adversarial
network", arXiv 1609.04802, Figure 4. With the default arguments the networks are the paper's;
narrower ones of the same shape are made by arguments.

Differences from the paper: low-resolution pictures are in [-1, 1] here as all pictures of the
course are (the paper: [0, 1]), and D returns a logit.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from PIL import Image, ImageOps
from torch import Tensor, nn

from gancourse import env
from gancourse.shapes import Images, to_bytes, to_float

SCALE = 4
"""How much larger a side becomes."""

Larger = Float[Tensor, "batch channels _ _"]
"""Pictures or feature maps whose sides are a multiple of those that come in."""

Box = tuple[int, int, int, int]
"""Left, top, right, bottom, in pixels, as in PIL: right and bottom are the first outside."""


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
    """Channels to pixels: (B, C r r, H, W) to (B, C, r H, r W), the second half of a sub-pixel
    convolution (Shi et al. 2016, Equation 4).

    Output pixel (r y + i, r x + j) of channel c is input pixel (y, x) of channel c r r + i r + j.
    """  # noqa: D205
    batch, channels, height, width = x.shape
    x = x.reshape(batch, channels // r**2, r, r, height, width)
    return x.permute(0, 1, 4, 2, 5, 3).reshape(batch, -1, r * height, r * width)


UPSAMPLERS: dict[str, Callable[[int, int], nn.Module]] = {
    "subpixel": lambda a, b: nn.Sequential(nn.Conv2d(a, 4 * b, 3, padding=1), nn.PixelShuffle(2)),
    "transposed": lambda a, b: nn.ConvTranspose2d(a, b, 3, 2, padding=1, output_padding=1),
    "resize": lambda a, b: nn.Sequential(
        nn.UpsamplingNearest2d(scale_factor=2), nn.Conv2d(a, b, 3, padding=1)
    ),
}
"""Ways to double the side, c_in to c_out channels; the paper's is "subpixel"."""


class Generator(nn.Module):
    """A picture to one four times as high and as wide; any sides, (B, 3, H, W).

    Called SRResNet where it is trained without a discriminator.

    Parameters
    ----------
    width, blocks : int
        Channels of the hidden layers; residual blocks. The paper: 64 and 16.
    tail : int, optional
        Channels of the two upsampling stages, where most of the arithmetic is; by default `width`.
    ends : Sequence[int]
        Kernel sides of the first and the last convolution.
    norm : bool
        Whether the residual blocks have batch norm.
    on_bicubic : bool
        Whether the network's output is added to the bicubic enlargement. Not in the paper; it
        saves a short training from learning what is known.
    upsampling : {"subpixel", "transposed", "resize"}
        One of `UPSAMPLERS`.
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
        upsampling: Literal["subpixel", "transposed", "resize"] = "subpixel",
    ) -> None:
        super().__init__()
        self.config: dict[str, Any] = {
            "width": width, "blocks": blocks, "tail": tail, "ends": list(ends), "norm": norm,
            "on_bicubic": on_bicubic, "upsampling": upsampling,
        }  # fmt: skip
        tail, (first, last) = tail or width, ends
        double = UPSAMPLERS[upsampling]
        self.head = nn.Sequential(nn.Conv2d(3, width, first, padding=first // 2), nn.PReLU())
        body = [ResidualBlock(width, norm) for _ in range(blocks)]
        self.body = nn.Sequential(*body, *_conv(width, width, norm))
        self.up = nn.Sequential(double(width, tail), nn.PReLU(), double(tail, tail), nn.PReLU())
        self.tail = nn.Conv2d(tail, 3, last, padding=last // 2)
        self.on_bicubic = on_bicubic
        if on_bicubic:  # begin near the bicubic picture
            with torch.no_grad():
                self.tail.weight.mul_(0.1)
                self.tail.bias.zero_()

    @property
    def reach(self) -> int:
        """How far away, in pixels of the small picture, a pixel can still matter."""
        first, last = (side // 2 for side in self.config["ends"])
        return math.ceil(first + 2 * self.config["blocks"] + 1 + 1.5 + last / 4)

    def forward(self, x: Images) -> Larger:
        h = self.head(x)
        y = self.tail(self.up(h + self.body(h)))  # the long skip
        if self.on_bicubic:
            y = y.float() + F.interpolate(x, scale_factor=SCALE, mode="bicubic", antialias=True)
        return y


class Discriminator(nn.Module):
    """Eight convolutions, from 64 to 512 maps, and two dense layers: a picture to a logit.

    Figure 4 of the paper: 3 x 3 kernels, LeakyReLU 0.2, batch norm in all but the first, stride 2
    in every second.

    Parameters
    ----------
    width : int
        Maps of the first convolution; the last has 8 times, the dense layer 16 times as many.
    side : int
        Of the pictures, divisible by 16. The paper: 96.
    """

    def __init__(self, width: int = 64, side: int = 96) -> None:
        super().__init__()
        self.config: dict[str, Any] = {"width": width, "side": side}
        layers: list[nn.Module] = []
        c_in = 3
        for n, times in enumerate((1, 1, 2, 2, 4, 4, 8, 8)):
            layers += [*_conv(c_in, times * width, norm=n > 0, stride=1 + n % 2), nn.LeakyReLU(0.2)]
            c_in = times * width
        self.layers = nn.Sequential(
            *layers,
            nn.Flatten(),
            nn.Linear(c_in * (side // 16) ** 2, 16 * width),
            nn.LeakyReLU(0.2),
            nn.Linear(16 * width, 1),
            nn.Flatten(0),
        )

    def forward(self, x: Images) -> Float[Tensor, " batch"]:
        return self.layers(x)


def windows(width: int, height: int, tile: int, margin: int) -> Iterator[tuple[Box, Box]]:
    """Cut a picture into tiles: for each, its box, and that box with a margin inside the picture.

    Raises
    ------
    ValueError
        If a tile has no pixel or the margin is negative.
    """
    if tile < 1 or margin < 0:
        raise ValueError(f"tile starts at 1 and margin at 0, got {tile=} and {margin=}")
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            right, bottom = min(left + tile, width), min(top + tile, height)
            wide = (max(left - margin, 0), max(top - margin, 0))
            wide += (min(right + margin, width), min(bottom + margin, height))
            yield (left, top, right, bottom), wide


@torch.no_grad()
def tiled(G: Callable[[Tensor], Tensor], x: Images, tile: int, margin: int) -> Larger:
    """Enlarge a picture tile by tile; each tile is computed with a margin, which is cut off again.

    Equal to ``G(x)`` where the margin is at least `Generator.reach` and G is in eval mode; the
    memory that layers need is that of a tile. First built in notebook 08.

    Parameters
    ----------
    G : Callable
        Enlarges (B, C, h, w) four times, any sides.
    x : Images
        (B, C, H, W).
    tile, margin : int
        In pixels of `x`. At the picture's own border there is no margin, as there is none for G.
    """
    batch, channels, height, width = x.shape
    large = x.new_empty(batch, channels, SCALE * height, SCALE * width)
    for (left, top, right, bottom), wide in windows(width, height, tile, margin):
        y = G(x[:, :, wide[1] : wide[3], wide[0] : wide[2]])
        rows = slice(SCALE * (top - wide[1]), SCALE * (bottom - wide[1]))
        columns = slice(SCALE * (left - wide[0]), SCALE * (right - wide[0]))
        large[:, :, SCALE * top : SCALE * bottom, SCALE * left : SCALE * right] = y[
            :, :, rows, columns
        ]
    return large


@torch.no_grad()
def upscale(
    G: Generator, picture: Image.Image, tile: int = 128, margin: int | None = None
) -> Image.Image:
    """Enlarge a picture of any size and mode four times, with memory for little but the result.

    Tiles are computed one at a time and pasted as bytes: beside the result (4 bytes a pixel) there
    is only ever one tile in floats. First used in notebook 08.

    Parameters
    ----------
    G : Generator
        Its mode, train or eval, is put back afterwards.
    picture : PIL.Image.Image
        Colour, grey, palette, 16 bits, with or without transparency, any sides. A camera's turn
        (EXIF) is undone.
    tile, margin : int
        In pixels of `picture`; the margin is G's reach by default, so that no seam can show.

    Returns
    -------
    PIL.Image.Image
        Grey ("L", "LA") where the picture was grey, else "RGB" or "RGBA". Transparency is enlarged
        by bicubic interpolation.
    """
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith(("I", "F")):  # 16 bits and more
        values = np.asarray(picture, np.float32)
        values = values / 257 if values.max(initial=0) > 255 else values
        picture = Image.fromarray(values.round().clip(0, 255).astype(np.uint8))
    grey = picture.mode in ("1", "L", "LA", "La")
    alpha = picture.convert("RGBA").getchannel("A") if picture.has_transparency_data else None
    mode = ("L" if grey else "RGB") + ("A" if alpha else "")
    large = Image.new(mode, (SCALE * picture.width, SCALE * picture.height))
    margin = G.reach if margin is None else margin
    place, training = next(G.parameters()).device, G.training
    G.eval()
    for box, wide in windows(*picture.size, tile, margin):
        rgb = np.array(picture.crop(wide).convert("RGBA").convert("RGB"))
        x = to_float(torch.from_numpy(rgb).permute(2, 0, 1)[None].to(place))
        with env.autocast():
            y = G(x.contiguous(memory_format=env.memory_format()))
        pixels = to_bytes(y.float())[0].permute(1, 2, 0).cpu().numpy()
        part = Image.fromarray(np.ascontiguousarray(pixels)).convert(mode[:-1] if alpha else mode)
        if alpha:
            part.putalpha(alpha.crop(wide).resize(part.size, Image.Resampling.BICUBIC))
        inner = [SCALE * (a - b) for a, b in zip(box, wide[:2] * 2, strict=True)]
        large.paste(part.crop(inner), (SCALE * box[0], SCALE * box[1]))
    G.train(training)
    return large
