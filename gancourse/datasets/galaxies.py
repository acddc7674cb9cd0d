"""Galaxies and stars: crops around the brightest objects of the Hubble eXtreme Deep Field.

The photograph (NASA, public domain) comes inside scikit-image: no download. See ``data/README.md``.
"""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms.v2.functional import gaussian_blur

from gancourse import env
from gancourse.datasets import photos
from gancourse.shapes import Bytes

SIZES = (32, 64)
SPLITS = ("train", "test", "all")
BLUR, APART, BRIGHTNESS = 2.0, 8, 50.0
"""Of the search: the blur's standard deviation in pixels; two objects are farther apart than
`APART` in x or y; the least brightness of an object, from 0 to 255, after the blur."""

BORDER = 0.72
"""Share of the photo's width where the objects held out for testing begin."""


@dataclass(frozen=True)
class Galaxies:
    """Square crops, each centred on an object; brightest first."""

    images: Bytes
    """0 to 255, three channels."""
    centres: Tensor
    """(B, 2): row and column in the photograph, int64, on the CPU."""
    source: str
    """In words: "Hubble eXtreme Deep Field (scikit-image), train: 309 objects"."""

    def __len__(self) -> int:
        return len(self.images)


def load(
    size: Literal[32, 64] = 32,
    split: Literal["train", "test", "all"] = "train",
    device: torch.device | str | None = None,
) -> Galaxies:
    """Crops of the photograph around its brightest objects, on the device, as bytes.

    Objects are found as in a star catalogue: the photo is blurred, and each local maximum above a
    threshold is one. The crops are not scaled.

    Parameters
    ----------
    size : {32, 64}
        Side in pixels. Crops of 64 pixels show the neighbours too, and overlap more.
    split : {"train", "test", "all"}
        "train" is the left part of the photo, "test" the right one. Objects whose crops would
        reach over the border are in neither, only in "all": no pixel is in both parts.
    device : torch.device or str, optional
        Where the images live; by default the course's device.

    Returns
    -------
    Galaxies
        ``images`` uint8 (B, 3, size, size) in 0..255, ``centres``, ``source``. About 300 objects
        for training, 100 for testing, at 32 pixels.

    Raises
    ------
    ValueError
        If `size` or `split` has another value.
    CourseError
        If the photograph is missing from the installed package.
    """
    if size not in SIZES or split not in SPLITS:
        raise ValueError(f"size is one of {SIZES}, split of {SPLITS}: got {size=}, {split=}")
    photo = photos.load(["hubble"])["hubble"]
    centres = _objects(photo, size // 2)
    border, x = round(BORDER * photo.shape[-1]), centres[:, 1]
    half = size // 2
    keep = {"train": x + half <= border, "test": x - half >= border, "all": x >= 0}[split]
    centres = centres[keep]
    crops = [photo[0, :, y - half : y + half, x - half : x + half] for y, x in centres.tolist()]
    place = env.device() if device is None else torch.device(device)
    source = f"Hubble eXtreme Deep Field (scikit-image), {split}: {len(crops)} objects"
    return Galaxies(torch.stack(crops).to(place), centres, source)


def symmetries(images: Tensor) -> Tensor:
    """The 8 symmetries of a square: each image, its mirror image, and their turns by 90 degrees.

    For images without an up and a left, such as galaxies, all 8 are equally real.

    Parameters
    ----------
    images : Tensor
        (B, C, side, side), bytes or floats.

    Returns
    -------
    Tensor
        (8 B, C, side, side): first the images as they are, then the next symmetry of all, and so
        on, so that row i and row i + B show the same object.
    """
    both = (images, images.flip(-1))
    return torch.cat([x.rot90(turns, dims=(-2, -1)) for x in both for turns in range(4)])


def _objects(photo: Bytes, margin: int) -> Tensor:
    """Centres of the objects (B, 2), brightest first, at least `margin` away from the edges."""
    grey = photo[0].float().mean(dim=0, keepdim=True)
    (smooth,) = gaussian_blur(grey, kernel_size=[8 * int(BLUR) + 1] * 2, sigma=[BLUR] * 2)
    highest = F.max_pool2d(smooth[None], 2 * APART + 1, stride=1, padding=APART)[0]
    inside = torch.zeros_like(smooth, dtype=torch.bool)
    inside[margin:-margin, margin:-margin] = True
    centres = ((smooth == highest) & (smooth >= BRIGHTNESS) & inside).nonzero()
    order = smooth[centres[:, 0], centres[:, 1]].argsort(descending=True, stable=True)
    return centres[order]
