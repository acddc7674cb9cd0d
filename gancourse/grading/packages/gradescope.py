"""Gradescope's autograder: the zip to upload, and what its container runs for a submission.

The container holds the seed of the random inputs, and runs the student's code. bubblewrap is tried
first. Where the container forbids it, the submission runs as a user of its own, to whom everything
in /autograder is closed; results are written when all of that user's processes are killed.
"""

import io
import json
import os
import secrets
import sys
import time
import zipfile
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path

from gancourse import exercises
from gancourse.errors import CourseError
from gancourse.exercises import rubric
from gancourse.grading.answers import notebook_file
from gancourse.grading.gradebook import capacity
from gancourse.grading.judging import marking
from gancourse.grading.judging.marking import Result
from gancourse.grading.packages.wheel import add, wheel
from gancourse.grading.sandbox import server
from gancourse.grading.sandbox.isolation import Limits

AUTOGRADER = Path("/autograder")
SETTINGS = "gancourse.json"
LEAST = 10**9  # bytes that a submission may use, however small the container is
MOST_FILES = 50
DO = "In your notebook: save it, then File > Download > .ipynb; hand in that one file."


def package(notebook: str, out: Path) -> None:
    """Write the zip that an instructor uploads to Gradescope.

    Parameters
    ----------
    notebook : str
        Its number: "02".
    out : Path
        The new file. It contains a random seed, which students must not see.

    Raises
    ------
    CourseError
        If the file exists, or the course is not installed.
    """
    parts = files("gancourse.grading.packages") / "files"
    name, content = wheel()
    settings = {"notebook": notebook, "secret": secrets.token_hex(32)}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for script in ("setup.sh", "run_autograder"):
            add(archive, script, (parts / script).read_bytes(), 0o755)
        add(archive, SETTINGS, json.dumps(settings).encode(), 0o600)
        add(archive, name, content, 0o644)
    try:
        with open(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(buffer.getvalue())
    except FileExistsError as error:
        why = "It may be in use, and its seed of the random inputs can't be made again."
        raise CourseError(f"{out} exists.", why, "Name another file with --out.") from error


def choose(folder: Path, notebook: str) -> Path:
    """The one notebook with a number among the files that a student handed in.

    Raises
    ------
    CourseError
        For the student: there is none, or more than one.
    """
    seen = [path for path in sorted(folder.rglob("*")) if path.is_file() or path.is_symlink()]
    names = [str(path.relative_to(folder)) for path in seen]
    right, problems = [], []
    for path, name in [*zip(seen, names, strict=True)][:MOST_FILES]:
        hidden = any(part.startswith((".", "__MACOSX")) for part in Path(name).parts)
        if path.suffix.lower() != ".ipynb" or hidden:
            continue
        try:
            number = notebook_file.read(path).notebook
        except notebook_file.Unreadable as error:
            problems.append(" ".join((error.what, error.why)))
            continue
        if number == notebook:
            right.append((path, name))
        else:
            problems.append(f"{name} is notebook {number}.")
    if len(right) == 1:
        return right[0][0]
    if right:
        listed = ", ".join(name for _, name in right)
        raise CourseError(f"More than one file is notebook {notebook}: {listed}.", "", DO)
    why = " ".join(problems) or f"Files: {', '.join(names[:10]) or 'none'}."
    raise CourseError(f"No file is notebook {notebook} of the course.", why, DO)


def report(result: Result, seconds: float) -> dict:
    """A result in Gradescope's format: a test for each exercise, and one for instructors only."""
    tests = [
        {
            "name": f"{mark.exercise} {exercises.find(mark.exercise).title}",
            "number": mark.exercise,
            "score": mark.earned,
            "max_score": mark.points,
            "status": "passed" if mark.status == "right" else "failed",
            "output": mark.message,
            "output_format": "text",
            "visibility": "visible",
        }
        for mark in result.marks
    ]
    lines = ["To review:", *_flags(result)] if result.flagged else ["No flags."]
    lines += ["What the sandbox guaranteed:", *result.guarantees]
    hidden = {"name": "For instructors", "score": 0, "max_score": 0, "visibility": "hidden"}
    tests.append(hidden | {"output": "\n".join(lines), "output_format": "text"})
    notes = list(result.notes)
    if by_hand := sum(line.points for line in rubric.of_notebook(result.notebook)):
        notes.append(f"{by_hand} more points are given by hand.")
    return _page("\n".join(notes), seconds) | {"tests": tests}


def refusal(error: CourseError, seconds: float) -> dict:
    """In Gradescope's format: nothing could be graded, for a reason that the student can change."""
    return _page(f"Nothing was graded.\n{error}", seconds) | {"score": 0, "tests": []}


def _page(output: str, seconds: float) -> dict:
    page = {"output": output, "output_format": "text", "execution_time": round(seconds, 1)}
    return page | {"visibility": "visible", "stdout_visibility": "hidden"}


def _flags(result: Result) -> Iterator[str]:
    yield from result.flags
    for mark in result.marks:
        yield from (f"{mark.exercise}: {flag}" for flag in mark.flags)


def _sandbox() -> str:
    """The best kind of sandbox that this container allows."""
    try:
        server.guarantees("bubblewrap")
    except CourseError:
        server.guarantees("alone")
        return "alone"
    return "bubblewrap"


def _grade(root: Path, begin: float) -> dict:
    settings = json.loads((root / "source" / SETTINGS).read_text())
    try:
        path = choose(root / "submission", settings["notebook"])
    except CourseError as error:
        return refusal(error, time.monotonic() - begin)
    memory = min(Limits().memory, max(LEAST, capacity.free_memory() - capacity.WORKER))
    secret, kind = bytes.fromhex(settings["secret"]), _sandbox()
    whole = root / "submission.ipynb"  # with the Python files next to it that it imports
    whole.write_bytes(notebook_file.read(path, with_modules=True).content)
    result = marking.grade(whole, secret, limits=Limits(memory=memory), sandbox=kind)
    whole.unlink()
    return report(result, time.monotonic() - begin)


def main(arguments: Sequence[str] = ()) -> int:
    """Grade the one submission in the container; 1 where it could not be graded at all.

    Then no results are written: Gradescope tells the instructor, and gives no points.

    Parameters
    ----------
    arguments : Sequence[str]
        The folder, if it is not /autograder.
    """
    begin, root = time.monotonic(), Path(*arguments) if arguments else AUTOGRADER
    results, mode = root / "results" / "results.json", root.stat().st_mode
    results.unlink(missing_ok=True)
    root.chmod(0o700)  # closed to the users that submissions run as
    try:
        page = _grade(root, begin)
    except CourseError as error:
        print(error, file=sys.stderr)
        return 1
    root.chmod(mode)  # by now all of the student's processes are killed
    results.write_text(json.dumps(page, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
