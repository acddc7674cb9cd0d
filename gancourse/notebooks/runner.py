"""Notebooks executed without a browser: one kernel each, measured, with their figures."""

import copy
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from ipykernel.kernelspec import RESOURCES, get_kernel_dict
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbformat import NotebookNode

import gancourse
from gancourse.errors import CourseError

KEPT = ("figures", "expectations")
PROBE = """
import json, os, platform, torch
from gancourse import env

def machine():
    if env.device().type == "cuda":
        return torch.cuda.get_device_name()
    try:
        lines = open("/proc/cpuinfo").read().splitlines()
        name = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{name}, {cores} cores"

facts = {"profile": env.profile(), "device": env.device().type, "machine": machine()}
with open(os.environ["GANCOURSE_PROBE"], "w") as file:
    json.dump(facts | env.resources(), file)
"""


class ThisPython(AsyncKernelManager):
    """The kernel of the Python that runs this command, whichever other kernels are installed."""

    @property
    def kernel_spec(self) -> KernelSpec:
        facts = get_kernel_dict()
        facts["argv"] += ["--log-level=ERROR"]  # no list of ports for every notebook
        return KernelSpec(resource_dir=RESOURCES, **facts)


@dataclass
class Run:
    """The result of executing one notebook."""

    notebook: NotebookNode
    """With the outputs of every cell that ran."""
    seconds: float
    """Wall time from the start of the kernel to the end of the last cell."""
    error: str = ""
    """Empty, or the cell that failed and the last line of its traceback."""
    facts: dict = field(default_factory=dict)
    """Of the kernel at its end: profile, device, machine, peak_mb and, on CUDA, gpu_peak_mb."""
    figures: dict[str, float] = field(default_factory=dict)
    """What the notebook gave to `env.report`."""
    expectations: dict[str, bool] = field(default_factory=dict)
    """What it gave to `env.expect`: whether each outcome of training was as expected."""

    @property
    def missed(self) -> list[str]:
        """Expectations that did not hold."""
        return [name for name, held in self.expectations.items() if not held]

    def record(self) -> dict:
        """This run as an entry of ``report.json``."""
        facts = {k: round(v) if isinstance(v, float) else v for k, v in self.facts.items()}
        facts.pop("machine", None)
        entry = {"seconds": round(self.seconds, 1), **facts, "figures": self.figures}
        entry["expectations"] = self.expectations
        return entry | ({"error": self.error} if self.error else {})


def environment(profile: str, runs: Path, scratch: Path) -> dict[str, str]:
    """The environment variables of a kernel.

    Parameters
    ----------
    profile : str
        'smoke', 'cpu' or 'gpu'. The 'cpu' profile runs on the CPU, even where there is a GPU.
    runs : Path
        Where checkpoints go: GANCOURSE_RUNS.
    scratch : Path
        An existing folder for the report, the probe and IPython's own files.
    """
    package = str(Path(gancourse.__file__).resolve().parents[1])  # works without being installed
    known = {k: v for k, v in os.environ.items() if k != "MPLBACKEND"}  # kernels draw inline
    return {
        **({"GANCOURSE_DEVICE": "cpu"} if profile == "cpu" else {}),
        **known,
        "GANCOURSE_PROFILE": profile,
        "GANCOURSE_STATIC": "1",
        "GANCOURSE_RUNS": str(runs),
        "GANCOURSE_REPORT": str(scratch / "figures.json"),
        "GANCOURSE_PROBE": str(scratch / "probe.json"),
        "IPYTHONDIR": str(scratch / "ipython"),  # no start-up files, no shared history
        "PYTHONPATH": os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")])),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }


def run(
    notebook: NotebookNode,
    folder: Path,
    profile: str,
    runs: Path,
    progress: Callable[[int, int], None] = lambda done, cells: None,
) -> Run:
    """Execute a notebook in its own kernel; a failing cell ends the run and is reported.

    Parameters
    ----------
    notebook : NotebookNode
        Not changed; the executed copy is in the result.
    folder : Path
        Working folder of the kernel.
    profile : str
        'smoke', 'cpu' or 'gpu'.
    runs : Path
        Where checkpoints go.
    progress : Callable[[int, int], None]
        Called with the number of code cells done, and their total number.

    Raises
    ------
    CourseError
        If no kernel could be started.
    """
    notebook = copy.deepcopy(notebook)
    cells = [i for i, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    number, place, error = 0, "start", ""
    client = NotebookClient(
        notebook,
        kernel_manager_class=ThisPython,
        resources={"metadata": {"path": str(folder)}},
        timeout=None,
        record_timing=False,
        coalesce_streams=True,
    )
    with tempfile.TemporaryDirectory(prefix="gancourse-", ignore_cleanup_errors=True) as temporary:
        scratch = Path(temporary)
        begin = time.perf_counter()
        try:
            with client.setup_kernel(env=environment(profile, runs, scratch), cwd=str(folder)):
                for number, index in enumerate(cells, start=1):
                    progress(number - 1, len(cells))
                    place = f"cell {number} of {len(cells)}"
                    try:
                        client.execute_cell(notebook.cells[index], index)
                    except CellExecutionError as failure:
                        error = f"{place}: {failure.ename}: {failure.evalue}"
                        break
                seconds = time.perf_counter() - begin
                progress(number, len(cells))
                notebook.cells.append(nbformat.v4.new_code_cell(PROBE))
                client.execute_cell(notebook.cells[-1], len(notebook.cells) - 1)
                notebook.cells.pop()
        except DeadKernelError:
            seconds = time.perf_counter() - begin
            error = error or f"{place}: the kernel died; too little memory is the usual cause"
        except RuntimeError as failure:
            raise CourseError(
                "No kernel could be started.", str(failure), f"Try: {sys.executable} -m ipykernel"
            ) from failure
        facts, report = (_load(scratch / name) for name in ("probe.json", "figures.json"))
    error = error.strip().split("\n")[0]
    return Run(notebook, seconds, error, facts, *(report.get(k, {}) for k in KEPT))


def _load(path: Path) -> dict:
    return json.loads(path.read_text()) if path.exists() else {}
