"""Pictures and their small versions, for super-resolution: first used in notebook 08.

The embedded photos of `photos.TRAIN` are for training, those of `photos.TEST` for measuring.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from gancourse import env
from gancourse.datasets import photos
from gancourse.datasets.folder import pictures_below
from gancourse.errors import CourseError
from gancourse.shapes import Bytes, Images, to_bytes, to_float

SCALE = 4

Other = UInt8[Tensor, "batch channels _ _"]
"""Bytes whose sides differ from those that come in."""

Larger = Float[Tensor, "batch channels _ _"]
"""Floats in [-1, 1] whose sides differ from those that come in."""

Pair = tuple[Other, Other]
"""A small picture and the large one that it was made from."""


def shrink(photo: Bytes, factor: float = 1 / SCALE) -> Other:
    """Make a picture smaller by bicubic interpolation with antialiasing, as Ledig et al. (2017) do.

    Parameters
    ----------
    photo : Bytes
        (B, C, H, W), 0 to 255.
    factor : float
        New side over old side, at most 1.

    Returns
    -------
    Bytes
        (B, C, H factor, W factor), rounded down; whole grey levels, as in a file.
    """
    if not 0 < factor <= 1 or min(photo.shape[2:]) * factor < 1:
        raise ValueError(f"can't shrink {tuple(photo.shape)} by {factor}")
    size = [int(side * factor) for side in photo.shape[2:]]
    return to_bytes(F.interpolate(to_float(photo), size, mode="bicubic", antialias=True))


def enlarge(low: Images, mode: str = "bicubic") -> Larger:
    """Four times larger without any network: "bicubic" or "nearest"; what rivals are measured by.

    Returns
    -------
    Larger
        (B, C, 4 H, 4 W); bicubic interpolation may leave [-1, 1] a little at edges.
    """
    smooth = {"antialias": True} if mode == "bicubic" else {}  # the kernel of PIL and MATLAB
    return F.interpolate(low, scale_factor=SCALE, mode=mode, **smooth)


def pair(photo: Bytes) -> Pair:
    """A picture, cut to sides that 4 divides, and its small version: (small, large)."""
    height, width = (side // SCALE * SCALE for side in photo.shape[2:])
    high = photo[:, :, :height, :width]
    return shrink(high), high


def load(names: Sequence[str]) -> dict[str, Pair]:
    """Embedded photos by name, small and large: ``load(photos.TEST)``."""
    return {name: pair(photo) for name, photo in photos.load(names).items()}


def load_folder(path: str | Path) -> dict[str, Pair]:
    """Every picture below a folder at its full size, small and large, by its path without suffix.

    Raises
    ------
    CourseError
        If there is no such folder or no picture in it; if a picture can't be read, or has a side
        below 32 pixels, of which the small version would hold nothing.
    """
    pairs: dict[str, Pair] = {}
    root = Path(path).expanduser()
    for file in pictures_below(root):
        photo = photos.read(file)
        if min(photo.shape[2:]) < 32:
            raise CourseError(
                f"{file.name} is too small: {photo.shape[3]} x {photo.shape[2]} pixels.",
                "Its quarter would hold next to nothing; 32 pixels a side are needed.",
                "Take it out of the folder.",
            )
        inside = file.relative_to(root)
        name = inside.with_suffix("").as_posix()
        pairs[inside.as_posix() if name in pairs else name] = pair(photo)
    return pairs


class Crops(Iterator):
    """Endless batches of random squares at the same place in both pictures: (small, large).

    Turned and mirrored at random. A photo is chosen more often the more detail it has that bicubic
    interpolation can't bring back (in proportion to the root of the summed squared error): out of
    an even sky there is nothing to learn. The only state is `rng`, as in `batches.Batches`.

    Parameters
    ----------
    pairs : Mapping[str, Pair]
        From `load` or `load_folder`.
    side : int
        Of a small square, in pixels; the large one has four times as many.
    size : int
        Squares in a batch.
    rng : torch.Generator
        On the CPU, where the photos are.
    device : torch.device or str
        Where the batches go, as floats in [-1, 1], in the layout of `env.memory_format`.

    Raises
    ------
    ValueError
        If there is no photo, or one is smaller than a square.
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
            found = f"{len(pairs)} pictures, {size=}"
            raise ValueError(f"squares of {side} don't fit into every picture, or none: {found}")
        lost = [(enlarge(to_float(low)) - to_float(high)).norm() for low, high in self.pairs]
        self.weights = torch.stack(lost)

    def __next__(self) -> tuple[Images, Larger]:
        chosen = torch.multinomial(self.weights, self.size, replacement=True, generator=self.rng)
        squares = [self._square(*self.pairs[n]) for n in chosen.tolist()]
        small, large = (
            to_float(torch.stack(part).to(self.device)).contiguous(
                memory_format=env.memory_format()
            )
            for part in zip(*squares, strict=True)
        )
        return small, large

    def _square(self, low: Tensor, high: Tensor) -> list[Tensor]:
        top, left = (self._below(side - self.side + 1) for side in low.shape[2:])
        turn, found = self._below(8), []
        for picture, k in ((low, 1), (high, SCALE)):
            end = (k * (top + self.side), k * (left + self.side))
            square = picture[0, :, k * top : end[0], k * left : end[1]]
            square = torch.rot90(square, turn % 4, (1, 2))
            found.append(square.flip(2) if turn > 3 else square)
        return found

    def _below(self, n: int) -> int:
        return int(torch.randint(n, (), generator=self.rng))
