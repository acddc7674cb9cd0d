"""Commands for the exercises: a student's own check, and an instructor's grading."""

import csv
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from gancourse.cli.extras import extra
from gancourse.cli.gradebooks import (
    Database,
    Grades,
    earlier_records,
    find_student,
    open_book,
    read_text,
    remember_earlier,
)  # fmt: skip
from gancourse.errors import CourseError

Workers = Annotated[
    int | None,
    typer.Option("--workers", min=1, help="Local processes; default: as cores and memory allow."),
]
Scheduler = Annotated[str, typer.Option(help="Address of a Dask scheduler, to use a cluster.")]


class Sandbox(str, Enum):
    """What keeps a submission from the machine and from other submissions."""

    bubblewrap = "bubblewrap"
    container = "container"


Kind = Annotated[
    Sandbox,
    typer.Option(
        "--sandbox", help="container: a user for each submission, where bubblewrap is refused."
    ),
]
Unsafe = Annotated[
    bool, typer.Option("--unsafe-no-sandbox", help="No sandbox; results are stamped UNSAFE.")
]

Whole = Annotated[
    bool | None,
    typer.Option("--whole/--parts", help="Points for right exercises only, or for parts too."),
]
Earlier = Annotated[
    list[Path] | None,
    typer.Option(metavar="DIR", help="Gradebook of an earlier term, to compare answers with."),
]


class Of(str, Enum):
    """What a day late costs a percentage of."""

    score = "score"
    maximum = "maximum"


def check(
    notebook: Annotated[Path, typer.Argument(metavar="NN.ipynb", help="Your notebook, saved.")],
    to: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the result as JSON too.")
    ] = None,
) -> None:
    """Show what would be graded in your notebook, and the points."""
    from gancourse.grading.answers.preview import preview

    result = preview(notebook)
    print(result)
    if to is not None:
        to.write_text(result.to_json(), encoding="utf-8")
    raise typer.Exit(0 if result.earned == result.points else 1)


def grade(
    submissions: Annotated[
        Path, typer.Argument(help="Folder of submissions, or the zip of an LMS.")
    ],
    layout: Annotated[
        str, typer.Option(help="How they are laid out, if not recognized: canvas, github ...")
    ] = "",
    out: Grades = Path("grades"),
    workers: Workers = None,
    scheduler: Scheduler = "",
    database: Database = None,
    sandbox: Kind = Sandbox.bubblewrap,
    unsafe: Unsafe = False,
    whole: Whole = None,
    late: Annotated[
        float | None,
        typer.Option(min=0, max=100, help="Percent of the score that each day late costs."),
    ] = None,
    late_of: Annotated[
        Of | None,
        typer.Option(help="Whether that is a percentage of the student's score or of the maximum."),
    ] = None,
    late_most: Annotated[
        float | None, typer.Option(min=0, max=100, help="Percent that lateness costs at most.")
    ] = None,
    late_days: Annotated[
        Path | None, typer.Option(help="CSV: student, days and, where they differ, notebook.")
    ] = None,
    earlier: Earlier = None,
) -> None:
    """Grade submissions, each in a sandbox. If stopped or killed, run it again: it resumes."""
    if out.resolve().is_relative_to(submissions.resolve()):
        what = f"{out} is inside {submissions}, and its files would be graded too."
        raise typer.BadParameter(f"{what} Name another folder with --out.")
    how = _how(workers, scheduler, sandbox, unsafe)
    book = open_book(out, database, new=True)
    remember_earlier(book, earlier or [])
    with extra("instructor"):
        from gancourse.grading.answers import notebook_file
        from gancourse.grading.gradebook import batch
        from gancourse.grading.gradebook.collect import collect
        from gancourse.grading.gradebook.layouts import LAYOUTS
    if layout and layout not in LAYOUTS:
        raise typer.BadParameter(f"--layout is one of {', '.join(LAYOUTS)}, not {layout!r}.")
    rule = {"percent": late, "of": late_of and late_of.value, "most": late_most}
    rule |= {"days": None if late_days is None else _days(late_days)}
    before, rule = _save_rule(book, rule)
    if whole is not None:
        book.put("whole", "yes" if whole else "")
    collected = collect(submissions, notebook_file.parse, layout)
    print(collected)
    book.add(_told(collected))
    _name_late(book, before, rule)
    batch.run(book, **how)
    for line in batch.outdated(book.records()):
        print(line)
    _report(book)


def regrade(
    exercise: Annotated[str, typer.Argument(help='An exercise that was corrected: "2.3".')],
    out: Grades = Path("grades"),
    workers: Workers = None,
    scheduler: Scheduler = "",
    database: Database = None,
    sandbox: Kind = Sandbox.bubblewrap,
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
    how = _how(workers, scheduler, sandbox, unsafe)
    book = open_book(out, database)
    from gancourse.grading.gradebook import batch

    before = _points(book, exercise)
    count = batch.run(book, scope=exercise, **how)
    after = _points(book, exercise)
    if not count:
        print(f"Nothing to do: exercise {exercise} has not changed since it was graded.")
    changed = {s: (before[s], p) for s, p in after.items() if s in before and before[s] != p}
    for student, (old, new) in changed.items():
        print(f"{student}: {old:g} -> {new:g}")
    marks = f"{len(changed)} mark{'s' * (len(changed) != 1)} changed"
    print(f"{count} graded again; {marks}. Earlier ones: gancourse history STUDENT.")
    _report(book)


def _told(collected: Iterable) -> Iterator:
    """Submissions; those whose notes an instructor should read are printed."""
    for submission in collected:
        if "unchanged" in submission.note or submission.blank:
            who = f"{submission.student}, notebook {submission.notebook}, {submission.file}"
            print(f"{who}: {submission.note}")
        yield submission


def _report(book) -> None:
    """Print how the class did; the status is 1 where a student has no mark of the grader."""
    from gancourse.grading.reports.overview import overview

    records = book.records()
    print(overview(book.folder, records, earlier_records(book)))
    raise typer.Exit(0 if all(record.has_score or record.waiting for record in records) else 1)


def _points(book, exercise: str) -> dict[str, float]:
    records = book.records()
    return {r.student: r.earned(m) for r in records for m in r.marks if m.exercise == exercise}


def _save_rule(book, given: Mapping) -> tuple[dict, dict]:
    """The rule for lateness before, and with what options give now."""
    before = json.loads(book.get("late") or "{}")
    rule = before | {name: value for name, value in given.items() if value is not None}
    book.put("late", json.dumps(rule))
    return before, rule


def _name_late(book, before: Mapping, rule: Mapping) -> None:
    """Save the rule with the gradebook's names; print who is not late any more."""
    named = _with_names(book, rule)
    book.put("late", json.dumps(named))
    for name in sorted({*before.get("days", {})} - {*rule.get("days", {}), *named.get("days", {})}):
        print(f"no longer late, since --late-days doesn't name them: {name}")


def _with_names(book, rule: Mapping) -> dict:
    """The rule for lateness, with the gradebook's names; says whose days can't count."""
    if "days" not in rule:
        return dict(rule)
    days: dict[str, dict[str, int]] = {}
    for wanted, of_student in rule["days"].items():
        try:
            name = find_student(book, wanted)
        except CourseError as error:
            name = wanted
            print(" ".join(f"Days late do not count. {error.what} {error.why}".split()))
        days[name] = {**days.get(name, {}), **of_student}
    return {**rule, "days": days}


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


def _how(workers: int | None, scheduler: str, sandbox: Sandbox, unsafe: bool) -> dict[str, Any]:
    """Where and in what sandboxes submissions are graded, as `batch.run` takes it."""
    if unsafe and sandbox is not Sandbox.bubblewrap:
        what = f"--sandbox {sandbox.value} is a sandbox, --unsafe-no-sandbox means none"
        raise typer.BadParameter(f"{what}: leave out one of them.")
    if workers is None and not scheduler:
        with extra("instructor"):
            from gancourse.grading.gradebook import capacity
        workers, why = capacity.workers()
        if workers < len(capacity.cores()):
            plural = "s" * (workers != 1)
            print(f"{workers} worker{plural}: {why}. Another number: --workers", file=sys.stderr)
    kind = "none" if unsafe else sandbox.value
    return {"processes": workers or 1, "scheduler": scheduler, "sandbox": kind}
