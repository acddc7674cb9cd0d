"""How much a submission that keeps 64 processes busy slows down the one graded next to it.

    python benchmarks/busy_neighbour.py

Two workers, as `gancourse grade` starts them: on all cores, and each on its own share. The seconds
are those of a submission whose cell computes for about a second; ratios are of medians in one run.
"""

import argparse
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "grading")]

BUSY = """
import os
for _ in range(62):
    try:
        if os.fork() == 0:
            os.setsid()  # Linux shares a core by sessions
            break
    except OSError:
        break
while True:
    pass
"""
HONEST = "total = 0\nfor i in range(6_000_000):\n    total += i"
CELL = 15.0  # seconds that the busy submission is allowed


def grade(path: Path, cores: set[int], started, results) -> None:
    """One worker: grades a notebook on some cores, and puts the seconds it took."""
    from gancourse.grading.judging import marking
    from gancourse.grading.sandbox.isolation import Limits
    from gancourse.grading.sandbox.server import Server

    os.sched_setaffinity(0, cores)
    limits = Limits(cell=CELL, grace=1, total=CELL * 2)
    with Server() as server:
        started.wait()
        if path.stem == "honest":
            time.sleep(3)  # until the other one has all of its processes
        begin = time.perf_counter()
        result = marking.grade(path, b"secret", limits=limits, server=server)
        results.put((path.stem, time.perf_counter() - begin, sum(m.earned for m in result.marks)))


def together(names: list[str], folder: Path, own_cores: bool) -> tuple[float, int]:
    """Seconds and points of the honest one, graded together with the others."""
    from gancourse.grading.gradebook import capacity

    context = multiprocessing.get_context("spawn")
    started, results = context.Barrier(len(names)), context.Queue()
    cores = capacity.cores()
    shares = [capacity.share(cores, n, 2) if own_cores else set(cores) for n in range(2)]
    jobs = [
        context.Process(target=grade, args=(folder / f"{name}.ipynb", share, started, results))
        for name, share in zip(names, shares, strict=False)
    ]
    for job in jobs:
        job.start()
    seen = {name: (seconds, points) for name, seconds, points in (results.get() for _ in jobs)}
    for job in jobs:
        job.join()
    return seen["honest"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    import handmade

    kinds = {
        "alone": (["honest"], True),
        "next to it, all cores for both": (["honest", "busy"], False),
        "next to it, each on its own cores": (["honest", "busy"], True),
    }
    seconds: dict[str, list[float]] = {name: [] for name in kinds}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name, early in {"honest": HONEST, "busy": BUSY}.items():
            content = handmade.text(handmade.cells(early, handmade.RIGHT))
            (folder / f"{name}.ipynb").write_text(content)
        for _ in range(parser.parse_args().rounds):
            for kind, (names, own_cores) in kinds.items():
                took, points = together(names, folder, own_cores)
                seconds[kind].append(took)
                print(f"{kind}: {took:.2f} s, {points} points", flush=True)
    medians = {kind: statistics.median(values) for kind, values in seconds.items()}
    print("\n| an honest submission | seconds | ratio |\n|---|---|---|")
    for kind, median in medians.items():
        print(f"| {kind} | {median:.2f} | {median / medians['alone']:.1f} |")


if __name__ == "__main__":
    main()
