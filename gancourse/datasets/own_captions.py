"""Your own pictures with your own sentences: what notebook 07 trains on beside its drawn flowers.

The captions are a text file in UTF-8 with one sentence a line: the picture's path below the folder,
a tab, the sentence. A picture has as many lines as it has sentences, anywhere in the file. Empty
lines, and lines that begin with #, are left out::

    jpg/image_00001.jpg     the flower has wide pink petals and a yellow centre
    jpg/image_00001.jpg     a pink flower with many stamens
    jpg/image_00002.jpg     long white petals that curl at their tips
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from gancourse import env
from gancourse.datasets import folder
from gancourse.shapes import Bytes


@dataclass(frozen=True)
class Captioned:
    """Pictures and, for each, one sentence or more."""

    images: Bytes
    sentences: tuple[tuple[str, ...], ...]
    names: tuple[str, ...]
    """Paths as the file has them, in the order in which they first occur there."""

    def __len__(self) -> int:
        return len(self.images)


def load(
    pictures: str | Path,
    captions: str | Path,
    size: int,
    device: torch.device | str | None = None,
) -> Captioned:
    """Read the pictures that a captions file names: shorter side to `size`, the central square.

    Parameters
    ----------
    pictures, captions : str or Path
        The folder, and the file; see the head of this module. ``~`` is your home folder.
    size : int
        Side in pixels.
    device : torch.device or str, optional
        Where the pictures live; by default the course's device.

    Raises
    ------
    CourseError
        If there is no such folder or file, a line has no tab or no sentence, a picture is not
        there, or it can't be read. The message names the line.
    """
    root, file = Path(pictures).expanduser(), Path(captions).expanduser()
    for place, there in ((root, root.is_dir()), (file, file.is_file())):
        if not there:
            kind = "folder of pictures" if place is root else "captions file"
            raise env.CourseError(
                f"There is no {kind} {place}.", "", f"The working folder is {Path.cwd()}."
            )
    found: dict[str, list[str]] = {}
    first: dict[str, int] = {}
    for number, line in enumerate(_lines(file), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, sentence = (part.strip() for part in line.partition("\t"))
        if not (name and sentence):
            raise env.CourseError(
                f"Line {number} of {file.name} is not a picture, a tab and a sentence.",
                f"It begins with {line.strip()[:40]!r}.",
                "Separate the two with one tab: spaces are part of a path or a sentence.",
            )
        found.setdefault(name, []).append(sentence)
        first.setdefault(name, number)
    if not found:
        raise env.CourseError(f"There is no sentence in {file.name}.")
    pixels = []
    for name in found:
        try:
            pixels.append(folder.read_square(root / name, size, "RGB"))
        except folder.UNREADABLE as error:
            state = "can't be read" if (root / name).is_file() else "is not there"
            raise env.CourseError(
                f"The picture {name} {state}.",
                f"Line {first[name]} of {file.name} names it; it is looked for in {root}.",
                "Mend the path, or take its lines out of the file.",
            ) from error
    images = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).contiguous()
    images = images.to(env.device() if device is None else torch.device(device))
    return Captioned(images, tuple(map(tuple, found.values())), tuple(found))


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise env.CourseError(
            f"{file.name} is not a text in UTF-8.", str(error), "Save it as UTF-8 (or as ASCII)."
        ) from error
