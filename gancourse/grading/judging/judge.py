"""Marks for one submission: fresh secret cases go into the sandbox, plain tensors come out.

The judge never runs, unpickles or imports anything of a student. It knows the right answers, and
the sandbox does not: what comes out of it is data, to be compared with the package's references.
"""

import contextlib
import hmac
import json
import re
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load

from gancourse.errors import CourseError
from gancourse.exercises import base, of_notebook
from gancourse.exercises.base import Exercise, Failure, Observation
from gancourse.grading.answers import submission
from gancourse.grading.answers.submission import Submission, Unreadable
from gancourse.grading.judging import evidence
from gancourse.grading.sandbox.server import Limits, Server, Session, Stop

__all__ = ["Limits", "Mark", "Result", "Server", "Unreadable", "grade"]
ATTEMPTS = 8  # each time without the cell or the exercise that ended the one before
ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{4,}")


@dataclass(frozen=True)
class Mark:
    """One exercise of a submission."""

    exercise: str
    points: int
    """Points that the exercise is worth."""
    earned: int
    status: str
    """'right', 'wrong', 'unsolved' or 'error' (it could not be observed)."""
    message: str
    """What the student reads: expected, got, the slip's hint."""
    slip: int | None = None
    flags: tuple[str, ...] = ()
    """For the instructor alone; they cost no points."""
    answer: str = ""
    """Source of the student's exercise cell."""


@dataclass(frozen=True)
class Result:
    """One submission. The same notebook, secret and package version give the same result."""

    notebook: str
    """Number of the notebook: "02"."""
    marks: tuple[Mark, ...]
    notes: tuple[str, ...] = ()
    """What happened to cells, for student and instructor."""
    flags: tuple[str, ...] = ()
    """For the instructor alone."""
    guarantees: tuple[str, ...] = ()
    """What the sandbox held to; a line that begins with UNSAFE where there was none."""

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=True, indent=1)

    @classmethod
    def from_json(cls, text: str) -> "Result":
        known = json.loads(text)
        marks = tuple(Mark(**{**m, "flags": tuple(m["flags"])}) for m in known.pop("marks"))
        return cls(
            marks=marks, **{k: tuple(v) if isinstance(v, list) else v for k, v in known.items()}
        )


@dataclass
class _Log:
    """What came out of the sandbox, over all attempts; nothing in it is to be trusted."""

    seen: dict[str, list[Observation | Failure]] = field(default_factory=dict)
    hints: dict[str, str] = field(default_factory=dict)
    stopped: dict[str, str] = field(default_factory=dict)
    """Cells ("cell 7") and exercises ("exercise 2.3") that ended an attempt, and how."""
    errors: dict[int, tuple[str, str, str]] = field(default_factory=dict)
    """Cell -> class of the exception, its text, and, of a NameError, the name."""


def grade(
    notebook: Path,
    secret: bytes,
    *,
    limits: Limits = Limits(),  # noqa: B008
    unsafe: bool = False,
    server: Server | None = None,
) -> Result:
    """Grade one submission: its cells run in a sandbox, its answers are compared here.

    Parameters
    ----------
    notebook : Path
        An .ipynb file; nothing is assumed of it.
    secret : bytes
        Of this course and term. The cases of an exercise depend on it, on the notebook's bytes and
        on the exercise, so they can't be known before, and come again when it is graded again.
    limits : Limits
        What it may spend.
    unsafe : bool
        Run it without a sandbox; every result says so.
    server : Server, optional
        A warm one, for many submissions. Without it one is started, which takes seconds.

    Raises
    ------
    Unreadable
        If the file is no notebook of the course.
    CourseError
        If this machine offers no sandbox, and `unsafe` is not set.
    """
    handed_in = submission.read(Path(notebook))
    exercises = of_notebook(handed_in.notebook)
    with contextlib.nullcontext(server) if server else Server(unsafe) as warm:
        log = _ask(handed_in, exercises, secret, limits, warm)
        found = evidence.find(handed_in, exercises)
        marks = [_mark(handed_in, e, secret, log, found.get(e.id, ())) for e in exercises]
        notes = (*handed_in.notes, *_notes(handed_in, log))
        return Result(handed_in.notebook, tuple(marks), notes, found.get("", ()), warm.guarantees)


def _seed(handed_in: Submission, exercise: Exercise, secret: bytes) -> int:
    text = f"{handed_in.digest} {exercise.id}".encode()
    return int.from_bytes(hmac.digest(secret, text, "sha256")[:7], "big")


def _ask(
    handed_in: Submission,
    exercises: Sequence[Exercise],
    secret: bytes,
    limits: Limits,
    server: Server,
) -> _Log:
    """Run a submission until each answer was observed; what ends its process is left out next."""
    log = _Log()
    start = time.monotonic()
    job = {
        "notebook": handed_in.notebook,
        "names": {e.id: handed_in.names(e.id) for e in exercises},
    }
    job["kept"] = handed_in.kept(job["names"])
    job |= {"cell_seconds": limits.cell, "exercise_seconds": limits.exercise}
    seeds = {e.id: _seed(handed_in, e, secret) for e in exercises}
    end = start + limits.total
    for attempt in range(ATTEMPTS):  # all but one, and half of the time, are for the answers alone
        ends = (end if attempt else (start + end) / 2, end)
        runs = handed_in.needed if attempt else handed_in.runs
        cells = [c for c in runs if f"cell {c.number}" not in log.stopped]
        todo = [e.id for e in exercises if e.id not in log.seen]
        todo = [id for id in todo if f"exercise {id}" not in log.stopped]
        if not todo or time.monotonic() > end:
            break
        job |= {"cells": [(c.number, c.source) for c in cells], "exercises": todo}
        place = [""]
        try:
            with server.session(limits) as session:
                session.send(job)
                _listen(session, place, seeds, todo, log, limits, ends)
            break
        except Stop as stop:
            if not place[0]:  # nothing of the student has run yet
                what = "A sandbox was built, but the submission could not be started in it."
                do = "See what holds here: gancourse doctor"
                raise CourseError(what, str(stop), do) from stop
            halfway = not attempt and place[0].startswith("cell") and time.monotonic() >= ends[0]
            if not (halfway and str(stop) == "it took too long"):  # it had not all of its time
                log.stopped[place[0]] = str(stop)
    return log


def _listen(
    session: Session,
    place: list[str],
    seeds: dict,
    todo: list[str],
    log: _Log,
    limits: Limits,
    ends: tuple[float, float],
) -> None:
    """Follow one attempt, whose cells and answers have until `ends`; `place` holds where it is."""
    log.errors.clear()
    asked = False
    for message, body in session:
        at = message.get("at")
        if isinstance(at, str) and re.fullmatch(r"cell \d{1,5}|exercise \d{1,2}\.\d{1,2}", at):
            place[0] = at
            answering = at.startswith("exercise")
            step, end = limits.exercise if answering else limits.cell, ends[answering]
            session.allow(min(step + limits.grace, end - time.monotonic()))
        elif at == "cases" and not asked:
            place[0] = place[0] or "cases"
            session.send({"seeds": seeds})
            asked = True
        elif at == "end":
            return
        elif asked and message.get("id") in todo and isinstance(message.get("seen"), list):
            log.seen[message["id"]] = _unpack(message["seen"], body)
            log.hints[message["id"]] = str(message.get("hints"))
        elif isinstance(message.get("error"), list) and len(message["error"]) == 4:
            number, kind, text, name = message["error"]
            if isinstance(number, int):
                log.errors[number] = (_plain(kind, 100), _plain(text, 300), str(name))


def _unpack(parts: list, body: bytes) -> list[Observation | Failure]:
    """What was observed, from a stranger's words; what makes no sense is a failure."""
    broken = Failure("AnswerError", "What your answer returned did not arrive as numbers.")
    try:
        tensors = load(body)
    except Exception:  # of safetensors' own kind, or of torch's
        return [broken]
    seen: list[Observation | Failure] = []
    for i, part in enumerate(parts[:100]):
        names = part.get("names") if isinstance(part, dict) else None
        if isinstance(names, list) and all(f"{i}.{j}" in tensors for j in range(len(names))):
            seen.append({str(name): tensors[f"{i}.{j}"] for j, name in enumerate(names)})
        elif isinstance(part, dict) and "kind" in part:
            seen.append(Failure(_plain(part["kind"], 100), _plain(part.get("text", ""), 1000)))
        else:
            seen.append(broken)
    return seen


def _mark(
    handed_in: Submission, exercise: Exercise, secret: bytes, log: _Log, flags: Sequence[str]
) -> Mark:
    """Compare what was observed of one answer with the reference, on the same secret cases."""
    id, seen = exercise.id, log.seen.get(exercise.id)
    hints = {
        "calls": "the package's own version was called while the answer was observed",
        "given": "this number was given out by an earlier check of a wrong answer",
    }
    flags = (*flags, *(text for word, text in hints.items() if word in log.hints.get(id, "")))
    status, message, slip = "error", "", None
    cases = exercise.cases(torch.Generator().manual_seed(_seed(handed_in, exercise, secret)))
    if seen is None:
        why = log.stopped.get(f"exercise {id}") or next(
            iter(log.stopped.values()), "no time was left"
        )
        message = f"your answer could not be run: {why}."
    elif any(isinstance(s, Failure) and s.kind == "Stopped" for s in seen):
        message = "your answer took too long and was stopped."
    elif len(seen) != len(cases) and not all(isinstance(s, Failure) for s in seen):
        message = "your answer could not be put to every case."
    else:
        try:
            verdict = base.compare(exercise, cases[: len(seen)], seen[: len(cases)])
            status, message, slip = verdict.status, verdict.message, verdict.slip
        except Exception as error:  # numbers of a kind that can't be compared
            message = f"your answer could not be compared ({type(error).__name__})."
    source = handed_in.answer(id)
    if status == "unsolved" and not source:
        message = "not solved yet: the notebook has no cell that answers it."
    earned = exercise.points if status == "right" else 0
    text = _plain(message, 2000)
    return Mark(id, exercise.points, earned, status, text, slip, flags, source)


def _notes(handed_in: Submission, log: _Log) -> list[str]:
    """What happened to cells, in order; those that only lack a training's result are one note."""
    found, lost, without, idle = [], set(), [], []
    for cell in handed_in.cells:
        kind, text, name = log.errors.get(cell.number, ("", "", None))
        how = log.stopped.get(f"cell {cell.number}")
        if cell.skipped:
            idle.append(str(cell.number))
        elif how:
            found.append(f"cell {cell.number} was left out: {how}")
        elif kind and (name in lost or (idle and cell.untouched)):
            without += [] if idle and cell.untouched else [str(cell.number)]
        elif kind == "Stopped":
            found.append(f"cell {cell.number} was stopped: it took too long")
        elif kind:
            found.append(f"cell {cell.number} raised {kind}: {text}")
        if cell.skipped or how or kind:
            lost |= cell.binds
    if without:
        training = f"; training (cells {', '.join(idle)}) is not run here" if idle else ""
        found.append(f"cells {', '.join(without)} need what did not run{training}")
    return found


def _plain(text: Any, length: int) -> str:
    """A stranger's words as one harmless text: no control characters, no addresses of memory."""
    text = "".join(c for c in str(text)[: 4 * length] if c.isprintable() or c == "\n")
    return ADDRESS.sub("0x...", text)[:length]
