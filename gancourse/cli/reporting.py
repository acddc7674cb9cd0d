"""Commands that tell what is in the gradebook: names, history, feedback, tables."""

import hashlib
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from gancourse.cli.gradebooks import (
    Database,
    Grades,
    earlier_records,
    find_student,
    open_book,
    read_text,
)


class System(str, Enum):
    """A learning management system."""

    canvas = "canvas"
    moodle = "moodle"


def students(out: Grades = Path("grades"), database: Database = None) -> None:
    """List the students in the gradebook, with what they handed in and whether it has a score."""
    book = open_book(out, database)
    lines: dict[str, list[str]] = {name: [] for name in book.students()}
    for record in book.records():
        what = record.notebook or record.file
        lines[record.student].append(f"{what}: {'score' if record.has_score else record.status}")
    for name, notebooks in lines.items():
        print(f"{name}    {', '.join(notebooks)}".rstrip())


def history(
    student: Annotated[
        str, typer.Argument(help="Name in the gradebook, or the LMS's number or full name.")
    ],
    out: Grades = Path("grades"),
    database: Database = None,
) -> None:
    """Show everything that was ever recorded for a student."""
    book = open_book(out, database)
    print("\n".join(book.history(find_student(book, student))))


def review(
    exercise: Annotated[
        list[str] | None, typer.Argument(metavar="[EXERCISE]...", help="None means all.")
    ] = None,
    out: Grades = Path("grades"),
    database: Database = None,
) -> None:
    """Write a page for each exercise, with all answers, to mark them by hand.

    Equal answers are shown once. The page makes a table for `gancourse mark --from`.
    """
    from gancourse import exercises

    for id in exercise or ():
        exercises.find(id)
    book = open_book(out, database)
    from gancourse.grading.reports import overview, review

    key = hashlib.sha256(b"review" + book.secret).hexdigest()[:16]
    paths = review.write_all(out / "review", book.records(), overview.title, key, exercise or ())
    print(f"{len(paths) - 1} pages in {out / 'review'}: open {paths[-1]}")


def feedback(out: Grades = Path("grades"), database: Database = None) -> None:
    """Write a page for each student, and one for the instructor."""
    book = open_book(out, database)
    from gancourse.grading.reports import feedback, overview

    records = book.records()
    pages, changed = feedback.write_all(out / "feedback", records, overview.title)
    print(f"{len(pages)} pages in {out / 'feedback'}, {changed} of them new or changed")
    print(
        f"{overview.write_class_page(out, records, earlier_records(book))}: for the instructor only"
    )


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
    zipped: Annotated[
        System | None,
        typer.Option(
            "--feedback-zip", help="A zip of feedback for each notebook, for Canvas or Moodle."
        ),
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
    chosen = _chosen(notebook, worth)
    everything = book.records()
    records = [record for record in everything if not chosen or record.notebook in chosen]
    tables: dict[str, str] = {"marks": exports.marks(records, overview.title)}
    tables["totals"] = exports.totals(records, worth)
    if lines_to_fill := exports.rubric_lines(records, overview.title):
        tables["rubric"] = lines_to_fill
    lines = [overview.unmarked(record) for record in records if not record.has_score]
    if canvas is not None:
        columns, template = _pairs(column, "column", worth), read_text(canvas)
        tables["canvas"], left_out = exports.canvas(template, records, worth, columns)
        book.add_names(exports.known_as(template, records))
        lines += left_out
    for number, file in _pairs(moodle, "moodle", worth).items():
        of_notebook = [record for record in records if record.notebook == number]
        template = read_text(Path(file))
        table, left_out = exports.moodle(template, of_notebook, worth[number])
        book.add_names(exports.known_as(template, of_notebook))
        tables[f"moodle_{number}"] = table
        lines += left_out
    files: dict[str, str | bytes] = {f"{name}.csv": table for name, table in tables.items()}
    if zipped is not None:
        zips, left_out = _zips(zipped.value, records)
        files |= zips
        lines += left_out
    _write(out, files, everything)
    lines = list(dict.fromkeys(lines))
    if lines:
        print(f"\nTo review, {len(lines)}:", *lines, sep="\n  ")
    raise typer.Exit(1 if lines else 0)


def _write(out: Path, files: Mapping[str, str | bytes], records: Sequence) -> None:
    """Write the files of an export; says if feedback pages are older than the marks."""
    from gancourse.grading.gradebook.files import private_folder, write_private
    from gancourse.grading.reports import feedback, overview

    folder = private_folder(out / "export")
    for name, content in files.items():
        write_private(folder / name, content)
        print(folder / name)
    if old := feedback.outdated(out / "feedback", records, overview.title):
        print(f"Feedback pages that are older than the marks, {len(old)}: run gancourse feedback")


def _chosen(notebooks: Sequence[str] | None, worth: Mapping[str, int]) -> set[str]:
    chosen = {number.zfill(2) for number in notebooks or ()}
    if missing := sorted(chosen - {*worth}):
        what = f"There is no notebook {', '.join(missing)}: {', '.join(worth)}."
        raise typer.BadParameter(f"{what} Repeat --notebook for each one.")
    return chosen


def _zips(system: str, records: Sequence) -> tuple[dict[str, bytes], list[str]]:
    """Name -> zip of feedback for each notebook with a score; and who is left out."""
    from gancourse.grading.reports import feedback_zip, overview

    files, lines = {}, []
    for number in sorted({record.notebook for record in records if record.has_score}):
        of_notebook = [record for record in records if record.notebook == number]
        content, left_out = feedback_zip.pack(system, of_notebook, overview.title)
        files[f"feedback_{system}_{number}.zip"] = content
        lines += left_out
    return files, lines


def _pairs(values: Sequence[str] | None, option: str, worth: Mapping[str, int]) -> dict[str, str]:
    pairs = [value.partition("=") for value in values or ()]
    for number, equals, value in pairs:
        if not equals or number.zfill(2) not in worth or not value:
            raise typer.BadParameter(f"--{option} takes a notebook's number, = and a value: 02=...")
    by_number = {number.zfill(2): value for number, _, value in pairs}
    if len(by_number) < len(pairs):
        raise typer.BadParameter(f"--{option} names a notebook twice: export once for each.")
    return by_number
