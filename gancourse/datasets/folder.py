"""Your own images: a folder of them as one tensor, or with captions.

>>> images = folder.load("~/holiday", size=64)  # doctest: +SKIP
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from tqdm.auto import tqdm

from gancourse import env
from gancourse.errors import CourseError
from gancourse.shapes import Bytes, Labels

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)
MODES = {1: "L", 3: "RGB"}


@dataclass(frozen=True)
class FolderImages:
    """Images of one size, with labels if the folder has one subfolder per class."""

    images: Bytes
    labels: Labels | None
    """Index into `classes`; None if an image lies outside the subfolders."""
    classes: tuple[str, ...]
    """Names of the subfolders, sorted."""
    skipped: tuple[Path, ...]
    """Files with the suffix of an image that can't be read."""

    def __len__(self) -> int:
        return len(self.images)


def load(
    path: str | Path,
    size: int,
    limit: int | None = None,
    channels: int = 3,
    device: torch.device | str | None = None,
) -> FolderImages:
    """Read every image below a folder: shorter side to `size`, then the central square.

    A camera's rotation (EXIF) is applied, transparency becomes white, grey becomes RGB. A file that
    can't be read is skipped, with a notice that names it.

    Parameters
    ----------
    path : str or Path
        The folder; all its subfolders are searched. ``~`` is your home folder.
    size : int
        Side in pixels.
    limit : int, optional
        Read at most so many files, evenly spaced over the folder.
    channels : {3, 1}
        Colour, or grey.
    device : torch.device or str, optional
        Where the tensors live; by default the course's device.

    Returns
    -------
    FolderImages
        ``images`` uint8 (B, channels, size, size) in 0..255, sorted by path.

    Raises
    ------
    ValueError
        If `size`, `limit` or `channels` is out of range.
    CourseError
        If there is no such folder, no image in it, or no readable one.
    """
    if size < 1 or channels not in MODES or (limit is not None and limit < 1):
        raise ValueError(f"size and limit are at least 1, channels is 1 or 3: {size=}, {limit=}")
    root = Path(path).expanduser()
    files = image_files(root)
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
        raise CourseError(
            f"None of the {len(files)} images in {root} can be read.",
            "They are truncated, damaged, or not images despite their names.",
            "Open one of them in a viewer; then name a folder with images that open.",
        )
    images = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).contiguous()
    labels, classes = _classes(kept)
    place = env.device() if device is None else torch.device(device)
    labels = None if labels is None else labels.to(place)
    return FolderImages(images.to(place), labels, classes, tuple(skipped))


def image_files(root: Path) -> list[Path]:
    """The image files below a folder (by suffix), sorted; CourseError if there are none."""
    if not root.is_dir():
        found = "It is a file." if root.exists() else "It does not exist."
        raise CourseError(
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
        raise CourseError(
            f"There is no image in {root}, nor in its subfolders.",
            f"Recognized suffixes: {', '.join(sorted(SUFFIXES))}.",
            "Copy some images there, or name another folder.",
        )
    return files


def read_square(file: Path, size: int, mode: str) -> np.ndarray:
    """The central square of an image, (size, size, channels) bytes; raises one of `UNREADABLE`."""
    with Image.open(file) as image:
        image.draft(mode, (2 * size, 2 * size))  # a JPEG is decoded at a fraction of its size
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I"):  # 16 bits per pixel
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


@dataclass(frozen=True)
class CaptionedImages:
    """Images and, for each, one sentence or more."""

    images: Bytes
    sentences: tuple[tuple[str, ...], ...]
    names: tuple[str, ...]
    """Paths as the file has them, in the order in which they first occur there."""

    def __len__(self) -> int:
        return len(self.images)


def load_captioned(
    images: str | Path,
    captions: str | Path,
    size: int,
    device: torch.device | str | None = None,
) -> CaptionedImages:
    """Read the images that a captions file names: shorter side to `size`, the central square.

    The captions are a text file in UTF-8 with one sentence per line: the image's path below the
    folder, a tab, the sentence. An image has as many lines as it has sentences, anywhere in the
    file. Empty lines, and lines that begin with #, are skipped::

        jpg/image_00001.jpg     the flower has wide pink petals and a yellow centre
        jpg/image_00001.jpg     a pink flower with many stamens
        jpg/image_00002.jpg     long white petals that curl at their tips

    Parameters
    ----------
    images, captions : str or Path
        The folder, and the file. ``~`` is your home folder.
    size : int
        Side in pixels.
    device : torch.device or str, optional
        Where the images live; by default the course's device.

    Raises
    ------
    CourseError
        If there is no such folder or file, a line has no tab or no sentence, an image is
        missing, or it can't be read. The message names the line.
    """
    root, file = Path(images).expanduser(), Path(captions).expanduser()
    for place, there in ((root, root.is_dir()), (file, file.is_file())):
        if not there:
            kind = "folder of images" if place is root else "captions file"
            raise CourseError(
                f"There is no {kind} {place}.", "", f"The working folder is {Path.cwd()}."
            )
    found: dict[str, list[str]] = {}
    first: dict[str, int] = {}
    for number, line in enumerate(_lines(file), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, sentence = (part.strip() for part in line.partition("\t"))
        if not (name and sentence):
            raise CourseError(
                f"Line {number} of {file.name} is not a path, a tab and a sentence.",
                f"It begins with {line.strip()[:40]!r}.",
                "Separate the two with one tab: spaces are part of a path or a sentence.",
            )
        found.setdefault(name, []).append(sentence)
        first.setdefault(name, number)
    if not found:
        raise CourseError(f"There is no sentence in {file.name}.")
    pixels = []
    for name in found:
        try:
            pixels.append(read_square(root / name, size, "RGB"))
        except UNREADABLE as error:
            state = "can't be read" if (root / name).is_file() else "is missing"
            raise CourseError(
                f"The image {name} {state}.",
                f"Line {first[name]} of {file.name} names it; it is looked for in {root}.",
                "Correct the path, or remove its lines from the file.",
            ) from error
    stored = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).contiguous()
    stored = stored.to(env.device() if device is None else torch.device(device))
    return CaptionedImages(stored, tuple(map(tuple, found.values())), tuple(found))


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise CourseError(
            f"{file.name} is not a text in UTF-8.", str(error), "Save it as UTF-8 (or as ASCII)."
        ) from error
