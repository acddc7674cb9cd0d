"""Commands for the exercises: a student's own check, and an instructor's grading."""

import csv
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from gancourse.cli.extras import extra

Grades = Annotated[
    Path, typer.Option("--out", "--grades", help="Folder of the gradebook and all that it writes.")
]
Workers = Annotated[
    int | None, typer.Option("--workers", min=1, help="Processes here; one a core unless given.")
]
Scheduler = Annotated[str, typer.Option(help="Address of a Dask scheduler, in place of workers.")]
Database = Annotated[
    str | None, typer.Option(help="URL of a PostgreSQL database; needed once, then remembered.")
]
Unsafe = Annotated[
    bool, typer.Option("--unsafe-no-sandbox", help="Run untrusted code without walls; stamped.")
]


def check(
    notebook: Annotated[Path, typer.Argument(metavar="NN.ipynb", help="Your notebook, saved.")],
) -> None:
    """Show what would be graded in your notebook, and the points, here and without the network."""
    from gancourse.grading.answers.preview import preview

    found = preview(notebook)
    print(found)
    raise typer.Exit(0 if found.earned == found.points else 1)


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
        Path | None, typer.Option(help="CSV with student, days and, if they differ, notebook.")
    ] = None,
) -> None:
    """Grade submissions, each in a sandbox. Stopped or killed, the same command goes on."""
    if out.resolve().is_relative_to(submissions.resolve()):
        what = f"{out} lies in {submissions}, and what is in it would be graded too."
        raise typer.BadParameter(f"{what} Name another folder with --out.")
    book = _book(out, database, new=True)
    with extra("instructor"):
        from gancourse.grading.answers import submission
        from gancourse.grading.gradebook import grade as grader
        from gancourse.grading.gradebook.collect import collect
    rule = json.loads(book.get("late") or "{}")
    rule |= {"percent": late} if late is not None else {}
    rule |= {"most": late_most} if late_most is not None else {}
    before = rule.get("days", {})
    rule |= {"days": _days(late_days)} if late_days is not None else {}
    book.put("late", json.dumps(rule))
    book.add(collect(submissions, lambda content: submission.parse(content).notebook))
    for name in sorted({*before} - {*rule.get("days", {})}):
        print(f"no longer late, since {late_days} doesn't name them: {name}")
    for name in sorted({*rule.get("days", {})} - {one.student for one in book.records()}):
        print(f"days late are listed for {name!r}, who has handed in nothing")
    grader.run(book, workers=workers or _cores(), scheduler=scheduler, unsafe=unsafe)
    for line in grader.outdated(book.records()):
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
    """Grade one exercise of everybody again, after it was corrected, and say what changed."""
    from gancourse import exercises

    exercises.find(exercise)
    book = _book(out, database)
    from gancourse.grading.gradebook import grade as grader

    before = _points(book, exercise)
    options = {"workers": workers or _cores(), "scheduler": scheduler, "unsafe": unsafe}
    done = grader.run(book, scope=exercise, **options)
    after = _points(book, exercise)
    if not done:
        print(f"Nothing to do: exercise {exercise} has not changed since it was graded.")
    changed = {s: (before[s], p) for s, p in after.items() if s in before and before[s] != p}
    for student, (old, new) in changed.items():
        print(f"{student}: {old:g} -> {new:g}")
    marks = f"{len(changed)} mark{'s' * (len(changed) != 1)} changed"
    print(f"{done} graded again; {marks}. Earlier ones: gancourse history STUDENT.")
    _report(book)


def mark(
    student: Annotated[str, typer.Argument(help="As the export names the student.")],
    exercise: Annotated[str, typer.Argument(help='"2.3", or "02" for the whole notebook.')],
    points: Annotated[float | None, typer.Option(min=0, help="Points, by hand.")] = None,
    comment: Annotated[str, typer.Option(help="What the student reads beside it.")] = "",
    clear: Annotated[
        bool, typer.Option("--clear", help="The grader's points count again.")
    ] = False,
    out: Grades = Path("grades"),
    database: Database = None,
) -> None:
    """Give points or a comment by hand; regrading leaves them."""
    if (points is None and not comment) != clear:
        raise typer.BadParameter("Give --points, --comment or both; or --clear alone.")
    book = _book(out, database)
    from gancourse import exercises
    from gancourse.grading.reports import report

    whole = "." not in exercise
    exercise = exercise.zfill(2) if whole else exercise
    if whole and exercise not in report.worth():
        raise typer.BadParameter(f"There is no notebook {exercise}: {', '.join(report.worth())}.")
    worth = report.worth()[exercise] if whole else exercises.find(exercise).points
    if points is not None and points > worth:
        raise typer.BadParameter(f"Points are at most {worth} for {exercise}, not {points:g}.")
    number = exercise.split(".")[0].zfill(2)
    known = [one for one in book.records() if one.student == student]
    here = [one for one in known if one.notebook in ("", number)]
    if not whole and here and not any(one.marks for one in here):
        what = f"{student}'s notebook {number} was not graded: give points for the whole of it"
        raise typer.BadParameter(f"{what}, as exercise {number}.")
    book.mark(student, exercise, -1 if clear else points, comment)
    print(f"{student}, {exercise}: kept.")
    if not whole and any(number in one.by_hand for one in here):
        print(f"Points for the whole of {number} were given by hand: they count, until --clear.")


def history(
    student: Annotated[str, typer.Argument(help="As the export names the student.")],
    out: Grades = Path("grades"),
    database: Database = None,
) -> None:
    """Show all that was ever handed in, graded and marked for one student."""
    lines = _book(out, database).history(student)
    print("\n".join(lines) or f"Nothing is known of {student}.")
    raise typer.Exit(0 if lines else 1)


def feedback(out: Grades = Path("grades"), database: Database = None) -> None:
    """Write a page for each student, and one of the whole class."""
    book = _book(out, database)
    from gancourse.grading.reports import feedback as pages
    from gancourse.grading.reports import report

    records = book.records()
    written = pages.write_all(out / "feedback", records, report.title)
    print(f"{len(written)} pages in {out / 'feedback'}")
    print(f"{report.class_page(out, records)}: for you alone")


def export(
    canvas: Annotated[
        Path | None, typer.Option(help="CSV of Canvas's gradebook, exported: it is filled in.")
    ] = None,
    moodle: Annotated[
        list[str] | None,
        typer.Option(metavar="NN=CSV", help="Grading worksheet of a notebook's assignment."),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="NN=HEADING", help="Canvas's column for a notebook, if not clear."),
    ] = None,
    notebook: Annotated[
        list[str] | None, typer.Option(metavar="NN", help="Only these notebooks.")
    ] = None,
    out: Grades = Path("grades"),
    database: Database = None,
) -> None:
    """Write the marks as CSV; Canvas's and Moodle's tables are filled in, to be imported there."""
    book = _book(out, database)
    from gancourse.grading.reports import exports, report

    wanted = {number.zfill(2) for number in notebook or ()}
    records = [one for one in book.records() if not wanted or one.notebook in wanted]
    worth = report.worth()
    if wanted - {*worth}:
        what = f"There is no notebook {', '.join(sorted(wanted - {*worth}))}"
        raise typer.BadParameter(f"{what}: {', '.join(worth)}. Each has its own --notebook.")
    tables = {"marks": exports.marks(records, report.title)}
    tables["totals"] = exports.totals(records, worth)
    lines = [report.unmarked(one) for one in records if not one.has_score]
    if canvas is not None:
        template = _text(canvas)
        columns = _pairs(column, "column", worth)
        tables["canvas"], more = exports.canvas(template, records, worth, columns)
        lines += more
    for number, file in _pairs(moodle, "moodle", worth).items():
        own = [one for one in records if one.notebook == number]
        template = _text(Path(file))
        tables[f"moodle_{number}"], more = exports.moodle(template, own, worth[number])
        lines += more
    (out / "export").mkdir(exist_ok=True)
    for name, table in tables.items():
        path = out / "export" / f"{name}.csv"
        path.write_text(table, encoding="utf-8", newline="")
        print(path)
    lines = list(dict.fromkeys(lines))
    if lines:
        print(f"\nTo look at, {len(lines)}:", *lines, sep="\n  ")
    raise typer.Exit(1 if lines else 0)


COMMANDS = (check, grade, regrade, mark, history, feedback, export)


def _book(folder: Path, url: str | None, new: bool = False):
    """The gradebook of a folder; only `grade` makes one."""
    with extra("instructor"):
        from gancourse.grading.gradebook.gradebook import Gradebook
    if not (new or url or list(folder.glob("gradebook.sqlite")) + list(folder.glob("*.url"))):
        raise typer.BadParameter(f"There is no gradebook in {folder}: name its folder with --out.")
    return Gradebook(folder, url)


def _report(book) -> None:
    """Say how the class did, and end with status 1 where somebody has no mark."""
    from gancourse.grading.reports import report

    records = book.records()
    print(report.overview(book.folder, records))
    raise typer.Exit(0 if all(one.has_score for one in records) else 1)


def _points(book, exercise: str) -> dict[str, float]:
    records = book.records()
    return {r.student: r.earned(m) for r in records for m in r.marks if m.exercise == exercise}


def _days(path: Path) -> Mapping[str, Mapping[str, int]]:
    """Student -> notebook ("" for all) -> days late."""
    found: dict[str, dict[str, int]] = {}
    for row in csv.DictReader(_text(path).splitlines()):
        try:
            number = (row.get("notebook") or "").strip()
            days = int(row["days"])
            found.setdefault(row["student"].strip(), {})[number and number.zfill(2)] = days
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            what = f"{path} needs the columns student and days (whole numbers)."
            raise typer.BadParameter(f"{what} This row has not: {row}") from error
    return found


def _pairs(words: Sequence[str] | None, option: str, worth: Mapping[str, int]) -> dict[str, str]:
    pairs = [word.partition("=") for word in words or ()]
    for number, equals, value in pairs:
        if not equals or number.zfill(2) not in worth or not value:
            raise typer.BadParameter(f"--{option} is a notebook's number, =, and a name: 02=...")
    found = {number.zfill(2): value for number, _, value in pairs}
    if len(found) < len(pairs):
        raise typer.BadParameter(f"--{option} names a notebook twice: export once for each.")
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{path} can't be read as UTF-8 text: {error}") from error


def _cores() -> int:
    count = getattr(os, "sched_getaffinity", None)
    return len(count(0)) if count else os.cpu_count() or 1
