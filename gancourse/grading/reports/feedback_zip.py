"""Feedback as a zip that Canvas or Moodle gives back to the students, a file for each of them.

Both find a student by the name of the entry, which must be that of the zip of submissions. Canvas
shows each file under the name that the student gave to the notebook: so it gets a notebook.
"""

import io
import json
import re
import zipfile
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath

from gancourse.grading.gradebook.collect import ANONYMOUS, CANVAS, MOODLE
from gancourse.grading.gradebook.records import StudentRecord
from gancourse.grading.reports.feedback import VERDICTS, headline, student_page

FOLDER = re.compile(r"^[^_]+_\d+_assignsubmission_[a-z]+")
SYSTEMS = {"canvas": "Canvas", "moodle": "Moodle"}


def pack(
    system: str, records: Sequence[StudentRecord], title: Callable[[str], str]
) -> tuple[bytes, list[str]]:
    """The zip for one assignment, and a line for each student who is not in it.

    Parameters
    ----------
    system : str
        "canvas" or "moodle".
    records : Sequence[StudentRecord]
        Of one notebook. Those without a score are left out: their feedback is not final.
    title : Callable[[str], str]
        The title of an exercise.
    """
    content, left_out = io.BytesIO(), []
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for record in records:
            if not record.has_score:
                continue
            make = _for_canvas if system == "canvas" else _for_moodle
            name, text = make(record, title)
            if name:
                archive.writestr(name, text.encode())
            else:
                what = f"{record.student}, notebook {record.notebook}: no feedback in the zip, for"
                left_out.append(f"{what} it was not handed in as {SYSTEMS[system]} names files")
    return content.getvalue(), left_out


def _for_canvas(record: StudentRecord, title: Callable[[str], str]) -> tuple[str, str]:
    """A notebook, named as the one in the zip that Canvas made."""
    path = PurePosixPath(record.entry)
    named = len(path.parts) == 1 and (CANVAS.match(path.name) or ANONYMOUS.match(path.name))
    return (path.name if named else ""), student_notebook(record, title)


def _for_moodle(record: StudentRecord, title: Callable[[str], str]) -> tuple[str, str]:
    """A page in a folder, named as the one in Moodle's zip; versions before 4.1 need its last _."""
    top = PurePosixPath(record.entry).parts[:1]
    folder = FOLDER.match(top[0]) if top and MOODLE.match(top[0]) else None
    name = f"{folder[0]}_/feedback_{record.notebook}.html" if folder else ""
    return name, student_page([record], title)


def student_notebook(record: StudentRecord, title: Callable[[str], str]) -> str:
    """Feedback as a notebook of text cells; what a student or an instructor wrote is plain text."""
    parts = [f"# Feedback for {_escaped(record.student)}\n\n**{headline(record)}**"]
    if record.notebook in record.comments:
        parts[0] += _block("Your instructor", record.comments[record.notebook])
    if record.notes:
        parts.append(_block("While your notebook was run", "\n".join(record.notes)).lstrip())
    for mark in record.marks:
        verdict = VERDICTS.get(mark.status, record.verdict(mark))
        earned = f"{record.earned(mark):g}" if record.has_points(mark) else "?"
        by_hand = "; points given by hand" if mark.exercise in record.by_hand else ""
        points = f"{earned} of {mark.points} point{'s' * (mark.points != 1)}"
        part = f"## {mark.exercise} {_escaped(title(mark.exercise))}: {points} ({verdict}{by_hand})"
        if mark.status not in ("right", "rubric"):
            part += _block("", mark.message)
        if mark.exercise in record.comments:
            part += _block("Your instructor", record.comments[mark.exercise])
        parts.append(part)
    cells = [
        {"cell_type": "markdown", "id": f"feedback-{n}", "metadata": {}, "source": part}
        for n, part in enumerate(parts)
    ]
    notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(notebook, ensure_ascii=False, indent=1)


def _block(label: str, text: str) -> str:
    """A block of plain text; its fence is longer than any in the text."""
    fence = "`" * max(3, *(1 + len(run) for run in re.findall("`+", text)), 0)
    label = f"\n\n{label}:" if label else ""
    return f"{label}\n\n{fence}text\n{text}\n{fence}"


def _escaped(text: str) -> str:
    """Text that neither Markdown nor HTML changes."""
    return "".join(c if c.isalnum() or c == " " else f"&#{ord(c)};" for c in text)
