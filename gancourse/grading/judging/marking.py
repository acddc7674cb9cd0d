"""Marks for one submission: fresh secret cases go into the sandbox, plain tensors come out.

This process never runs, unpickles or imports anything of a student. It has the references, and
compares with them what comes out of the sandbox, which is data.
"""

import contextlib
import hmac
import json
import re
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from safetensors.torch import load

from gancourse.errors import CourseError
from gancourse.exercises import of_notebook
from gancourse.exercises.base import Exercise, Failure, Observation
from gancourse.exercises.verdicts import Verdict
from gancourse.grading.answers import collector, notebook_file
from gancourse.grading.answers.collector import CellError
from gancourse.grading.answers.notebook_file import NotebookFile
from gancourse.grading.judging import letters
from gancourse.grading.judging.dependencies import code_behind
from gancourse.grading.judging.flags import find_flags
from gancourse.grading.sandbox.isolation import Limits
from gancourse.grading.sandbox.server import Server, Session, SessionEnded

ATTEMPTS = 8  # each time without the cell or the exercise that ended the one before
MOST_UNREAD = 20  # lines in the flags
ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{4,}")
OBSERVED_FLAGS = {
    "calls": "the reference solution was called while the answer was observed",
    "given": "an earlier check of a wrong answer gave this number",
    "threads": "a thread of the notebook was running while the answer was observed",
    "processes": "a process of the notebook ran while the answer was observed",
    "profiler": "the answer stopped the watch on what it calls",
}


@dataclass(frozen=True)
class Mark:
    """One exercise of a submission."""

    exercise: str
    points: int
    """Points that the exercise is worth."""
    earned: int
    status: str
    """'right', 'wrong', 'unsolved', 'error' (it could not be observed), or 'rubric': a line that
    only an instructor marks."""
    message: str
    """What the student reads: expected, got, the slip's hint."""
    slip: int | None = None
    flags: tuple[str, ...] = ()
    """For the instructor only; they cost no points."""
    answer: str = ""
    """Source of the student's exercise cell."""
    observed: str = ""
    """Of an answer that is a letter, what was observed, as JSON (`letters.store`)."""
    behind: str = ""
    """Source of what the answer needs from cells and files that answer no exercise."""

    def judged(self, verdict: Verdict) -> "Mark":
        """The same answer with another verdict."""
        points, earned = verdict.exercise.points, verdict.points
        blank = verdict.status == self.status == "unsolved"
        message = self.message if blank else _plain(verdict.message, 2000)
        return replace(
            self, points=points, earned=earned, status=verdict.status, message=message,
            slip=verdict.slip,
        )  # fmt: skip


@dataclass(frozen=True)
class Result:
    """One submission. The same notebook, secret and package version give the same result."""

    notebook: str
    """Number of the notebook: "02"."""
    marks: tuple[Mark, ...]
    notes: tuple[str, ...] = ()
    """What happened to cells, for student and instructor."""
    flags: tuple[str, ...] = ()
    """For the instructor only."""
    guarantees: tuple[str, ...] = ()
    """What the sandbox guaranteed; its first line begins with UNSAFE where there was none, and with
    CONTAINER where it was a separate user in a container."""

    @property
    def flagged(self) -> bool:
        return bool(self.flags) or any(mark.flags for mark in self.marks)

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=True, indent=1)

    @classmethod
    def from_json(cls, text: str) -> "Result":
        facts = json.loads(text)
        marks = tuple(Mark(**{**m, "flags": tuple(m["flags"])}) for m in facts.pop("marks"))
        tuples = {k: tuple(v) if isinstance(v, list) else v for k, v in facts.items()}
        return cls(marks=marks, **tuples)


@dataclass
class _Log:
    """What came out of the sandbox, over all attempts; none of it can be trusted."""

    seen: dict[str, list[Observation | Failure]] = field(default_factory=dict)
    flags: dict[str, str] = field(default_factory=dict)
    stopped: dict[str, str] = field(default_factory=dict)
    """Cells ("cell 7") and exercises ("exercise 2.3") that ended an attempt, and how."""
    errors: dict[int, CellError] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)
    """Code that was executed and not handed in: its name, and the place from which it was run."""
    place: str = ""
    """What runs now, as in `stopped`."""


def grade(
    path: Path,
    secret: bytes,
    *,
    limits: Limits = Limits(),  # noqa: B008
    sandbox: str = "bubblewrap",
    server: Server | None = None,
) -> Result:
    """Grade one submission: its cells run in a sandbox, its answers are compared here.

    Parameters
    ----------
    path : Path
        An .ipynb file; nothing is assumed about it.
    secret : bytes
        Of this course and term. The cases of an exercise depend on it, on the notebook's bytes and
        on the exercise: they can't be known before, and are the same when it is graded again.
    limits : Limits
        What it may use.
    sandbox : str
        As `Server` takes it; with "none" every result is stamped UNSAFE.
    server : Server, optional
        A warm one, for many submissions. Without it one is started, which takes seconds.

    Raises
    ------
    Unreadable
        If the file is no notebook of the course.
    CourseError
        If this machine doesn't offer that sandbox.
    """
    file = notebook_file.read(Path(path))
    exercises = of_notebook(file.notebook)
    seeds = {e.id: _seed(file, e, secret) for e in exercises}
    with contextlib.nullcontext(server) if server else Server(sandbox) as warm:
        log = _run(file, seeds, limits, warm)
    flags = find_flags(file, exercises)
    behind = code_behind(file, seeds)
    marks = [
        replace(_mark(file, e, seeds[e.id], log, flags.get(e.id, ())), behind=behind[e.id])
        for e in exercises
    ]
    notes = (*file.notes, *collector.notes(file, log.errors, log.stopped))
    unread = (
        f"runs code that is not in what was handed in: {place}, {name}"
        for name, place in log.unread.items()
    )
    all_flags = (*flags.get("", ()), *unread)
    return Result(file.notebook, tuple(marks), notes, all_flags, warm.guarantees)


def _seed(file: NotebookFile, exercise: Exercise, secret: bytes) -> int:
    text = f"{file.digest} {exercise.id}".encode()
    return int.from_bytes(hmac.digest(secret, text, "sha256")[:7], "big")


def _run(file: NotebookFile, seeds: dict[str, int], limits: Limits, server: Server) -> _Log:
    """Run a submission until each answer is observed; what ends its process is left out next."""
    log = _Log()
    job = file.job(seeds) | {"cell_seconds": limits.cell, "exercise_seconds": limits.exercise}
    start = time.monotonic()
    end = start + limits.total
    for attempt in range(ATTEMPTS):  # all but one, and half of the time, are for answers only
        ends = (end if attempt else (start + end) / 2, end)
        cells = file.answer_cells if attempt else file.cells_to_run
        cells = [cell for cell in cells if f"cell {cell.number}" not in log.stopped]
        job["cells"] = [(cell.number, cell.source) for cell in cells]
        job["exercises"] = [
            id for id in seeds if id not in log.seen and f"exercise {id}" not in log.stopped
        ]
        if not job["exercises"] or time.monotonic() > end:
            break
        log.place = ""
        try:
            with server.session(limits) as session:
                session.send(job | {"token": session.token})
                _listen(session, log, seeds, job["exercises"], limits, ends)
            break
        except SessionEnded as ended:
            if not log.place:  # no code of the student has run yet
                what = "A sandbox was built, but the submission could not be started in it."
                do = "See what works here: gancourse doctor"
                raise CourseError(what, str(ended), do) from ended
            halfway = not attempt and log.place.startswith("cell") and time.monotonic() >= ends[0]
            if not (halfway and str(ended) == "it took too long"):  # it had not all of its time
                log.stopped[log.place] = str(ended)
    return log


def _listen(
    session: Session,
    log: _Log,
    seeds: dict[str, int],
    ids: list[str],
    limits: Limits,
    ends: tuple[float, float],
) -> None:
    """Follow one attempt, whose cells and answers have until `ends`."""
    log.errors.clear()
    left, now = list(ids), ""  # exercises whose seed was not sent yet, and the one that runs
    for message, body in session:
        if message.get("token") != session.token:
            continue
        at = str(message.get("at"))
        if re.fullmatch(r"cell \d{1,5}", at) and left == ids:
            log.place = at
            session.allow(min(limits.cell + limits.grace, ends[0] - time.monotonic()))
        elif left and at == f"exercise {left[0]}":
            log.place, now = at, left.pop(0)
            session.allow(min(limits.exercise + limits.grace, ends[1] - time.monotonic()))
            session.send({"seed": seeds[now]})
        elif at == "end":
            return
        elif "unread" in message and len(log.unread) < MOST_UNREAD:
            log.unread[_plain(message["unread"], 100)] = log.place
        elif now and message.get("id") == now and isinstance(message.get("seen"), list):
            log.seen[now] = _unpack(message["seen"], body)
            log.flags[now] = str(message.get("flags"))
            now = ""
        elif isinstance(message.get("error"), list) and len(message["error"]) == 4:
            number, kind, text, name = message["error"]
            if isinstance(number, int):
                log.errors[number] = CellError(_plain(kind, 100), _plain(text, 300), str(name))


def _unpack(parts: list, body: bytes) -> list[Observation | Failure]:
    """What was observed, from untrusted input; what makes no sense is a failure."""
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
            kind, text, line = (part.get(name, "") for name in ("kind", "text", "line"))
            seen.append(Failure(_plain(kind, 100), _plain(text, 1000), _plain(line, 200)))
        else:
            seen.append(broken)
    return seen


def _mark(
    file: NotebookFile, exercise: Exercise, seed: int, log: _Log, flags: Sequence[str]
) -> Mark:
    """Compare what was observed of one answer with the reference, on the same secret cases."""
    id, seen, source = exercise.id, log.seen.get(exercise.id), file.answer(exercise.id)
    observed = log.flags.get(id, "")
    status, message, slip, earned = "error", "", None, 0
    if seen is None:
        why = log.stopped.get(f"exercise {id}") or next(iter(log.stopped.values()), "")
        message = f"your answer could not be run: {why or 'no time was left'}."
    elif any(isinstance(s, Failure) and s.kind == "OutOfTime" for s in seen):
        message = "your answer took too long and was stopped."
    else:
        verdict = collector.verdict(exercise, seed, seen)
        status, message, slip = verdict.status, verdict.message, verdict.slip
        earned = verdict.points
    flags = (*flags, *(text for word, text in OBSERVED_FLAGS.items() if word in observed))
    if not earned:  # the interrupt that ends an endless loop may end the watch, too
        flags = tuple(text for text in flags if text != OBSERVED_FLAGS["profiler"])
    if status == "unsolved" and not source:
        message = "not solved yet: the notebook has no cell that answers it."
    return Mark(
        id, exercise.points, earned, status, _plain(message, 2000), slip, flags, source,
        letters.store(exercise, seen or ()),
    )  # fmt: skip


def _plain(text: Any, length: int) -> str:
    """Untrusted text made harmless: no control characters, no addresses of memory."""
    text = "".join(c for c in str(text)[: 4 * length] if c.isprintable() or c == "\n")
    return ADDRESS.sub("0x...", text)[:length]
