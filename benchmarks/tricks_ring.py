"""Measure each trick of notebook 10 on the ring of eight Gaussians, after two numbers of steps.

Writes tricks_ring.json in gancourse/results.

    python benchmarks/tricks_ring.py [--steps 2000 8000] [--only NAME ...]

Eight seeds in parallel, with the networks, data and settings of `training.trick_runs`. A run with
learning-rate decay is trained once for each number of steps, any other only for the largest and
measured on its way. Rows already in the file with the same settings are kept: stop and resume it
at any time.
"""

import argparse
import json
import platform
import time
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from gancourse import env
from gancourse.metrics.samples import misplaced, mode_shares
from gancourse.papers import tricks
from gancourse.training import trick_runs
from gancourse.training.trick_runs import BATCH, RING, SEEDS, Run, Trick

FILE = Path(__file__).parents[1] / "gancourse" / "results" / "tricks_ring.json"
FIXED = "G norm, fixed"  # measured on the networks of "G norm"
shares = partial(mode_shares, centres=RING.centres, radius=3 * RING.std)


def measure(x: Tensor) -> dict[str, list[float]]:
    """Misplaced share and number of modes found, of each seed."""
    by_seed = [shares(points) for points in x]
    found = [int((row >= 0.25 / RING.modes).sum()) for row in by_seed]
    return {"misplaced": [round(misplaced(row), 4) for row in by_seed], "modes": found}


def fixed_statistics(run: Run) -> Tensor:
    """Samples of a G with batch norm whose statistics are computed once after training."""
    z = run.make_z(env.rng(2000, "cpu"))(64 * BATCH)
    return Run(tricks.with_fixed_statistics(run.G, z), run.D, run.step, run.make_z).sample()


def train(name: str, trick: Trick, lengths: list[int]) -> dict[str, dict]:
    """One run of the largest length, measured at each; results by name and length."""
    run, done, start = trick_runs.begin(trick, max(lengths)), 0, time.perf_counter()
    found: dict[str, dict] = {name: {}}
    for length in lengths:
        for _ in range(length - done):
            run.step()
        done = length
        seconds = {"seconds": round(time.perf_counter() - start, 1)}
        found[name][str(length)] = measure(run.sample()) | seconds
        if name == "G norm":
            found.setdefault(FIXED, {})[str(length)] = measure(fixed_statistics(run)) | seconds
    return found


def main() -> None:
    every = trick_runs.all_tricks()
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, nargs="*", default=[2000, 8000])
    parser.add_argument("--only", nargs="*", default=list(every), choices=list(every))
    args = parser.parse_args()
    lengths = sorted(args.steps)
    torch.set_num_threads(1)  # the networks are tiny
    settings = {
        "steps": lengths, "seeds": SEEDS, "batch": BATCH, "samples": 32 * BATCH,
        "threads": 1, "torch": torch.__version__, "machine": platform.machine(),
    }  # fmt: skip
    known = json.loads(FILE.read_text()) if FILE.exists() else {}
    rows = known.get("rows", {}) if known.get("settings") == settings else {}
    for name in args.only:
        if name in rows:
            continue
        decays = "hold" in every[name].recipe
        for part in [[n] for n in lengths] if decays else [lengths]:
            for row, found in train(name, every[name], part).items():
                rows[row] = rows.get(row, {}) | found
        content = {"command": "python benchmarks/tricks_ring.py", "settings": settings}
        FILE.write_text(json.dumps(content | {"rows": rows}) + "\n")
        for length, found in rows[name].items():
            mean = sum(found["misplaced"]) / SEEDS
            print(f"{name}, {length} steps: {mean:.3f}, {found['seconds']} s", flush=True)


if __name__ == "__main__":
    main()
