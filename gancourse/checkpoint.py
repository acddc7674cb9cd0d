"""Checkpoints: the whole state of a training run in one file, written atomically.

What is kept: networks, optimizers, schedules, every generator's state, and the records made so far.
Files are read with ``weights_only=True``: they hold tensors and plain data, never code.
"""

import contextlib
import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from gancourse.env import CourseError

NAME, PREVIOUS, LOCK = "checkpoint.pt", "checkpoint.previous.pt", "run.lock"
FORMAT = 1
"""Counted up when what a checkpoint holds changes: those of other versions are refused."""


@contextlib.contextmanager
def alone(folder: Path | None) -> Iterator[None]:
    """Keep a run's folder to one run: two would overwrite each other's checkpoints.

    The system drops the lock when its process ends, even by kill -9: it is never stale. On a
    network drive it holds as far as the drive's own locks do (those of NFS hold between machines).

    Raises
    ------
    CourseError
        Another run holds the folder.
    """
    file = None
    if folder:
        with contextlib.suppress(OSError):  # read-only or full: then no checkpoint is written
            folder.mkdir(parents=True, exist_ok=True)
            file = (folder / LOCK).open("ab")
    with file or contextlib.nullcontext():
        try:
            if file:
                _lock(file.fileno())
        except BlockingIOError:
            raise CourseError(
                f"Another run is training in {folder}.",
                "It is in another kernel, or in this one a loop over train() that was left "
                "half-way. Two runs would overwrite each other's checkpoints.",
                "Wait for it, or shut that kernel down (Jupyter: Kernel > Shut Down All Kernels), "
                "and run this cell again. Or name another folder with GANCOURSE_RUNS.",
            ) from None
        except OSError as error:
            print(f"NOTICE: this drive has no locks ({error.strerror}): nothing would stop a "
                  f"second kernel that trains in {folder}.")  # fmt: skip
        yield


def _lock(file: int) -> None:
    """Lock an open file, or raise BlockingIOError where another has it."""
    if os.name == "nt":
        import msvcrt

        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError from error
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def state_of(keep: Mapping[str, Any]) -> dict[str, Any]:
    """The state of each kept thing, and of torch's own generators (dropout draws from them)."""
    state = {
        name: thing.get_state() if isinstance(thing, torch.Generator) else thing.state_dict()
        for name, thing in keep.items()
    }
    if torch.cuda.is_available():
        state["torch.cuda"] = torch.cuda.get_rng_state_all()
    return {**state, "torch": torch.get_rng_state()}


def restore(keep: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    """Put `state_of`'s result back."""
    for name, thing in keep.items():
        if isinstance(thing, torch.Generator):
            thing.set_state(state[name])
        else:
            thing.load_state_dict(state[name])
    torch.set_rng_state(state["torch"])
    if torch.cuda.is_available() and "torch.cuda" in state:
        torch.cuda.set_rng_state_all(state["torch.cuda"])


def fingerprint(keep: Mapping[str, Any]) -> str:
    """Tells runs apart: by a network's shapes, an optimizer's settings, a seed and its device."""
    facts: dict[str, Any] = {}
    for name, thing in keep.items():
        if isinstance(thing, nn.Module):
            facts[name] = {key: list(value.shape) for key, value in thing.state_dict().items()}
        elif isinstance(thing, Optimizer):
            facts[name] = [
                type(thing).__name__,
                sorted((k, str(v)) for k, v in thing.defaults.items()),
            ]
        elif isinstance(thing, torch.Generator):
            facts[name] = [thing.initial_seed(), thing.device.type]  # states differ in kind
        elif hasattr(thing, "state_dict") and hasattr(thing, "load_state_dict"):
            facts[name] = type(thing).__name__
        else:
            raise CourseError(
                f"A checkpoint can't keep {name!r}, a {type(thing).__name__}.",
                "It keeps what has state_dict() and load_state_dict(), and torch.Generator.",
                "Leave it out of `keep`, or give it these two methods.",
            )
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def write(folder: Path, content: Mapping[str, Any]) -> None:
    """Write a checkpoint; a kill at any moment leaves this one or the one before it whole.

    Raises
    ------
    OSError
        The disk is full, read-only or gone. The checkpoints before are as they were.
    """
    whole = io.BytesIO()  # in memory: on a full disk torch.save itself fails with other errors
    torch.save({**content, "format": FORMAT}, whole)
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{NAME}.part"
    try:
        with part.open("wb") as file:
            file.write(whole.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        if (folder / NAME).exists():
            os.replace(folder / NAME, folder / PREVIOUS)
        os.replace(part, folder / NAME)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink()  # a disk that is full gets its space back
        raise


def read(folder: Path) -> dict[str, Any] | None:
    """The newest checkpoint that can be used, or None.

    One that is cut off or of another version is renamed, not lost, and a notice says what to do.
    """
    for name in (NAME, PREVIOUS):
        path, mend = folder / name, ""
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
            found = content.pop("format", "unknown")
            if found == FORMAT:
                return content
            why = f"is from another version of the course (format {found}; this one has {FORMAT})"
            mend = f" To use it, install that version and name it {NAME} again."
        except (FileNotFoundError, NotADirectoryError):
            continue
        except Exception as error:  # torch raises many kinds for a file that is cut off
            why = f"is cut off or damaged ({type(error).__name__})"
        before = name == NAME and (folder / PREVIOUS).exists()
        then = "The one before it is used." if before else "There is none before it."
        print(f"NOTICE: {path} {why}. It was kept as {_refuse(path).name}.{mend} {then}")
    return None


def _refuse(path: Path) -> Path:
    """Rename a checkpoint that can't be used, so that no later one takes its place."""
    aside = _free(path.parent, "unreadable")
    try:
        return path.rename(aside)
    except OSError:  # a read-only folder: nothing takes its place there
        return path


def _free(folder: Path, stem: str) -> Path:
    n = 1
    while (folder / f"{stem}-{n}.pt").exists():
        n += 1
    return folder / f"{stem}-{n}.pt"


def set_aside(folder: Path) -> Path:
    """Rename the checkpoint of another run, so that nothing is lost; returns its new place."""
    aside = _free(folder, "aside")
    for name in (PREVIOUS, NAME):
        if (folder / name).exists():
            os.replace(folder / name, aside)
    return aside
