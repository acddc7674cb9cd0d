"""Many image files at once: one range for all of them, and one line for all that is to be said."""

import warnings
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from gancourse.datasets import bit_depth
from gancourse.datasets.bit_depth import Range

EIGHT_BITS = {".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".gif", ".bmp", ".avif"}
"""Suffixes of files that never have more."""


@dataclass
class Notes:
    """What is to be said about a set of files: one line for all of them."""

    ranges: dict[str, Range] = field(default_factory=dict)
    """By the way in which values are stored, such as "16 bits"; the same for every file."""
    sizes: dict[Path, tuple[int, int]] = field(default_factory=dict)
    """Width and height of every file that was read; of a large JPEG, perhaps a fraction of them."""
    deep: dict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))
    frames: list[Path] = field(default_factory=list)
    transparent: list[Path] = field(default_factory=list)
    unreadable: dict[Path, str] = field(default_factory=dict)
    """Why a file can't be read."""
    small: list[Path] = field(default_factory=list)
    """Files that are too small to be used."""

    def levels(self, path: Path, values: np.ndarray, white_is_zero: bool) -> np.ndarray:
        """Values of more than 8 bits as grey levels, uint8 of the same shape."""
        stored = bit_depth.stored_as(values)
        if stored not in self.ranges:  # of a file that was not expected to have such
            self.ranges[stored] = bit_depth.guess(stored, *bit_depth.extremes(values))
        self.deep[stored].append(path)
        return bit_depth.to_bytes(values, self.ranges[stored], white_is_zero)

    def show(self, root: Path = Path()) -> None:
        """Print a line for each kind of file that was not simply read, with paths from `root`."""
        if self.unreadable:
            total = len(self.unreadable) + len(self.sizes)
            who = f"{len(self.unreadable)} of {total} files can't be read"
            print(f"NOTICE: {who}: {self.reasons(root)}")
        if self.small:
            who = "1 file is" if len(self.small) == 1 else f"{len(self.small)} files are"
            names = self.with_sizes(self.small, root)
            print(f"NOTICE: {who} too small and skipped: {names}")
        for stored, files in self.deep.items():
            r = self.ranges[stored]
            if r.meaning:
                values = f"values {r.low:.6g}..{r.high:.6g} in {stored}"
                print(f"NOTICE: {_who(files, 'holds', 'hold')} {values}: read as {r.meaning}")
            if r.dark:
                print(f"NOTICE: {r.dark}")
        if self.frames:
            print(
                f"NOTICE: {_who(self.frames, 'has', 'have')} several frames: only the first is read"
            )
        if self.transparent:
            who = _who(self.transparent, "is", "are")
            print(f"NOTICE: {who} transparent in places: read over white")

    def with_sizes(self, files: list[Path], root: Path) -> str:
        """The first files and their sizes, such as "a.png (1 x 200)"."""
        return _listed([f"{path.relative_to(root)} ({_by(self.sizes[path])})" for path in files])

    def reasons(self, root: Path) -> str:
        """The unreadable files by reason, the most frequent first."""
        groups: dict[str, list[str]] = defaultdict(list)
        for path, why in self.unreadable.items():
            groups[why].append(str(path.relative_to(root)))
        order = sorted(groups, key=lambda why: -len(groups[why]))
        more = f"; {len(order) - 5} more reasons" if len(order) > 5 else ""
        return "; ".join(f"{_listed(groups[why])} ({why})" for why in order[:5]) + more


def _listed(names: list[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if names[most:] else "")


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"


def _who(files: list[Path], one: str, many: str) -> str:
    return f"{files[0].name} {one}" if len(files) == 1 else f"{len(files)} files {many}"


def survey(files: Iterable[Path]) -> Notes:
    """Notes on files before they are read: one range for all that store values in the same way.

    A range guessed for each file would make a dark image as bright as a bright one. Only files of
    more than 8 bits are decoded for this; of the others the header is read, if that.
    """
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for file in files:
        if file.suffix.lower() in EIGHT_BITS:
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                image, values, _ = bit_depth.opened(file)
                image.close()
        except Exception:  # `read` explains it
            continue
        if values is not None:
            found[bit_depth.stored_as(values)].append(bit_depth.extremes(values))
    ranges = {}
    for stored, pairs in found.items():
        r = bit_depth.guess(stored, min(low for low, _ in pairs), max(high for _, high in pairs))
        narrow = sum(high - r.black < (r.white - r.black) / 16 for _, high in pairs)
        if stored == "16 bits" and not r.meaning and 2 * narrow >= len(pairs) > narrow > 0:
            r = r._replace(
                dark=f"{narrow} of {len(pairs)} files of 16 bits stay below 4096, the others reach "
                f"{r.high:.0f}: with one range for all, the former are nearly black"
            )
        ranges[stored] = r
    return Notes(ranges)
