"""The command that gives points by hand: one mark, or a table of marks."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from gancourse.cli.gradebooks import Database, Grades, find_student, open_book, read_text
from gancourse.errors import CourseError

SHOWN = 10  # wrong rows of a table that are listed


def mark(
    student: Annotated[
        str, typer.Argument(help="Name in the gradebook, or the LMS's number or full name.")
    ] = "",
    exercise: Annotated[
        str,
        typer.Argument(help='"2.3", a rubric line ("11.a"), or "02" for the whole notebook.'),
    ] = "",
    points: Annotated[float | None, typer.Option(min=0, help="Points, by hand.")] = None,
    comment: Annotated[str, typer.Option(help="Shown to the student with the points.")] = "",
    clear: Annotated[
        bool, typer.Option("--clear", help="Remove points by hand: the grader's count again.")
    ] = False,
    table: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="CSV",
            help="marks.csv of `gancourse review`, or marks.csv or rubric.csv of `gancourse "
            "export`, filled in: columns student, exercise or notebook, points, comment.",
        ),
    ] = None,
    out: Grades = Path("grades"),
    database: Database = None,
) -> None:
    """Give points or a comment by hand; regrading leaves them."""
    if table is not None:
        if student or points is not None or comment or clear:
            raise typer.BadParameter("--from has all students, points and comments: give no more.")
        return _mark_table(open_book(out, database), read_text(table))
    if not student or not exercise:
        raise typer.BadParameter("Give a student and an exercise, or --from.")
    if (points is None and not comment) != clear:
        raise typer.BadParameter("Give --points, --comment or both; or --clear alone.")
    book = open_book(out, database)
    student = find_student(book, student)
    number = exercise.split(".")[0].zfill(2)
    whole = "." not in exercise
    exercise = number if whole else exercise
    records = [r for r in book.records() if r.student == student and r.notebook in ("", number)]
    _require_sound(exercise, points, records)
    book.mark(student, exercise, -1 if clear else points, comment)
    print(f"{student}, {exercise}: saved.")
    if not whole and any(number in record.by_hand for record in records):
        print(f"Points for the whole of {number} were given by hand: they count, until --clear.")
    for record in book.records():
        if record.student == student and record.notebook == number and record.waiting:
            print(f"Not marked yet: {record.problem}.")


def _require_sound(exercise: str, points: float | None, records: Sequence) -> None:
    """Raise an error that says why a mark makes no sense.

    Parameters
    ----------
    exercise : str
        "2.3", "11.a", or "02" for the whole notebook.
    points : float | None
        None: a comment, or no points any more.
    records : Sequence[StudentRecord]
        The student's, of this notebook.
    """
    from gancourse.exercises import rubric
    from gancourse.grading.gradebook.records import number_of
    from gancourse.grading.reports.overview import most_points, worth

    whole = "." not in exercise
    if whole and exercise not in worth():
        raise typer.BadParameter(f"There is no notebook {exercise}: {', '.join(worth())}.")
    most = worth()[exercise] if whole else most_points(exercise)
    if points is not None and not 0 <= points <= most:
        lines = ", ".join(map(str, rubric.of_notebook(number_of(exercise))))
        listed = f" Rubric lines, with their most points: {lines}." if lines else ""
        what = f"Points are at most {most} for {exercise}, not {points:g}."
        raise typer.BadParameter(what + listed)
    if not whole and records and not any(record.marks for record in records):
        number = number_of(exercise)
        what = f"{records[0].student}'s notebook {number} was not graded: give points for the whole"
        raise typer.BadParameter(f"{what} of it, as exercise {number}.")


def _mark_table(book, text: str) -> None:
    """Save the marks of a table that differ from the gradebook's: all of them, or none."""
    from gancourse.grading.gradebook.names import find
    from gancourse.grading.reports import exports
    from gancourse.grading.reports.overview import worth

    records, students, others = book.records(), book.students(), book.other_names()
    known = worth()
    index = {(record.student, record.notebook): record for record in records}
    names: dict[str, str] = {}
    marks: dict[tuple[str, str], tuple[float | None, str]] = {}
    wrong = []
    for n, row in enumerate(exports.filled_in(text, records), start=2):
        if not row.points and not row.comment:
            continue
        try:
            if row.student not in names:
                names[row.student] = find(row.student, students, others)
            student = names[row.student]
            record = index.get((student, row.notebook)) or index.get((student, ""))
            if row.notebook not in known:
                what = f"There is no exercise or notebook {row.exercise!r}."
                raise CourseError(what if row.exercise else "Exercise or notebook is missing.")
            if record is None:
                raise CourseError(f"{student!r} has not handed in notebook {row.notebook}.")
            mark = _changed(row, record)
        except (ValueError, CourseError, typer.BadParameter) as error:
            wrong.append(f"row {n}, {row.student}: {' '.join(str(error).split())}")
            continue
        if marks.setdefault((student, row.exercise), mark) != mark:
            wrong.append(f"row {n}, {student}: {row.exercise} is in the table twice.")
    if wrong:
        more = f"\n... and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        listed = "\n".join(wrong[:SHOWN]) + more
        raise CourseError("Nothing was saved: some rows are wrong.", listed, "Correct the table.")
    changed = [(*key, *mark) for key, mark in marks.items() if mark != (None, "")]
    replaced = list(_replaced(changed, index))
    book.mark_all(changed)
    for line in replaced:
        print(line)
    for given, name in names.items():
        if given != name:
            print(f"{given!r} is {name} in the gradebook.")
    waiting = sum(bool(record.waiting) for record in book.records())
    lines = f" Students with lines that are not marked yet: {waiting}." if waiting else ""
    print(f"{len(changed)} mark{'s' * (len(changed) != 1)} saved.{lines}")


def _replaced(changed: Sequence, index: Mapping) -> Iterator[str]:
    """Lines on points by hand that a table replaces: it may be older than they are."""
    for student, exercise, points, _ in changed:
        record = index.get((student, exercise.split(".")[0])) or index.get((student, ""))
        if points is not None and record and exercise in record.by_hand:
            before = record.points_of(exercise)
            yield f"{student}, {exercise}: points by hand, {before:g}, are now {points:g}."


def _changed(row, record) -> tuple[float | None, str]:
    """Points and comment of a row where they differ from the gradebook's; else None and ""."""
    try:
        points = float(row.points.replace(",", ".")) if row.points else None
    except ValueError:
        raise CourseError(f"{row.points!r} is no number of points for {row.exercise}.") from None
    comment = row.comment
    now = record.points_of(row.exercise)
    if points is not None and now is not None and f"{points:g}" == f"{now:g}":
        points = None
    if comment == record.comments.get(row.exercise, "").replace("\r\n", "\n").strip():
        comment = ""
    if points is not None or comment:
        _require_sound(row.exercise, points, [record])
    return points, comment
