"""Images and their downsampled versions, for super-resolution: first used in notebook 08.

The embedded photos of `photos.TRAIN` are for training, those of `photos.TEST` for testing.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from gancourse import env
from gancourse.datasets import image_notes, images, layouts, photos
from gancourse.shapes import Bytes, Images, to_bytes, to_float

SCALE = 4
SMALLEST = 32
"""Shortest side of an image of a folder, in pixels: its small version has 8."""

Other = UInt8[Tensor, "batch channels _ _"]
"""Bytes whose sides differ from those of the input."""

Larger = Float[Tensor, "batch channels _ _"]
"""Floats in [-1, 1] whose sides differ from those of the input."""

Pair = tuple[Other, Other]
"""A small image and the large one that it was made from."""


def shrink(photo: Bytes, factor: float = 1 / SCALE) -> Other:
    """Downsample by bicubic interpolation with antialiasing, as Ledig et al. (2017) do.

    Parameters
    ----------
    photo : Bytes
        (B, C, H, W), 0 to 255.
    factor : float
        New side over old side, at most 1.

    Returns
    -------
    Bytes
        (B, C, H factor, W factor), rounded down; integer grey levels, as in a file.

    Raises
    ------
    ValueError
        If `factor` is outside (0, 1], or a side of the result would be 0.
    """
    if not 0 < factor <= 1 or min(photo.shape[2:]) * factor < 1:
        raise ValueError(f"can't shrink {tuple(photo.shape)} by {factor}")
    size = [int(side * factor) for side in photo.shape[2:]]
    return to_bytes(F.interpolate(to_float(photo), size, mode="bicubic", antialias=True))


def enlarge(low: Images, mode: str = "bicubic") -> Larger:
    """Four times larger without a network, "bicubic" or "nearest": the baselines.

    Returns
    -------
    Larger
        (B, C, 4 H, 4 W); bicubic interpolation may slightly exceed [-1, 1] at edges.
    """
    smooth = {"antialias": True} if mode == "bicubic" else {}  # the kernel of PIL and MATLAB
    return F.interpolate(low, scale_factor=SCALE, mode=mode, **smooth)


def pair(photo: Bytes) -> Pair:
    """An image, cropped to sides divisible by 4, and its small version: (small, large)."""
    height, width = (side // SCALE * SCALE for side in photo.shape[2:])
    high = photo[:, :, :height, :width]
    return shrink(high), high


def load(names: Sequence[str]) -> dict[str, Pair]:
    """Embedded photos by name, small and large: ``load(photos.TEST)``."""
    return {name: pair(photo) for name, photo in photos.load(names).items()}


def load_folder(path: str | Path) -> dict[str, Pair]:
    """Every image below a folder at full size, small and large, by its path without suffix.

    Files are read as a viewer shows them (`images.read`). One that can't be read, or has a side
    below 32 pixels, is skipped, with a notice that names it.

    Raises
    ------
    CourseError
        If there is no such folder, no image in it, or none that can be used.
    """
    pairs: dict[str, Pair] = {}
    root = Path(path).expanduser()
    files = layouts.image_files(root)
    notes = image_notes.survey(files)
    for file, image in images.each(files, root, notes, smallest=SMALLEST):
        inside = file.relative_to(root)
        name = inside.with_suffix("").as_posix()
        pairs[inside.as_posix() if name in pairs else name] = pair(photos.to_tensor(image))
    notes.show(root)
    return pairs


class Crops(Iterator):
    """Endless batches of random crops at the same position of both images: (small, large).

    Rotated and flipped at random. A photo is chosen in proportion to the root of the summed squared
    error of bicubic interpolation: there is little to learn from a uniform sky. The only state is
    `rng`, as in `batches.Batches`.

    Parameters
    ----------
    pairs : Mapping[str, Pair]
        From `load` or `load_folder`.
    side : int
        Of a small crop, in pixels; that of the large one is four times as long.
    size : int
        Crops per batch.
    rng : torch.Generator
        On the CPU, where the photos are.
    device : torch.device or str
        Where the batches go, as floats in [-1, 1], in the layout of `env.memory_format`.

    Raises
    ------
    ValueError
        If there is no photo, or one is smaller than a crop.
    """

    def __init__(
        self,
        pairs: Mapping[str, Pair],
        side: int,
        size: int,
        rng: torch.Generator,
        device: torch.device | str = "cpu",
    ) -> None:
        self.pairs, self.side, self.size = list(pairs.values()), side, size
        self.rng, self.device = rng, torch.device(device)
        if not pairs or size < 1 or any(min(low.shape[2:]) < side for low, _ in self.pairs):
            given = f"{len(pairs)} images, {size=}"
            raise ValueError(f"crops of {side} need images at least as large: {given}")
        lost = [(enlarge(to_float(low)) - to_float(high)).norm() for low, high in self.pairs]
        self.weights = torch.stack(lost)

    def __next__(self) -> tuple[Images, Larger]:
        chosen = torch.multinomial(self.weights, self.size, replacement=True, generator=self.rng)
        crops = [self._crop(*self.pairs[n]) for n in chosen.tolist()]
        small, large = (
            to_float(torch.stack(part).to(self.device)).contiguous(
                memory_format=env.memory_format()
            )
            for part in zip(*crops, strict=True)
        )
        return small, large

    def _crop(self, low: Tensor, high: Tensor) -> list[Tensor]:
        top, left = (self._below(side - self.side + 1) for side in low.shape[2:])
        turn, crops = self._below(8), []
        for image, k in ((low, 1), (high, SCALE)):
            end = (k * (top + self.side), k * (left + self.side))
            crop = image[0, :, k * top : end[0], k * left : end[1]]
            crop = torch.rot90(crop, turn % 4, (1, 2))
            crops.append(crop.flip(2) if turn > 3 else crop)
        return crops

    def _below(self, n: int) -> int:
        return int(torch.randint(n, (), generator=self.rng))
