"""A page of feedback for each student.

Each is one file that needs no network. Everything in it that a student wrote is escaped.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from gancourse.grading.gradebook.files import private_folder, write_private
from gancourse.grading.gradebook.records import StudentRecord

VERDICTS = {"unsolved": "not solved yet", "error": "could not be run"}
PAGES = Environment(
    loader=PackageLoader("gancourse.grading.reports", "pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
)


def student_page(
    records: Sequence[StudentRecord], title: Callable[[str], str], written: datetime | None = None
) -> str:
    """What one student reads: exercises, points, diagnoses, the instructor's comments.

    Parameters
    ----------
    records : Sequence[StudentRecord]
        All of one student. Their flags are for the instructor and are not shown.
    title : Callable[[str], str]
        The title of an exercise.
    written : datetime | None
        The time that the page shows; now by default.
    """
    return PAGES.get_template("student.html").render(
        student=records[0].student,
        records=records,
        title=title,
        number=lambda value: f"{value:g}",
        verdicts=VERDICTS,
        headline=headline,
        written=written or datetime.now().astimezone(),
    )


def headline(record: StudentRecord) -> str:
    """The score in words, with what lateness cost."""
    of = f" of {record.points}" if record.points else ""
    text = f"{record.score:g}{of} points"
    if record.penalty:
        days = f"{record.days_late} day{'s' * (record.days_late != 1)} late"
        text += f", after a deduction of {record.deducted:g} ({record.penalty_text}) for {days}"
    return f"{text}."


def write_all(
    folder: Path, records: Iterable[StudentRecord], title: Callable[[str], str]
) -> tuple[dict[str, Path], int]:
    """Write a page for each student: student -> file, and how many are new or changed.

    A page that would say the same as before stays, with its time.
    """
    private_folder(folder)
    paths, changed = {}, 0
    for student, group in groupby(records, key=lambda record: record.student):
        paths[student] = folder / f"{file_name(student)}.html"
        page = student_page(list(group), title)
        if _without_time(page) != _saved(paths[student]):
            write_private(paths[student], page)
            changed += 1
    return paths, changed


def outdated(
    folder: Path, records: Iterable[StudentRecord], title: Callable[[str], str]
) -> list[str]:
    """Students whose page is missing or differs from their marks; none before any was written."""
    if not folder.is_dir():
        return []
    by_student = groupby(records, key=lambda record: record.student)
    return [
        student
        for student, group in by_student
        if _without_time(student_page(list(group), title))
        != _saved(folder / f"{file_name(student)}.html")
    ]


def _saved(path: Path) -> str | None:
    """A page that was written before, without its time."""
    try:
        return _without_time(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return None


def _without_time(page: str) -> str:
    return re.sub(r"<time.*?</time>", "", page, count=1)


def file_name(student: str) -> str:
    """A safe file name for a student, unique even on file systems that ignore case."""
    safe = re.sub(r"[^\w.-]+", "_", student).strip("._").encode()[:80].decode(errors="ignore")
    made = re.search(r"-[0-9a-f]{8}$", safe)  # a student may be called like another one's file
    if safe == student and safe == safe.lower() and not made:
        return safe
    return f"{safe or 'student'}-{hashlib.sha256(student.encode()).hexdigest()[:8]}"
