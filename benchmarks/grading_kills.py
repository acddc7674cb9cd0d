"""Kill the grader repeatedly: no submission lost or graded twice, and the table equal to the byte.

    python benchmarks/grading_kills.py --submissions 60 --kills 20

A start takes some seconds, so most kills wait until a few more are graded, and then a moment.

Submissions are made from the notebook's solutions, some of them changed. One gradebook is graded
without interruption; another is killed (SIGKILL) at random moments as often as asked, and then runs
to the end. With --kills 0 only the memory of the command and its workers is shown.
"""

import argparse
import contextlib
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from gancourse.exercises import of_notebook
from gancourse.grading.answers import notebook_file
from gancourse.grading.gradebook.collect import Submission
from gancourse.grading.gradebook.gradebook import Gradebook
from gancourse.grading.reports import exports

ROOT = Path(__file__).resolve().parents[1]
SECRET = bytes(32)
COMMAND = """
import sys
from pathlib import Path
from gancourse.grading.gradebook import batch
from gancourse.grading.gradebook.gradebook import Gradebook
if __name__ == "__main__":
    batch.run(Gradebook(Path(sys.argv[1])), processes=int(sys.argv[2]))
"""


def make_class(number: str, count: int) -> list[Submission]:
    """Students who solve most exercises, get some wrong, and leave some unsolved."""
    student, solved = (
        json.loads(next((ROOT / folder).glob(f"{number}_*.ipynb")).read_text("utf-8"))
        for folder in ("notebooks", "solutions")
    )
    answers = {cell["id"]: "".join(cell["source"]) for cell in solved["cells"]}
    submissions = []
    for n in range(count):
        draw = random.Random(n)
        cells = json.loads(json.dumps(student["cells"]))
        for cell in cells:
            if cell["id"].startswith("exercise-") and draw.random() < 0.8:
                text = answers[cell["id"]]
                wrong = text.replace(" + ", " - ").replace(".mean()", ".sum()")
                cell["source"] = text if draw.random() < 0.7 else wrong.replace('"c"', '"a"')
        content = json.dumps({**student, "cells": cells, "metadata": {"student": n}}).encode()
        submissions.append(Submission(f"student{n:04d}", f"{number}.ipynb", number, content))
    return submissions


def graded(book: Gradebook) -> int:
    with book.engine.connect() as db:
        text = "select count(*) from jobs where state in ('done', 'failed', 'review')"
        return db.exec_driver_sql(text).scalar() or 0


def start(book: Gradebook, workers: int) -> subprocess.Popen:
    command = [sys.executable, "-c", COMMAND, str(book.folder), str(workers)]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


def memory(process: subprocess.Popen) -> float:
    """MB of the command and all processes it started; shared memory is counted once (PSS)."""
    total = 0
    with contextlib.suppress(psutil.Error):
        whole = psutil.Process(process.pid)
        for part in [whole, *whole.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):  # it has just ended
                total += part.memory_full_info().pss
    return total / 1e6


def watched(book: Gradebook, workers: int) -> list[tuple[int, float]]:
    """Grade to the end; number graded and MB, every two seconds."""
    process, seen = start(book, workers), []
    while process.poll() is None:
        time.sleep(2)
        seen.append((graded(book), memory(process)))
    assert process.returncode == 0
    return seen


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--notebook", default="02")
    parser.add_argument("--submissions", type=int, default=60)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0, help="of the moments of the kills")
    options = parser.parse_args()
    assert of_notebook(options.notebook)
    submissions = make_class(options.notebook, options.submissions)
    assert notebook_file.parse(submissions[0].content).notebook == options.notebook
    with tempfile.TemporaryDirectory() as folder:
        whole = Gradebook(Path(folder, "whole"), secret=SECRET)
        whole.add(submissions)
        begin = time.perf_counter()
        seen = watched(whole, options.workers)
        seconds = time.perf_counter() - begin
        print(f"{options.submissions} submissions, {options.workers} workers: {seconds:.0f} s")
        for part in (0.1, 0.25, 0.5, 0.75, 0.95):
            done, mb = seen[int(part * (len(seen) - 1))]
            print(f"  after {done:4}: {mb:6.0f} MB")
        tables = [exports.marks(whole.records(), str)]
        if options.kills:
            killed = Gradebook(Path(folder, "killed"), secret=SECRET)
            killed.add(submissions)
            draw, done = random.Random(options.seed), []
            while len(done) < options.kills and graded(killed) < options.submissions:
                process, more = start(killed, options.workers), draw.randint(0, 3)
                target = graded(killed) + more
                while more and graded(killed) < target and process.poll() is None:
                    time.sleep(0.05)
                time.sleep(draw.uniform(0, 2.0 if more else 15.0))
                if process.poll() is None:
                    process.send_signal(signal.SIGKILL)
                    done.append(graded(killed))
                process.wait()
            print(f"killed {len(done)} times, after {done} submissions")
            assert start(killed, options.workers).wait() == 0
            tables.append(exports.marks(killed.records(), str))
            assert tables[0] == tables[1], "the tables differ"
            with killed.engine.connect() as db:
                jobs = db.exec_driver_sql("select count(*) from jobs").scalar()
            different = {submission.content for submission in submissions}
            assert jobs == len(different), "a submission was graded twice"
            print(f"equal to the byte: {len(tables[0].encode())} bytes, {jobs} jobs")


if __name__ == "__main__":
    main()
