"""Marks as tables: plain CSV, and the forms that Canvas and Moodle import.

Both systems import the table that they themselves export, with grades filled in. So the table is
read, students are found in it, and only rows that have a grade are touched; nobody gets a 0 because
something went wrong. A cell that a spreadsheet would take for a formula is made text.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from html import escape

from gancourse.errors import CourseError
from gancourse.grading.gradebook.records import Record

csv.field_size_limit(2**31 - 1)  # a student's text in Moodle's table may have any length
FORMULA = re.compile(r"^\s*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20\t\r]")
INNER = re.compile(r"(?<=.)([;\t\r\n]\s*)(?=[=+\-@\uFF1D\uFF0B\uFF0D\uFF20])", re.S)  # split at ;
NUMBER = re.compile(r"^\s*[+-]?\d*[.,]?\d*\s*$")
CANVAS_PEOPLE = ("Student", "LastName", "FirstName", "ID", "SIS User ID", "SIS Login ID")
MARKS = ("student", "notebook", "exercise", "title", "points", "earned", "by hand", "verdict")
MARKS += ("message", "comment", "status", "flags")
TOTALS = ("student", "notebook", "score", "points", "days late", "penalty in percent", "status")
TOTALS += ("problem", "comment", "flags")
SIGN = "Graded by gancourse: "  # begins a comment that may be written over the next time


def safe(cell: object) -> str:
    """A cell that no spreadsheet takes for a formula."""
    text = INNER.sub(r"\1'", str(cell))
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
        if students[row][found[one.notebook]].strip().upper() == "EX":
            lines.append(f"{one.student}, notebook {one.notebook}: excused in Canvas, left so")
        else:
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
    if "maximum grade" not in head:
        raise _wrong("Moodle", "it has no column 'Maximum grade' (a scale can't take points)")
    most = head.index("maximum grade")
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
        row[grade] = _scaled(one.score, points, row[most])
        if comment is not None and row[comment].strip() and not row[comment].startswith(SIGN):
            lines.append(f"{one.student}: Moodle's own comment was kept, not written over")
        elif comment is not None:
            row[comment] = _comment(one)
    return _written([rows[0], *students], mark, comment), lines


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
        self.known: dict[str, set[int]] = {}
        self.numbers: dict[str, list[tuple[str, int]]] = {}
        for n, row in enumerate(rows):
            digits = re.search(r"(\d+)$", row[number].strip())
            called = row[name] + (row[first] if first is not None else "")
            if digits:
                self.numbers.setdefault(digits[1], []).append((_letters(called), n))
            chosen = {i: re.search(r"_\d+\s*$", row[i]) for i in (name, first) if i is not None}
            for key in {row[i].strip().casefold() for i in names if not chosen.get(i)} - {""}:
                self.known.setdefault(key, set()).add(n)

    def find(self, student: str) -> int | None:
        """The row of a student; None where there is none, or more than one.

        The number that the system gave goes first: students choose what they are called. Moodle may
        put a group before the name.
        """
        name, _, number = student.rpartition("_")
        ends = [(n, c or "?") for c, n in self.numbers.get(number, ())]
        rows = {n for n, called in ends if _letters(name).endswith((called, "participant"))}
        rows = rows or self.known.get(student.strip().casefold(), set())
        return next(iter(rows)) if len(rows) == 1 else None


def _letters(name: str) -> str:
    return re.sub(r"[\W_]", "", name).casefold()


def _matched(
    records: Iterable[Record], people: _People, where: str, lines: list[str]
) -> Iterator[tuple[Record, int]]:
    found = [(one, people.find(one.student)) for one in records if one.has_score]
    times = Counter((one.notebook, row) for one, row in found)
    for one, row in found:
        if row is None:
            lines.append(f"{one.student}, notebook {one.notebook}: not found in {where}")
        elif times[one.notebook, row] > 1:
            what = f"{where} has one row for this and another name; fill it in by hand"
            lines.append(f"{one.student}, notebook {one.notebook}: {what}")
        else:
            yield one, row


def _column(head: Sequence[str], number: str, wanted: str | None) -> int:
    pattern = re.compile(rf"(?<!\d)(?<!\d[.:/-]){number}(?![.:/-]?\d).*\(\d+\)$")  # no date
    names = enumerate(head)
    fits = [i for i, s in names if (s == wanted if wanted else pattern.search(s.strip()))]
    if len(fits) != 1:
        assignments = [name for name in head if re.search(r"\(\d+\)$", name.strip())]
        raise CourseError(
            f"{len(fits) or 'No'} columns of Canvas's table fit notebook {number}.",
            f"Its assignments: {', '.join(assignments) or 'none'}.",
            f"Make the assignment in Canvas and export again, name it (--column '{number}=...'), "
            "or export the others alone (--notebook NN).",
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


def _written(rows: Iterable[Sequence], mark: str = ",", given: int | None = None) -> str:
    """A table; the column `given` is not touched: Moodle would take it for a new comment."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=mark, lineterminator="\r\n")
    writer.writerows([c if i == given else safe(c) for i, c in enumerate(row)] for row in rows)
    return out.getvalue()
