"""Real data sets by name: one call downloads a set, unless it is there, and reads it.

>>> clothes = named.load("fashion_mnist", 32)  # doctest: +SKIP
>>> mine = named.load("~/holiday", 32)  # doctest: +SKIP

``gancourse fetch`` without a name lists the downloads with their sizes and licences.
"""

import gzip
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torch.utils.data import ConcatDataset, Dataset
from torchvision import datasets as torchvision_sets
from torchvision.transforms.v2 import functional as resizing

from gancourse import env
from gancourse.datasets import digits, downloads, emoji, folder, galaxies, lowres, photos
from gancourse.datasets import images as images_
from gancourse.errors import CourseError
from gancourse.progress import Progress
from gancourse.shapes import Bytes, Labels

MEMORY = 1_000_000_000  # bytes of images that are read where no limit is given
TWO, THREE = ("train", "test"), ("train", "validation", "test")


@dataclass(frozen=True)
class NamedImages:
    """Images of one size with their labels, and their source."""

    images: Bytes
    """0 to 255; one channel for digits and Fashion-MNIST, otherwise three."""
    labels: Labels | None
    """Index into `classes`; None if the set has no classes."""
    classes: tuple[str, ...]
    """Names of the classes, in the set's own order."""
    source: str
    """In words: "CIFAR-10, train: 1,000 of 50,000 images"."""

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class _Part:
    """A split of a set, before any image is resized."""

    source: str
    classes: tuple[str, ...]
    count: int
    channels: int
    take: Callable[[Sequence[int], int], tuple[Tensor, Tensor | None]]
    """Which images, and their side in pixels -> images and labels, on the CPU."""


def load(
    name: str,
    size: int,
    split: str = "train",
    limit: int | None = None,
    device: torch.device | str | None = None,
) -> NamedImages:
    """Read a data set by its name; it is downloaded first, unless it is there.

    Without a download:

    - "galaxies": 32 x 32, in colour, from the Hubble eXtreme Deep Field. No labels.
    - "emoji", "emoji_faces": Twemoji on white, in colour; one in five is "test".
    - the path of a folder, such as "~/holiday": your own images, `folder.load`.

    With one, except for the embedded digits:

    - "digits" (what `digits.load` reads: the embedded 5,000, or MNIST if it is there), "mnist",
      "fashion_mnist": grey, 28 x 28. A size of 32 adds a black border of 2 pixels.
    - "cifar10": 32 x 32, 10 classes.
    - "celeba": the central 178 x 178 of the aligned faces. No labels.
    - "flowers102": the central square, 102 classes. Its official training and validation sets have
      1,020 images each, the test set 6,149; "all" has 8,189.
    - "clothing": the central square, 10 classes.

    Any other size is resized from these, with antialiasing (emoji: from 64 x 64).

    Parameters
    ----------
    name : str
        One of `READERS`, or the path of a folder.
    size : int
        Side in pixels.
    split : {"train", "validation", "test", "all"}
        Which part, as its authors split the set. Only CelebA, the flowers and "clothing" have a
        "validation"; "clothing" has no "all".
    limit : int, optional
        Read at most so many images, evenly spaced over the split. Without it everything is read, or
        as much as fits into 1 GB; a notice is printed if that is not everything.
    device : torch.device or str, optional
        Where the tensors live; by default the course's device.

    Returns
    -------
    NamedImages
        ``images`` uint8 (B, C, size, size) in 0..255; ``labels`` int64 (B,), or None.

    Raises
    ------
    ValueError
        If `size` or `limit` is below 1, or the set has no such split.
    CourseError
        If there is no such set, it can't be downloaded, or its files can't be read.
    """
    if name not in READERS and Path(name).expanduser().is_dir():
        mine = folder.load(name, size, limit, device=device, split=split)
        source = f"{name}: {len(mine):,} images"
        return NamedImages(mine.images, mine.labels, mine.classes, source)
    if name not in READERS:
        known = f"Known: {', '.join(READERS)}; or the path of a folder of images."
        other = f"It is read by {downloads.KNOWN[name].reader}." if name in downloads.KNOWN else ""
        raise CourseError(f"named.load can't read a data set {name!r}.", other or known)
    reader, splits = READERS[name]
    if size < 1 or (limit is not None and limit < 1) or split not in splits:
        given = f"{size=}, {limit=}, {split=}"
        raise ValueError(f"size and limit are at least 1, {name} has the splits {splits}: {given}")
    try:
        part = reader(split)
        images, labels = part.take(_picks(part, size, limit), size)
    except (OSError, ValueError, RuntimeError, EOFError, IndexError) as error:
        fetched = "mnist" if name == "digits" else name
        if fetched not in downloads.KNOWN:
            raise
        place = env.data_dir() / downloads.KNOWN[fetched].folder
        raise CourseError(
            f"The data set {name} can't be read.",
            f"{type(error).__name__}: {error}",
            f"Delete the folder {place} and fetch it again: gancourse fetch {fetched}",
        ) from error
    of = "" if len(images) == part.count else f"{len(images):,} of "
    source = f"{part.source}, {split}: {of}{part.count:,} images"
    place = env.device() if device is None else torch.device(device)
    labels = None if labels is None else labels.to(place)
    return NamedImages(images.to(place), labels, part.classes, source)


def train_and_unseen(
    name: str, size: int, limit: int | None = None, device: torch.device | str | None = None
) -> tuple[NamedImages, Bytes]:
    """Images of a set to train on, and others to measure samples against.

    The others are the set's test images, at most 2,000; of a set without any, such as most
    folders, every fifth image, and the rest is for training. Arguments and errors as for `load`.
    """
    of = load(name, size, limit=limit, device=device)
    if name in READERS:  # each has test images
        return of, load(name, size, "test", limit=2000, device=device).images
    try:
        return of, load(name, size, "test", limit=2000, device=device).images
    except CourseError:  # most folders have no part of that name
        unseen = torch.arange(len(of)) % 5 == 0
        labels = None if of.labels is None else of.labels[~unseen]
        return replace(of, images=of.images[~unseen], labels=labels), of.images[unseen]


def div2k(
    split: Literal["train", "validation"] = "train", limit: int = 100
) -> dict[str, lowres.Pair]:
    """Photos of DIV2K at full size, small and large, by name: for `lowres.Crops`, notebook 08.

    A verified download of 4 GB, unless it is there.

    Parameters
    ----------
    split : {"train", "validation"}
        800 or 100 photos, of about 2040 x 1400 pixels.
    limit : int
        How many, evenly spaced. 100 take about 0.9 GB of memory, 800 about 7 GB.

    Returns
    -------
    dict[str, lowres.Pair]
        As from `lowres.load_folder`, on the CPU: ``pairs["0001"]``.

    Raises
    ------
    ValueError
        If `limit` is below 1, or `split` is another name.
    CourseError
        If it can't be downloaded.
    """
    folders = {"train": "DIV2K_train_HR", "validation": "DIV2K_valid_HR"}
    if limit < 1 or split not in folders:
        raise ValueError(
            f"limit is at least 1 and split one of {list(folders)}: {limit=}, {split=}"
        )
    files = sorted((downloads.fetch("div2k") / folders[split]).glob("*.png"))
    chosen = _spaced(len(files), limit)
    if len(chosen) < len(files):
        print(f"NOTICE: {len(chosen)} of {len(files)} photos; limit={len(files)} reads all.")
    reading = Progress(chosen, desc="reading DIV2K", disable=len(chosen) < 20)
    return {files[i].stem: lowres.pair(photos.read(files[i])) for i in reading}


def _spaced(count: int, limit: int) -> list[int]:
    """At most `limit` of `count` indices, evenly spaced."""
    n = min(count, limit)
    return [i * count // n for i in range(n)]


def _picks(part: _Part, size: int, limit: int | None) -> list[int]:
    """Which images to read: all, or what `limit` or the memory allows."""
    each = part.channels * size * size
    if limit is None and part.count * each > MEMORY:
        limit = max(MEMORY // each, 1)
        print(
            f"NOTICE: {limit:,} of the {part.count:,} images are read, evenly spaced: all of them "
            f"need {part.count * each / 1e9:.1f} GB. limit={part.count} reads all."
        )
    return _spaced(part.count, limit or part.count)


def _rows(
    images: Bytes, labels: Labels | None, picks: Sequence[int], size: int
) -> tuple[Tensor, Tensor | None]:
    """Of a set that fits into memory: images (N, C, H, W) and labels, resized."""
    chosen, side = images[list(picks)], images.shape[-1]
    if (side, size) == (28, 32):
        chosen = F.pad(chosen, (2, 2, 2, 2))
    elif side != size:  # in parts: it computes with floats, which take four times the memory
        resize = partial(resizing.resize, size=[size, size], antialias=True)
        chosen = torch.cat([resize(some) for some in chosen.split(1000)])
    return chosen, None if labels is None else labels[list(picks)]


def _squares(
    read: Callable[[int], tuple[Image.Image, int | None]], picks: Sequence[int], size: int
) -> tuple[Tensor, Tensor | None]:
    """Of a set of photos, read one by one: the central squares and the labels."""
    images = torch.empty(len(picks), 3, size, size, dtype=torch.uint8)
    labels: list[int | None] = []
    for row, i in enumerate(Progress(picks, desc="reading photos", disable=len(picks) < 500)):
        photo, label = read(i)
        pixels = images_.square(photo.convert("RGB"), size)
        images[row] = torch.from_numpy(pixels.copy()).permute(2, 0, 1)
        labels.append(label)
    return images, None if None in labels else torch.tensor(labels)


def _digits(split: str) -> _Part:
    of = digits.load(28, split, device="cpu")
    return _Part(of.source, tuple("0123456789"), len(of), 1, partial(_rows, of.images, of.labels))


def _mnist(split: str) -> _Part:
    if not any((env.data_dir() / "mnist").glob("train-images*")):  # files placed there by hand
        downloads.fetch("mnist")
    return _digits(split)


def _fashion_mnist(split: str) -> _Part:
    root = downloads.fetch("fashion_mnist")
    stems = {"train": ["train"], "test": ["t10k"], "all": ["train", "t10k"]}[split]
    images, labels = (
        torch.cat([_idx(root / f"{stem}-{kind}-ubyte.gz") for stem in stems])
        for kind in ("images-idx3", "labels-idx1")
    )
    classes = tuple(torchvision_sets.FashionMNIST.classes)
    take = partial(_rows, images[:, None], labels.long())
    return _Part("Fashion-MNIST", classes, len(images), 1, take)


def _idx(path: Path) -> Tensor:
    """A file of MNIST's format: 0, 0, 8, the number of dimensions, each as 4 bytes, the bytes."""
    plain = path.with_suffix("")
    data = gzip.decompress(path.read_bytes()) if path.is_file() else plain.read_bytes()
    shape = np.frombuffer(data, ">i4", count=data[3], offset=4)
    values = np.frombuffer(data, np.uint8, offset=4 + 4 * data[3])
    return torch.from_numpy(values.reshape(shape).copy())


def _cifar10(split: str) -> _Part:
    root = downloads.fetch("cifar10")
    with warnings.catch_warnings():  # of NumPy 2.4.0 to 2.4.4 about a pickle of 2009
        warnings.filterwarnings("ignore", message=r"dtype\(\): align")
        # It verifies each file's MD5 before it is unpickled: a pickle can run any code.
        parts = [
            torchvision_sets.CIFAR10(root, train=train)
            for train in {"train": [True], "test": [False], "all": [True, False]}[split]
        ]
    images = torch.from_numpy(np.concatenate([part.data for part in parts])).permute(0, 3, 1, 2)
    labels = torch.tensor([label for part in parts for label in part.targets])
    take = partial(_rows, images.contiguous(), labels)
    return _Part("CIFAR-10", tuple(parts[0].classes), len(images), 3, take)


def _celeba(split: str) -> _Part:
    root = downloads.fetch("celeba")
    lines = (root / "list_eval_partition.txt").read_text(encoding="ascii").splitlines()
    wanted = THREE if split == "all" else (split,)
    numbers = {str(THREE.index(part)) for part in wanted}
    files = [name for name, part in map(str.split, filter(None, lines)) if part in numbers]

    def read(i: int) -> tuple[Image.Image, None]:
        return images_.read(root / "img_align_celeba" / files[i]), None

    return _Part("CelebA", (), len(files), 3, partial(_squares, read))


def _flowers102(split: str) -> _Part:
    root = downloads.fetch("flowers102").parent
    names = {"validation": ["val"], "all": ["train", "val", "test"]}.get(split, [split])
    part: Dataset = ConcatDataset([torchvision_sets.Flowers102(root, name) for name in names])
    classes = getattr(torchvision_sets.Flowers102, "classes", map(str, range(102)))
    take = partial(_squares, part.__getitem__)
    return _Part("Oxford 102 Flowers", tuple(classes), len(part), 3, take)


def _clothing(split: str) -> _Part:
    root = downloads.fetch("clothing") / split
    classes = sorted(part.name for part in root.iterdir() if part.is_dir())

    def take(picks: Sequence[int], size: int) -> tuple[Tensor, Tensor]:
        of = folder.load(root, size, len(picks), device="cpu")
        places = torch.tensor([classes.index(name) for name in of.classes])
        return of.images, places[of.labels]  # few images may leave out a class

    count = sum(file.is_file() for file in root.glob("*/*"))
    return _Part("Clothing (small)", tuple(classes), count, 3, take)


def _galaxies(split: str) -> _Part:
    images = galaxies.load(32, split, device="cpu").images
    take = partial(_rows, images, None)
    return _Part("Hubble eXtreme Deep Field (scikit-image)", (), len(images), 3, take)


def _emoji(split: str, faces: bool = False) -> _Part:
    of = emoji.load(64, device="cpu")
    every = [i for i, kind in enumerate(of.kinds) if kind.startswith("face-") or not faces]
    parts = {"all": every, "test": every[4::5]}
    chosen = parts.get(split, sorted({*every} - {*every[4::5]}))
    labels = torch.tensor([emoji.GROUPS.index(of.groups[i]) for i in chosen])
    title = "Twemoji, faces" if faces else "Twemoji"
    return _Part(title, emoji.GROUPS, len(chosen), 3, partial(_rows, of.images[chosen], labels))


READERS: dict[str, tuple[Callable[[str], _Part], tuple[str, ...]]] = {
    "digits": (_digits, (*TWO, "all")),
    "galaxies": (_galaxies, (*TWO, "all")),
    "emoji": (_emoji, (*TWO, "all")),
    "emoji_faces": (partial(_emoji, faces=True), (*TWO, "all")),
    "mnist": (_mnist, (*TWO, "all")),
    "fashion_mnist": (_fashion_mnist, (*TWO, "all")),
    "cifar10": (_cifar10, (*TWO, "all")),
    "celeba": (_celeba, (*THREE, "all")),
    "flowers102": (_flowers102, (*THREE, "all")),
    "clothing": (_clothing, THREE),
}
"""What `load` reads: the reader and the splits of each set."""
