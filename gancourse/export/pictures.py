"""A sheet of samples, and a walk in latent space, as image files."""

from io import BytesIO

import torch
from PIL import Image
from torch import nn
from torchvision.utils import make_grid

from gancourse.export.generators import generate
from gancourse.papers.dcgan_probes import lerp, slerp
from gancourse.shapes import Images, Latent, to_bytes

SIDE = 64
"""Smaller images are enlarged to at least so many pixels, without smoothing."""
STOPS, FRAMES, MILLISECONDS = 4, 16, 60
"""Of a walk: latent vectors that it visits, frames from one to the next, time per frame."""


def sheet(images: Images, columns: int = 8) -> Image.Image:
    """Tile images in [-1, 1], row by row, small ones enlarged by a whole factor."""
    grid = make_grid(to_bytes(images), nrow=columns, padding=1, pad_value=255)
    tiled = Image.fromarray(grid.permute(1, 2, 0).numpy())
    factor = max(1, SIDE // max(images.shape[2:]))
    return tiled.resize((tiled.width * factor, tiled.height * factor), Image.Resampling.NEAREST)


def png(image: Image.Image) -> bytes:
    """An image as the bytes of a PNG file."""
    file = BytesIO()
    image.save(file, "png", optimize=True)
    return file.getvalue()


def walk(net: nn.Module, z: Latent, *, straight: bool = False, tiles: int = 3) -> bytes:
    """An animated WebP that loops: several walks at once, each through its own latent vectors.

    From each latent vector to the next on the arc between them (spherical interpolation, White
    2016, arXiv 1609.04468), then back to the first, so that the loop has no jump.

    Parameters
    ----------
    net : nn.Module
        The generator, in eval mode.
    z : Latent
        (STOPS * tiles**2, noise): the vectors of the first stop of all walks, then of the second.
    straight : bool
        On straight lines instead: for latent vectors that are uniform in a cube.
    tiles : int
        Walks per row and per column.

    Returns
    -------
    bytes
        The file.
    """
    stops = z.reshape(STOPS, tiles**2, -1)
    move = lerp if straight else slerp
    path = [
        move(stops[i], stops[(i + 1) % STOPS], n / FRAMES)
        for i in range(STOPS)
        for n in range(FRAMES)
    ]
    images = generate(net, torch.cat(path)).split(tiles**2)
    frames = [sheet(part, columns=tiles) for part in images]
    file = BytesIO()
    options = {"save_all": True, "append_images": frames[1:], "loop": 0, "quality": 85}
    frames[0].save(file, "webp", duration=MILLISECONDS, method=4, **options)
    return file.getvalue()
