"""Commands for the exercises: a student's own check, and an instructor's grading."""

import csv
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from gancourse.cli.extras import extra
from gancourse.cli.gradebooks import (
    Database,
    Grades,
    earlier_records,
    open_book,
    read_text,
    remember_earlier,
)  # fmt: skip
from gancourse.cli.marking import mark

Workers = Annotated[
    int | None, typer.Option("--workers", min=1, help="Local processes; default: one per core.")
]
Scheduler = Annotated[str, typer.Option(help="Address of a Dask scheduler, to use a cluster.")]
Unsafe = Annotated[
    bool, typer.Option("--unsafe-no-sandbox", help="No sandbox; results are stamped UNSAFE.")
]


def check(
    notebook: Annotated[Path, typer.Argument(metavar="NN.ipynb", help="Your notebook, saved.")],
) -> None:
    """Show what would be graded in your notebook, and the points."""
    from gancourse.grading.answers.preview import preview

    result = preview(notebook)
    print(result)
    raise typer.Exit(0 if result.earned == result.points else 1)


def grade(
    submissions: Annotated[
        Path, typer.Argument(help="Folder of submissions, or the zip of Canvas or Moodle.")
    ],
    out: Grades = Path("grades"),
    workers: Workers = None,
    scheduler: Scheduler = "",
    database: Database = None,
    unsafe: Unsafe = False,
    late: Annotated[
        float | None, typer.Option(min=0, max=100, help="Percent that each day late costs.")
    ] = None,
    late_most: Annotated[
        float | None, typer.Option(min=0, max=100, help="Percent that lateness costs at most.")
    ] = None,
    late_days: Annotated[
        Path | None, typer.Option(help="CSV: student, days and, where they differ, notebook.")
    ] = None,
    earlier: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="Gradebook of an earlier term, to compare answers with."),
    ] = None,
) -> None:
    """Grade submissions, each in a sandbox. If stopped or killed, run it again: it resumes."""
    if out.resolve().is_relative_to(submissions.resolve()):
        what = f"{out} is inside {submissions}, and its files would be graded too."
        raise typer.BadParameter(f"{what} Name another folder with --out.")
    book = open_book(out, database, new=True)
    remember_earlier(book, earlier or [])
    with extra("instructor"):
        from gancourse.grading.answers import notebook_file
        from gancourse.grading.gradebook import batch
        from gancourse.grading.gradebook.collect import collect
    rule = json.loads(book.get("late") or "{}")
    listed = set(rule.get("days", {}))
    rule |= {"percent": late} if late is not None else {}
    rule |= {"most": late_most} if late_most is not None else {}
    rule |= {"days": _days(late_days)} if late_days is not None else {}
    book.put("late", json.dumps(rule))
    book.add(collect(submissions, lambda content: notebook_file.parse(content).notebook))
    for name in sorted(listed - set(rule.get("days", {}))):
        print(f"no longer late, since {late_days} doesn't name them: {name}")
    for name in sorted(set(rule.get("days", {})) - {r.student for r in book.records()}):
        print(f"days late are listed for {name!r}, who has handed in nothing")
    batch.run(book, processes=workers or _cores(), scheduler=scheduler, unsafe=unsafe)
    for line in batch.outdated(book.records()):
        print(line)
    _report(book)


def regrade(
    exercise: Annotated[str, typer.Argument(help='An exercise that was corrected: "2.3".')],
    out: Grades = Path("grades"),
    workers: Workers = None,
    scheduler: Scheduler = "",
    database: Database = None,
    unsafe: Unsafe = False,
) -> None:
    """Grade one corrected exercise again, for all students.

    Prints each mark that changed.
    """
    from gancourse import exercises
    from gancourse.exercises import rubric

    if any(line.id == exercise for lines in rubric.RUBRICS.values() for line in lines):
        raise typer.BadParameter(f"{exercise} is marked by hand: there is nothing to grade again.")
    exercises.find(exercise)
    book = open_book(out, database)
    from gancourse.grading.gradebook import batch

    before = _points(book, exercise)
    options = {"processes": workers or _cores(), "scheduler": scheduler, "unsafe": unsafe}
    count = batch.run(book, scope=exercise, **options)
    after = _points(book, exercise)
    if not count:
        print(f"Nothing to do: exercise {exercise} has not changed since it was graded.")
    changed = {s: (before[s], p) for s, p in after.items() if s in before and before[s] != p}
    for student, (old, new) in changed.items():
        print(f"{student}: {old:g} -> {new:g}")
    marks = f"{len(changed)} mark{'s' * (len(changed) != 1)} changed"
    print(f"{count} graded again; {marks}. Earlier ones: gancourse history STUDENT.")
    _report(book)


def history(
    student: Annotated[str, typer.Argument(help="As the export names the student.")],
    out: Grades = Path("grades"),
    database: Database = None,
) -> None:
    """Show everything that was ever recorded for a student."""
    lines = open_book(out, database).history(student)
    print("\n".join(lines) or f"Nothing is recorded for {student}.")
    raise typer.Exit(0 if lines else 1)


def feedback(out: Grades = Path("grades"), database: Database = None) -> None:
    """Write a page for each student, and one for the instructor."""
    book = open_book(out, database)
    from gancourse.grading.reports import feedback, overview

    records = book.records()
    pages = feedback.write_all(out / "feedback", records, overview.title)
    print(f"{len(pages)} pages in {out / 'feedback'}")
    page = overview.write_class_page(out, records, earlier_records(book))
    print(f"{page}: for the instructor only")


def export(
    canvas: Annotated[
        Path | None, typer.Option(help="Gradebook that Canvas exported (CSV), to fill in.")
    ] = None,
    moodle: Annotated[
        list[str] | None,
        typer.Option(metavar="NN=CSV", help="Moodle's grading worksheet for a notebook."),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="NN=HEADING", help="Canvas's column for a notebook, if not found."),
    ] = None,
    notebook: Annotated[
        list[str] | None, typer.Option(metavar="NN", help="Only this notebook; can be repeated.")
    ] = None,
    out: Grades = Path("grades"),
    database: Database = None,
) -> None:
    """Write the marks as CSV, and fill in Canvas's or Moodle's table."""
    book = open_book(out, database)
    from gancourse.grading.reports import exports, overview

    worth = overview.worth()
    chosen = {number.zfill(2) for number in notebook or ()}
    if missing := sorted(chosen - {*worth}):
        what = f"There is no notebook {', '.join(missing)}: {', '.join(worth)}."
        raise typer.BadParameter(f"{what} Repeat --notebook for each one.")
    records = [record for record in book.records() if not chosen or record.notebook in chosen]
    tables = {"marks": exports.marks(records, overview.title)}
    tables["totals"] = exports.totals(records, worth)
    if lines_to_fill := exports.rubric_lines(records, overview.title):
        tables["rubric"] = lines_to_fill
    lines = [overview.unmarked(record) for record in records if not record.has_score]
    if canvas is not None:
        columns = _pairs(column, "column", worth)
        tables["canvas"], left_out = exports.canvas(read_text(canvas), records, worth, columns)
        lines += left_out
    for number, file in _pairs(moodle, "moodle", worth).items():
        of_notebook = [record for record in records if record.notebook == number]
        table, left_out = exports.moodle(read_text(Path(file)), of_notebook, worth[number])
        tables[f"moodle_{number}"] = table
        lines += left_out
    (out / "export").mkdir(exist_ok=True)
    for name, table in tables.items():
        path = out / "export" / f"{name}.csv"
        path.write_text(table, encoding="utf-8", newline="")
        print(path)
    lines = list(dict.fromkeys(lines))
    if lines:
        print(f"\nTo review, {len(lines)}:", *lines, sep="\n  ")
    raise typer.Exit(1 if lines else 0)


COMMANDS = (check, grade, regrade, mark, history, feedback, export)


def _report(book) -> None:
    """Print how the class did; the status is 1 where a student has no mark of the grader."""
    from gancourse.grading.reports.overview import overview

    records = book.records()
    print(overview(book.folder, records, earlier_records(book)))
    raise typer.Exit(0 if all(record.has_score or record.waiting for record in records) else 1)


def _points(book, exercise: str) -> dict[str, float]:
    records = book.records()
    return {r.student: r.earned(m) for r in records for m in r.marks if m.exercise == exercise}


def _days(path: Path) -> Mapping[str, Mapping[str, int]]:
    """Student -> notebook ("" for all) -> days late."""
    days: dict[str, dict[str, int]] = {}
    for row in csv.DictReader(read_text(path).splitlines()):
        try:
            number = (row.get("notebook") or "").strip()
            count = int(row["days"])
            days.setdefault(row["student"].strip(), {})[number and number.zfill(2)] = count
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            what = f"{path} needs the columns student and days (integers)."
            raise typer.BadParameter(f"{what} This row is wrong: {row}") from error
    return days


def _pairs(values: Sequence[str] | None, option: str, worth: Mapping[str, int]) -> dict[str, str]:
    pairs = [value.partition("=") for value in values or ()]
    for number, equals, value in pairs:
        if not equals or number.zfill(2) not in worth or not value:
            raise typer.BadParameter(f"--{option} takes a notebook's number, = and a value: 02=...")
    by_number = {number.zfill(2): value for number, _, value in pairs}
    if len(by_number) < len(pairs):
        raise typer.BadParameter(f"--{option} names a notebook twice: export once for each.")
    return by_number


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
