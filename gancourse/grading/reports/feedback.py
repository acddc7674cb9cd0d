"""A page of feedback for each student.

Each is one file that needs no network. Everything in it that a student wrote is escaped.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from gancourse.grading.gradebook.records import StudentRecord

VERDICTS = {"unsolved": "not solved yet", "error": "could not be run"}
PAGES = Environment(
    loader=PackageLoader("gancourse.grading.reports", "pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
)


def student_page(records: Sequence[StudentRecord], title: Callable[[str], str]) -> str:
    """What one student reads: exercises, points, diagnoses, the instructor's comments.

    Parameters
    ----------
    records : Sequence[StudentRecord]
        All of one student. Their flags are for the instructor and are not shown.
    title : Callable[[str], str]
        The title of an exercise.
    """
    return PAGES.get_template("student.html").render(
        student=records[0].student,
        records=records,
        title=title,
        number=lambda value: f"{value:g}",
        verdicts=VERDICTS,
    )


def write_all(
    folder: Path, records: Iterable[StudentRecord], title: Callable[[str], str]
) -> dict[str, Path]:
    """Write a page for each student; student -> file."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for student, group in groupby(records, key=lambda record: record.student):
        paths[student] = folder / f"{file_name(student)}.html"
        paths[student].write_text(student_page(list(group), title), encoding="utf-8")
    return paths


def file_name(student: str) -> str:
    """A safe file name for a student, unique even on file systems that ignore case."""
    safe = re.sub(r"[^\w.-]+", "_", student).strip("._").encode()[:80].decode(errors="ignore")
    if safe == student and safe == safe.lower():
        return safe
    return f"{safe or 'student'}-{hashlib.sha256(student.encode()).hexdigest()[:8]}"
