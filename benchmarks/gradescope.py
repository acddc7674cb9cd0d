"""Points by Gradescope's autograder next to those by `gancourse grade`, for 30 notebooks.

    sudo python benchmarks/gradescope.py             # root, for a container like Gradescope's
    sudo python benchmarks/gradescope.py 02          # ten of them

Of each notebook: one solved, one unsolved, and eight of which some answers are wrong or missing.
`gancourse grade` runs them in bubblewrap's sandboxes. The autograder runs as in a container of
Docker, which has no sandboxes of its own: a separate user for each submission.
"""

import argparse
import csv
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "grading")]

from autograder import Autograder  # noqa: E402

VARIANTS = 10
SWAPS = ((".mean(", ".sum("), (" - ", " + "), ('"c"', '"a"'), ('"b"', '"c"'), ("1", "0"))


def exercise_cells(notebook: dict) -> dict[str, dict]:
    """The answers' cells of a notebook, by their ids."""
    cells = notebook["cells"]
    return {cell["id"]: cell for cell in cells if cell.get("id", "").startswith("exercise-")}


def variant(number: str, n: int) -> str:
    """The notebook that the n-th student hands in."""
    solved, blank = (
        json.loads(next((ROOT / folder).glob(f"{number}_*.ipynb")).read_text("utf-8"))
        for folder in ("solutions", "notebooks")
    )
    if n == 1:
        return json.dumps(blank)
    draw, stubs = random.Random(f"{number} {n}"), exercise_cells(blank)
    for id, cell in exercise_cells(solved).items() if n else ():
        fate = draw.choice(["right", "missing", "wrong"])
        if fate == "missing":
            cell["source"] = stubs[id]["source"]
        source = "".join(cell["source"])
        swaps = [pair for pair in SWAPS if pair[0] in source]
        if fate == "wrong" and swaps:
            cell["source"] = source.replace(*draw.choice(swaps))
    for cell in solved["cells"]:
        cell.pop("outputs", None)
    return json.dumps(solved)


def by_grade(folder: Path, handed_in: dict[str, str]) -> dict[str, dict[str, float]]:
    """Student -> exercise -> points, by the command."""
    for student, content in handed_in.items():
        (folder / "in" / student).mkdir(parents=True)
        (folder / "in" / student / "x.ipynb").write_text(content, encoding="utf-8")
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from gancourse.cli import main; main()"
    for words in (["grade", folder / "in"], ["export"]):
        command = [sys.executable, "-c", code, *words, "--out", folder / "out"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    points: dict[str, dict[str, float]] = {}
    with open(folder / "out" / "export" / "marks.csv", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            points.setdefault(row["student"], {})[row["exercise"]] = float(row["earned"] or 0)
    return points


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("notebooks", nargs="*", default=["01", "02", "05"])
    different = 0
    print("| notebook | variant | gancourse grade | autograder | exercises that differ | seconds |")
    print("|---|---|---|---|---|---|")
    for number in parser.parse_args().notebooks:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            folder.chmod(0o755)
            handed_in = {f"s{n}": variant(number, n) for n in range(VARIANTS)}
            ours = by_grade(folder, handed_in)
            (folder / "autograder").mkdir()
            autograder = Autograder(folder / "autograder", number)
            for student, content in handed_in.items():
                begin = time.perf_counter()
                page = autograder.run({"x.ipynb": content})
                seconds = time.perf_counter() - begin
                if page is None:
                    raise SystemExit(autograder.done.stdout + autograder.done.stderr)
                theirs = {t["number"]: t["score"] for t in page["tests"] if "number" in t}
                own = ours[student]
                wrong = [id for id in own.keys() | theirs if own.get(id) != theirs.get(id)]
                different += len(wrong)
                sums = (f"{sum(points.values()):g}" for points in (own, theirs))
                row = number, student, *sums, ", ".join(wrong) or "none", f"{seconds:.1f}"
                print(f"| {' | '.join(row)} |", flush=True)
    raise SystemExit(1 if different else 0)


if __name__ == "__main__":
    main()
