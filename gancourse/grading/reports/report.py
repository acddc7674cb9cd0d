"""What is said of a whole gradebook: facts that its tables need, an overview, the class's page."""

from collections.abc import Sequence
from pathlib import Path

from gancourse import env, exercises
from gancourse.errors import CourseError
from gancourse.grading.answers import submission
from gancourse.grading.gradebook.records import Record
from gancourse.grading.judging import similarity
from gancourse.grading.reports import feedback, summary


def title(id: str) -> str:
    """The title of an exercise; empty for one that is no longer in the course."""
    try:
        return exercises.find(id).title
    except CourseError:
        return ""


def worth() -> dict[str, int]:
    """Points of each notebook that has exercises."""
    numbers = [f"{n:02d}" for n in range(100)]
    found = {n: sum(e.points for e in exercises.of_notebook(n)) for n in numbers}
    return {number: points for number, points in found.items() if points}


def given() -> dict[str, str]:
    """Exercise -> the cell that students were given, where the course's folder is at hand."""
    found = {}
    for path in sorted((env.root() / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        try:
            notebook = submission.read(path)
        except submission.Unreadable:  # an instructor's own, that lies there too
            continue
        for one in exercises.of_notebook(notebook.notebook):
            found[one.id] = notebook.answer(one.id)
    return found


def class_page(folder: Path, records: Sequence[Record]) -> Path:
    """Write the page of the class, with what a human should look at; its path."""
    answers: dict[str, dict[str, str]] = {}
    for one in records:
        for mark in one.marks:
            answers.setdefault(mark.exercise, {})[one.student] = mark.answer
    pairs = similarity.pairs(answers, given())
    books = summary.summarise(records, exercises.of_notebook)
    path = folder / "class.html"
    path.write_text(feedback.class_page(books, records, pairs), encoding="utf-8")
    return path


def overview(folder: Path, records: Sequence[Record]) -> str:
    """How the class did, for the terminal; writes the page too."""
    books = summary.summarise(records, exercises.of_notebook)
    lines = [summary.text(book) for book in books]
    review = sum(one.status == "needs review" for one in records)
    missing = [one for one in records if not one.has_score]
    page = class_page(folder, records)
    lines.append(f"{review} to be looked at, {len(missing)} without a mark: see {page}")
    return "\n".join([*lines, *(f"  {unmarked(one)}" for one in missing)])


def unmarked(one: Record) -> str:
    """Who has no mark, and why, in a line."""
    why = ": ".join(part for part in (one.status, one.problem) if part)
    return f"{one.student}, notebook {one.notebook or '?'}: {why}"
