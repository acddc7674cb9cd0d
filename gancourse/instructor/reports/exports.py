"""Marks as tables: plain CSV, and the forms that Canvas and Moodle import.

Both systems import the table that they themselves export, with grades filled in. So the table is
read, students are found in it, and only rows that have a grade are touched; nobody gets a 0 because
something went wrong. A cell that a spreadsheet would take for a formula is made text.
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from html import escape

from gancourse.env import CourseError
from gancourse.instructor.grading.records import Record

FORMULA = re.compile(r"^\s*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20\t\r]")
NUMBER = re.compile(r"^\s*[+-]?\d*[.,]?\d*\s*$")
CANVAS_PEOPLE = ("Student", "LastName", "FirstName", "ID", "SIS User ID", "SIS Login ID")
MARKS = ("student", "notebook", "exercise", "title", "points", "earned", "by hand", "verdict")
MARKS += ("message", "comment", "status", "flags")
TOTALS = ("student", "notebook", "score", "points", "days late", "penalty in percent", "status")
TOTALS += ("problem", "comment", "flags")
SIGN = "Graded by gancourse: "  # begins a comment that may be written over the next time


def safe(cell: object) -> str:
    """A cell that no spreadsheet takes for a formula."""
    text = str(cell)
    return f"'{text}" if FORMULA.match(text) and not NUMBER.match(text) else text


def marks(records: Iterable[Record], title: Callable[[str], str]) -> str:
    """One row for each student and exercise; one where there are no marks, saying why."""
    rows: list[Sequence] = [MARKS]
    for one in records:
        if not one.marks:
            text = one.problem, one.comments.get(one.notebook, ""), one.status, "; ".join(one.flags)
            rows.append((one.student, one.notebook, "", "", "", "", "", "", *text))
        for mark in one.marks:
            rows.append(
                (
                    *(one.student, one.notebook, mark.exercise, title(mark.exercise)),
                    *(mark.points, f"{one.earned(mark):g}"),
                    "yes" if mark.exercise in one.by_hand else "",
                    *(mark.status, mark.message, one.comments.get(mark.exercise, "")),
                    *(one.status, "; ".join((*one.flags, *mark.flags))),
                )
            )
    return _written(rows)


def totals(records: Iterable[Record], points: Mapping[str, int]) -> str:
    """One row for each student and notebook."""
    rows: list[Sequence] = [TOTALS]
    for one in records:
        score = f"{one.score:g}" if one.has_score else ""
        flags = [*one.flags, *(g for g in one.guarantees if "UNSAFE" in g)]
        flags += [f"{m.exercise}: {flag}" for m in one.marks for flag in m.flags]
        facts = (one.student, one.notebook, score, points.get(one.notebook, ""), one.days_late)
        comment = one.comments.get(one.notebook, "")
        rows.append(
            (*facts, f"{one.penalty:g}", one.status, one.problem, comment, "; ".join(flags))
        )
    return _written(rows)


def canvas(
    template: str, records: Sequence[Record], points: Mapping[str, int], columns: Mapping[str, str]
) -> tuple[str, list[str]]:
    """Fill in the CSV that Canvas's gradebook exports; the result, and what had to be left out.

    Parameters
    ----------
    template : str
        "Export Entire Gradebook". Of its columns, those about the student and the assignments that
        are filled in are kept; of its rows, the points possible and the students with a score.
    records : Sequence[Record]
        Those without a score are left out.
    points : Mapping[str, int]
        What each notebook is worth; scores are scaled to the points possible in Canvas.
    columns : Mapping[str, str]
        Notebook -> heading of its column. Where it is missing, the one assignment with the
        notebook's number in its name ("02 Minimax game (1234)").
    """
    rows, mark = _read(template, "Canvas", ("ID", "Section"))
    head = rows[0]
    worth = next((row for row in rows if "Points Possible" in row[0]), None)
    if worth is None or head[0] not in ("Student", "LastName"):
        raise _wrong("Canvas", "it has no row 'Points Possible', or no column 'Student' first")
    people = list(range(head.index("Section") + 1))
    names = [i for i in people if head[i] in CANVAS_PEOPLE]
    id_column = head.index("ID")
    first = head.index("FirstName") if "FirstName" in head else None
    found: dict[str, int] = {}
    lines = []
    for number in sorted({one.notebook for one in records if one.has_score}):
        found[number] = _column(head[len(people) :], number, columns.get(number)) + len(people)
    students = [row for row in rows[1:] if row is not worth and row[id_column].strip()]
    index = _People(students, names, id_column, 0, first)
    filled: dict[int, dict[str, float]] = {}
    for one, row in _matched(records, index, "Canvas's table", lines):
        filled.setdefault(row, {})[one.notebook] = one.score
    chosen = [*people, *found.values()]
    out = [[head[i] for i in chosen], [worth[i] for i in chosen]]
    for n, row in enumerate(students):
        if n in filled:
            row = list(row)
            for number, score in filled[n].items():
                row[found[number]] = _scaled(score, points[number], worth[found[number]])
            out.append([row[i] for i in chosen])
    return _written(out, mark), lines


def moodle(template: str, records: Sequence[Record], points: int) -> tuple[str, list[str]]:
    """Fill in the grading worksheet of one Moodle assignment; the result, and what was left out.

    Parameters
    ----------
    template : str
        "Download grading worksheet" (with "Offline grading worksheet" switched on in the
        assignment's settings, and Moodle in English). Rows without a grade stay as they are.
    records : Sequence[Record]
        Of one notebook. Those without a score are left out.
    points : int
        What the notebook is worth; scores are scaled to the worksheet's maximum grade.
    """
    rows, mark = _read(template, "Moodle", ("Identifier", "Grade"))
    head = [cell.lower() for cell in rows[0]]
    grade, id_column = head.index("grade"), head.index("identifier")
    most = head.index("maximum grade") if "maximum grade" in head else None
    comment = head.index("feedback comments") if "feedback comments" in head else None
    locked = head.index("grade can be changed") if "grade can be changed" in head else None
    known = ("identifier", "full name", "email address", "id number", "username")
    names = [i for i, name in enumerate(head) if name in known]
    full = head.index("full name") if "full name" in head else id_column
    students = [list(row) for row in rows[1:]]
    lines: list[str] = []
    for one, n in _matched(
        records, _People(students, names, id_column, full), "Moodle's table", lines
    ):
        row = students[n]
        if locked is not None and row[locked].strip().lower() == "no":
            lines.append(f"{one.student}, notebook {one.notebook}: the grade is locked in Moodle")
            continue
        row[grade] = _scaled(one.score, points, row[most] if most is not None else "")
        if comment is not None and row[comment].strip() and not row[comment].startswith(SIGN):
            lines.append(f"{one.student}: Moodle's own comment was kept, not written over")
        elif comment is not None:
            row[comment] = _comment(one)
    return _written([rows[0], *students], mark), lines


def _comment(one: Record) -> str:
    """Feedback in short, as the HTML that Moodle takes a comment for."""
    parts = [f"{SIGN}{one.score:g} points{f', {one.days_late} days late' * bool(one.penalty)}."]
    parts += [one.comments[one.notebook]] if one.notebook in one.comments else []
    for mark in one.marks:
        said = f"{mark.exercise}: {one.earned(mark):g} of {mark.points}."
        parts.append(f"{said} {one.comments.get(mark.exercise, '')}".rstrip())
    return "<br>".join(escape(part).replace("\n", "<br>") for part in parts)


class _People:
    """The students of a table, found by any of their names, or by the name and number of a zip."""

    def __init__(
        self,
        rows: Sequence[Sequence[str]],
        names: Sequence[int],
        number: int,
        name: int,
        first: int | None = None,
    ) -> None:
        self.known: dict[object, set[int]] = {}
        for n, row in enumerate(rows):
            digits = re.search(r"(\d+)$", row[number].strip())
            called = row[name] + (row[first] if first is not None else "")
            keys: list[object] = [row[i].strip().casefold() for i in names if row[i].strip()]
            if digits:
                keys += [(_letters(called), digits[1]), ("participant", digits[1])]
            for key in keys:
                self.known.setdefault(key, set()).add(n)

    def find(self, student: str) -> int | None:
        """The row of a student; None where there is none, or more than one."""
        name, _, number = student.rpartition("_")
        for key in (student.strip().casefold(), (_letters(name), number)):
            if len(rows := self.known.get(key, set())) == 1:
                return next(iter(rows))
        return None


def _letters(name: str) -> str:
    return re.sub(r"[\W_]", "", name).casefold()


def _matched(
    records: Iterable[Record], people: _People, where: str, lines: list[str]
) -> Iterator[tuple[Record, int]]:
    for one in records:
        row = people.find(one.student)
        if not one.has_score:
            continue
        elif row is None:
            lines.append(f"{one.student}, notebook {one.notebook}: not found in {where}")
        else:
            yield one, row


def _column(head: Sequence[str], number: str, wanted: str | None) -> int:
    pattern = re.compile(rf"(?<!\d){number}(?!\d)")
    fits = [
        i
        for i, name in enumerate(head)
        if (name == wanted if wanted else pattern.search(re.sub(r"\(\d+\)$", "", name.strip())))
    ]
    if len(fits) != 1:
        assignments = [name for name in head if re.search(r"\(\d+\)$", name.strip())]
        raise CourseError(
            f"{len(fits) or 'No'} columns of Canvas's table fit notebook {number}.",
            f"Its assignments: {', '.join(assignments) or 'none'}.",
            f"Make the assignment in Canvas and export again, or name it: --column '{number}=...'",
        )
    return fits[0]


def _scaled(score: float, points: int, possible: str) -> str:
    try:
        most = float(possible.strip().replace(",", "."))
    except ValueError:
        most = 0.0
    return f"{score * most / points if most > 0 else score:.2f}".rstrip("0").rstrip(".")


def _read(text: str, system: str, needed: Sequence[str]) -> tuple[list[list[str]], str]:
    """Rows of equal length, and the mark that separates cells."""
    text = text.removeprefix("\ufeff")
    head = text.partition("\n")[0]
    mark = max(",;\t", key=head.count)
    rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=mark) if any(row)]
    missing = [name for name in needed if not rows or name not in rows[0]]
    if missing:
        raise _wrong(system, f"it has no column {' and no '.join(map(repr, missing))}")
    return [row + [""] * (len(rows[0]) - len(row)) for row in rows], mark


def _wrong(system: str, why: str) -> CourseError:
    how = {
        "Canvas": "Gradebook > Export > Export Entire Gradebook",
        "Moodle": "the assignment > Submissions > Actions > Download grading worksheet",
    }
    do = f"Export it again, with the language set to English: {how[system]}."
    return CourseError(f"This is not the table that {system} exports: {why}.", "", do)


def _written(rows: Iterable[Sequence], mark: str = ",") -> str:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=mark, lineterminator="\r\n")
    writer.writerows([safe(cell) for cell in row] for row in rows)
    return out.getvalue()
