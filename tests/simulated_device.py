"""The simulated device in place of the course's own, for a test or a whole notebook.

    python tests/simulated_device.py NN DRESS     run a solved notebook on it: T4, L4 or MPS

A dress says what the device is like. A T4 computes in fp32, since it has no bf16; an L4 in bf16
where `env.autocast` says so; Apple's MPS refuses double precision.

Not proved by it: that memory and time suffice, that kernels exist for all types, what cuDNN, TF32
and fp16 change, and anything about streams.
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import torch

from gancourse import env
from gancourse.simulated_cuda import CUDA, CudaGenerator, Device
from gancourse.training import loop

ROOT = Path(__file__).resolve().parents[1]
DRESSES = {"T4": "fp32", "L4": "bf16", "MPS": "fp32"}
"""Name -> precision."""


def _rng(seed: int, on: torch.device | str | None = None) -> torch.Generator:
    kind = CudaGenerator if torch.device(on or "cuda").type == "cuda" else torch.Generator
    return kind().manual_seed(seed)


def _autocast(enabled: bool = True) -> contextlib.AbstractContextManager:
    low = enabled and env.precision() == "bf16"
    return torch.autocast("cpu", torch.bfloat16) if low else contextlib.nullcontext()


@contextlib.contextmanager
def replaced(dress: str = "T4") -> Iterator[Device]:
    """Inside, everything that asks `env` for a device gets the simulated one."""
    with (
        patch.dict(os.environ, {"GANCOURSE_PRECISION": DRESSES[dress]}),
        patch.multiple(env, device=lambda: CUDA, rng=_rng, autocast=_autocast),
        patch.object(torch.cuda, "get_device_name", lambda *_: dress),
        patch.object(torch.backends.cudnn, "is_acceptable", lambda x: False),  # asked by RNNs
        Device(float64=dress != "MPS") as device,
    ):
        yield device


def reads_of_steps(device: Device) -> dict[str, list[int]]:
    """From now on, for each run of `train`: how often each step read from the device."""
    found: dict[str, list[int]] = {}
    take = loop._take

    def counted(step, run, batches):
        before = len(device.reads)
        losses = take(step, run, batches)
        found.setdefault(run.title, []).append(len(device.reads) - before)
        return losses

    loop._take = counted
    return found


def run_notebook(number: str, dress: str) -> dict[str, list[int]]:
    """Run the solved version of a notebook; returns what `reads_of_steps` found."""
    import matplotlib

    from gancourse.notebooks import build

    matplotlib.use("Agg")
    course = build.Course.at(ROOT)
    (source,) = course.sources([number])
    os.chdir(ROOT / "notebooks")
    with replaced(dress) as device:
        steps = reads_of_steps(device)
        variables = {"__name__": "__main__", "env": env}
        for cell in build.solved(course, source).cells:
            if cell.cell_type == "code" and "setup" not in build.tags(cell):
                exec(compile(cell.source, f"<cell {cell.id}>", "exec"), variables)
    return steps


if __name__ == "__main__":
    counts = run_notebook(*sys.argv[1:])
    if reading := {title: reads for title, reads in counts.items() if any(reads[1:])}:
        sys.exit(f"Reads from the device, step by step; the first step may: {reading}")
    print(f"{sum(map(len, counts.values()))} steps of {len(counts)} runs read nothing")
