"""Real data sets from the internet: verified, resumable downloads from mirrors.

No notebook needs them: `fetch` downloads a set into the data folder; without it, notebooks use the
embedded data. `datasets.named` reads the sets.

A set is downloaded and unpacked in the hidden folder ``.downloads`` of the data folder, and moved
to its own folder when it is complete: an interrupted or failed download leaves no folder that could
be taken for the data.
"""

import contextlib
import gzip
import json
import lzma
import os
import re
import shutil
import stat
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from gancourse.datasets import transfer
from gancourse.datasets.transfer import File
from gancourse.env import data_dir
from gancourse.errors import CourseError

STAGING = ".downloads"  # below the data folder
READY, STORE = "ready", "repository.git"  # below the staging folder of a set
GIT_OPTIONS = (  # the reader's own hooks and conversions must not change the files
    f"-c core.hooksPath={os.devnull} -c core.autocrlf=false -c core.symlinks=false "
    "-c http.lowSpeedLimit=1000 -c http.lowSpeedTime=60"
).split()
GIT_PLACES = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"}  # of a hook that calls us
DAMAGED = (
    *(zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, lzma.LZMAError),
    *(EOFError, RuntimeError),  # RuntimeError: an encrypted zip, or an unknown compression
)


@dataclass(frozen=True)
class Repository:
    """One commit of a git repository. Its id is a digest of all its files, which git verifies."""

    url: str
    commit: str
    folders: Sequence[str]
    """The folders in it that make up the set."""


@dataclass(frozen=True)
class Source:
    """A data set: what it is, its licence, its files or its repository, and what reads it."""

    title: str
    content: str
    """What it contains, in words."""
    licence: str
    """As stated at its source."""
    folder: str
    """Below the data folder."""
    reader: str
    """The call that reads it, as in a notebook."""
    files: tuple[File, ...] = ()
    repository: Repository | None = None

    @property
    def size(self) -> int:
        """Bytes to download; 0 for a repository, whose size isn't known before."""
        return sum(file.size for file in self.files)

    @property
    def megabytes(self) -> str:
        """The size in words: "12 MB", "1.4 GB", "not measured"."""
        if not self.size:
            return "not measured"
        return f"{self.size / 1e6:.0f} MB" if self.size < 1e9 else f"{self.size / 1e9:.1f} GB"


def fetch(name: str, folder: str | Path | None = None) -> Path:
    """Download a data set into the data folder, unless it is there already.

    An interrupted download resumes where it stopped. Every file is verified by its checksum, those
    of a git repository by the commit's id; a file placed there by hand is used if its checksum is
    right. The set's folder is created only after everything was verified; in one that was there
    before, incomplete files and folders of the set are replaced.

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
        If there is no such set, no mirror has a valid file, an archive is damaged, git is missing,
        another process is downloading the set, or the disk is full or read-only.
    """
    if name not in KNOWN:
        known = ", ".join(sorted(KNOWN))
        raise CourseError(f"There is no data set {name!r}.", f"Known: {known}.")
    source, base = KNOWN[name], Path(folder or data_dir())
    target, stage = base / source.folder, base / STAGING / name
    if not missing(name, base):
        return target
    try:
        if target.exists() and not target.is_dir():
            raise NotADirectoryError(0, f"{target} is a file")
        stage.mkdir(parents=True, exist_ok=True)
        with _alone(stage):
            if missing(name, base):  # another process may have just finished
                _assemble(name, source, target, stage)
    except Timeout as error:
        raise CourseError(
            f"{source.title} is being downloaded by another process.",
            f"It holds the lock {stage / 'lock'}.",
            "Wait until it has finished, then run this again.",
        ) from error
    except OSError as error:
        raise CourseError(
            f"{source.title} can't be written to {target}.",
            f"The system's message: {error.strerror or error}.",
            "Free some space, or name another folder: GANCOURSE_DATA=/path/to/folder",
        ) from error
    finally:
        with contextlib.suppress(OSError):  # of a failed download only what can be resumed is kept
            stage.rmdir()
            stage.parent.rmdir()
    return target


@contextlib.contextmanager
def _alone(stage: Path) -> Iterator[None]:
    """Hold the lock of a download, and keep only what it can resume from afterwards.

    Raises `Timeout` at once where another process holds the lock.
    """
    with FileLock(stage / "lock", timeout=0):
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                _delete(stage / READY)
                _delete(stage / STORE)
                _delete(stage / "lock")  # last: Windows refuses, which is harmless


def missing(name: str, folder: str | Path | None = None) -> list[str]:
    """What a set lacks: names of files or folders, in the set's order; [] if it is complete.

    Single files are verified by checksum, unpacked folders by their number of files. A file that
    was unpacked from its ``.gz`` by hand is accepted.
    """
    source = KNOWN[name]
    target = Path(folder or data_dir()) / source.folder
    lacking = [file.unpack or file.name for file in source.files if not _present(file, target)]
    folders = source.repository.folders if source.repository else ()
    return lacking + [f"{part}/" for part in folders if not _count(target / part)]


def _present(file: File, target: Path) -> bool:
    if file.unpack:
        return _count(target / file.unpack) >= max(file.count, 1)
    plain = target / file.name.removesuffix(".gz")
    return transfer.valid(file, target / file.name) or (plain.name != file.name and plain.is_file())


def _count(folder: Path) -> int:
    """Files in a folder and its subfolders; 0 if there is no such folder."""
    return sum(len(files) for _, _, files in os.walk(folder))


def _assemble(name: str, source: Source, target: Path, stage: Path) -> None:
    """Download everything that is missing, unpack it next to the target, and move it there."""
    ready = stage / READY
    _delete(ready)  # of a process that was killed
    lacking = [file for file in source.files if not _present(file, target)]
    found = {file.name: transfer.get(file, target, stage, name) for file in lacking}
    if source.repository:
        _clone(name, source.repository, stage, target)
    ready.mkdir(exist_ok=True)
    for file in lacking:
        if file.unpack:
            _unpack(file, found[file.name], ready, name)
    for file in lacking:
        if not file.unpack:
            os.replace(found[file.name], ready / file.name)
    if target.is_dir():
        for entry in ready.iterdir():
            _delete(target / entry.name)  # incomplete, or its checksum is wrong
            shutil.move(entry, target / entry.name)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(ready, target)
    for file in lacking:
        if file.unpack:
            found[file.name].unlink()
            (target / file.name).unlink(missing_ok=True)


def _delete(path: Path) -> None:
    """Delete a file, a link (not what it points to), or a folder; nothing where there is none."""
    if path.is_symlink() or not path.is_dir():
        return path.unlink(missing_ok=True)
    if path.suffix == ".git":  # objects are read-only, and Windows keeps such files
        for file in path.rglob("*"):
            file.chmod(stat.S_IRWXU)
    return shutil.rmtree(path)


def _unpack(file: File, archive: Path, ready: Path, name: str) -> None:
    """Unpack a verified archive; delete it where it is damaged or unsafe."""
    try:
        if archive.suffix == ".zip":
            with zipfile.ZipFile(archive) as packed:
                for entry in packed.namelist():
                    if ".." in re.split(r"[/\\]", entry) or entry.startswith(("/", "\\")):
                        raise zipfile.BadZipFile(f"{entry!r} would be written outside the folder")
                packed.extractall(ready)
        else:
            safe = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
            with tarfile.open(archive) as packed:
                packed.extractall(ready, **safe)
        count = _count(ready / file.unpack)
        if count < file.count:
            raise EOFError(f"{count:,} files in {file.unpack}/, expected {file.count:,}")
    except DAMAGED as error:
        archive.unlink()
        raise CourseError(
            f"The archive {file.name} of the data set {name} is damaged.",
            f"{error}. It was deleted, and nothing of it was kept.",
            f"Fetch it again: gancourse fetch {name}\nIf that fails in the same way, the disk or "
            "the published archive is faulty.",
        ) from error


def _clone(name: str, repository: Repository, stage: Path, target: Path) -> None:
    """Check out the folders of one commit, without its history."""
    store, ready = stage / STORE, stage / READY
    by_hand = (
        f"Or download {repository.url}/archive/{repository.commit}.zip\n"
        f"in a browser, and unpack it so that {', '.join(repository.folders)} are in {target}"
    )
    git = shutil.which("git")
    if git is None:
        raise CourseError(
            f"The data set {name} is downloaded with git, which was not found on this computer.",
            "Its address is that of a git repository; git verifies every file.",
            f"Install git (https://git-scm.com), then: gancourse fetch {name}\n{by_hand}",
        )
    print(f"Downloading {name} with git: this may take some minutes.", file=sys.stderr)
    _delete(store)
    ready.mkdir()
    inside = (f"--git-dir={store}", f"--work-tree={ready}")
    for step in (
        ("init", "--quiet", "--bare", str(store)),
        (f"--git-dir={store}", "fetch", "--quiet", "--depth=1", repository.url, repository.commit),
        (*inside, "checkout", "--quiet", repository.commit, "--", *repository.folders),
    ):
        done = subprocess.run(
            [git, *GIT_OPTIONS, *step],
            env={k: v for k, v in os.environ.items() if k not in GIT_PLACES}
            | {"GIT_TERMINAL_PROMPT": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
        )
        if done.returncode:
            raise CourseError(
                f"The data set {name} could not be downloaded with git.",
                f"git says: {done.stderr.strip() or f'exit status {done.returncode}'}",
                f"Check the network, then: gancourse fetch {name}\n{by_hand}",
            )


def _known() -> Iterator[tuple[str, Source]]:
    table = json.loads((Path(__file__).parent / "known.json").read_text(encoding="utf-8"))
    for name, entry in table.items():
        repository = Repository(**entry["repository"]) if "repository" in entry else None
        files = tuple(File(**file) for file in entry.get("files", ()))
        yield name, Source(**entry | {"files": files, "repository": repository})


KNOWN = dict(_known())
"""The sets that `fetch` can download. Sizes and checksums are those of torchvision and TFDS."""
