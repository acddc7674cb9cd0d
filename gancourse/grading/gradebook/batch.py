"""Grade all that is queued in a gradebook.

Only this process writes to the gradebook. It may be killed at any moment: finished work is saved,
and the next call resumes with the rest.
"""

import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from tqdm import tqdm

from gancourse import exercises
from gancourse.errors import CourseError
from gancourse.grading.gradebook import version, workers
from gancourse.grading.gradebook.gradebook import LEASE, Gradebook, Job, this_process
from gancourse.grading.gradebook.records import StudentRecord
from gancourse.grading.gradebook.workers import Grade, Task
from gancourse.grading.judging import letters
from gancourse.grading.judging.marking import Result


def run(
    book: Gradebook,
    grade: Grade = workers.warm_grade,
    *,
    processes: int = 1,
    scheduler: str = "",
    sandbox: str = "bubblewrap",
    scope: str = "",
) -> int:
    """Grade what is queued, or one exercise of all submissions again; the number of those graded.

    Parameters
    ----------
    book : Gradebook
        Has the queue, and gets the results.
    grade : Grade
        What a worker calls: `grade(path, secret, sandbox=...)`. Importable where the workers run.
    processes : int
        Workers on this machine.
    scheduler : str
        Address of a Dask scheduler, in place of processes here.
    sandbox : str
        As `sandbox.server.Server` takes it.
    scope : str
        Id of an exercise ("2.3"), or "" for what has never been graded.

    Raises
    ------
    CourseError
        If grading can't continue: no sandbox, no scheduler, another version on a worker. What was
        graded until then is saved.
    """
    owner = this_process()
    book.release()
    versions = {number: version.exercises_version(number) for number in book.notebooks()}
    total = book.enqueue(versions, scope)
    renewed = time.monotonic()
    interval = 0.2 if sys.stderr.isatty() else 15.0  # seconds between lines in a log
    done = 0

    def tasks() -> Iterator[Task]:
        nonlocal done
        while (job := book.claim(owner)) is not None:
            if result := _by_stored_letter(book, job):
                book.finish(job, owner, result)
                done += 1
                bar.update()
                continue
            yield Task(job, versions[job.notebook], book.secret, sandbox, book.file(job.digest))

    if scheduler:
        outcomes = workers.cluster(tasks(), grade, scheduler)
    else:
        outcomes = workers.local(tasks(), grade, processes)
    try:
        with tqdm(
            total=total, desc="graded", unit=" submissions", mininterval=interval, disable=not total
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
    return done


def _by_stored_letter(book: Gradebook, job: Job) -> Result | None:
    """The mark for a letter that was observed before, by today's key; else None."""
    before = book.last_result(job.digest, job.scope) if job.scope else None
    for mark in before.marks if before else ():
        if mark.exercise == job.scope:
            verdict = letters.judge(exercises.find(job.scope), mark.observed)
            return replace(before, marks=(mark.judged(verdict),)) if verdict else None
    return None


def outdated(records: Sequence[StudentRecord]) -> list[str]:
    """A line for each notebook with marks from another version of its exercises."""
    current = version.exercises_version
    old = Counter(r.notebook for r in records if r.version and r.version != current(r.notebook))
    return [
        f"notebook {number}: {count} submissions keep marks from another version of its exercises; "
        "for an exercise that was corrected since: gancourse regrade"
        for number, count in sorted(old.items())
    ]
