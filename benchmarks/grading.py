"""Seconds per submission: this course's grader next to nbgrader 0.9.6, in one run.

    python -m venv nbgrader-0.9.6 && nbgrader-0.9.6/bin/pip install nbgrader==0.9.6
    python benchmarks/grading.py --nbgrader nbgrader-0.9.6/bin/python

Both grade the same answers: a notebook with six exercises that imports torch. nbgrader runs them in
its own kernel, without a sandbox, with default settings and six cells of assertions; it uses this
Python's torch. Here each submission runs in a sandbox of its own.
"""

import argparse
import json
import multiprocessing
import os
import platform
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

ANSWERS = {  # id: stub's name, a right answer, a wrong one, what nbgrader asserts
    "2.1": ("answer", 'answer = "c"', 'answer = "a"', 'assert answer == "c"'),
    "2.2": (
        "value",
        "def value(real, fake):\n    return logsigmoid(real).mean() + logsigmoid(-fake).mean()",
        "def value(real, fake):\n    return logsigmoid(real).mean() + logsigmoid(fake).mean()",
        "r, f = torch.randn(2, 64)\n"
        "wanted = r.sigmoid().log().mean() + (1 - f.sigmoid()).log().mean()\n"
        "assert torch.isclose(value(r, f), wanted)",
    ),
    "2.3": (
        "optimal_discriminator",
        "def optimal_discriminator(p, q):\n    return p / (p + q)",
        "def optimal_discriminator(p, q):\n    return q / (p + q)",
        "p, q = torch.rand(2, 64)\nassert torch.allclose(optimal_discriminator(p, q), p / (p + q))",
    ),
    "2.5": (
        "generator_loss",
        "def generator_loss(fake):\n    return F.softplus(-fake).mean()",
        "def generator_loss(fake):\n    return F.softplus(fake).mean()",
        "f = torch.randn(64)\nassert torch.isclose(generator_loss(f), -f.sigmoid().log().mean())",
    ),
    "2.7": ("choice", 'choice = "b"', 'choice = "a"', 'assert choice == "b"'),
    "2.9": (
        "r1_penalty",
        "def r1_penalty(D, x):\n    x = x.detach().requires_grad_()\n"
        "    (g,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)\n"
        "    return g.flatten(1).square().sum(1).mean()",
        "def r1_penalty(D, x):\n    x = x.detach().requires_grad_()\n"
        "    (g,) = torch.autograd.grad(D(x).mean(), x, create_graph=True)\n"
        "    return g.flatten(1).square().sum(1).mean()",
        "D = torch.nn.Linear(2, 1)\n"
        "assert torch.isclose(r1_penalty(D, torch.randn(8, 2)), D.weight.square().sum())",
    ),
}
IMPORTS = (
    "import torch\nfrom torch.nn import functional as F\nfrom torch.nn.functional import logsigmoid"
)
NBGRADER = """
import json, sys, time
from nbgrader.apps import NbGraderAPI
from traitlets.config import Config
config = Config()
config.CourseDirectory.root = sys.argv[1]
api = NbGraderAPI(config=config)
assert api.generate_assignment("one", force=True, create=True)["success"]
seconds, scores = [], []
for student in sys.argv[2:]:
    start = time.perf_counter()
    done = api.autograde("one", student, force=True, create=True)
    seconds.append(time.perf_counter() - start)
    assert done["success"], done["log"]
    scores.append(api.gradebook.find_submission("one", student).score)
print(json.dumps({"seconds": seconds, "scores": scores}))
"""


def cell(source: str, name: str, metadata: dict) -> dict:
    common = {"cell_type": "code", "outputs": [], "execution_count": None}
    return common | {"id": name, "metadata": metadata, "source": source}


def ours(wrong: int) -> list[dict]:
    """A submission whose first answers are wrong, as this course hands it out."""
    cells = [cell(IMPORTS + "\nfrom gancourse.exercises import check", "imports", {})]
    for i, (id, (name, good, bad, _)) in enumerate(ANSWERS.items()):
        cells.append(cell(bad if i < wrong else good, f"exercise-{id.replace('.', '-')}", {}))
        cells.append(cell(f'{name} = check("{id}", {name})', f"check-{id.replace('.', '-')}", {}))
    return cells


def theirs(wrong: int) -> list[dict]:
    """The same answers for nbgrader, each followed by a cell of assertions."""
    cells = [cell(IMPORTS, "imports", {})]
    for i, (id, (_, good, bad, tests)) in enumerate(ANSWERS.items()):
        name = f"e{id.replace('.', '-')}"
        facts = {"schema_version": 3, "grade_id": name, "locked": False, "task": False}
        answer = {"nbgrader": facts | {"grade": False, "solution": True}}
        test = facts | {"grade": True, "solution": False, "points": 1, "locked": True}
        cells.append(cell(bad if i < wrong else good, name, answer))
        cells.append(cell(tests, f"t{name}", {"nbgrader": test | {"grade_id": f"t{name}"}}))
    return cells


def write(path: Path, cells: list[dict]) -> Path:
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    path.parent.mkdir(parents=True, exist_ok=True)
    book = {"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(book))
    return path


def worker(paths: list[Path], gate, results) -> None:
    """One worker of ours: a server, then one submission after another."""
    from gancourse.grading.judging import marking
    from gancourse.grading.sandbox.server import Server

    begin = time.perf_counter()
    with Server() as server:
        marking.grade(paths[0], b"secret", server=server)
        ready = time.perf_counter() - begin
        gate.wait()
        start, seconds, earned = time.perf_counter(), [], []
        for path in paths:
            before = time.perf_counter()
            marks = marking.grade(path, b"secret", server=server).marks
            seconds.append(time.perf_counter() - before)
            earned.append(sum(mark.status == "right" for mark in marks))
        wall = time.perf_counter() - start
    results.put({"wall": wall, "seconds": seconds, "earned": earned, "start_up": ready})


def grade(paths: list[Path], workers: int) -> list[dict]:
    context = multiprocessing.get_context("spawn")
    gate, results = context.Barrier(workers), context.Queue()
    parts = [paths[i::workers] for i in range(workers)]
    jobs = [context.Process(target=worker, args=(part, gate, results)) for part in parts]
    for job in jobs:
        job.start()
    found = [results.get(timeout=300) for _ in jobs]
    for job in jobs:
        job.join()
    return found


def nbgrader(python: str, folder: Path, count: int) -> dict:
    """Seconds and scores by the interface of nbgrader, in one process for all students."""
    students = [f"s{i}" for i in range(count)]
    write(folder / "source" / "one" / "one.ipynb", theirs(0))
    for i, student in enumerate(students):
        write(folder / "submitted" / student / "one" / "one.ipynb", theirs(i % 3))
    site = sysconfig.get_paths()["purelib"]  # only torch is taken from here; its own come first
    packages = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    Path(packages, "torch_of_the_course.pth").write_text(site + "\n")
    done = subprocess.run(
        [python, "-W", "ignore", "-c", NBGRADER, str(folder), *students],
        capture_output=True, text=True, cwd=folder,
        env=os.environ | {"PATH": f"{Path(python).parent}:{os.environ['PATH']}"},
    )  # fmt: skip
    if done.returncode:
        sys.exit(done.stderr[-3000:])
    return json.loads(done.stdout.strip().split("\n")[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--nbgrader", help="Python that has nbgrader; without it, only ours is run")
    parser.add_argument("--count", type=int, default=12, help="submissions of nbgrader")
    options = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Linux "
          f"{platform.release()}, Python {platform.python_version()}")  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        many = 10 * options.count
        paths = [write(folder / "ours" / f"{i}.ipynb", ours(i % 3)) for i in range(many)]
        one, two = grade(paths, 1), grade(paths, 2)
        median = statistics.median(one[0]["seconds"])
        rate = {n: many / max(r["wall"] for r in found) for n, found in ((1, one), (2, two))}
        assert one[0]["earned"] == [6 - i % 3 for i in range(many)]
        print(f"here: median {median:.3f} s per submission; to start {one[0]['start_up']:.1f} s")
        gain = rate[2] / rate[1]
        print(f"per second: 1 worker {rate[1]:.2f}, 2 workers {rate[2]:.2f}, {gain:.2f} times")
        if options.nbgrader:
            found = nbgrader(options.nbgrader, folder, options.count)
            other = statistics.median(found["seconds"])
            assert found["scores"] == [6 - i % 3 for i in range(options.count)], found["scores"]
            print(f"nbgrader: median {other:.3f} s per submission; {other / median:.1f} times ours")


if __name__ == "__main__":
    main()
