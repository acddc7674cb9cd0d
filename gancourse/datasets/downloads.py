"""Real data sets from the internet: verified, resumable downloads from mirrors.

No notebook needs them: `fetch` downloads a set into the data folder; without it, notebooks use the
embedded data.
"""

import json
import os
import shutil
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pooch
import requests
from tqdm.auto import tqdm

from gancourse.env import data_dir
from gancourse.errors import CourseError

TIMEOUT = (5, 60)  # seconds to connect, and between two chunks


@dataclass(frozen=True)
class File:
    """One file to download. It is valid if its checksum is right, wherever it came from."""

    name: str
    size: int
    """Bytes."""
    checksum: str
    """"sha256:..." or "md5:..."; as hexadecimal digits."""
    mirrors: Sequence[str]
    """URLs, tried in this order."""
    unpack: bool = False
    """An archive: unpacked into the set's folder, then deleted."""


@dataclass(frozen=True)
class Source:
    """A data set: its title, its licence and its files."""

    title: str
    licence: str
    """As stated at its source."""
    folder: str
    """Below the data folder."""
    files: tuple[File, ...]

    @property
    def size(self) -> int:
        """Bytes to download."""
        return sum(file.size for file in self.files)


def fetch(name: str, folder: str | Path | None = None) -> Path:
    """Download a data set into the data folder, unless it is there already.

    An interrupted download resumes where it stopped. A file is moved to its final path only after
    its checksum was verified; a file placed there by hand is used if its checksum is right.

    Parameters
    ----------
    name : str
        One of `KNOWN`.
    folder : str or Path, optional
        Instead of the course's data folder.

    Returns
    -------
    Path
        The folder that holds the set's files.

    Raises
    ------
    CourseError
        If there is no such set, no mirror has a valid file, or the disk is full or read-only.
    """
    source = KNOWN.get(name)
    if source is None:
        known = ", ".join(sorted(KNOWN))
        raise CourseError(f"There is no data set {name!r}.", f"Known: {known}.")
    target = Path(folder or data_dir()) / source.folder
    try:
        target.mkdir(parents=True, exist_ok=True)
        for file in source.files:
            done = target / f".{file.name}.unpacked"
            if file.unpack and done.exists():
                continue
            _get(file, target, name)
            if file.unpack:
                _unpack(target / file.name, target)
                done.touch()
                (target / file.name).unlink()
    except OSError as error:
        raise CourseError(
            f"{source.title} can't be written to {target}.",
            f"The system's message: {error.strerror or error}.",
            "Free some space, or name another folder: GANCOURSE_DATA=/path/to/folder",
        ) from error
    return target


def _get(file: File, target: Path, name: str) -> None:
    """Download one file, from the first mirror that delivers it completely."""
    if shutil.disk_usage(target).free < file.size and not (target / file.name).exists():
        raise OSError(0, f"{file.name} needs {file.size / 1e6:,.0f} MB, more than is free")
    part = target / f".{file.name}.part"
    tried = []
    for url in file.mirrors:
        for _ in range(2):  # a second time only where resuming or restarting may help
            resumed = part.exists()
            try:
                pooch.retrieve(
                    url,
                    file.checksum,
                    fname=file.name,
                    path=target,
                    downloader=partial(_download, part=part, size=file.size),
                )
                return
            except (requests.RequestException, ValueError) as error:
                problem = error
            tried.append(f"  {url}: {_reason(problem)}")
            cut = isinstance(problem, requests.exceptions.ChunkedEncodingError)
            if not (cut or (resumed and type(problem) is ValueError)):
                break
    raise CourseError(
        f"{file.name} of the data set {name} could not be downloaded.",
        "Tried:\n" + "\n".join(tried),
        f"Try again later (it resumes where it stopped): gancourse fetch {name}\n"
        f"Or get the file elsewhere and place it at {target / file.name}; its checksum is\n"
        f"{file.checksum}",
    )


def _download(url: str, output: str, _: Any, *, part: Path, size: int) -> None:
    """Pooch's downloader, resumable: what is already in `part` is not requested again."""
    have = part.stat().st_size if part.exists() else 0
    if have > size:
        part.unlink()
        have = 0
    if have < size:
        _append(url, part, have, size)
    os.replace(part, output)  # pooch verifies it, and moves it to its place or deletes it


def _append(url: str, part: Path, have: int, size: int) -> None:
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
        answer.raise_for_status()
        if not answer.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            have = 0  # the server sends the whole file
        bar = tqdm(total=size, initial=have, unit="B", unit_scale=True, desc=url.rsplit("/", 1)[1])
        with bar, part.open("ab" if have else "wb") as out:
            for piece in answer.iter_content(1 << 14):
                have += out.write(piece)
                bar.update(len(piece))
                if have > size:
                    break  # not the right file: its checksum will be wrong
    if have < size:
        message = f"truncated after {have:,} of {size:,} bytes"
        raise requests.exceptions.ChunkedEncodingError(message)


def _reason(error: Exception) -> str:
    if isinstance(error, requests.HTTPError):
        return f"{error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        text = str(error)
        return text if text.startswith("truncated") else "truncated: the connection broke"
    return "wrong checksum: not the expected file; it was deleted"


def _unpack(archive: Path, target: Path) -> None:
    tar = not archive.name.endswith(".zip")
    safe = {"filter": "data"} if tar and hasattr(tarfile, "data_filter") else {}
    shutil.unpack_archive(archive, target, **safe)


def _known() -> dict[str, Source]:
    table = json.loads((Path(__file__).parent / "known.json").read_text())
    return {
        name: Source(**source | {"files": tuple(File(**file) for file in source["files"])})
        for name, source in table.items()
    }


KNOWN = _known()
"""The sets that `fetch` can download. Sizes and checksums are those of torchvision and TFDS."""
