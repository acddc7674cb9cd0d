"""The files in a folder or zip of submissions.

Everything here is untrusted input. Nothing is unpacked onto the disk, no link is followed, sizes
are bounded. What is refused has a `problem`, and the rest is graded.
"""

import contextlib
import io
import os
import re
import stat
import unicodedata
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from gancourse.errors import CourseError
from gancourse.grading.answers.contents import LARGEST, MOST

TOO_LARGE = f"it is larger than {MOST // 10**6} MB"
RATIO = 200  # of a large file's size to its size in the zip; images have 1, text has 10
MOST_IN_ZIP = 50_000
MOST_IN_STUDENTS_ZIP = 1000
HIDDEN = re.compile(r"^(\._|\.(?!(.*\.)?ipynb$)|Thumbs\.db$|desktop\.ini$)", re.I)  # files
OF_TOOLS = re.compile(
    r"^(__MACOSX|__pycache__|\._.*|\.(git(hub)?|ipynb_checkpoints|virtual_documents|ipython|jupyter"
    r"|v?env|vscode|idea|cache|config|local|Trash.*|Trashes|(pytest|ruff|mypy)_cache))$",
    re.I,
)  # folders


@dataclass(frozen=True)
class File:
    """One file."""

    path: PurePosixPath
    time: tuple
    """When it was written; comparable with others of the same place."""
    read: Callable[[], bytes]
    """At most `MOST` + 1 bytes."""
    problem: str = ""
    """Why it is not read; empty where it can be."""


def files(place: Path) -> list[File]:
    """All files in a folder or zip.

    Parameters
    ----------
    place : Path
        A folder or a zip.

    Raises
    ------
    CourseError
        If it can't be read.
    """
    if place.is_dir():
        return list(_in_folder(place))
    if not place.is_file():
        raise CourseError(f"{place} does not exist.", "", "Name the folder or zip of submissions.")
    try:
        return _in_zip(zipfile.ZipFile(place), MOST_IN_ZIP)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise CourseError(
            f"{place.name} is not a zip that can be read ({error}).",
            "The download may have been cut off.",
            "Download the submissions again, or unpack them and name the folder.",
        ) from error


def in_students_zip(file: File) -> list[File]:
    """The files in a zip that a student handed in, with paths below it; or it, with a problem."""
    try:
        content = file.read()
        if len(content) > MOST:
            return [replace(file, problem=TOO_LARGE)]
        entries = _in_zip(zipfile.ZipFile(io.BytesIO(content)), MOST_IN_STUDENTS_ZIP)
    except CourseError as error:
        return [replace(file, problem=error.what)]
    except Exception as error:  # whatever a strange file causes, the rest is graded
        problem = f"it is not a zip that can be read ({type(error).__name__}: {error})"
        return [replace(file, problem=problem)]
    return [replace(e, path=file.path / e.path, time=(*file.time, *e.time)) for e in entries]


def _in_folder(root: Path) -> Iterator[File]:
    """Every file; links, devices and a student's empty folder as problems."""
    errors: list[OSError] = []
    for folder, folders, names in os.walk(root, onerror=errors.append, followlinks=False):
        here = Path(folder)
        folders[:] = sorted(name for name in folders if not OF_TOOLS.match(name))
        for name in [*folders, *sorted(names)]:
            path = here / name
            at = PurePosixPath(path.relative_to(root).as_posix())
            info = path.lstat()
            linked = stat.S_ISLNK(info.st_mode)
            if (HIDDEN.match(name) and name in names) or (name in folders and not linked):
                continue
            if linked or not stat.S_ISREG(info.st_mode):
                kind = "a link" if linked else "not a regular file"
                at = at / name if name in folders else at  # in place of a student's folder
                yield File(at, (0,), bytes, f"it is {kind}, which is not followed")
            else:
                yield File(at, (info.st_mtime,), lambda path=path: _bounded(path))
        if here.parent == root and not folders and all(map(HIDDEN.match, names)):
            nothing = PurePosixPath(here.relative_to(root).as_posix()) / "(nothing)"
            yield File(nothing, (0,), bytes, "an empty folder: nothing was handed in")
    for error in errors:
        at = PurePosixPath(Path(str(error.filename)).relative_to(root).as_posix()) / "(folder)"
        yield File(at, (0,), bytes, f"its folder can't be opened ({error.strerror})")


def _bounded(path: Path) -> bytes:
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    with open(os.open(path, flags), "rb") as file:
        return file.read(MOST + 1)


def _in_zip(archive: zipfile.ZipFile, most: int) -> list[File]:
    entries = archive.infolist()
    if len(entries) > most:
        raise CourseError(f"The zip has {len(entries)} entries, more than {most}.")
    found = []
    for entry in entries:
        name = entry.filename
        if not entry.flag_bits & 0x800:  # macOS writes UTF-8 without this bit
            with contextlib.suppress(UnicodeError):
                name = name.encode("cp437").decode()
        parts = [part for part in name.replace("\\", "/").split("/") if part != "."]
        clean = [part for part in parts if part not in ("", "..")]
        hidden = entry.is_dir() or not clean or HIDDEN.match(clean[-1])
        if hidden or any(map(OF_TOOLS.match, clean)):
            continue
        problem = ""
        if len(clean) != len(parts) or ":" in parts[0]:
            problem = f"its path leads out of the zip ({printable(entry.filename)[:80]})"
        elif stat.S_ISLNK(entry.external_attr >> 16):
            problem = "it is a link, which is not followed"
        elif entry.flag_bits & 1:
            problem = "it is encrypted"
        elif entry.file_size > MOST:
            problem = TOO_LARGE
        elif entry.file_size > max(LARGEST, RATIO * entry.compress_size):
            problem = f"it is more than {RATIO} times larger than its part of the zip"

        def read(entry: zipfile.ZipInfo = entry) -> bytes:
            with archive.open(entry) as file:  # the size in the header may be wrong
                return file.read(MOST + 1)

        found.append(File(PurePosixPath(*clean), tuple(entry.date_time), read, problem))
    return found


def printable(name: str) -> str:
    """A name without control characters, direction marks and lone surrogates."""
    joiners = "\u200c\u200d"  # some scripts need them
    kinds = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
    return "".join(c if c in joiners or unicodedata.category(c) not in kinds else "?" for c in name)
