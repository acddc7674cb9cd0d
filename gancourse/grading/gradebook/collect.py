"""Submissions in a folder or zip: whose they are, and which notebook of each student counts.

Everything here is untrusted input; see `places` for what is read at all. What is refused is a line
of the report, and the rest is graded.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gancourse.errors import CourseError
from gancourse.grading.answers.modules import Read
from gancourse.grading.answers.notebook_file import NotebookFile
from gancourse.grading.gradebook import layouts, places
from gancourse.grading.gradebook.layouts import HandedIn, Tree
from gancourse.grading.gradebook.places import printable

MOST_FILES = 50  # notebooks per student
NEWEST = 9999  # later than the year of any entry of a zip
BLANK = "blank: "  # begins the note of such a notebook, also in the gradebook
Parse = Callable[[bytes, str, Mapping[str, Read]], NotebookFile]


@dataclass(frozen=True)
class Submission:
    """One notebook of one student, or the reason why there is none."""

    student: str
    """As the layout names the student: a folder, a login, an e-mail address, name and number."""
    file: str
    """The name that the student gave it."""
    notebook: str = ""
    """Its number ("02"), by its content; empty where it has none."""
    content: bytes = b""
    """What is graded of it: `NotebookFile.content`."""
    late: bool = False
    """Whether Canvas marked it as late."""
    problem: str = ""
    """Why it can't be graded; empty where it can."""
    note: str = ""
    """For student and instructor."""
    entry: str = ""
    """Its path in the folder or zip; empty where that is not printable."""

    @property
    def blank(self) -> bool:
        """Whether nothing was written in it."""
        return self.note.startswith(BLANK)


@dataclass(frozen=True)
class Collection:
    """What a place contains; iterating reads the notebooks, student by student."""

    layout: str
    """How its files are laid out, in words."""
    by_student: Mapping[str, Sequence[HandedIn]]
    """Files of "" are of unknown students."""
    parse: Parse

    def __str__(self) -> str:
        count = len({*self.by_student} - {""})
        return f"Layout: {self.layout}, {count} student{'s' * (count != 1)}"

    def __iter__(self) -> Iterator[Submission]:
        for student in sorted(self.by_student):
            yield from _of_student(student, self.by_student[student], self.parse)


def collect(place: Path, parse: Parse, layout: str = "") -> Collection:
    """All submissions in a folder or a zip, in the order of the students' names.

    Parameters
    ----------
    place : Path
        A folder or zip in one of the layouts of `layouts.LAYOUTS`, packed in a folder or not.
    parse : Parse
        `notebook_file.parse`: tells which notebook of the course a file is, whatever its name, from
        its bytes, its name and the files next to it. Raises CourseError for a file that is none.
    layout : str
        A key of `layouts.LAYOUTS`; recognized if empty.

    Returns
    -------
    Collection
        It yields one Submission for each notebook of each student. Of several files that are the
        same notebook the newest counts in which something was written (by the layout's time of
        handing in, the time in the zip or folder, then by name), and its `note` says so.

    Raises
    ------
    CourseError
        If the place itself can't be read, or contains nothing at all.
    """
    files = places.files(place)
    title, handed_in = (
        layouts.recognize(Tree(files, place.resolve()), layout) if files else ("", [])
    )
    by_student: dict[str, list[HandedIn]] = defaultdict(list)
    for item in handed_in:
        student = unicodedata.normalize("NFC", item.student)  # macOS separates accents from letters
        by_student[student].append(item)
    if not by_student:
        raise CourseError(
            f"{place} contains no submission.",
            "Looked for <student>/NN_name.ipynb, student_NN_name.ipynb and the zips of LMSs.",
            "Name the folder that contains the students' folders, or the zip itself.",
        )
    return Collection(title, by_student, parse)


def _of_student(student: str, items: Sequence[HandedIn], parse: Parse) -> Iterator[Submission]:
    shown = printable(student)
    if not student or shown != student or len(student) > 100:
        why = "the student's name has control characters or is longer than 100 characters"
        if not student:
            why = "its name doesn't tell the student (student_NN_name.ipynb, or one folder each)"
        for item in items:
            name = shown[:100] or f"? {printable(str(item.file.path))}"
            yield Submission(name, item.name, problem=why)
        return
    items = _without_solutions(sorted(_unpacked(items), key=_age))
    notebooks = [item for item in items if _to_grade(item)]
    good: dict[str, list[Submission]] = defaultdict(list)
    sections: dict[str, set[str]] = defaultdict(set)
    of_clones: dict[str, bool] = {}
    bad = []
    if len(notebooks) > MOST_FILES:
        what = f"{len(notebooks)} notebooks were handed in; only the newest {MOST_FILES} are read"
        bad.append(Submission(student, "", problem=what))
    for item in notebooks[-MOST_FILES:]:
        submission = _read(student, item, items, parse)
        number = submission.notebook
        if submission.problem:
            bad.append(submission)
            continue
        good[number] = _with_content_of_one([*good[number], submission])
        sections[number] |= {item.section} - {""}
        in_clone = item.clone or item.file.path.parent.name == "notebooks"
        of_clones[number] = of_clones.get(number, True) and in_clone
    blank = [n for n in good if _that_counts(good[n]).blank and of_clones[n]]
    if len(blank) > 1 or any(item.clone for item in notebooks):  # the rest of the repository
        good = {number: good[number] for number in good if number not in blank}
    if not good and not bad:
        bad.append(_nothing(student, items, notebooks))
    yield from bad
    for number in sorted(good):
        yield _the_one(good[number], sections[number])


def _read(student: str, item: HandedIn, items: Sequence[HandedIn], parse: Parse) -> Submission:
    """One file, and the Python files next to it that it imports."""
    name, folder = printable(item.name)[:200], item.file.path.parent
    entry, in_zip, _ = str(item.file.path).partition(".zip/")  # a student's own
    entry += ".zip" if in_zip else ""
    entry = entry if printable(entry) == entry else ""
    submission = Submission(student, name, late=item.late, problem=item.file.problem, entry=entry)
    beside = {i.name: i.file.read for i in items if i.file.path.parent == folder and _is_module(i)}
    try:
        if submission.problem:
            return submission
        content = item.file.read()
        if len(content) > places.MOST:
            return replace(submission, problem=places.TOO_LARGE)
        file = parse(content, name, beside)
    except CourseError as error:
        problem = " ".join(filter(None, (error.what, error.why)))
        return replace(submission, problem=problem)
    except Exception as error:  # whatever a strange file causes, the rest is graded
        problem = f"it can't be read ({type(error).__name__}: {error})"
        return replace(submission, problem=problem)
    notes = [f"{BLANK}nothing was written in it"] if file.blank else []
    notes += [f"handed in by a group, with {', '.join(item.group)}"] if item.group else []
    notes += [note for note in file.notes if ".py" in note]
    note = printable("; ".join(notes))
    return replace(submission, notebook=file.notebook, content=file.content, note=note)


def _that_counts(files: Sequence[Submission]) -> Submission:
    """The newest in which something was written; of blank ones the newest."""
    return ([file for file in files if not file.blank] or files)[-1]


def _with_content_of_one(files: Sequence[Submission]) -> list[Submission]:
    kept = _that_counts(files)
    return [file if file is kept else replace(file, content=b"") for file in files]


def _the_one(files: Sequence[Submission], sections: set[str]) -> Submission:
    """The file that counts, of those that are the same notebook, with a note on the others."""
    last = _that_counts(files)
    if len(sections) > 1:  # a section of the class, perhaps
        where = ", ".join(map(printable, sorted(sections)[:5]))
        what = f"several of its folders contain the same notebook ({where}): which student's?"
        return replace(last, notebook="", content=b"", problem=what)
    others = [file for file in files if file is not last]
    blank = [file.file for file in others if file.blank and not last.blank]
    names = ", ".join(file.file for file in others if last.blank or not file.blank)
    notes = [f"handed in more than once: {last.file} counts, not {names}"] if names else []
    if blank:
        notes.append(f"{', '.join(blank)} is the course's notebook, unchanged: it does not count")
    return replace(last, note="; ".join(filter(None, (last.note, *notes))))


def _nothing(student: str, items: Sequence[HandedIn], notebooks: Sequence[HandedIn]) -> Submission:
    """Of a student who handed in nothing that can be graded."""
    others = [printable(item.name)[:80] for item in items if not _to_grade(item)]
    what = f"no notebook, only {', '.join(others[:5])}" if others else "an empty folder or zip"
    if notebooks:
        what = "all notebooks in it are the course's, unchanged"
    return Submission(student, others[0] if others else "", problem=what)


def _unpacked(items: Sequence[HandedIn]) -> Iterator[HandedIn]:
    """With the files in a student's own zips in place of these; others of that time are newer."""
    for item in items:
        if not item.name.lower().endswith(".zip") or item.file.problem:
            yield replace(item, file=replace(item.file, time=(*item.file.time, NEWEST)))
            continue
        for file in places.in_students_zip(item.file):
            name = item.name if file.path == item.file.path else file.path.name
            yield replace(item, name=name, file=file)


def _without_solutions(items: Sequence[HandedIn]) -> list[HandedIn]:
    """Without the course's executed notebooks, in a copy of its repository."""
    folders = {item.file.path.parent for item in items}

    def is_solution(item: HandedIn) -> bool:
        folder = item.file.path.parent
        return folder.name == "solutions" and (
            item.clone or folder.with_name("notebooks") in folders
        )

    return [item for item in items if not is_solution(item)]


def _age(item: HandedIn) -> tuple:
    """With equal times x-1.ipynb, which an LMS makes of the second x.ipynb, is the newer one."""
    return item.file.time, len(str(item.file.path)), str(item.file.path)


def _to_grade(item: HandedIn) -> bool:
    name = item.name.lower().removesuffix(".txt").removesuffix(".json")  # as a browser saves it
    return name.endswith(".ipynb") or bool(item.file.problem)


def _is_module(item: HandedIn) -> bool:
    return item.name.endswith(".py") and not item.file.problem
