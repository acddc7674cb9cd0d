"""A grader for tests of what lies around it: a submission says itself what happens to it."""

import json
import os
import time
from pathlib import Path

from gancourse.grading.judging.judge import Mark, Result, Unreadable

from gancourse.errors import CourseError


def notebook(number: str = "02", **facts) -> bytes:
    """A submission: marks={"2.1": 1}, and bad, bug, die, flag, sleep, slip, stop."""
    return json.dumps({"number": number, **facts}).encode()


def recognise(content: bytes) -> str:
    try:
        return json.loads(content)["number"]
    except (ValueError, KeyError) as error:
        raise Unreadable("It is no notebook.") from error


def grade(path: Path, secret: bytes, *, unsafe: bool = False) -> Result:
    """Marks of 2 points each, as the submission asks for; each call leaves a line in a log."""
    facts = json.loads(path.read_text())
    if log := os.environ.get("GANCOURSE_TEST_LOG"):
        with open(log, "a") as file:
            file.write(path.stem[:8] + "\n")
    if (file := facts.get("pid")) and not Path(f"{file}.seen").exists():  # say whom to kill
        Path(f"{file}.seen").touch()
        Path(file).write_text(str(os.getpid()))
    time.sleep(facts.get("sleep", 0))
    if facts.get("die") == "once" and not Path(f"{path}.died").exists():
        Path(f"{path}.died").touch()
        os._exit(9)
    if facts.get("die") is True:
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
        marks.append(Mark(id, 2, 2 * bool(right), status, f"{id} <b>", slip, flags, answer))
    return Result(facts["number"], tuple(marks), ("cell 7 raised",) * bool(facts.get("note")))
