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

from gancourse import env
from gancourse.datasets import downloads, emoji, flowers, folder, image_notes, layouts
from gancourse.datasets.layouts import Entry
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
    fit: str = "crop",
) -> Domains:
    """Two domains of your own: a folder with two subfolders of images.

    Recognized, in upper or lower case, and also inside a single folder:

    - ``trainA``, ``trainB``, ``testA``, ``testB``, as in the authors' sets;
    - ``train`` and ``test`` (or ``val``), with the two domains in each, or the reverse;
    - two folders, such as ``summer`` and ``winter``: X and Y in this order.

    Where no test images are given, every tenth image of a domain is reserved for tests, and the
    last. Files are read as a viewer shows them (`images.read`), with one range for both domains.

    Parameters
    ----------
    path : str or Path
        The folder.
    size, limit, device, fit
        As in `folder.load`; `limit` counts the images of each domain, and of each test part.

    Raises
    ------
    CourseError
        If there are not two domains, or one of them has fewer than two images.
    ValueError
        If `size`, `limit` or `fit` is out of range.
    """
    folder.check(size, limit, 3, fit)
    root = Path(path).expanduser()
    names, parts = _domains(root)
    notes = image_notes.survey(file for part in parts for file in part)
    place = env.device() if device is None else torch.device(device)

    def read(part: list[Path]) -> Bytes:
        chosen = folder.spread(part, limit)
        return folder.read_files(chosen, root, size, fit, "RGB", notes)[0]

    train = [read(part) for part in parts[:2]]
    test = [read(part) if part else None for part in parts[2:]]
    folder.show(notes, root, size, fit)
    for i, name in enumerate(names):
        if test[i] is None:
            if len(train[i]) < 2:
                raise CourseError(
                    f"The domain {name} has a single image.",
                    "It needs one for training and one for testing; a few hundred are better.",
                )
            hidden = torch.arange(len(train[i])) % 10 == 9
            hidden[-1] = True
            train[i], test[i] = train[i][~hidden], train[i][hidden]
        folder.show_content(train[i], len(train[i]) < min(folder.FEW, limit or folder.FEW), name)
    return Domains(*(part.to(place) for part in (*train, *test)), names, False)


Parts = tuple[tuple[str, str], list[list[Path]]]
"""Names of X and Y; files to train on, of X and of Y, then files to test on, perhaps none."""


def _domains(root: Path) -> Parts:
    inside, above = layouts.entries(root), []
    while True:
        first = {parts[0] if parts else "" for _, parts in inside}
        if len(first) != 1 or any(len(parts) < 2 for _, parts in inside):
            break
        above += first
        inside = [Entry(file, parts[1:]) for file, parts in inside]
    folders = _by_folder(inside)
    if above:
        print(f"NOTICE: the images lie deeper, in {'/'.join(above)}/: read from there")
    found = _train_a(folders) or _train_with_two(folders) or _two(folders)
    if found and all(found[1][:2]):
        return found
    counts = {name: len(_files(part)) for name, part in folders.items()}
    listed = ", ".join(
        f"{name}/ ({layouts.count_of(n) if n else 'no image'})" for name, n in counts.items()
    )
    why = f"Found: {listed or 'no folder'}."
    do = "Create two folders in it, such as summer/ and winter/, and put your images there."
    known = [layouts.split_of(name) for name in folders]
    if len(known) > 1 and all(part and not part[1] for part in known):
        why += (
            " These are parts of one set, not domains. In a set for pix2pix, each image holds"
            " both domains side by side."
        )
        do = "Put each domain into its own folder, such as trainA/ and trainB/."
    elif sum(n > 0 for n in counts.values()) > 2:
        do = "Leave the two domains in it, and move the other folders elsewhere."
    raise CourseError(
        f"{root.joinpath(*above)} must contain two folders of images, one for each domain.", why, do
    )


def _by_folder(inside: list[Entry]) -> dict[str, list[Entry]]:
    folders: dict[str, list[Entry]] = {}
    for file, parts in inside:
        if parts:
            folders.setdefault(parts[0], []).append(Entry(file, parts[1:]))
    return folders


def _files(part: list[Entry] | None) -> list[Path]:
    return [entry.file for entry in part or [] if entry.file]


def _train_a(folders: dict[str, list[Entry]]) -> Parts | None:
    """``trainA``, ``trainB`` and, if they are there, ``testA`` and ``testB``."""
    known = {layouts.split_of(name): _files(part) for name, part in folders.items()}
    train = [known.get(("train", domain)) for domain in "AB"]
    if None in train:
        return None
    test = [known.get(("test", domain)) or known.get(("val", domain)) or [] for domain in "AB"]
    return ("A", "B"), [*train, *test]


def _train_with_two(folders: dict[str, list[Entry]]) -> Parts | None:
    """``train`` with two folders and, if it is there, ``test`` with the same two."""
    known = {layouts.kind(name): _by_folder(part) for name, part in folders.items()}
    names = tuple(name for name, part in known.get("train", {}).items() if _files(part))
    if len(names) != 2:
        return None
    parts = [_files(known["train"][name]) for name in names]
    for name in names:
        held_out = [
            {inner.casefold(): part for inner, part in known.get(kind, {}).items()}
            for kind in ("test", "val")
        ]
        test = [_files(part.get(name.casefold())) for part in held_out]
        parts.append(test[0] or test[1])
    return names, parts


def _two(folders: dict[str, list[Entry]]) -> Parts | None:
    """Two folders, perhaps each with ``train`` and ``test``."""
    names = tuple(name for name, part in folders.items() if _files(part))
    if len(names) != 2 or all(layouts.kind(name) for name in names):
        return None
    train, test = [], []
    for name in names:
        known: dict[str, list[Path]] = {}
        for file, parts in folders[name]:
            if file:
                known.setdefault(layouts.kind("".join(parts[:1])), []).append(file)
        divided = "train" in known and len(known) > 1 and "" not in known
        train.append(known["train"] if divided else _files(folders[name]))
        test.append((known.get("test") or known.get("val") or []) if divided else [])
    return names, [*train, *test]


def horse2zebra(size: int, device: torch.device | str | None = None) -> Domains:
    """The paper's horses and zebras: a verified download of 117 MB. Parameters as in `of_folder`.

    Raises
    ------
    CourseError
        If it is not there and can't be downloaded.
    """
    return of_folder(downloads.fetch("horse2zebra") / "horse2zebra", size, device=device)
