"""Marks as tables: plain CSV, and the tables that Canvas and Moodle import.

Both systems import the table that they themselves export, with grades filled in. So the table is
read, students are found in it, and only rows that have a grade change; nobody gets a 0 because
something went wrong. A cell that a spreadsheet would take for a formula is made text.
"""

import csv
import io
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from gancourse.errors import CourseError
from gancourse.grading.gradebook.records import RUBRIC, StudentRecord, number_of

csv.field_size_limit(2**31 - 1)  # a student's text in Moodle's table may have any length
FORMULA = re.compile(r"^\s*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20\t\r]")
INNER = re.compile(r"(?<=.)([;\t\r\n]\s*)(?=[=+\-@\uFF1D\uFF0B\uFF0D\uFF20])", re.S)  # split at ;
NUMBER = re.compile(r"^\s*[+-]?\d*[.,]?\d*\s*$")
MOODLE_PEOPLE = ("identifier", "full name", "email address", "id number", "username")
CANVAS_PEOPLE = ("Student", "LastName", "FirstName", "ID", "SIS User ID", "SIS Login ID")
MARKS = ("student", "notebook", "exercise", "title", "points", "earned", "by hand", "verdict")
MARKS += ("message", "comment", "status", "flags")
TOTALS = ("student", "notebook", "score", "points", "days late", "penalty in percent", "deducted")
TOTALS += ("status", "problem", "comment", "flags")
LINES = ("student", "exercise", "title", "most", "points", "comment")
SIGN = "Graded by gancourse: "  # begins a comment that the next export may overwrite


def safe(cell: object) -> str:
    """The text of a cell, changed where a spreadsheet would take it for a formula."""
    text = INNER.sub(r"\1'", str(cell))
    return f"'{text}" if FORMULA.match(text) and not NUMBER.match(text) else text


def marks(records: Iterable[StudentRecord], title: Callable[[str], str]) -> str:
    """One row per student and exercise; where there are no marks, one row that says why."""
    rows = []
    for record in records:
        common = {"student": record.student, "notebook": record.notebook, "status": record.status}
        if not record.marks:
            comment, flags = record.comments.get(record.notebook, ""), "; ".join(record.flags)
            row = common | {"message": record.problem, "comment": comment, "flags": flags}
            if record.notebook in record.by_hand:
                row |= {"earned": f"{record.by_hand[record.notebook]:g}", "by hand": "yes"}
            rows.append(row)
        for mark in record.marks:
            id, flags = mark.exercise, "; ".join((*record.flags, *mark.flags))
            row = common | {"exercise": id, "title": title(id), "points": mark.points}
            earned = f"{record.earned(mark):g}" if record.has_points(mark) else ""
            row |= {"earned": earned, "verdict": record.verdict(mark), "flags": flags}
            row |= {"message": mark.message, "comment": record.comments.get(id, "")}
            rows.append(row | {"by hand": "yes" if id in record.by_hand else ""})
    return _to_csv([MARKS, *([row.get(name, "") for name in MARKS] for row in rows)])


def totals(records: Iterable[StudentRecord], points: Mapping[str, int]) -> str:
    """One row per student and notebook."""
    rows: list[Sequence] = [TOTALS]
    for record in records:
        number, score = record.notebook, f"{record.score:g}" if record.has_score else ""
        flags = [*record.flags, *(g for g in record.guarantees if "UNSAFE" in g)]
        flags += [f"{m.exercise}: {flag}" for m in record.marks for flag in m.flags]
        facts = (record.student, number, score, points.get(number, ""), record.days_late)
        why = (record.status, record.problem, record.comments.get(number, ""), "; ".join(flags))
        deducted = f"{record.deducted:g}" if record.has_score else ""
        rows.append((*facts, f"{record.penalty:g}", deducted, *why))
    return _to_csv(rows)


def rubric_lines(records: Iterable[StudentRecord], title: Callable[[str], str]) -> str:
    """One row per student and rubric line, to fill in; empty where no notebook has any."""
    rows: list[Sequence] = [
        (
            *(record.student, mark.exercise, title(mark.exercise), mark.points),
            f"{record.by_hand[mark.exercise]:g}" if record.has_points(mark) else "",
            record.comments.get(mark.exercise, ""),
        )
        for record in records
        for mark in record.marks
        if mark.status == RUBRIC
    ]
    return _to_csv([LINES, *rows]) if rows else ""


@dataclass(frozen=True)
class FilledIn:
    """One row of a table of marks."""

    student: str
    notebook: str
    """Its number; empty where the row names none."""
    exercise: str
    """"2.3", "11.a", or the number of a notebook for the whole of it."""
    points: str
    comment: str


def filled_in(text: str, records: Iterable[StudentRecord]) -> list[FilledIn]:
    """Rows of a table of marks; names and comments as they were before `safe`.

    Parameters
    ----------
    text : str
        What `marks`, `rubric_lines` or the page of `review` wrote, or a table with the columns
        student, exercise or notebook, points, and perhaps comment. Where there is a column
        "earned", it has the points, and "points" is what an exercise is worth.
    records : Iterable[StudentRecord]
        Their names and comments are recognized.

    Raises
    ------
    CourseError
        If a column is missing.
    """
    rows, _ = _read(text, "gancourse", ())
    head = [name.strip().lower() for name in rows[0]] if rows else []
    points = "earned" if "earned" in head else "points"
    where = "notebook" if "exercise" not in head and "notebook" in head else "exercise"
    if missing := [name for name in ("student", where, points) if name not in head]:
        raise _no_table("gancourse", f"it has no column {' and no '.join(map(repr, missing))}")
    cells = {name for r in records for name in (r.student, *r.comments.values())}
    texts = {safe(cell): cell for cell in cells}
    found = []
    for row in rows[1:]:
        cell = {name: texts.get(c, c).strip() for name, c in zip(head, row, strict=False)}
        number = cell.get("notebook", "") and cell["notebook"].zfill(2)
        exercise = cell.get("exercise", "") or number
        exercise = exercise.zfill(2) if exercise.isdigit() else exercise
        number = number_of(exercise) if exercise else number
        comment = cell.get("comment", "").replace("\r\n", "\n")
        found.append(FilledIn(cell["student"], number, exercise, cell[points], comment))
    return found


def known_as(template: str, records: Iterable[StudentRecord]) -> dict[str, list[str]]:
    """Student -> their names in the table of Canvas or Moodle: login, e-mail, full name."""
    rows, _ = _read(template, "an LMS", ())
    head = [cell.strip() for cell in rows[0]] if rows else []
    canvas = "ID" in head
    people = CANVAS_PEOPLE if canvas else MOODLE_PEOPLE
    names = [i for i, name in enumerate(head) if (name if canvas else name.lower()) in people]
    full = [i for i, name in enumerate(head) if name in ("Student", "Full name")]
    number = [i for i, name in enumerate(head) if name in ("ID", "Identifier")]
    if not (names and full and number):
        return {}
    index = _Students(rows[1:], names, number[0], full)
    found = {record.student: index.find(record.student) for record in records}
    return {
        student: [cell for i in names if (cell := rows[1 + n][i].strip())]
        for student, n in found.items()
        if n is not None
    }


def canvas(
    template: str,
    records: Sequence[StudentRecord],
    points: Mapping[str, int],
    columns: Mapping[str, str],
) -> tuple[str, list[str]]:
    """Fill in the CSV that Canvas's gradebook exports; the result, and what was left out.

    Parameters
    ----------
    template : str
        "Export Entire Gradebook". Of its columns, those about the student and the assignments that
        are filled in are kept; of its rows, the points possible and the students with a score.
    records : Sequence[StudentRecord]
        Those without a score are left out.
    points : Mapping[str, int]
        What each notebook is worth; scores are scaled to the points possible in Canvas.
    columns : Mapping[str, str]
        Notebook -> heading of its column. Where it is missing, the one assignment with the
        notebook's number in its name ("02 Minimax game (1234)").

    Raises
    ------
    CourseError
        If this is not Canvas's table, or no single column fits a notebook.
    """
    rows, separator = _read(template, "Canvas", ("ID", "Section"))
    head = rows[0]
    possible = next((row for row in rows if "Points Possible" in row[0]), None)
    if possible is None or head[0] not in ("Student", "LastName"):
        raise _no_table("Canvas", "it has no row 'Points Possible', or no column 'Student' first")
    people = list(range(head.index("Section") + 1))
    names = [i for i in people if head[i] in CANVAS_PEOPLE]
    full = [0, head.index("FirstName")] if "FirstName" in head else [0]
    id_column = head.index("ID")
    targets: dict[str, int] = {}
    lines = []
    for number in sorted({record.notebook for record in records if record.has_score}):
        targets[number] = _column(head[len(people) :], number, columns.get(number)) + len(people)
    students = [row for row in rows[1:] if row is not possible and row[id_column].strip()]
    index = _Students(students, names, id_column, full)
    filled: dict[int, list[str]] = {}
    for record, n in _matched(records, index, "Canvas's table", lines):
        number, target = record.notebook, targets[record.notebook]
        if students[n][target].strip().upper() == "EX":
            lines.append(f"{record.student}, notebook {number}: excused in Canvas, not changed")
        else:
            row = filled.setdefault(n, list(students[n]))
            row[target] = _scaled(record.score, points[number], possible[target])
    chosen = [*people, *targets.values()]
    kept = [head, possible, *(filled[n] for n in sorted(filled))]
    return _to_csv([[row[i] for i in chosen] for row in kept], separator), lines


def moodle(template: str, records: Sequence[StudentRecord], points: int) -> tuple[str, list[str]]:
    """Fill in the grading worksheet of one Moodle assignment; the result, and what was left out.

    Parameters
    ----------
    template : str
        "Download grading worksheet" (with "Offline grading worksheet" switched on in the
        assignment's settings, and Moodle in English). Rows without a grade stay as they are.
    records : Sequence[StudentRecord]
        Of one notebook. Those without a score are left out.
    points : int
        What the notebook is worth; scores are scaled to the worksheet's maximum grade.

    Raises
    ------
    CourseError
        If this is not Moodle's worksheet.
    """
    rows, separator = _read(template, "Moodle", ("Identifier", "Grade"))
    head = [cell.lower() for cell in rows[0]]
    grade, id_column = head.index("grade"), head.index("identifier")
    if "maximum grade" not in head:
        raise _no_table("Moodle", "it has no column 'Maximum grade' (a scale can't take points)")
    maximum = head.index("maximum grade")
    comment = head.index("feedback comments") if "feedback comments" in head else None
    locked = head.index("grade can be changed") if "grade can be changed" in head else None
    names = [i for i, name in enumerate(head) if name in MOODLE_PEOPLE]
    full = [head.index("full name") if "full name" in head else id_column]
    students = [list(row) for row in rows[1:]]
    index = _Students(students, names, id_column, full)
    lines: list[str] = []
    for record, n in _matched(records, index, "Moodle's table", lines):
        row, who = students[n], f"{record.student}, notebook {record.notebook}"
        if locked is not None and row[locked].strip().lower() == "no":
            lines.append(f"{who}: the grade is locked in Moodle")
            continue
        row[grade] = _scaled(record.score, points, row[maximum])
        if comment is not None and row[comment].strip() and not row[comment].startswith(SIGN):
            lines.append(f"{record.student}: Moodle's own comment was kept, not overwritten")
        elif comment is not None:
            row[comment] = _comment(record)
    return _to_csv([rows[0], *students], separator, comment), lines


def _comment(record: StudentRecord) -> str:
    """Short feedback, as HTML, which Moodle's comments are."""
    late = ""
    if record.penalty:
        days = f"{record.days_late} day{'s' * (record.days_late != 1)} late"
        late = f", after a deduction of {record.deducted:g} ({record.penalty_text}) for {days}"
    parts = [f"{SIGN}{record.score:g} points{late}."]
    parts += [record.comments[record.notebook]] if record.notebook in record.comments else []
    for mark in filter(record.has_points, record.marks):
        points = f"{mark.exercise}: {record.earned(mark):g} of {mark.points}."
        parts.append(f"{points} {record.comments.get(mark.exercise, '')}".rstrip())
    return "<br>".join(escape(part).replace("\n", "<br>") for part in parts)


class _Students:
    """The students in a table, found by any of their names, or by the name and number in a zip."""

    def __init__(self, rows: Sequence, names: Sequence[int], number: int, full: list[int]) -> None:
        """Columns: of any name, of the system's number, and of the parts of the full name."""
        self.by_name: dict[str, set[int]] = defaultdict(set)
        self.by_number: dict[str, list[tuple[str, int]]] = defaultdict(list)
        for n, row in enumerate(rows):
            if digits := re.search(r"(\d+)$", row[number].strip()):
                letters = _letters("".join(row[i] for i in full))
                self.by_number[digits[1]].append((letters, n))
            numbered = {i for i in full if re.search(r"_\d+\s*$", row[i])}
            for i in {*names} - numbered:
                self.by_name[row[i].strip().casefold()].add(n)

    def find(self, student: str) -> int | None:
        """The row of a student; None where there is none, or more than one.

        The number that the system gave comes first: students choose their names. Moodle may put a
        group before the name.
        """
        name, _, number = student.rpartition("_")
        endings = [(n, (full or "?", "participant")) for full, n in self.by_number[number]]
        rows = {n for n, ending in endings if _letters(name).endswith(ending)}
        rows = rows or self.by_name[student.strip().casefold()]
        return next(iter(rows)) if len(rows) == 1 else None


def _letters(name: str) -> str:
    return re.sub(r"[\W_]", "", name).casefold()


def _matched(
    records: Iterable[StudentRecord], students: _Students, where: str, lines: list[str]
) -> Iterator[tuple[StudentRecord, int]]:
    rows = [(record, students.find(record.student)) for record in records if record.has_score]
    times = Counter((record.notebook, row) for record, row in rows)
    for record, row in rows:
        who = f"{record.student}, notebook {record.notebook}"
        if row is None:
            lines.append(f"{who}: not found in {where}")
        elif times[record.notebook, row] > 1:
            lines.append(f"{who}: {where} has one row for two names; fill it in by hand")
        else:
            yield record, row


def _column(head: Sequence[str], number: str, heading: str | None) -> int:
    pattern = re.compile(rf"(?<!\d)(?<!\d[.:/-]){number}(?![.:/-]?\d).*\(\d+\)$")  # no date
    names = enumerate(head)
    fits = [i for i, s in names if (s == heading if heading else pattern.search(s.strip()))]
    if len(fits) != 1:
        assignments = [name for name in head if re.search(r"\(\d+\)$", name.strip())]
        what = f"{len(fits) or 'No'} columns of Canvas's table fit notebook {number}."
        why = f"Its assignments: {', '.join(assignments) or 'none'}."
        do = "Create the assignment in Canvas and export again, or export others (--notebook NN)"
        raise CourseError(what, why, f"{do}, or name the column (--column '{number}=...').")
    return fits[0]


def _scaled(score: float, points: int, possible: str) -> str:
    try:
        maximum = float(possible.strip().replace(",", "."))
    except ValueError:
        maximum = 0.0
    return f"{score * maximum / points if maximum > 0 else score:.2f}".rstrip("0").rstrip(".")


def _read(text: str, system: str, needed: Sequence[str]) -> tuple[list[list[str]], str]:
    """Rows of equal length, and the character that separates cells."""
    text = text.removeprefix("\ufeff")
    separator = max(",;\t", key=text.partition("\n")[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    rows = [row for row in reader if any(row)]
    missing = [name for name in needed if not rows or name not in rows[0]]
    if missing:
        raise _no_table(system, f"it has no column {' and no '.join(map(repr, missing))}")
    return [row + [""] * (len(rows[0]) - len(row)) for row in rows], separator


def _no_table(system: str, why: str) -> CourseError:
    how = {
        "Canvas": "Gradebook > Export > Export Entire Gradebook",
        "Moodle": "the assignment > Submissions > Actions > Download grading worksheet",
    }
    english = f", with the language set to English: {how[system]}." if system in how else "."
    do = f"Export it again{english}"
    return CourseError(f"This is not the table that {system} exports: {why}.", "", do)


def _to_csv(rows: Iterable[Sequence], separator: str = ",", as_is: int | None = None) -> str:
    """A table; the column `as_is` stays: Moodle would take a changed one for a new comment."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, lineterminator="\r\n")
    writer.writerows([c if i == as_is else safe(c) for i, c in enumerate(row)] for row in rows)
    return out.getvalue()
