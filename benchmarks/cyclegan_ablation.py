"""The ablation of notebook 09 with five seeds: which loss of CycleGAN contributes what.

    python benchmarks/cyclegan_ablation.py --workers 2

writes ``gancourse/results/cyclegan.json``, one line per variant and seed, and resumes there if it
was stopped. The code that trains and measures is the notebook's own: every code cell of
``solutions/09_cyclegan.py`` before its first cell tagged "training", with the profile `cpu`. One
run takes about 90 seconds with one thread. A seed decides the initial weights, the batches and the
draws of the image pools; data, test flowers and the domain classifier are the notebook's.
"""

import argparse
import json
import multiprocessing
import os
import re
import tempfile
import time
from itertools import islice
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "gancourse" / "results" / "cyclegan.json"
VARIANTS = {
    "all losses": {},
    "no cycle": {"cycle_X": 0.0, "cycle_Y": 0.0},
    "no identity": {"identity": 0.0},
}
NOTEBOOK = {}


def prepare(folder: str) -> None:
    """Run the notebook's cells up to its first training, once per worker."""
    os.environ |= {"GANCOURSE_PROFILE": "cpu", "GANCOURSE_STATIC": "1", "MPLBACKEND": "Agg"}
    os.environ["GANCOURSE_RUNS"] = folder
    import torch

    torch.set_num_threads(1)
    exec("from gancourse import env", NOTEBOOK)
    source = (ROOT / "solutions" / "09_cyclegan.py").read_text(encoding="utf-8")
    for cell in re.split(r"^# %%", source, flags=re.M)[1:]:
        head, code = cell.split("\n", 1)
        if '"training"' in head:
            return
        if "[markdown]" not in head and '"setup"' not in head:
            exec(code, NOTEBOOK)


def one_run(job: tuple[str, int]) -> dict:
    """Train one variant with one seed, and measure it on the test flowers."""
    import torch

    variant, seed = job
    n, began = NOTEBOOK, time.time()
    rng, options = n["env"].rng(10 + seed), {"weights": VARIANTS[variant], "seed": seed}
    title = f"{variant} {seed}"
    G, F, _ = n["train_cyclegan"](title, n["garden"].x, n["garden"].y, rng, **options)
    run = n["translate"](G, F)
    row = n["measure"](run["fake_y"], run["cycled_x"])
    row["colour back"] = n["colour_kept"](run["cycled_x"], at_dusk=False)
    row["pair back"] = n["error"](run["fake_x"], n["day"])
    read = n["colour_read"](run["fake_y"], at_dusk=True)
    counts = torch.bincount(5 * n["true_colour"] + read, minlength=25).view(5, 5)
    row = {name: round(value, 4) for name, value in row.items()}
    return {"variant": variant, "seed": seed, **row, "colours": counts.tolist(),
            "seconds": round(time.time() - began)}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=600, help="start no run after this time")
    args = parser.parse_args()
    table = json.loads(TABLE.read_text()) if TABLE.exists() else {"runs": []}
    done = {(run["variant"], run["seed"]) for run in table["runs"]}
    jobs = [(v, s) for s in range(args.seeds) for v in VARIANTS if (v, s) not in done]
    began, order = time.time(), list(VARIANTS)
    context = multiprocessing.get_context("spawn")
    with (
        tempfile.TemporaryDirectory() as folder,
        context.Pool(args.workers, prepare, (folder,)) as pool,
    ):
        waiting = iter(jobs)
        pending = [pool.apply_async(one_run, (job,)) for job in islice(waiting, args.workers)]
        while pending:
            row = pending.pop(0).get()
            table["runs"].append(row)
            table["runs"].sort(key=lambda run: (order.index(run["variant"]), run["seed"]))
            TABLE.write_text(dumped(table) + "\n")
            print(row, flush=True)
            if time.time() - began < 60 * args.minutes and (job := next(waiting, None)):
                pending.append(pool.apply_async(one_run, (job,)))


def dumped(table: dict) -> str:
    """JSON with one line per run."""
    rows = ",\n  ".join(json.dumps(run) for run in table["runs"])
    return f'{{"command": "python benchmarks/cyclegan_ablation.py", "runs": [\n  {rows}\n]}}'


if __name__ == "__main__":
    main()
