"""A fake grader, for tests of what is around it: a submission itself says what happens to it."""

import json
import os
import time
from pathlib import Path
from types import SimpleNamespace

from gancourse.errors import CourseError
from gancourse.grading.answers.notebook_file import Unreadable
from gancourse.grading.gradebook import workers
from gancourse.grading.gradebook.collect import Submission
from gancourse.grading.judging.marking import Mark, Result

SECRET = bytes(32)
MARKS = {"2.1": 1, "2.3": 0}


def notebook(number: str = "02", **facts) -> bytes:
    """A submission: marks={"2.1": 1}, and bad, bug, crash, flag, sleep, slip, stop."""
    return json.dumps({"number": number, **facts}).encode()


def handed_in(count: int = 6, **special: dict) -> list[Submission]:
    """Submissions of students a, b, c ...; what is special about some of them by name."""
    names = [chr(ord("a") + n) if count <= 26 else f"s{n:03d}" for n in range(count)]
    return [
        Submission(
            name,
            "02.ipynb",
            "02",
            notebook(**{"marks": MARKS, "who": name} | special.get(name, {})),
        )
        for name in names
    ]


def here(tasks, function, count):
    """In place of `workers.local`: all in this process, where a test can change things."""
    return ((task, workers.work(task, function)) for task in tasks)


def lay(root: Path, files: dict[str, bytes]) -> Path:
    """Write files below a folder."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def parse(content: bytes, name: str = "", beside=None) -> SimpleNamespace:
    """In place of `notebook_file.parse`."""
    try:
        facts = json.loads(content)
        return SimpleNamespace(
            notebook=facts["number"], content=content, blank=facts.get("blank", False), notes=()
        )
    except (ValueError, KeyError) as error:
        raise Unreadable("It is no notebook.") from error


def cores(path: Path, secret: bytes, *, sandbox: str = "bubblewrap") -> Result:
    """In place of marks: the cores that the worker may use."""
    return Result("02", (), (str(sorted(os.sched_getaffinity(0))),))


def grade(path: Path, secret: bytes, *, sandbox: str = "bubblewrap") -> Result:
    """Marks of 2 points each, as the submission asks for; each call leaves a line in a log."""
    facts = json.loads(path.read_text())
    if log := os.environ.get("GANCOURSE_TEST_LOG"):
        with open(log, "a") as file:
            file.write(path.stem[:8] + "\n")
    if (file := facts.get("pid")) and not Path(f"{file}.seen").exists():  # the process to kill
        Path(f"{file}.seen").touch()
        Path(file).write_text(str(os.getpid()))
    time.sleep(facts.get("sleep", 0))
    if facts.get("crash") == "once" and not Path(f"{path}.crashed").exists():
        Path(f"{path}.crashed").touch()
        os._exit(9)
    if facts.get("crash") is True:
        os._exit(9)
    if facts.get("bad"):
        raise Unreadable("It is", "unreadable.")
    if facts.get("bug"):
        raise ZeroDivisionError("a defect")
    if facts.get("stop"):
        raise CourseError("No sandbox.", "why", "do")
    correction = float(os.environ.get("GANCOURSE_TEST_CORRECTION", "0"))
    marks = []
    for id, right in facts["marks"].items():
        right = right or (correction and id == "2.3")
        flags = ("calls the reference",) if facts.get("flag") == id else ()
        answer = facts.get("answers", {}).get(id, "")
        status = "right" if right else "wrong"
        slip = None if right else facts.get("slip")
        message, earned = f"{id} <b>", 2 * bool(right)
        if id in facts.get("in part", ()) and not right:
            message, earned = "Not correct yet, but 1 of 2 points, for the mean. On zeros: 1.", 1
        marks.append(Mark(id, 2, earned, status, message, slip, flags, answer))
    return Result(facts["number"], tuple(marks), ("cell 7 raised",) * bool(facts.get("note")))
