"""The submissions in a folder, or in the zip of Canvas or Moodle, and who handed them in.

Everything here is untrusted input. Nothing is unpacked onto the disk, no link is followed, sizes
are bounded. What is refused is a line of the report, and the rest is graded.
"""

import contextlib
import os
import re
import stat
import unicodedata
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from gancourse.errors import CourseError
from gancourse.grading.answers.notebook_file import LARGEST

TOO_LARGE = f"it is larger than {LARGEST // 10**6} MB"
MOST_FILES = 50  # per student
MOST_IN_ZIP = 50_000
SKIPPED = re.compile(r"^(\._|\.(?!(.*\.)?ipynb$)|__MACOSX$|Thumbs\.db$|desktop\.ini$)", re.I)
CANVAS = re.compile(r"^(?P<student>[^\W_].*?)(?P<late>_LATE)?_(?P<id>\d+)_\d{3,}_(?P<name>.+)$")
NUMBERS = re.compile(r"(?:^|_)([1-9]\d*)_[1-9]\d{2,}_")  # of a student and a file, once more
ANONYMOUS = re.compile(r"^(?P<late>LATE_)?(?P<student>anon)_(?P<id>\w{5})_\d{3,}_(?P<name>.+)$")
MOODLE = re.compile(r"^(?P<student>[^_]+)_(?P<id>\d+)_assignsubmission_[a-z]+(?:_(?P<name>.*))?$")
BEFORE = re.compile(r"^(?P<student>.+?)_(?P<name>\d\d_.+)$")
AFTER = re.compile(r"^(?P<name>\d\d_\w+)-(?P<student>.+?)(?P<ending>\.\w+)$")


@dataclass(frozen=True)
class Submission:
    """One notebook of one student, or the reason why there is none."""

    student: str
    """The name of the folder, or the name and number that Canvas or Moodle put into the file's."""
    file: str
    """The name that the student gave it."""
    notebook: str = ""
    """Its number ("02"), by its content; empty where it has none."""
    content: bytes = b""
    late: bool = False
    """Whether Canvas marked it as late."""
    problem: str = ""
    """Why it can't be graded; empty where it can."""
    note: str = ""
    entry: str = ""
    """Its path in the folder or zip; empty where that is not printable."""


@dataclass(frozen=True)
class _File:
    path: PurePosixPath
    time: tuple
    read: Callable[[], bytes]
    problem: str = ""


def collect(place: Path, recognize: Callable[[bytes], str]) -> Iterator[Submission]:
    """All submissions in a folder or a zip, in the order of the students' names.

    Parameters
    ----------
    place : Path
        A folder of `<student>/<any name>.ipynb`; a flat folder of `student_NN_name.ipynb` or
        `NN_name-student.ipynb`; or the zip with all submissions from Canvas or Moodle, or such a
        zip unpacked.
    recognize : Callable[[bytes], str]
        The number of the course's notebook that this one was made from ("02"), whatever its name.
        Raises CourseError for a file that is none.

    Yields
    ------
    Submission
        One for each notebook of each student. Where two files are the same notebook, the newer
        one counts (by the time in the zip or folder, then by name) and `note` says so.

    Raises
    ------
    CourseError
        If the place itself can't be read, or contains nothing at all.
    """
    if place.is_dir():
        files = list(_in_folder(place))
    elif place.is_file():
        files = _in_zip(place)
    else:
        raise CourseError(f"{place} does not exist.", "", "Name the folder or zip of submissions.")
    by_student: dict[str, list[tuple[_File, str, bool]]] = defaultdict(list)
    for file in _unwrapped(files):
        student, name, late = student_of(file.path)
        student = unicodedata.normalize("NFC", student)  # macOS separates accents from letters
        by_student[student].append((file, name, late))
    if not by_student:
        raise CourseError(
            f"{place} contains no submission.",
            "Looked for <student>/NN_name.ipynb, student_NN_name.ipynb and the zips of LMSs.",
            "Name the folder that contains the students' folders, or the zip itself.",
        )
    for student in sorted(by_student):
        yield from _of_student(student, by_student[student], recognize)


def student_of(path: PurePosixPath) -> tuple[str, str, bool]:
    """Student, name of the file, and whether it was late, from a path in the folder or zip.

    The student is "" where the path doesn't tell.
    """
    top, name = path.parts[0], path.name
    nested = len(path.parts) > 1
    if match := MOODLE.match(top):
        return f"{match['student']}_{match['id']}", name if nested else match["name"] or name, False
    if nested:
        return top, name, False
    if match := ANONYMOUS.match(name):
        return f"anon_{match['id']}", match["name"], bool(match["late"])
    if match := CANVAS.match(name):
        number, rest = match["id"], match["name"]
        if {*NUMBERS.findall(rest)} - {number}:  # a student may be called "doejane_11_222_x"
            return "", name, False
        late = bool(match["late"]) or f"LATE_{number}_" in rest
        return f"{match['student']}_{number}", rest, late
    if match := AFTER.match(name):
        return match["student"], match["name"] + match["ending"], False
    if match := BEFORE.match(name):
        return match["student"], match["name"], False
    return "", name, False


def _of_student(
    student: str, files: Sequence[tuple[_File, str, bool]], recognize: Callable[[bytes], str]
) -> Iterator[Submission]:
    printable = _printable(student)
    if not student or printable != student or len(student) > 100:
        why = "the student's name has control characters or is longer than 100 characters"
        if not student:
            why = "its name doesn't tell the student (student_NN_name.ipynb, or one folder each)"
        for file, name, _ in files:
            shown = printable[:100] or f"? {_printable(str(file.path))}"
            yield Submission(shown, name, problem=why)
        return
    # with equal times: x-1.ipynb, which an LMS makes of the second x.ipynb, is the newer one
    files = sorted(files, key=lambda f: (f[0].time, len(str(f[0].path)), str(f[0].path)))
    others = [_printable(name)[:80] for file, name, _ in files if not _to_grade(file, name)]
    files = [each for each in files if _to_grade(*each[:2])]
    good: dict[str, list[Submission]] = defaultdict(list)
    folders: dict[str, set[str]] = defaultdict(set)
    bad = []
    if len(files) > MOST_FILES:
        what = f"{len(files)} notebooks were handed in; only the newest {MOST_FILES} are read"
        bad.append(Submission(student, "", problem=what))
    for file, name, late in files[-MOST_FILES:]:
        entry = str(file.path)
        entry = entry if _printable(entry) == entry else ""
        submission = Submission(student, _printable(name)[:200], late=late, entry=entry)
        try:
            content = b"" if file.problem else file.read()
            problem = file.problem or (TOO_LARGE if len(content) > LARGEST else "")
            number = "" if problem else recognize(content)
        except CourseError as error:
            problem = " ".join(filter(None, (error.what, error.why)))
        except Exception as error:  # whatever a strange file causes, the rest is graded
            problem = f"it can't be read ({type(error).__name__}: {error})"
        if problem:
            bad.append(replace(submission, problem=problem))
        else:
            good[number] = [replace(o, content=b"") for o in good[number]]  # the last one counts
            good[number].append(replace(submission, notebook=number, content=content))
            folders[number] |= {*file.path.parts[1:-1][:1]}
    if not good and not bad:
        what = f"no notebook, only {', '.join(others[:5])}" if others else "an empty folder"
        bad.append(Submission(student, others[0] if others else "", problem=what))
    yield from bad
    for number in sorted(good):
        *older, last = good[number]
        if len(folders[number]) > 1:  # a section of the class, perhaps
            where = ", ".join(map(_printable, sorted(folders[number])[:5]))
            what = f"several of its folders contain the same notebook ({where}): which student's?"
            last = replace(last, notebook="", content=b"", problem=what)
        elif older:
            names = ", ".join(submission.file for submission in older)
            last = replace(last, note=f"handed in more than once: {last.file} counts, not {names}")
        yield last


def _to_grade(file: _File, name: str) -> bool:
    return name.lower().endswith(".ipynb") or bool(file.problem)


def _in_folder(root: Path) -> Iterator[_File]:
    """Every file; links, devices and a student's empty folder as problems."""
    errors: list[OSError] = []
    for folder, folders, names in os.walk(root, onerror=errors.append, followlinks=False):
        here = Path(folder)
        folders[:] = sorted(name for name in folders if not SKIPPED.match(name))
        for name in [*folders, *sorted(names)]:
            path = here / name
            at = PurePosixPath(path.relative_to(root).as_posix())
            info = path.lstat()
            linked = stat.S_ISLNK(info.st_mode)
            if SKIPPED.match(name) or (name in folders and not linked):
                continue
            if linked or not stat.S_ISREG(info.st_mode):
                kind = "a link" if linked else "not a regular file"
                at = at / name if name in folders else at  # in place of a student's folder
                yield _File(at, (0,), bytes, f"it is {kind}, which is not followed")
            else:
                yield _File(at, (info.st_mtime,), lambda path=path: _bounded(path))
        if here.parent == root and not folders and all(map(SKIPPED.match, names)):
            nothing = PurePosixPath(here.relative_to(root).as_posix()) / "(nothing)"
            yield _File(nothing, (0,), bytes, "an empty folder: nothing was handed in")
    for error in errors:
        at = PurePosixPath(Path(str(error.filename)).relative_to(root).as_posix()) / "(folder)"
        yield _File(at, (0,), bytes, f"its folder can't be opened ({error.strerror})")


def _bounded(path: Path) -> bytes:
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    with open(os.open(path, flags), "rb") as file:
        return file.read(LARGEST + 1)


def _in_zip(place: Path) -> list[_File]:
    try:
        archive = zipfile.ZipFile(place)
        entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise CourseError(
            f"{place.name} is not a zip that can be read ({error}).",
            "The download may have been cut off.",
            "Download the submissions again, or unpack them and name the folder.",
        ) from error
    if len(entries) > MOST_IN_ZIP:
        raise CourseError(f"{place.name} has {len(entries)} entries, more than {MOST_IN_ZIP}.")
    files = []
    for entry in entries:
        name = entry.filename
        if not entry.flag_bits & 0x800:  # macOS writes UTF-8 without this bit
            with contextlib.suppress(UnicodeError):
                name = name.encode("cp437").decode()
        parts = [part for part in name.replace("\\", "/").split("/") if part != "."]
        clean = [part for part in parts if part not in ("", "..")]
        if entry.is_dir() or not clean or any(SKIPPED.match(part) for part in clean):
            continue
        problem = ""
        if len(clean) != len(parts) or ":" in parts[0]:
            problem = f"its path leads out of the zip ({_printable(entry.filename)[:80]})"
        elif stat.S_ISLNK(entry.external_attr >> 16):
            problem = "it is a link, which is not followed"
        elif entry.flag_bits & 1:
            problem = "it is encrypted"
        elif entry.file_size > LARGEST:
            problem = TOO_LARGE

        def read(entry: zipfile.ZipInfo = entry) -> bytes:
            with archive.open(entry) as file:  # the size in the header may be wrong
                return file.read(LARGEST + 1)

        files.append(_File(PurePosixPath(*clean), tuple(entry.date_time), read, problem))
    return files


def _unwrapped(files: Sequence[_File]) -> list[_File]:
    """Without the one folder around everything that some tools add."""
    while len({file.path.parts[0] for file in files}) == 1:
        inner = [file.path.parts[1:] for file in files]
        students = {student_of(PurePosixPath(*p))[0] for p in inner if len(p) == 1} - {""}
        folders = {parts[0] for parts in inner if len(parts) > 1}
        flat = all(len(parts) == 1 for parts in inner) and len(students) > 1
        several = flat or (all(len(parts) > 1 for parts in inner) and len(folders) > 1)
        if not several and not all(parts and _of_lms(parts[0]) for parts in inner):
            break
        if MOODLE.match(files[0].path.parts[0]):  # the files in it may have any name
            break
        files = [replace(f, path=PurePosixPath(*p)) for f, p in zip(files, inner, strict=True)]
    return list(files)


def _of_lms(name: str) -> bool:
    return bool(MOODLE.match(name) or CANVAS.match(name) or ANONYMOUS.match(name))


def _printable(name: str) -> str:
    """A name without control characters, direction marks and lone surrogates."""
    joiners = "\u200c\u200d"  # some scripts need them
    kinds = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
    return "".join(c if c in joiners or unicodedata.category(c) not in kinds else "?" for c in name)
