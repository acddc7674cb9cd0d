"""Two domains with disjoint training sets, for CycleGAN: notebook 09.

Three need no download: flowers drawn in two styles, emoji in two designs, and two folders of your
own images. For the first two the true counterpart of every test image is known, but not used in
training: so the error of a translation can be measured.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import UInt8
from torch import Tensor

from gancourse.datasets import downloads, emoji, flowers, folder
from gancourse.errors import CourseError
from gancourse.shapes import Bytes

ByteImages = UInt8[Tensor, "_ channels height width"]
"""Bytes; the domains may differ in number."""


@dataclass(frozen=True)
class Domains:
    """Images of two domains, X and Y, for training and for testing."""

    x: ByteImages
    """Training images of X; then of Y. No image has its counterpart among them."""
    y: ByteImages
    test_x: ByteImages
    """Never trained on. If `paired`, the i-th of one is the true counterpart of the i-th of the
    other; otherwise their numbers may differ."""
    test_y: ByteImages
    names: tuple[str, str]
    """Of X and Y, for titles."""
    paired: bool
    looks: flowers.Looks | None = None
    """Attributes of the test flowers, if they are flowers."""


def day_and_dusk(count: int, tests: int, size: int, rng: torch.Generator) -> Domains:
    """Flowers with plain petals by day, other flowers with striped petals at dusk.

    Parameters
    ----------
    count, tests : int
        Training images per domain; test flowers, drawn in both styles.
    size : int
        Side in pixels.
    rng : torch.Generator
        Draws the attributes of every flower.

    Returns
    -------
    Domains
        Paired, with `looks`. No bees.
    """
    a, b, looks = (flowers.sample(n, rng, bees=0) for n in (count, count, tests))
    images = (_drawn(of, size, dusk) for of, dusk in ((a, False), (b, True)))
    hidden = (_drawn(looks, size, dusk) for dusk in (False, True))
    return Domains(*images, *hidden, ("day", "dusk"), True, looks)


def few_and_many(count: int, tests: int, size: int, rng: torch.Generator) -> Domains:
    """Flowers by day of 5 petals, and of 8: a translation has to change the shape.

    Parameters and result as for `day_and_dusk`. A test flower keeps its other attributes.
    """
    a, b, looks = (flowers.sample(n, rng, bees=0) for n in (count, count, tests))
    images = (_drawn(_petals(of, n), size) for of, n in ((a, 5), (b, 8)))
    hidden = (_drawn(_petals(looks, n), size) for n in (5, 8))
    return Domains(*images, *hidden, ("5 petals", "8 petals"), True, looks)


def _petals(looks: flowers.Looks, n: int) -> flowers.Looks:
    return replace(looks, petals=torch.full_like(looks.petals, n))


def _drawn(looks: flowers.Looks, size: int, dusk: bool = False) -> Bytes:
    parts = [flowers.draw(looks[i : i + 1000], size, dusk) for i in range(0, len(looks), 1000)]
    return torch.cat(parts)


def designs(
    tests: int,
    size: Literal[32, 64],
    rng: torch.Generator,
    device: torch.device | str | None = None,
) -> Domains:
    """Emoji in two designs, Twemoji and OpenMoji: real drawings of the same subjects.

    The subjects are split at random into three parts: one is seen in the first design only, one in
    the second only, and `tests` of them in neither.

    Parameters
    ----------
    tests : int
        Test subjects.
    size : {32, 64}
        Side in pixels.
    rng : torch.Generator
        Draws the split; lives on the CPU.
    device : torch.device or str, optional
        Where the images live; by default the course's device.

    Raises
    ------
    ValueError
        If `tests` is below 1, or leaves no subject for training.
    """
    first, second = (emoji.load(size, name, device=device).images for name in emoji.FOLDERS)
    order = torch.randperm(len(first), generator=rng).to(first.device)
    if not 0 < tests < len(order) - 1:
        raise ValueError(f"of {len(order)} subjects, {tests} can't be reserved for tests")
    half = tests + (len(order) - tests) // 2
    a, b, hidden = order[tests:half], order[half:], order[:tests]
    return Domains(first[a], second[b], first[hidden], second[hidden], tuple(emoji.FOLDERS), True)


def of_folder(
    path: str | Path,
    size: int,
    limit: int | None = None,
    device: torch.device | str | None = None,
) -> Domains:
    """Two domains of your own: a folder with two subfolders of images.

    Subfolders ``trainA``, ``trainB``, ``testA`` and ``testB``, as in the authors' sets, are
    used as they are. Otherwise there are two, in alphabetical order, and every tenth image of each
    is reserved for tests.

    Parameters
    ----------
    path : str or Path
        The folder.
    size, limit, device
        As in `folder.load`; `limit` counts the images of each subfolder.

    Raises
    ------
    CourseError
        If there are not two subfolders, or one of them has fewer than two images.
    """
    root = Path(path).expanduser()
    parts = sorted(p for p in root.iterdir() if p.is_dir() and p.name[0] not in "._") \
        if root.is_dir() else []  # fmt: skip
    by_name = {part.name: part for part in parts}
    four = [by_name.get(name) for name in ("trainA", "trainB", "testA", "testB")]

    def read(part: Path) -> Bytes:
        return folder.load(part, size, limit, device=device).images

    if all(four):
        return Domains(*(read(part) for part in four if part), ("A", "B"), False)
    if len(parts) != 2:
        raise CourseError(
            f"{root} must contain two folders of images, one for each domain.",
            f"Found: {', '.join(by_name) or 'no folder'}.",
            "Create two folders in it, such as summer/ and winter/, and put your images there.",
        )
    x, y = (read(part) for part in parts)
    if min(len(x), len(y)) < 2:
        raise CourseError(
            f"One of {parts[0].name} and {parts[1].name} has a single image.",
            "Each needs one for training and one for testing; a few hundred are better.",
        )
    tests = [torch.arange(len(images), device=images.device) % 10 == 9 for images in (x, y)]
    for test in tests:
        test[-1] = True
    (a, b), names = tests, (parts[0].name, parts[1].name)
    return Domains(x[~a], y[~b], x[a], y[b], names, False)


def horse2zebra(size: int, device: torch.device | str | None = None) -> Domains:
    """The paper's horses and zebras: a verified download of 117 MB. Parameters as in `of_folder`.

    Raises
    ------
    CourseError
        If it is not there and can't be downloaded.
    """
    root = downloads.fetch("horse2zebra")
    inside = next((p.parent for p in sorted(root.rglob("trainA")) if p.is_dir()), root)
    return of_folder(inside, size, device=device)
