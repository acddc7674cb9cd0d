"""Whole photographs through SRGAN's generator: tile by tile, with little memory.

First built in notebook 08.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from gancourse import env
from gancourse.papers.srgan import SCALE, Enlarged, Generator
from gancourse.shapes import Images, to_bytes, to_float

Box = tuple[int, int, int, int]
"""Left, top, right, bottom, in pixels, as in PIL: right and bottom are the first outside."""


def windows(width: int, height: int, tile: int, margin: int) -> Iterator[tuple[Box, Box]]:
    """Cut an image into tiles: for each, its box, and that box with a margin, inside the image.

    Raises
    ------
    ValueError
        If a tile has no pixel or the margin is negative.
    """
    if tile < 1 or margin < 0:
        raise ValueError(
            f"tile must be at least 1 and margin at least 0, got {tile=} and {margin=}"
        )
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            right, bottom = min(left + tile, width), min(top + tile, height)
            wide = (max(left - margin, 0), max(top - margin, 0))
            wide += (min(right + margin, width), min(bottom + margin, height))
            yield (left, top, right, bottom), wide


@torch.no_grad()
def tiled(G: Callable[[Tensor], Tensor], x: Images, tile: int, margin: int) -> Enlarged:
    """Enlarge an image tile by tile; each tile is computed with a margin, which is cut off again.

    Equal to ``G(x)`` where the margin is at least `Generator.reach` and G is in eval mode; the
    layers need memory for one tile only.

    Parameters
    ----------
    G : Callable
        Enlarges (B, C, h, w) four times, any sides.
    x : Images
        (B, C, H, W).
    tile, margin : int
        In pixels of `x`. At the image's own border there is no margin, as there is none for G.
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
    G: Generator, image: Image.Image, tile: int = 128, margin: int | None = None
) -> Image.Image:
    """Enlarge an image file of any size and mode four times.

    Tiles are computed one at a time and pasted as bytes: memory holds the result (4 bytes per
    pixel) and one tile in floats.

    Parameters
    ----------
    G : Generator
        Its mode, train or eval, is restored afterwards.
    image : PIL.Image.Image
        Colour, grey, palette, 16 bits, with or without transparency, any sides. A camera's rotation
        (EXIF) is applied.
    tile, margin : int
        In pixels of `image`; the margin is G's reach by default, so that no seam is visible.

    Returns
    -------
    PIL.Image.Image
        Grey ("L", "LA") where the input was grey, else "RGB" or "RGBA". Transparency is enlarged
        by bicubic interpolation.
    """
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith(("I", "F")):  # 16 bits and more
        values = np.asarray(image, np.float32)
        values = values / 257 if values.max(initial=0) > 255 else values
        image = Image.fromarray(values.round().clip(0, 255).astype(np.uint8))
    grey = image.mode in ("1", "L", "LA", "La")
    alpha = image.convert("RGBA").getchannel("A") if image.has_transparency_data else None
    mode = ("L" if grey else "RGB") + ("A" if alpha else "")
    large = Image.new(mode, (SCALE * image.width, SCALE * image.height))
    margin = G.reach if margin is None else margin
    place, training = next(G.parameters()).device, G.training
    G.eval()
    for box, wide in windows(*image.size, tile, margin):
        rgb = np.array(image.crop(wide).convert("RGBA").convert("RGB"))
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
