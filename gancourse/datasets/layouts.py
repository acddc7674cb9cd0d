"""What lies below a folder: which files are images, and what the subfolders mean."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from gancourse.datasets import images
from gancourse.errors import CourseError

SPLITS = ("train", "test", "all")

OTHER_FILES = set(
    ".txt .csv .tsv .json .jsonl .xml .yaml .yml .md .rst .html .py .ipynb .c .h .zip .tar .gz .tgz"
    " .7z .rar .npy .npz .mat .pkl .pt .pth .h5 .hdf .hdf5 .grib .bufr .pdf .ps .db .ini .log"
    " .mp4 .mov .avi .mkv .webm .mpg .mpeg .mp3 .wav".split()
)
"""Suffixes of files that are never opened: some of them Pillow would take for images."""

ARCHIVES = {".zip", ".tar", ".gz", ".tgz", ".7z", ".rar"}
HIDDEN = (".", "__MACOSX", "@eaDir", "$RECYCLE.BIN")

SPLIT = re.compile(
    r"(?:.*[^a-z])?(train|test|val|valid|validation|dev|eval)(?:ing)?"
    r"(?:[^a-z]*(?:set|data|split|images?|imgs?))?[^a-z]*([ab]?)",
    re.IGNORECASE,
)
IMAGES = {"image", "images", "img", "imgs", "jpegimages", "input", "inputs", "photo", "photos"}
MASKS = set(
    "mask masks label labels annotation annotations annots target targets gt groundtruth truth seg"
    " segmentation segmentations segmentationclass segmentationobject trimaps".split()
)


class Entry(NamedTuple):
    """An image, or an empty folder, below the folder that was named."""

    file: Path | None
    """None for an empty folder."""
    parts: tuple[str, ...]
    """The folders that contain it, as far as their meaning is still open."""


@dataclass(frozen=True)
class Layout:
    """Images to read, with what their folders say about them."""

    files: tuple[Path, ...]
    classes: tuple[str | None, ...]
    """One per file; None outside of class folders."""
    others: tuple[Path, ...]
    """Images that are not read, such as those of the test part."""
    notices: tuple[str, ...]


def entries(root: Path) -> list[Entry]:
    """Every image and every empty folder below a folder, 2 before 10.

    An image is what Pillow recognizes, whatever its suffix, and what has the suffix of an image,
    even if it can't be read. Hidden files are left out.

    Raises
    ------
    CourseError
        If there is no such folder.
    """
    if not root.is_dir():
        found = "It is a file." if root.exists() else "It does not exist."
        raise CourseError(
            f"There is no folder {root}.", found, f"The working folder is {Path.cwd()}."
        )
    suffixes = images.suffixes()
    return [
        Entry(file, folders)
        for file, folders in _walk(root)
        if file is None
        or file.suffix.lower() in suffixes - OTHER_FILES
        or (file.suffix.lower() not in OTHER_FILES and images.recognized(file))
    ]


def image_files(root: Path) -> list[Path]:
    """The images among `entries`; CourseError if there is no such folder or no image in it."""
    return _files(entries(root), root)


def arrange(root: Path, split: str = "train") -> Layout:
    """Find the images to read, and the class of each: rules as in `folder.load`.

    Raises
    ------
    CourseError
        If there is no such folder, no image in it, or no such part.
    """
    inside = entries(root)
    all_files, notices, above = _files(inside, root), [], []
    divided = False
    while True:
        names = {parts[0] if parts else "" for _, parts in inside}
        if len(names) == 1 and "" not in names:
            above += [] if notices else names  # after a notice on train/, train/images/ is no news
            inside = [Entry(file, parts[1:]) for file, parts in inside]
        elif _is_split(names - {""}) or _each_is_split(inside):
            if not _is_split(names - {""}):  # the classes are outside: cat/train, dog/train
                inside = [Entry(file, (p[1], p[0], *p[2:])) for file, p in inside if len(p) > 1]
            inside, line = _part(inside, split, root)
            notices.append(line)
            divided = True
        elif chosen := _without_masks({parts[0] for file, parts in inside if file and parts}):
            left = ", ".join(f"{name}/" for name in sorted(names - {chosen, ""}, key=natural))
            inside = [Entry(file, parts[1:]) for file, parts in inside if parts[:1] == (chosen,)]
            notices.append(f"only {chosen}/ is read; taken for masks or labels: {left}")
        else:
            break
    if split == "test" and not divided:
        found = some(names - {""}) or "images without subfolders"
        raise CourseError(
            f"There is no test part in {root}.", f"Found: {found}.", "Leave out split='test'."
        )
    if above:
        notices.insert(0, f"the images lie deeper, in {'/'.join(above)}/: read from there")
    kept = [entry for entry in inside if entry.file]
    classes = tuple(parts[0] if parts else None for _, parts in kept)
    known = {name for name in classes if name}
    if known and None in classes:
        loose = classes.count(None)
        notices.append(f"{count_of(loose)} beside the folders {some(known)}: no labels are given")
    elif known and (empty := {parts[0] for file, parts in inside if not file} - known):
        notices.append(f"no image in {some(empty)}: not a class")
    files = tuple(entry.file for entry in kept)
    others = tuple(sorted(set(all_files) - set(files)))
    return Layout(files, classes, others, tuple(f"NOTICE: {line}" for line in notices))


def split_of(name: str) -> tuple[str, str] | None:
    """The part of the data that a folder's name states, and its domain: ("train", "A") or None."""
    found = SPLIT.fullmatch(name)
    if not found:
        return None
    part = found[1].lower()
    return part if part in ("train", "test") else "val", found[2].upper()


def natural(name: str) -> tuple[list[list[str | int]], str]:
    """A key to sort names by: "a.png", then "a2.png", then "a10.png"."""
    key = []
    for part in name.casefold().split("."):
        texts = re.split(r"(\d+)", part)
        key.append([int(text) if n % 2 else text for n, text in enumerate(texts)])
    return key, name


def _walk(folder: Path, above: tuple[Path, ...] = (), parts: tuple[str, ...] = ()) -> Iterator:
    """Each visible file, and each empty folder as None, with the names of the folders above it."""
    here, empty = folder.resolve(), True
    for inner in sorted(folder.iterdir(), key=lambda inner: natural(inner.name)):
        if inner.name.startswith(HIDDEN):
            continue
        if inner.is_file():
            yield inner, parts
            empty = False
        elif inner.is_dir() and inner.resolve() not in (here, *above):  # not a link to above
            yield from _walk(inner, (here, *above), (*parts, inner.name))
            empty = False
    if empty and parts:
        yield None, parts


def _files(inside: list[Entry], root: Path) -> list[Path]:
    files = [entry.file for entry in inside if entry.file]
    if files:
        return files
    kinds = Counter(file.suffix.lower() or "no suffix" for file, _ in _walk(root) if file)
    found = ", ".join(f"{count} {suffix}" for suffix, count in kinds.most_common(6))
    packed = "Unpack the archive first. " if ARCHIVES & set(kinds) else ""
    raise CourseError(
        f"There is no image in {root}, nor in its subfolders.",
        f"Found: {found or 'no file'}.",
        f"{packed}Copy some images there, or name another folder.",
    )


def kind(name: str) -> str:
    """The part of the data that a folder's name states, train, test or val; or an empty string."""
    found = split_of(name)
    return found[0] if found else ""


def _is_split(names: set[str]) -> bool:
    """Whether train is among some names, and another part; or they are nothing but parts."""
    kinds = {kind(name) for name in names}
    return ("train" in kinds and bool(kinds & {"test", "val"})) or (
        len(names) > 1 and "" not in kinds
    )


def _each_is_split(inside: list[Entry]) -> bool:
    """Whether every folder contains a training part, another part, and nothing else."""
    kinds: dict[str, set[str]] = {}
    for file, parts in inside:
        if file:
            kinds.setdefault(parts[0] if parts else "", set()).add(kind("".join(parts[1:2])))
    return all("train" in inner and len(inner) > 1 and "" not in inner for inner in kinds.values())


def _part(inside: list[Entry], split: str, root: Path) -> tuple[list[Entry], str]:
    """Entries of one part, without its folder's name, and a line that says what is read."""
    parts: dict[str, list[Entry]] = {"train": [], "test": [], "val": [], "": []}
    counts: dict[tuple[str, str], int] = {}
    for file, folders in inside:
        kind, domain = (split_of(folders[0]) if folders else None) or ("", "")
        inner = (domain, *folders[1:]) if domain else folders[1:]
        parts[kind] += [Entry(file, inner)] if file or inner else []
        name = (kind, f"{folders[0]}/" if folders else "files beside them")
        counts[name] = counts.get(name, 0) + bool(file)
    wanted = [split]
    if split == "all":
        wanted = ["train", "test", "val"]
    elif split == "test" and not any(file for file, _ in parts["test"]):
        wanted = ["val"]
    read = [f"{name} ({count_of(n)})" for (kind, name), n in counts.items() if kind in wanted]
    left = [f"{name} ({count_of(n)})" for (kind, name), n in counts.items() if kind not in wanted]
    if not any(file for kind in wanted for file, _ in parts[kind]):
        raise CourseError(
            f"There is no {'training' if split == 'train' else 'test'} part in {root}.",
            f"Found: {', '.join(read + left)}.",
            "Name one of these folders, or read all of them with split='all'.",
        )
    line = f"read: {', '.join(read)}"
    if left:
        other = "train" if split == "test" else "test"
        line += f"; not read: {', '.join(left)} (split='{other}' or 'all' changes that)"
    return [entry for kind in wanted for entry in parts[kind]], line


def _without_masks(names: set[str]) -> str | None:
    """The one folder of images beside folders of masks or labels."""
    words = {name: set(re.findall("[a-z]+", name.casefold())) for name in names}
    masks = {name for name in names if words[name] & MASKS}
    chosen = [name for name in names - masks if words[name] & IMAGES]
    return chosen[0] if masks and len(chosen) == 1 else None


def count_of(n: int, what: str = "image") -> str:
    """Such as "1 image" or "3 images"."""
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def some(names: Iterable[str], most: int = 5) -> str:
    """The first names in natural order, and how many more there are."""
    listed = sorted(names, key=natural)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more
