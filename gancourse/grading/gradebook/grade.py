"""Grade what waits in a gradebook.

Only this process writes to the gradebook. It may be killed at any moment: what was graded is kept,
and the next call goes on with the rest.
"""

import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence

from tqdm import tqdm

from gancourse.errors import CourseError
from gancourse.grading.gradebook.gradebook import LEASE, Gradebook
from gancourse.grading.gradebook.owners import this_process
from gancourse.grading.gradebook.records import Record
from gancourse.grading.gradebook.workers import Grade, Task, cluster, local, version, warm_grade
from gancourse.grading.judging.judge import Result


def run(
    book: Gradebook,
    grade: Grade = warm_grade,
    *,
    workers: int = 1,
    scheduler: str = "",
    unsafe: bool = False,
    scope: str = "",
) -> int:
    """Grade what waits, or one exercise of all submissions again; the number of those graded.

    Parameters
    ----------
    book : Gradebook
        Holds the queue, and gets the results.
    grade : Grade
        What a worker calls: `grade(path, secret, unsafe=...)`. Importable where the workers run.
    workers : int
        Processes on this machine.
    scheduler : str
        Address of a Dask scheduler, in place of processes here.
    unsafe : bool
        Go on where there is no sandbox.
    scope : str
        Id of an exercise ("2.3"), or "" for what has never been graded.

    Raises
    ------
    CourseError
        If grading can't go on: no sandbox, no scheduler, another version on a worker. What was
        graded until then is kept.
    """
    owner = this_process()
    book.release()
    total = book.enqueue({number: version(number) for number in book.notebooks()}, scope)
    started, renewed = time.monotonic(), time.monotonic()
    quiet = 0.2 if sys.stderr.isatty() else 15.0  # seconds between lines in a log
    done = 0

    def tasks() -> Iterator[Task]:
        while (job := book.claim(owner)) is not None:
            yield Task(job, version(job.notebook), book.secret, unsafe, book.file(job.digest))

    outcomes = cluster(tasks(), grade, scheduler) if scheduler else local(tasks(), grade, workers)
    try:
        with tqdm(
            total=total, desc="graded", unit=" submissions", mininterval=quiet, disable=not total
        ) as bar:
            for item in outcomes:
                if time.monotonic() - renewed > LEASE / 4:
                    book.renew(owner)
                    renewed = time.monotonic()
                if item is None:
                    bar.update(0)
                    continue
                task, outcome = item
                if outcome.state == "stop":
                    raise CourseError(*outcome.text.split("\n", 2))
                result = Result.from_json(outcome.text) if outcome.state == "done" else None
                error = "" if result else outcome.text
                book.finish(task.job, owner, result, error, outcome.state)
                done += 1
                bar.update()
    finally:
        outcomes.close()
        book.release(owner)
        book.note_time(f"graded {done} of {total}", time.monotonic() - started)
    return done


def outdated(records: Sequence[Record]) -> list[str]:
    """A line for each notebook with marks that another version of the course gave."""
    old = Counter(r.notebook for r in records if r.version and r.version != version(r.notebook))
    return [
        f"notebook {number}: {count} submissions keep the marks that another version of the course "
        "gave; for an exercise that was corrected since: gancourse regrade"
        for number, count in sorted(old.items())
    ]
