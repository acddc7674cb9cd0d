"""Every notebook on a simulated GPU: nothing mixes devices, and no training step reads from it.

What this proves, and what not: `simulated_device`. By default the short notebooks run; all of them
do with --every-notebook.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from gancourse.notebooks.runner import environment

TESTS = Path(__file__).resolve().parent
SHORT = {("00", "T4"), ("09", "T4")}
RUNS = {
    "T4": [f"{n:02}" for n in range(12)],
    "L4": ["03", "05", "08", "09"],
    "MPS": ["00", "01", "02", "03"],
}


@pytest.mark.parametrize("number, dress", [(n, dress) for dress in RUNS for n in RUNS[dress]])
def test_a_notebook_runs_on_the_device(number, dress, tmp_path, request):
    if (number, dress) not in SHORT and not request.config.getoption("--every-notebook"):
        pytest.skip("runs with --every-notebook")
    done = subprocess.run(
        [sys.executable, TESTS / "simulated_device.py", number, dress],
        env=environment("smoke", tmp_path / "runs", tmp_path) | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
