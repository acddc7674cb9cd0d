"""Checkpoints: the whole state of a training run in one file, written atomically.

What is kept: networks, optimizers, schedules, every generator's state, and the records made so far.
Files are read with ``weights_only=True``: they hold tensors and plain data, never code.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from gancourse.env import CourseError

NAME, PREVIOUS = "checkpoint.pt", "checkpoint.previous.pt"


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
    """Tells runs apart: changes with a network's shapes, an optimizer's settings, a seed."""
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
            facts[name] = thing.initial_seed()
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
    """Write a checkpoint; a kill at any moment leaves this one or the one before it whole."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{NAME}.part"
    with part.open("wb") as file:
        torch.save(dict(content), file)
        file.flush()
        os.fsync(file.fileno())
    if (folder / NAME).exists():
        os.replace(folder / NAME, folder / PREVIOUS)
    os.replace(part, folder / NAME)


def read(folder: Path) -> dict[str, Any] | None:
    """The newest checkpoint that can be read, or None; says so where one had to be passed over."""
    for name in (NAME, PREVIOUS):
        path = folder / name
        if not path.exists():
            continue
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # torch raises many kinds for a file that is cut off
            print(f"{path} can't be read ({type(error).__name__}): the one before it is used.")
    return None


def set_aside(folder: Path) -> Path:
    """Rename the checkpoint of another run, so that nothing is lost; returns its new place."""
    n = 1
    while (folder / f"aside-{n}.pt").exists():
        n += 1
    for name in (PREVIOUS, NAME):
        if (folder / name).exists():
            os.replace(folder / name, folder / f"aside-{n}.pt")
    return folder / f"aside-{n}.pt"
