"""Your own images: a folder of them as one tensor, or with captions.

>>> images = folder.load("~/holiday", size=64)  # doctest: +SKIP
"""

import codecs
import csv
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from pathlib import Path, PurePosixPath

import numpy as np
import torch

from gancourse import env
from gancourse.datasets import image_notes, layouts
from gancourse.datasets import images as images_
from gancourse.datasets.image_notes import Notes
from gancourse.datasets.layouts import count_of
from gancourse.errors import CourseError
from gancourse.shapes import Bytes, Labels

MODES = {1: "L", 3: "RGB"}
FEW = 50
"""Below so many images a GAN memorizes them."""

HEADER = set("image images img file filename file_name image_name image_id path".split())
"""First fields of a line that is no caption but a header."""


@dataclass(frozen=True)
class FolderImages:
    """Images of one size, with labels if the folder has one subfolder per class."""

    images: Bytes
    labels: Labels | None
    """Index into `classes`; None if an image lies outside the subfolders."""
    classes: tuple[str, ...]
    """Names of the subfolders, sorted: 2 before 10."""
    skipped: tuple[Path, ...]
    """Images that can't be read, or have a side of 1 pixel."""

    def __len__(self) -> int:
        return len(self.images)


def load(
    path: str | Path,
    size: int,
    limit: int | None = None,
    channels: int = 3,
    device: torch.device | str | None = None,
    fit: str = "crop",
    split: str = "train",
) -> FolderImages:
    """Read every image below a folder as a square of one size.

    Files are read as a viewer shows them (`images.read`), with one range for all that have more
    than 8 bits. A file that can't be read is skipped. A notice, of one line each, says what was
    skipped, guessed, enlarged or left out, and what is unfit for training: fewer than 50 images,
    copies, images of one colour.

    Subfolders are classes, except for:

    - ``train`` and ``test`` (or ``val``, ``valid``, ``validation``, ``dev``; also ``train_set``,
      ``Train``, ``trainA``): parts of the data, above the classes or inside each. See `split`.
    - ``images`` with ``masks`` (``labels``, ``annotations``, ``targets``): only ``images`` is read.
    - a single folder, as left by an unpacked archive: read as if you had named it.

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
    fit : {"crop", "pad", "stretch"}
        What becomes of images that are not square: the central square, the whole image on white, or
        the whole image with another aspect ratio.
    split : {"train", "test", "all"}
        Of a folder with parts, which to read; "test" is ``val`` if there is no ``test``.

    Returns
    -------
    FolderImages
        ``images`` uint8 (B, channels, size, size) in 0..255, sorted by path.

    Raises
    ------
    ValueError
        If `size`, `limit`, `channels`, `fit` or `split` is out of range.
    CourseError
        If there is no such folder or part, no image in it, or no readable one.
    """
    check(size, limit, channels, fit)
    if split not in layouts.SPLITS:
        raise ValueError(f"split is 'train', 'test' or 'all', got {split!r}")
    root = Path(path).expanduser()
    layout = layouts.arrange(root, split)
    print("".join(f"{line}\n" for line in layout.notices), end="")
    chosen = spread(range(len(layout.files)), limit)
    files = [layout.files[i] for i in chosen]
    unread = sorted({*layout.files, *layout.others} - set(files))
    notes = image_notes.survey([*files, *spread(unread, 1000)])  # one range for the whole folder
    stored, kept = read_files(files, root, size, fit, MODES[channels], notes)
    show(notes, root, size, fit)
    show_content(stored, len(stored) < min(FEW, limit or FEW))

    class_of = dict(zip(layout.files, layout.classes, strict=True))
    names = [class_of[file] for file in kept]
    labels, classes = None, ()
    place = env.device() if device is None else torch.device(device)
    if None not in names:
        classes = tuple(sorted(set(names), key=layouts.natural))
        labels = torch.tensor([classes.index(name) for name in names]).to(place)
    return FolderImages(stored.to(place), labels, classes, tuple([*notes.unreadable, *notes.small]))


def spread(items: Sequence, limit: int | None) -> list:
    """At most `limit` of some items, evenly spaced."""
    if limit is None or limit >= len(items):
        return list(items)
    return [items[i * len(items) // limit] for i in range(limit)]


def read_files(
    files: Sequence[Path], root: Path, size: int, fit: str, mode: str, notes: Notes
) -> tuple[Bytes, list[Path]]:
    """Images as squares (B, C, size, size) on the CPU, and the files that they come from."""
    kept, pixels = [], []
    for file, image in images_.each(files, root, notes, mode, size):
        kept.append(file)
        pixels.append(images_.square(image, size, fit))
    return torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).contiguous(), kept


def show(notes: Notes, root: Path, size: int, fit: str) -> None:
    """Print what is to be said about files that were read as squares of side `size`."""
    notes.show(root)
    used = [shape for file, shape in notes.sizes.items() if file not in notes.small]
    scaled = max if fit == "pad" else min
    small = [shape for shape in used if scaled(shape) < size]
    if small:
        who = "1 image is" if len(small) == 1 else f"{len(small)} images are"
        smallest = "{} x {}".format(*min(small, key=min))
        print(f"NOTICE: {who} enlarged to {size} pixels: the smallest is {smallest}")
    long = [max(shape) / min(shape) for shape in used if max(shape) > 2 * min(shape)]
    if fit == "crop" and long:
        who = "1 image loses" if len(long) == 1 else f"{len(long)} images lose"
        most = f"up to {1 - 1 / max(long):.0%}"
        print(
            f"NOTICE: {who} more than half ({most}) outside the central square: "
            "fit='pad' or fit='stretch' keeps all of it"
        )


def show_content(stored: Bytes, few: bool, name: str = "") -> None:
    """Print why images (B, C, H, W) on the CPU are unfit for training, if they are."""
    n, start = len(stored), f"NOTICE: {name}: " if name else "NOTICE: "
    if few:
        print(f"{start}only {count_of(n)}: a GAN memorizes so few; a few hundred are a start")
    flat = int((stored.amax((2, 3)) == stored.amin((2, 3))).all(1).sum())
    different = len({blake2b(image.numpy().tobytes()).digest() for image in stored})
    if flat * 10 >= n:
        who = f"all {n} images are" if flat == n > 1 else f"{flat} of {n} images are"
        print(f"{start}{who} of one colour each: there is nothing to learn in them")
    elif stored.max() < 32:
        print(f"{start}nothing is brighter than {stored.max()} of 255: masks, or other values?")
    if different == 1 < n:
        print(f"{start}all {n} images are exact copies of one")
    elif (n - different) * 10 >= n:
        print(f"{start}{n - different} of {n} images are exact copies of others")


def check(size: int, limit: int | None, channels: int, fit: str) -> None:
    """Raise ValueError if an argument of `load` is out of range."""
    if size < 1 or channels not in MODES or (limit is not None and limit < 1):
        raise ValueError(f"size and limit are at least 1, channels is 1 or 3: {size=}, {limit=}")
    if fit not in images_.FITS:
        raise ValueError(f"fit is one of {', '.join(images_.FITS)}, got {fit!r}")


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
    fit: str = "crop",
) -> CaptionedImages:
    """Read the images that a captions file names, as squares of one size.

    The captions are a text file in UTF-8 (or UTF-16 with its mark) with one sentence per line: the
    image's path below the folder, a tab, the sentence. An image has as many lines as it has
    sentences, anywhere in the file. Empty lines, and lines that begin with #, are skipped::

        jpg/image_00001.jpg     the flower has wide pink petals and a yellow centre
        jpg/image_00001.jpg     a pink flower with many stamens
        jpg/image_00002.jpg     long white petals that curl at their tips

    A file without any tab may have commas instead, if what precedes the first comma of every line
    is an image of the folder; the sentence may be quoted, as in CSV. The first line may be a
    header, such as ``image,caption``. A path may have backslashes, or differ from the file's name
    in upper and lower case, if only one file fits it.

    Parameters
    ----------
    images, captions : str or Path
        The folder, and the file. ``~`` is your home folder.
    size : int
        Side in pixels.
    device : torch.device or str, optional
        Where the images live; by default the course's device.
    fit : {"crop", "pad", "stretch"}
        As for `load`.

    Raises
    ------
    CourseError
        If there is no such folder or file, a line has no tab or no sentence, an image is
        missing, or it can't be read. The message names the line.
    ValueError
        If `size` or `fit` is out of range.
    """
    check(size, None, 3, fit)
    root, file = Path(images).expanduser(), Path(captions).expanduser()
    for place, there in ((root, root.is_dir()), (file, file.is_file())):
        if not there:
            kind = "folder of images" if place is root else "captions file"
            raise CourseError(
                f"There is no {kind} {place}.", "", f"The working folder is {Path.cwd()}."
            )
    sentences: dict[Path, list[str]] = {}
    first: dict[Path, tuple[int, str]] = {}
    for number, path, name, sentence in _captions(file, root):
        sentences.setdefault(path, []).append(sentence)
        first.setdefault(path, (number, name))
    if not sentences:
        raise CourseError(f"There is no sentence in {file.name}.")
    notes, pixels = image_notes.survey(sentences), []
    for path, (number, name) in first.items():
        line = f"Line {number} of {file.name} names it; it is looked for in {root}."
        if not path.is_file():
            do = "Correct the path, or remove its lines from the file."
            raise CourseError(f"The image {name} is missing.", line, do)
        try:
            image = images_.read(path, "RGB", size, notes)
        except CourseError as error:
            why = f"{line} {error.why}"
            raise CourseError(f"The image {name} can't be read.", why, error.do) from error
        if min(image.size) < 2:
            why = f"{line} It has {image.width} x {image.height} pixels."
            raise CourseError(f"The image {name} is too small.", why, "Remove its lines.")
        pixels.append(images_.square(image, size, fit))
    stored = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).contiguous()
    show(notes, root, size, fit)
    show_content(stored, len(stored) < FEW)
    stored = stored.to(env.device() if device is None else torch.device(device))
    names = tuple(name for _, name in first.values())
    return CaptionedImages(stored, tuple(map(tuple, sentences.values())), names)


def _captions(file: Path, root: Path) -> Iterator[tuple[int, Path, str, str]]:
    """Number of the line, path of the image, its name in the file, sentence."""
    lines = [
        (number, line.strip())
        for number, line in enumerate(_text(file).split("\n"), start=1)
        if line.strip() and not line.startswith("#")
    ]
    find = _finder(root)
    commas = not any("\t" in line for _, line in lines)
    rows = [(number, *_divided(line, "," if commas else "\t"), line) for number, line in lines]
    if rows and rows[0][1].casefold() in HEADER and not find(rows[0][1]).is_file():
        rows = rows[1:]
    if commas and rows and all(find(name).is_file() and text for _, name, text, _ in rows):
        print(f"NOTICE: {file.name} has no tabs: read as image, comma, sentence")
    elif commas:
        rows = [(number, "", "", line) for number, _, _, line in rows]
    for number, name, sentence, line in rows:
        if not (name and sentence):
            raise CourseError(
                f"Line {number} of {file.name} is not a path, a tab and a sentence.",
                f"It begins with {line[:40]!r}.",
                "Separate the two with one tab: spaces are part of a path or a sentence.",
            )
        yield number, find(name), name, sentence


def _divided(line: str, mark: str) -> tuple[str, str]:
    name, _, sentence = (part.strip() for part in line.partition(mark))
    if mark == "," and sentence.startswith('"'):
        fields = next(csv.reader([sentence]))
        sentence = fields[0].strip() if len(fields) == 1 else ""
    return name, sentence


def _finder(root: Path) -> Callable[[str], Path]:
    """From a name in a captions file to the path of the image, which may not exist."""

    @cache
    def known() -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = {}
        for path, _ in layouts.entries(root):
            if path:
                found.setdefault(same(path.relative_to(root).as_posix()), []).append(path)
        return found

    def same(name: str) -> str:
        return unicodedata.normalize("NFC", name).casefold()

    @cache
    def find(name: str) -> Path:
        path = root / name
        if name and not path.is_file():
            plain = PurePosixPath(name.replace("\\", "/")).as_posix()
            fitting = [root / plain] if (root / plain).is_file() else known().get(same(plain), [])
            path = fitting[0] if len(fitting) == 1 else path
        return path

    return find


def _text(file: Path) -> str:
    data = file.read_bytes()
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return data.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise CourseError(
            f"{file.name} is not a text in UTF-8.", str(error), "Save it as UTF-8 (or as ASCII)."
        ) from error
