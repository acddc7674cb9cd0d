"""Where a notebook runs and its budget: device, precision, profile, seeds, folders.

Everything that depends on the machine is decided here, once. Environment variables override:
``GANCOURSE_PROFILE`` (smoke, cpu, gpu), ``GANCOURSE_DEVICE`` (cpu, cuda, mps),
``GANCOURSE_PRECISION`` (fp32, bf16), ``GANCOURSE_RUNS`` and ``GANCOURSE_DATA`` (folders), and
``GANCOURSE_STATIC=1`` (no sliders, no progress bars). An unknown value is a `CourseError`.
"""

import contextlib
import json
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeVar

import torch
from torch import Tensor

from gancourse import __version__
from gancourse.errors import CourseError
from gancourse.shapes import Latent

T = TypeVar("T")
PROFILES = ("smoke", "cpu", "gpu")
DRIVE = Path("/content/drive")
"""Where Colab shows Google Drive."""


def _choice(variable: str, allowed: tuple[str, ...]) -> str | None:
    """The value of an environment variable, lower case, or None where it is not set."""
    value = os.environ.get(variable, "").strip().lower()
    if value and value not in allowed:
        raise CourseError(
            f"{variable}={value!r} is unknown.",
            f"It can be one of: {', '.join(allowed)}.",
            f"Set it to one of these, or remove it to use the default: unset {variable}",
        )
    return value or None


def device() -> torch.device:
    """The device that networks and data live on: CUDA where there is one, else the CPU.

    Apple's MPS is used on request only (``GANCOURSE_DEVICE=mps``): the course is not tested on it.

    Raises
    ------
    CourseError
        If GANCOURSE_DEVICE is cuda and there is no CUDA device, or is unknown.
    """
    name = _choice("GANCOURSE_DEVICE", ("cpu", "cuda", "mps"))
    if name == "cuda" and not torch.cuda.is_available():
        raise CourseError(
            "GANCOURSE_DEVICE=cuda, but torch sees no CUDA device.",
            "Either there is no NVIDIA GPU, or its driver is missing, or torch is a CPU build.",
            "On Colab: Runtime > Change runtime type > GPU. Elsewhere: unset GANCOURSE_DEVICE.",
        )
    return torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))


def profile() -> str:
    """The budget of a notebook: 'smoke' (a test), 'cpu' (a laptop) or 'gpu' (Colab)."""
    default = "gpu" if device().type == "cuda" else "cpu"
    return _choice("GANCOURSE_PROFILE", PROFILES) or default


def budget(*, smoke: T, cpu: T, gpu: T) -> T:
    """The value for the active profile: ``steps = budget(smoke=20, ...)``."""
    return {"smoke": smoke, "cpu": cpu, "gpu": gpu}[profile()]


def precision() -> Literal["bf16", "fp32"]:
    """'bf16' where the hardware computes in bfloat16 at full speed, else 'fp32'.

    On a CPU that means AVX512-BF16 or AMX instructions. Weights stay in fp32 in both cases; only
    what runs under `autocast` changes.
    """
    asked = _choice("GANCOURSE_PRECISION", ("fp32", "bf16"))
    if asked:
        return "bf16" if asked == "bf16" else "fp32"
    kind = device().type
    if kind == "cuda":
        return "bf16" if torch.cuda.get_device_capability()[0] >= 8 else "fp32"
    return "bf16" if kind == "cpu" and _cpu_has_bf16() else "fp32"


def _cpu_has_bf16() -> bool:
    try:  # Linux lists it; elsewhere bf16 is emulated or unknown, and fp32 is safe
        return "avx512_bf16" in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False


def autocast(enabled: bool = True) -> contextlib.AbstractContextManager:
    """Run matrix products and convolutions in bf16 where `precision` says so.

    Small networks gain nothing from it on a CPU. With ``enabled=False`` it does nothing.
    """
    if enabled and precision() == "bf16":
        return torch.autocast(device().type, dtype=torch.bfloat16)
    return contextlib.nullcontext()


def memory_format() -> torch.memory_format:
    """The memory layout for convolution networks: channels_last, which oneDNN and cuDNN prefer."""
    return torch.contiguous_format if device().type == "mps" else torch.channels_last


def rng(seed: int, on: torch.device | str | None = None) -> torch.Generator:
    """A new generator of random numbers, on the course's device or another.

    Every function that draws numbers takes one. Nothing here touches torch's global generator, so
    drawing sample images does not change the training around it.
    """
    return torch.Generator(device() if on is None else on).manual_seed(seed)


def noise(
    dim: int, rng: torch.Generator, kind: Literal["normal", "uniform", "sphere"] = "normal"
) -> Callable[[int], Latent]:
    """A sampler of latent vectors: ``sample_z(m)`` returns z of shape (m, dim), on `rng`'s device.

    Parameters
    ----------
    dim : int
        Length of a latent vector z.
    rng : torch.Generator
        The source of randomness. The sampler has no other state.
    kind : {"normal", "uniform", "sphere"}
        N(0, 1); uniform in [-1, 1], as Radford et al. (2016) use; uniform on the sphere of
        radius sqrt(dim), where nearly all of a normal distribution's mass lies.

    Raises
    ------
    ValueError
        If `dim` is below 1 or `kind` is unknown.
    """

    def sample_z(m: int) -> Latent:
        if kind == "uniform":
            return torch.rand(m, dim, generator=rng, device=rng.device) * 2 - 1
        z = torch.randn(m, dim, generator=rng, device=rng.device)
        return z if kind == "normal" else z * (math.sqrt(dim) / z.norm(dim=1, keepdim=True))

    if dim < 1 or kind not in ("normal", "uniform", "sphere"):
        raise ValueError(f"dim must be at least 1 and kind a known name, got {dim=} and {kind=}")
    return sample_z


def static() -> bool:
    """Whether sliders and progress bars are omitted (GANCOURSE_STATIC=1), for saved notebooks."""
    return os.environ.get("GANCOURSE_STATIC") == "1"


def root() -> Path:
    """The course's folder: the nearest parent of the working folder that has ``notebooks/``.

    Where there is none (a notebook alone, on Colab), the working folder itself.
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "notebooks").is_dir() and (folder / "solutions").is_dir():
            return folder
    return here


def data_dir() -> Path:
    """The folder of downloaded data sets: ``data/``, or GANCOURSE_DATA."""
    return Path(os.environ.get("GANCOURSE_DATA") or root() / "data")


def run_dir(name: str) -> Path:
    """Where a notebook keeps its checkpoints: ``runs/<name>``, or below GANCOURSE_RUNS."""
    return Path(os.environ.get("GANCOURSE_RUNS") or root() / "runs") / name


def on_colab() -> bool:
    """Whether this is Google Colab, whose files are lost when it disconnects."""
    return "COLAB_RELEASE_TAG" in os.environ


def keep_on_drive(folder: str = "gancourse-runs") -> Path:
    """Keep checkpoints and networks on Google Drive (Colab asks for access), for later notebooks.

    Call it before training, in every notebook that should find the networks of an earlier one.

    Parameters
    ----------
    folder : str
        A folder in your Drive; created if needed.

    Returns
    -------
    Path
        Where runs are kept from now on, in this notebook.

    Raises
    ------
    CourseError
        If this is not Colab, or Drive gives no access.
    """
    try:
        from google.colab import drive
    except ImportError as error:
        raise CourseError(
            "Google Drive can only be used on Colab.",
            "Elsewhere runs are kept on the disk, and nothing is lost.",
            "To keep them in another folder, set GANCOURSE_RUNS to it before Jupyter starts.",
        ) from error
    try:
        drive.mount(str(DRIVE))
        place = DRIVE / "MyDrive" / folder
        place.mkdir(parents=True, exist_ok=True)
    except Exception as error:  # Colab raises ValueError, a MessageError of its own, or OSError
        raise CourseError(
            "Google Drive gives no access.",
            f"{type(error).__name__}: {error}",
            "Run this cell again and allow the access. Without it the notebook works as well, but "
            "its runs are lost when Colab disconnects.",
        ) from error
    os.environ["GANCOURSE_RUNS"] = str(place)
    return place


def start(notebook: str = __version__) -> None:
    """Print where this notebook runs: called by the first cell of every notebook.

    Parameters
    ----------
    notebook : str
        The version of the course that the notebook was built from.
    """
    place = device()
    if place.type == "cuda":
        machine = torch.cuda.get_device_name()
        # Batches of a run have one shape: cuDNN times its algorithms once, and keeps the fastest.
        torch.backends.cudnn.benchmark = True
        # TF32 (10 bits for the mantissa, on GPUs from 2020) for products, as cuDNN's convolutions.
        torch.set_float32_matmul_precision("high")
    else:
        machine = f"{torch.get_num_threads()} threads"
    found = ["embedded sets (no internet needed)"]
    if data_dir().is_dir():
        folders = [p for p in data_dir().iterdir() if p.is_dir() and p.name[0] != "."]
        found += sorted(p.name for p in folders if any(f.is_file() for f in p.rglob("*")))
    print(f"device     {place.type} ({machine}), {precision()}; torch {torch.__version__}")
    print(f"profile    {profile()} (GANCOURSE_PROFILE = smoke, cpu or gpu overrides)")
    print(f"data       {', '.join(found)}")
    if on_colab() and place.type != "cuda":
        print("GPU        none; for one: Runtime > Change runtime type > T4 GPU")
    if on_colab() and "GANCOURSE_RUNS" not in os.environ:
        print(
            "runs       lost when Colab disconnects; env.keep_on_drive() keeps them on your Drive"
        )
    if notebook != __version__:
        print(
            f"NOTICE: this notebook belongs to gancourse {notebook}, and {__version__} is "
            "installed. If a cell fails, install that version, or open the notebook of this one."
        )


def report(**figures: float | Tensor) -> None:
    """Show measured figures in columns, and keep them for ``report.json`` under ``gancourse run``.

    Parameters
    ----------
    **figures : float
        Name and value: ``report(clean_correct=5)``. Tensors of one element are accepted.
    """
    values = {name: float(value) for name, value in figures.items()}
    rows = [f"{name} = {value:.4g}" for name, value in values.items()]
    width = max(map(len, rows), default=0) + 3
    columns = max(1, 100 // width)
    for i in range(0, len(rows), columns):
        print("".join(row.ljust(width) for row in rows[i : i + columns]).rstrip())
    _keep("figures", values)


def expect(name: str, held: bool | Tensor, otherwise: str) -> None:
    """Record whether an outcome of training is as expected; if not, print a note. Never raises.

    Training is chaotic: another processor, number of threads, precision or version of torch gives
    another run. So a notebook measures an outcome of training and shows it, and asserts only what
    is deterministic. Under ``gancourse run`` expectations are kept for ``report.json``. With the
    smoke profile, whose runs are too short for any outcome, nothing is recorded.

    Parameters
    ----------
    name : str
        The expectation as a short statement: "run c covers fewer modes than run b".
    held : bool
        Whether it holds. Tensors of one element are accepted.
    otherwise : str
        Printed if it does not hold: what happened, and what usually happens.
    """
    if profile() == "smoke":
        return
    if not held:
        print(f"NOTE: {otherwise}")
    _keep("expectations", {name: bool(held)})


def _keep(kind: str, values: dict) -> None:
    """Add values to the report that ``gancourse run`` collects, if it runs this notebook."""
    target = os.environ.get("GANCOURSE_REPORT")
    if target:
        path = Path(target)
        known = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps(known | {kind: known.get(kind, {}) | values}, indent=1))


def resources() -> dict[str, float]:
    """Peak memory of this process so far: ``peak_mb``, and ``gpu_peak_mb`` on CUDA. In MB (1e6)."""
    if sys.platform == "win32":
        import psutil

        peak = float(psutil.Process().memory_info().peak_wset)
    elif (status := Path("/proc/self/status")).exists():
        # In KiB. Not ru_maxrss: a process inherits that from the one that started it.
        peak = 1024.0 * int(status.read_text().split("VmHWM:")[1].split()[0])
    else:
        import resource

        peak = float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)  # macOS: in bytes
    found = {"peak_mb": peak / 1e6}
    if torch.cuda.is_available():
        found["gpu_peak_mb"] = torch.cuda.max_memory_allocated() / 1e6
    return found
