"""Your own pictures: any folder of them, as one tensor. Every notebook takes one for its default.

>>> pictures = folder.load("~/holiday", size=64)  # doctest: +SKIP
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from tqdm.auto import tqdm

from gancourse import env
from gancourse.shapes import Bytes, Labels

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)
MODES = {1: "L", 3: "RGB"}


@dataclass(frozen=True)
class Pictures:
    """Pictures of one size, with a label each where the folder has one subfolder a class."""

    images: Bytes
    labels: Labels | None
    """Index into `classes`; None where a picture lies beside the subfolders."""
    classes: tuple[str, ...]
    """Names of the subfolders, sorted."""
    skipped: tuple[Path, ...]
    """Files that look like pictures but can't be read."""

    def __len__(self) -> int:
        return len(self.images)


def load(
    path: str | Path,
    size: int,
    limit: int | None = None,
    channels: int = 3,
    device: torch.device | str | None = None,
) -> Pictures:
    """Read every picture below a folder: shorter side to `size`, then the central square.

    A camera's turn (EXIF) is undone, transparency becomes white, grey becomes RGB. A file that
    can't be read is skipped, with a notice that names it.

    Parameters
    ----------
    path : str or Path
        The folder; searched with all its subfolders. ``~`` is your home folder.
    size : int
        Side in pixels.
    limit : int, optional
        Read at most so many files, spread evenly over the folder.
    channels : {3, 1}
        Colour, or grey.
    device : torch.device or str, optional
        Where the tensors live; by default the course's device.

    Returns
    -------
    Pictures
        ``images`` uint8 (B, channels, size, size) in 0..255, sorted by path.

    Raises
    ------
    ValueError
        If `size`, `limit` or `channels` makes no sense.
    CourseError
        If there is no such folder, no picture in it, or none that can be read.
    """
    if size < 1 or channels not in MODES or (limit is not None and limit < 1):
        raise ValueError(f"size and limit start at 1, channels is 1 or 3: {size=}, {limit=}")
    root = Path(path).expanduser()
    files = pictures_below(root)
    if limit is not None and limit < len(files):
        files = [files[i * len(files) // limit] for i in range(limit)]

    kept, skipped, pixels = [], [], []
    for file in tqdm(files, desc=f"reading {root.name}", disable=len(files) < 500):
        try:
            pixels.append(read_square(file, size, MODES[channels]))
            kept.append(file.relative_to(root))
        except UNREADABLE:
            skipped.append(file)
    if skipped:
        names = ", ".join(str(file.relative_to(root)) for file in skipped[:5])
        more = f" and {len(skipped) - 5} more" if len(skipped) > 5 else ""
        print(f"NOTICE: {len(skipped)} of {len(files)} files can't be read: {names}{more}")
    if not kept:
        raise env.CourseError(
            f"None of the {len(files)} pictures in {root} can be read.",
            "They are cut off, damaged, or not pictures in spite of their names.",
            "Open one of them in a viewer; then name a folder with pictures that open.",
        )
    images = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).contiguous()
    labels, classes = _classes(kept)
    place = env.device() if device is None else torch.device(device)
    labels = None if labels is None else labels.to(place)
    return Pictures(images.to(place), labels, classes, tuple(skipped))


def pictures_below(root: Path) -> list[Path]:
    """The files of a folder and its subfolders that are pictures by their names, sorted."""
    if not root.is_dir():
        found = "It is a file." if root.exists() else "Nothing is there."
        raise env.CourseError(
            f"There is no folder {root}.", found, f"The working folder is {Path.cwd()}."
        )
    hidden = (".", "__MACOSX")
    files = sorted(
        file
        for file in root.rglob("*")
        if file.suffix.lower() in SUFFIXES
        and file.is_file()
        and not any(part.startswith(hidden) for part in file.relative_to(root).parts)
    )
    if not files:
        raise env.CourseError(
            f"There is no picture in {root}, nor in its subfolders.",
            f"Files that end in {', '.join(sorted(SUFFIXES))} are looked for.",
            "Copy some pictures there, or name another folder.",
        )
    return files


def read_square(file: Path, size: int, mode: str) -> np.ndarray:
    """One picture, its central square, as (size, size, channels) bytes; `UNREADABLE` if it is."""
    with Image.open(file) as image:
        image.draft(mode, (2 * size, 2 * size))  # a JPEG is decoded at a fraction of its size
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I"):  # 16 bits a pixel
            image = Image.fromarray((np.asarray(image) // 256).clip(0, 255).astype(np.uint8))
        if image.has_transparency_data:
            drawn = image.convert("RGBA")
            white = Image.new("RGBA", drawn.size, "white")
            image = Image.alpha_composite(white, drawn)
        square = ImageOps.fit(image.convert(mode), (size, size), Image.Resampling.LANCZOS)
    return np.asarray(square, np.uint8).reshape(size, size, -1)


def _classes(kept: list[Path]) -> tuple[torch.Tensor | None, tuple[str, ...]]:
    if any(len(file.parts) == 1 for file in kept):
        return None, ()
    classes = sorted({file.parts[0] for file in kept})
    return torch.tensor([classes.index(file.parts[0]) for file in kept]), tuple(classes)
