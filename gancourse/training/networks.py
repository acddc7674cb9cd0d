"""Saving and loading a trained network with its configuration, in one safetensors file."""

import contextlib
import json
import os
from importlib import import_module
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from gancourse.errors import CourseError

PACKAGES = ("gancourse.papers.", "gancourse.classifiers.digit_judge.")
"""Where the classes of saved networks are defined; no other class is ever built."""

MOVED = {
    "gancourse.nets.judge.Judge": "gancourse.classifiers.digit_judge.SmallClassifier",
    "gancourse.nets.": "gancourse.papers.",
}
"""Old names of classes, in files of earlier versions."""

RENAMED = {"told": "condition_dim", "squeeze": "project"}
"""Old names of arguments and of layers, likewise."""


def save(net: nn.Module, path: Path | str, like: nn.Module | None = None) -> Path | None:
    """Write a network's weights and configuration to one file, atomically.

    Parameters
    ----------
    net : nn.Module
        The network.
    path : Path
        Ends in ``.safetensors``. Folders are created; an existing file is replaced.
    like : nn.Module, optional
        A network of the package with the same layers in the same order. The weights are stored
        under its names, so that a class that a student wrote can be loaded by another notebook.

    Returns
    -------
    Path or None
        The path. None where nothing could be written (a full disk, a folder that is read-only): a
        notice says so, an existing file stays, and the notebook can go on with `net`.

    Raises
    ------
    CourseError
        The network is not from the package and no `like` is given, or the two don't match.
    """
    path = Path(path)
    home = net if like is None else like
    kind = f"{type(home).__module__}.{type(home).__qualname__}"
    if not kind.startswith(PACKAGES) or not hasattr(home, "config"):
        raise CourseError(
            f"Your own {type(net).__name__} can't be saved by itself.",
            "Only the package's networks have the configuration that load() needs.",
            "Pass like=: a network of the package that has the same layers.",
        )
    tensors = list(net.state_dict().values())
    names = home.state_dict()
    if [t.shape for t in tensors] != [t.shape for t in names.values()]:
        raise CourseError(
            f"The layers of this {type(net).__name__} are not those of {kind}.",
            f"It has {len(tensors)} tensors, the other has {len(names)}, or their shapes differ.",
        )
    part = path.with_name(path.name + ".part")
    weights = {name: t.detach().cpu().contiguous() for name, t in zip(names, tensors, strict=True)}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(weights, part, {"class": kind, "config": json.dumps(home.config)})
        os.replace(part, path)
    except (OSError, SafetensorError) as error:  # full or read-only: no reason to end a lesson
        with contextlib.suppress(OSError):
            part.unlink()
        print(f"NOTICE: {path} could not be saved ({error}). This notebook continues; others that "
              "load it will not find it. Free some space, or choose another folder with "
              "GANCOURSE_RUNS, and run this cell again.")  # fmt: skip
        return None
    return path


def load(path: Path | str, device: torch.device | str = "cpu") -> nn.Module:
    """Rebuild a network that `save` wrote, in eval mode. Only classes of the package are built.

    Raises
    ------
    CourseError
        There is no such file, or it is truncated, or it was not written by `save`.
    """
    path = Path(path)
    if not path.exists():
        raise CourseError(
            f"There is no {path.name} in {path.parent.name}/.",
            "It is written by the notebook that trains this network.",
            "Run that notebook first, to its end.",
        )
    try:
        with safe_open(path, "pt") as file:
            facts = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}
        kind = facts["class"]
        for old, new in MOVED.items():
            kind = kind.replace(old, new)
        module, _, name = kind.rpartition(".")
        if not f"{module}.".startswith(PACKAGES):
            raise KeyError(module)
        config = {RENAMED.get(k, k): v for k, v in json.loads(facts["config"]).items()}
        net = getattr(import_module(module), name)(**config)
        net.load_state_dict({_renamed(key): value for key, value in weights.items()})
    except (SafetensorError, KeyError, ImportError, AttributeError, RuntimeError) as error:
        raise CourseError(
            f"{path.name} can't be read as a network ({type(error).__name__}: {error}).",
            "It is truncated, or was not written by this course.",
            "Delete it and run the notebook that writes it.",
        ) from error
    return net.to(device).eval()


def _renamed(key: str) -> str:
    """The present name of a weight: the first part names a layer."""
    layer, dot, rest = key.partition(".")
    return RENAMED.get(layer, layer) + dot + rest
