"""Whether any registered wrong answer ever passes: each slip on each of many seeds.

    python benchmarks/fairness.py --seeds 1000

The tests do the same with fewer seeds. It prints how often a slip passed.
"""

import argparse
import multiprocessing
import time
from collections import defaultdict

import torch

from gancourse import exercises
from gancourse.exercises.base import Exercise
from gancourse.exercises.verdicts import try_observe


def passes(id: str, seeds: int) -> tuple[str, float, dict[int, list[int]]]:
    """Of one exercise: seconds, and, for each slip that ever got full points, the seeds."""
    torch.set_num_threads(1)
    start, found = time.monotonic(), defaultdict(list)
    exercise: Exercise = exercises.find(id)
    for seed in range(seeds):
        cases = exercise.draw(seed)
        wanted = [try_observe(exercise, exercise.reference, case) for case in cases]
        for n, slip in exercise.wrong_answers:
            pairs = zip(cases, wanted, strict=True)
            if not any(exercise.differ(w, try_observe(exercise, slip, c)) for c, w in pairs):
                found[n].append(seed)
    return id, time.monotonic() - start, dict(found)


def main() -> None:
    """Ask every exercise of the course, two at a time."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=1000)
    options = parser.parse_args()
    ids = [e.id for number in range(11) for e in exercises.of_notebook(f"{number:02d}")]
    slips = sum(len(exercises.find(id).slips) for id in ids)
    bad = 0
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        jobs = [pool.apply_async(passes, (id, options.seeds)) for id in ids]
        for job in jobs:
            id, seconds, found = job.get()
            bad += len(found)
            print(f"{id:>5} {seconds:6.1f} s", found or "", flush=True)
    print(f"{len(ids)} exercises, {slips} slips, {options.seeds} seeds: {bad} slips ever passed")


if __name__ == "__main__":
    main()
