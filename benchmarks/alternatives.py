"""Whether every notebook runs to its end with every accepted answer of the registry.

    python benchmarks/alternatives.py [NN ...] [--answers FILE.json]

A check that accepts an answer promises that the notebook can go on with it. Each notebook is run
with the smoke profile, once with the first alternative of all its exercises, once with the second,
and so on; with --answers, with the answers of a file instead: a list of objects with "exercise" and
"code", the text of a cell. Printed are answers that were not accepted, and cells that raised.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def play(source: Path, k: int, answers: dict[str, list[str]]) -> None:
    """Run the cells of a solved notebook with the k-th accepted answer of each exercise."""
    from gancourse import exercises
    from gancourse.exercises.verdicts import assess
    from gancourse.notebooks import build

    names: dict[str, Any] = {"__name__": "__main__"}
    used: dict[str, str] = {}

    def check(id: str, answer: Any) -> Any:
        exercise = exercises.find(id)
        others, codes = exercise.alternatives, answers.get(id, [])
        if answers and k < len(codes):
            own = dict(names)
            exec(codes[k], own)
            name = next(n for n, value in reversed(names.items()) if value is answer)
            names.update({n: v for n, v in own.items() if n not in names})
            other = own[name]
        elif not answers and k < len(others):
            other = others[k]
        else:
            return answer
        verdict = assess(exercise, other, seed=0)
        if verdict.status != "right":
            print(f"{source.stem}: answer {k} of {id} is not accepted: {verdict.message}")
            return answer
        used[id] = str(other)
        return plain_check(id, other)

    plain_check, exercises.check = exercises.check, check
    os.chdir(source.parent)
    for cell in build.solved(build.Course.at(ROOT), source).cells:
        if cell.cell_type == "code":
            try:
                exec(compile(cell.source, cell.source.splitlines()[0], "exec"), names)
            except Exception as error:
                where = cell.source.splitlines()[0]
                print(f"{source.stem}, answers {k}: {type(error).__name__}: {error}, at {where!r}")
                sys.exit(1)
    print(f"{source.stem}, answers {k}: {len(used)} answers, to the end")


def environment(folder: str) -> dict[str, str]:
    """Variables of the process that runs a notebook."""
    return {
        **os.environ, "GANCOURSE_PROFILE": "smoke", "GANCOURSE_DEVICE": "cpu",
        "GANCOURSE_STATIC": "1", "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg",
        "GANCOURSE_RUNS": folder, "GANCOURSE_REPORT": f"{folder}/report.json",
        "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore",
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("notebooks", nargs="*", metavar="NN")
    parser.add_argument("--answers", type=Path, help="answers of others, as JSON")
    parser.add_argument("--play", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    answers: dict[str, list[str]] = defaultdict(list)
    for entry in json.loads(args.answers.read_text("utf-8")) if args.answers else []:
        answers[entry["exercise"]].append(entry["code"])
    if args.play:
        play(ROOT / "solutions" / f"{args.play[0]}.py", int(args.play[1]), answers)
        return
    from gancourse import exercises

    failed = 0
    for source in sorted((ROOT / "solutions").glob("[0-9][0-9]_*.py")):
        if args.notebooks and source.stem[:2] not in args.notebooks:
            continue
        of = exercises.of_notebook(source.stem[:2])
        counts = [len(answers[e.id] if args.answers else e.alternatives) for e in of]
        more = ["--answers", str(args.answers)] if args.answers else []
        for k in range(max(counts, default=0)):
            command = [sys.executable, __file__, "--play", source.stem, str(k), *more]
            with tempfile.TemporaryDirectory() as folder:
                done = subprocess.run(
                    command, env=environment(folder), capture_output=True, text=True
                )
            said = [x for x in done.stdout.splitlines() if x.startswith(source.stem)]
            print("\n".join(said) or done.stderr[-500:], flush=True)
            failed += done.returncode != 0
    print(f"{failed} runs did not reach the end")


if __name__ == "__main__":
    main()
