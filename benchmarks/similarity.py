"""Seconds to compare the answers of a class to one notebook.

    python benchmarks/similarity.py [--students 300] [--notebook 02]

The answers are written by chance from all registered right answers, with other names and layout.
"""

import argparse
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "grading"))

from classes import right_answers, written_by

from gancourse.exercises import of_notebook
from gancourse.grading.judging.given import given_fragments
from gancourse.grading.judging.similarity import similar_groups


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--students", type=int, default=300)
    options.add_argument("--notebook", default="02")
    args = options.parse_args()
    rng = random.Random(0)
    ids = [e.id for e in of_notebook(args.notebook) if callable(e.reference)]
    right = {id: right_answers(id) for id in ids if right_answers(id)}
    answers = {
        id: {f"s{n:03d}": written_by(rng, texts) for n in range(args.students)}
        for id, texts in right.items()
    }
    given = {id: given_fragments(id) for id in answers}
    begin = time.perf_counter()
    groups = similar_groups(answers, given)
    seconds = time.perf_counter() - begin
    print(
        f"{args.students} students, {len(answers)} exercises: {seconds:.1f} s, {len(groups)} groups"
    )


if __name__ == "__main__":
    main()
