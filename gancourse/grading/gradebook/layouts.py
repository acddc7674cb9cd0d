"""How learning management systems and tools lay out what was handed in: whose each file is.

`LAYOUTS` is the table. A layout says whether files look like it, and splits them by student; names
come from the system where it gives some, since students choose the names of their files.
"""

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path, PurePosixPath

from gancourse.errors import CourseError
from gancourse.grading.gradebook.places import File

CANVAS = re.compile(r"^(?P<student>[^\W_].*?)(?P<late>_LATE)?_(?P<id>\d+)_\d{3,}_(?P<name>.+)$")
NUMBERS = re.compile(r"(?:^|_)([1-9]\d*)_[1-9]\d{2,}_")  # of a student and a file, once more
ANONYMOUS = re.compile(r"^(?P<late>LATE_)?(?P<student>anon)_(?P<id>\w{5})_\d{3,}_(?P<name>.+)$")
MOODLE = re.compile(r"^(?P<student>[^_]+)_(?P<id>\d+)_assignsubmission_[a-z]+(?:_(?P<name>.*))?$")
BEFORE = re.compile(r"^(?P<student>.+?)_(?P<name>\d\d_.+)$")
AFTER = re.compile(r"^(?P<name>\d\d_\w+)-(?P<student>.+?)(?P<ending>\.\w+)$")
BLACKBOARD = re.compile(
    r"^(?P<head>.+?)_attempt_(?P<time>\d{4}(?:-\d\d){5})(?:_(?P<name>.+)|\.txt)$", re.S
)
BLACKBOARD_NAME = re.compile(r"^Name:.*\(([^()\n]+)\)[ \t]*\r?$", re.M)
BRIGHTSPACE = re.compile(
    r"^(?P<id>\d+)-\d+ - (?P<student>.+?) - (?P<time>[^-]*\d{4} \d{3,4} ?[AP]M)"
    r"(?: - (?P<name>.+))?$"
)
GOOGLE = re.compile(r"^(?P<student>.+?) - (?P<name>.+\.(?:ipynb|py|zip))$")
GRADESCOPE = "submission_metadata.yml"
PLAIN = ("", "canvas", "moodle", "google", "folders")  # the path alone tells the student
DEEPEST = 6  # folders around everything
SMALL = 10**5  # bytes that are read of a text that a system wrote


@dataclass(frozen=True)
class HandedIn:
    """A file, and the student who handed it in; "" where its path doesn't tell."""

    student: str
    name: str
    """The name that the student gave it."""
    file: File
    late: bool = False
    """Whether Canvas marked it as late."""
    section: str = ""
    """A folder below the student's, where the folder may be of a section of the class."""
    group: tuple[str, ...] = ()
    """The others who handed it in, too."""
    clone: bool = False
    """Whether it is in a copy of the course's repository, with all of its notebooks."""


@dataclass(frozen=True)
class Tree:
    """The files of a place, with paths below some folder of it."""

    files: Sequence[File]
    root: Path
    """The folder; where the place is a zip, a path that does not exist."""

    @property
    def tops(self) -> set[str]:
        return {file.path.parts[0] for file in self.files}

    def inner(self) -> "Tree | None":
        """Without the one folder around everything; None where there is none."""
        if len(self.tops) != 1 or any(len(file.path.parts) == 1 for file in self.files):
            return None
        below = [replace(f, path=PurePosixPath(*f.path.parts[1:])) for f in self.files]
        return Tree(below, self.root.joinpath(*self.tops))


@dataclass(frozen=True)
class Layout:
    """One way in which submissions are laid out."""

    title: str
    matches: Callable[[Tree], bool]
    split: Callable[[Tree], Iterator[HandedIn]]


def recognize(tree: Tree, name: str = "") -> tuple[str, list[HandedIn]]:
    """The layout of a place: its title, and whose each file is.

    Parameters
    ----------
    tree : Tree
        All of its files.
    name : str
        A key of `LAYOUTS`, to be used whatever the files look like; recognized if empty.

    Returns
    -------
    tuple[str, list[HandedIn]]
        What recognizes no student has an empty one.

    Raises
    ------
    CourseError
        If the layout's own list of students is missing or broken.
    """
    trees = [tree]
    while len(trees) < DEEPEST and (inner := trees[-1].inner()) is not None:
        trees.append(inner)
    for candidate in trees:  # the outermost first: below it names may be students' own
        for layout in [LAYOUTS[name]] if name else LAYOUTS.values():
            if layout.matches(candidate):
                return layout.title, list(layout.split(candidate))
    if name in PLAIN:
        split = LAYOUTS[name].split if name else _by_path
        return LAYOUTS[name or "folders"].title, list(split(tree))
    several = [candidate for candidate in trees if len(candidate.tops) > 1]
    return LAYOUTS[name].title, list(LAYOUTS[name].split(several[0] if several else tree))


# Folders, Canvas, Moodle ---------------------------------------------------------------------
def student_of(path: PurePosixPath, lms: bool = True) -> tuple[str, str, bool]:
    """Student, name of the file, and whether it was late, from a path in the folder or zip.

    The student is "" where the path doesn't tell.

    Parameters
    ----------
    path : PurePosixPath
        Of a file.
    lms : bool
        Whether the names may be those that Canvas and Moodle give.
    """
    top, name = path.parts[0], path.name
    nested = len(path.parts) > 1
    if lms and (match := MOODLE.match(top)):
        return f"{match['student']}_{match['id']}", name if nested else match["name"] or name, False
    if nested:
        return top, name, False
    if lms and (match := ANONYMOUS.match(name)):
        return f"anon_{match['id']}", match["name"], bool(match["late"])
    if lms and (match := CANVAS.match(name)):
        number, rest = match["id"], match["name"]
        if {*NUMBERS.findall(rest)} - {number}:  # a student may be called "doejane_11_222_x"
            return "", name, False
        late = bool(match["late"]) or f"LATE_{number}_" in rest
        return f"{match['student']}_{number}", rest, late
    if match := AFTER.match(name):
        return match["student"], match["name"] + match["ending"], False
    match = BEFORE.match(name) or GOOGLE.match(name)
    return (match["student"], match["name"], False) if match else ("", name, False)


def _by_path(tree: Tree, lms: bool = True) -> Iterator[HandedIn]:
    for file in _unwrapped(tree.files, lms):
        student, name, late = student_of(file.path, lms)
        section = "".join(file.path.parts[1:-1][:1])
        yield HandedIn(student, name, file, late, section)


def _unwrapped(files: Sequence[File], lms: bool) -> list[File]:
    """Without the one folder around everything that some tools add."""
    while len({file.path.parts[0] for file in files}) == 1:
        inner = [file.path.parts[1:] for file in files]
        students = {student_of(PurePosixPath(*p), lms)[0] for p in inner if len(p) == 1} - {""}
        folders = {parts[0] for parts in inner if len(parts) > 1}
        flat = all(len(parts) == 1 for parts in inner) and len(students) > 1
        several = flat or (all(len(parts) > 1 for parts in inner) and len(folders) > 1)
        named = lms and all(parts and _of_lms(parts[0]) for parts in inner)
        if not (several or named) or (lms and MOODLE.match(files[0].path.parts[0])):
            break  # the files of a student of Moodle may have any name
        files = [replace(f, path=PurePosixPath(*p)) for f, p in zip(files, inner, strict=True)]
    return list(files)


def _of_lms(name: str) -> bool:
    return bool(MOODLE.match(name) or CANVAS.match(name) or ANONYMOUS.match(name))


def _named(tree: Tree, *patterns: re.Pattern) -> list[str]:
    """Names of the files of the first level, if most of them are like a system's."""
    names = [file.path.name for file in tree.files if len(file.path.parts) == 1]
    like = [name for name in names if any(pattern.match(name) for pattern in patterns)]
    return like if 2 * len(like) >= len(names) else []


def _most(tree: Tree, like: re.Pattern) -> bool:
    """Whether most names are a system's: one student's name for a file decides nothing."""
    return 2 * sum(bool(like.match(top)) for top in tree.tops) >= len(tree.tops) > 0


def _text(file: File) -> str:
    """The beginning of a text that a system wrote; empty where it can't be read."""
    try:
        return "" if file.problem else file.read()[:SMALL].decode("utf-8", "replace")
    except Exception:  # whatever a strange file causes, the rest is graded
        return ""


# Gradescope ----------------------------------------------------------------------------------
def _gradescope(tree: Tree) -> Iterator[HandedIn]:
    submitters = _submitters(tree)
    for file in tree.files:
        top = file.path.parts[0]
        if top == GRADESCOPE:
            continue
        people, time = submitters.get(top, ((), ""))
        file = replace(file, time=(time, *file.time))
        for student in people or ("",):
            others = tuple(other for other in people if other != student)
            yield HandedIn(student, file.path.name, file, group=others)


def _submitters(tree: Tree) -> dict[str, tuple[tuple[str, ...], str]]:
    """Folder of a submission -> the students who handed it in, and when.

    The file is YAML that Ruby wrote: keys are texts like ":name". `BaseLoader` makes texts, lists
    and dictionaries of it, and nothing else, whatever its tags say.
    """
    import yaml

    try:
        text = next(f.read() for f in tree.files if str(f.path) == GRADESCOPE).decode()
        facts = yaml.load(text, getattr(yaml, "CBaseLoader", yaml.BaseLoader))
        people = {folder: map(_person, entry[":submitters"]) for folder, entry in facts.items()}
        times = {folder: str(entry.get(":created_at", "")) for folder, entry in facts.items()}
        return {folder: (tuple(dict.fromkeys(people[folder])), times[folder]) for folder in facts}
    except Exception as error:  # no such file, no text, no YAML, or something else in it
        raise CourseError(
            f"{GRADESCOPE}, which names Gradescope's students, can't be read.",
            f"{type(error).__name__}: {error}"[:300],
            "Export again: the assignment > Review Grades > Export Submissions.",
        ) from error


def _person(facts: Mapping[str, str]) -> str:
    """The e-mail address; without one, name and number."""
    parts = (facts.get(":email"), "_".join(filter(None, (facts.get(":name"), facts.get(":sid")))))
    return next(filter(None, parts), "")


# Blackboard ----------------------------------------------------------------------------------
def _blackboard(tree: Tree) -> Iterator[HandedIn]:
    found = [(file, match) for file in tree.files if (match := BLACKBOARD.match(str(file.path)))]
    users: dict[str, str] = {}  # what comes before "_attempt_" -> the name in Blackboard's text
    for file, match in found:
        if match["name"] is None:
            name = BLACKBOARD_NAME.search(_text(file))
            if name and match["head"].endswith(f"_{name[1]}"):
                users[match["head"]] = name[1]
    for file, match in found:
        if match["name"] is not None:
            student = users.get(match["head"]) or match["head"].rpartition("_")[2]
            file = replace(file, time=(match["time"], *file.time))
            yield HandedIn(student, match["name"], file)
    for file in tree.files:
        if not BLACKBOARD.match(str(file.path)):
            yield HandedIn("", file.path.name, file)


# Brightspace ---------------------------------------------------------------------------------
def _brightspace(tree: Tree) -> Iterator[HandedIn]:
    found = [(file, BRIGHTSPACE.match(file.path.parts[0])) for file in tree.files]
    numbers = defaultdict(set)
    for _, match in found:
        if match:
            numbers[match["student"]].add(match["id"])
    for file, match in found:
        if match:
            student = match["student"]
            if len(numbers[student]) > 1:  # two people of one name
                student = f"{student}_{match['id']}"
            file = replace(file, time=(_brightspace_time(match["time"]), *file.time))
            yield HandedIn(student, match["name"] or file.path.name, file)
        elif file.path.name != "index.html":
            yield HandedIn("", file.path.name, file)


def _brightspace_time(text: str) -> str:
    """What sorts like "Nov 30, 2026 1015 PM"; the text itself where it is in another language."""
    words = re.sub(r"[,.]", " ", text).split()
    for form in ("%b %d %Y", "%d %b %Y", "%B %d %Y", "%d %B %Y"):
        try:
            date = datetime.strptime(" ".join(words[:3]), form)
            clock = datetime.strptime("".join(words[3:]).rjust(6, "0"), "%I%M%p")
            return f"{date:%Y-%m-%d} {clock:%H:%M}"
        except ValueError:
            continue
    return text


# nbgrader, GitHub, Google Classroom ----------------------------------------------------------
def _submitted(tree: Tree) -> list[File]:
    """Files below `submitted/`, or all where the place is that folder."""
    below = [f for f in tree.files if f.path.parts[0] == "submitted" and len(f.path.parts) > 3]
    inner = [replace(file, path=PurePosixPath(*file.path.parts[1:])) for file in below]
    return inner or list(tree.files)


def _nbgrader(tree: Tree) -> Iterator[HandedIn]:
    files = _submitted(tree)
    times = {
        file.path.parent: _text(file).strip() for file in files if file.path.name == "timestamp.txt"
    }
    for file in files:
        parts = file.path.parts
        time = times.get(PurePosixPath(*parts[:2]), "")
        if file.path.name != "timestamp.txt":
            student = parts[0] if len(parts) > 1 else ""
            yield HandedIn(student, file.path.name, replace(file, time=(time, *file.time)))


def _is_nbgrader(tree: Tree) -> bool:
    below = any(len(f.path.parts) == 4 and f.path.parts[0] == "submitted" for f in tree.files)
    return below or tree.root.name == "submitted"


def _github(tree: Tree) -> Iterator[HandedIn]:
    folders = sorted({file.path.parts[0] for file in tree.files if len(file.path.parts) > 1})
    start = _assignment(folders, tree.root.name)
    end = next((e for e in ("-main", "-master") if all(f.endswith(e) for f in folders)), "")
    for file in tree.files:
        parts = file.path.parts
        if len(parts) == 1:
            yield HandedIn("", file.path.name, file)
            continue
        student = parts[0].removeprefix(start).removesuffix(end)
        own_place = parts[1] == "notebooks" and len(parts) == 3
        file = replace(file, time=(own_place, *file.time))  # all are as old as the clone
        yield HandedIn(student, file.path.name, file, clone=True)


def _assignment(folders: Sequence[str], around: str) -> str:
    """What GitHub Classroom puts before the user's name: "minimax-" of "minimax-jane"."""
    named = around.removesuffix("-submissions") + "-"
    if around.endswith("-submissions") and all(folder.startswith(named) for folder in folders):
        return named
    starts = [folders[0][: dash.end()] for dash in re.finditer("-", "".join(folders[:1]))]
    same = [s for s in starts if len(folders) > 1 and all(f.startswith(s) for f in folders)]
    return max(same, key=len, default="")


def _is_github(tree: Tree) -> bool:
    paths = [file.path.parts for file in tree.files]
    notebooks = {p[0] for p in paths if len(p) == 3 and p[1] == "notebooks" and "ipynb" in p[2]}
    others = {p[0] for p in paths if {*p[1:2]} & {"solutions", "README.md", "pyproject.toml"}}
    cloned = {top for top in tree.tops if os.path.exists(tree.root / top / ".git")}
    return 2 * len(cloned | (notebooks & others)) >= len({p[0] for p in paths if len(p) > 1}) > 0


LAYOUTS = {
    "gradescope": Layout("Gradescope export", lambda tree: GRADESCOPE in tree.tops, _gradescope),
    "moodle": Layout("Moodle download", partial(_most, like=MOODLE), _by_path),
    "brightspace": Layout("Brightspace download", partial(_most, like=BRIGHTSPACE), _brightspace),
    "blackboard": Layout(
        "Blackboard download", lambda tree: bool(_named(tree, BLACKBOARD)), _blackboard
    ),
    "canvas": Layout(
        "Canvas download", lambda tree: bool(_named(tree, CANVAS, ANONYMOUS)), _by_path
    ),
    "nbgrader": Layout("nbgrader's submitted/", _is_nbgrader, _nbgrader),
    "github": Layout("GitHub repositories", _is_github, _github),
    "google": Layout(
        "Google Classroom folder",
        lambda tree: len({GOOGLE.match(name)["student"] for name in _named(tree, GOOGLE)}) > 1,
        _by_path,
    ),
    "folders": Layout("named folders or files", lambda tree: False, partial(_by_path, lms=False)),
}
