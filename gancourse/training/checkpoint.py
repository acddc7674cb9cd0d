"""Checkpoints: the whole state of a training run in one file, written atomically.

Stored are networks, optimizers, schedules, the state of every generator, and the records so far.
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
from filelock import FileLock, Timeout
from torch import nn
from torch.optim import Optimizer

from gancourse.errors import CourseError
from gancourse.training.player import expand

NAME, PREVIOUS, LOCK = "checkpoint.pt", "checkpoint.previous.pt", "run.lock"
BEST = "best.pt"
"""The state with the lowest value of a number; see `restore_best`."""
FORMAT = 1
"""Increased when the content of a checkpoint changes: those of other versions are refused."""


@contextlib.contextmanager
def alone(folder: Path | None) -> Iterator[None]:
    """Reserve a run's folder for one run: two would overwrite each other's checkpoints.

    The operating system releases the lock when its process ends, even by kill -9.

    Raises
    ------
    CourseError
        Another run uses the folder.
    """
    lock = None
    if folder:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(folder / LOCK, timeout=0)
            lock.acquire()
        except Timeout:
            raise CourseError(
                f"Another run is training in {folder}.",
                "It is in another kernel, or it is a loop over train() in this kernel that was not "
                "finished. Two runs would overwrite each other's checkpoints.",
                "Wait for it, or shut that kernel down (Jupyter: Kernel > Shut Down All Kernels), "
                "and run this cell again. Or name another folder with GANCOURSE_RUNS.",
            ) from None
        except (OSError, NotImplementedError) as error:
            lock = None
            if os.access(folder, os.W_OK):  # else no checkpoint is written, and train() says so
                print(f"NOTICE: this drive supports no locks ({error}): nothing would stop a "
                      f"second kernel that trains in {folder}.")  # fmt: skip
    try:
        yield
    finally:
        if lock:
            lock.release()


def state_of(keep: Mapping[str, Any]) -> dict[str, Any]:
    """The state of everything in `keep`, and of torch's own generators (dropout uses them)."""
    state = {
        name: thing.get_state() if isinstance(thing, torch.Generator) else thing.state_dict()
        for name, thing in keep.items()
    }
    if torch.cuda.is_available():
        state["torch.cuda"] = torch.cuda.get_rng_state_all()
    return {**state, "torch": torch.get_rng_state()}


def copy_of(keep: Mapping[str, Any]) -> dict[str, Any]:
    """What `state_of` returns, but copied: later steps don't change it."""
    return _copied(state_of(keep))


def _copied(thing: Any) -> Any:
    if isinstance(thing, torch.Tensor):
        return thing.detach().clone()
    if isinstance(thing, Mapping):
        return {key: _copied(value) for key, value in thing.items()}
    if type(thing) in (list, tuple):
        return type(thing)(map(_copied, thing))
    return thing


def restore(keep: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    """Load what `state_of` returned."""
    for name, thing in keep.items():
        if isinstance(thing, torch.Generator):
            thing.set_state(state[name])
        else:
            thing.load_state_dict(state[name])
    torch.set_rng_state(state["torch"])
    if torch.cuda.is_available() and "torch.cuda" in state:
        known = state["torch.cuda"][: torch.cuda.device_count()]  # saved where there were more
        torch.cuda.set_rng_state_all(known)


def fingerprint(keep: Mapping[str, Any]) -> str:
    """A digest that identifies a run: of shapes of weights, optimizer settings, seeds and devices.

    Raises
    ------
    CourseError
        If something in `keep` has no state that can be stored.
    """
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


def write(folder: Path, content: Mapping[str, Any], name: str = NAME) -> None:
    """Write a checkpoint; a kill at any moment leaves this one or the previous one intact.

    Only `NAME` has a previous one that is kept.

    Raises
    ------
    OSError
        The disk is full, read-only or gone. Earlier checkpoints are unchanged.
    """
    whole = io.BytesIO()  # in memory: on a full disk torch.save itself fails with other errors
    torch.save({**content, "format": FORMAT}, whole)
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{name}.part"
    try:
        with part.open("wb") as file:
            file.write(whole.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        if name == NAME and (folder / NAME).exists():
            os.replace(folder / NAME, folder / PREVIOUS)
        os.replace(part, folder / name)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink()  # frees space on a full disk
        raise


def read(folder: Path) -> dict[str, Any] | None:
    """The newest checkpoint that can be used, or None.

    A truncated one, or one of another version, is renamed, and a notice says what to do.
    """
    for name in (NAME, PREVIOUS):
        path, fix = folder / name, ""
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
            found = content.pop("format", "unknown")
            if found == FORMAT:
                return content
            why = f"is from another version of the course (format {found}; this one has {FORMAT})"
            fix = f" To use it, install that version and rename it to {NAME}."
        except (FileNotFoundError, NotADirectoryError):
            continue
        except Exception as error:  # torch raises many kinds for a truncated file
            why = f"is truncated or damaged ({type(error).__name__})"
        before = name == NAME and (folder / PREVIOUS).exists()
        then = "The previous one is used." if before else "There is no previous one."
        print(f"NOTICE: {path} {why}. It was kept as {_refuse(path).name}.{fix} {then}")
    return None


def restore_best(keep: Mapping[str, Any], folder: Path) -> int:
    """Load the state that ``train(..., best_by=)`` kept; returns its step.

    Parameters
    ----------
    keep : Mapping[str, Any]
        As it was given to `train`.
    folder : Path
        The run's.

    Raises
    ------
    CourseError
        There is none, or it can't be read.
    """
    try:
        content = torch.load(folder / BEST, map_location="cpu", weights_only=True)
        restore(expand(keep), content["state"])
    except FileNotFoundError:
        raise CourseError(
            f"There is no {BEST} in {folder}.",
            "",
            'Train with best_by="distance" or another number.',
        ) from None
    except Exception as error:  # torch raises many kinds for a truncated file
        raise CourseError(
            f"{BEST} in {folder} can't be loaded ({type(error).__name__}: {error}).",
            "It is damaged, or of other networks.",
            "Train again with fresh=True.",
        ) from error
    return content["step"]


def _refuse(path: Path) -> Path:
    """Rename a checkpoint that can't be used, so that no later one overwrites it."""
    aside = _free(path.parent, "unreadable")
    try:
        return path.rename(aside)
    except OSError:  # a read-only folder: nothing is overwritten there
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
