"""What the gradebook says of one student's notebook: marks, comments, lateness, and the score."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gancourse.grading.judging.judge import Mark, Result

GRADED, REVIEW = "graded", "needs review"


@dataclass(frozen=True)
class Record:
    """One notebook of one student, as it stands now."""

    student: str
    notebook: str
    """"02", or "" where what was handed in is none of the course's notebooks."""
    file: str
    status: str
    """"graded"; "needs review" (marks that a human should look at); or, without marks, "refused",
    "unreadable", "not graded yet" or "the grader failed"."""
    problem: str = ""
    marks: tuple[Mark, ...] = ()
    notes: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    guarantees: tuple[str, ...] = ()
    version: str = ""
    """Of the exercises, when it was last graded."""
    by_hand: Mapping[str, float] = field(default_factory=dict)
    """Exercise -> points given by hand; the notebook's number -> points for the whole."""
    comments: Mapping[str, str] = field(default_factory=dict)
    days_late: int = 0
    penalty: float = 0.0
    """Percent of the points that lateness costs."""

    @property
    def has_score(self) -> bool:
        """Whether there is anything to export. No mark is not a mark of 0."""
        return bool(self.marks) or self.notebook in self.by_hand

    @property
    def points(self) -> int:
        """Points that the notebook is worth."""
        return sum(mark.points for mark in self.marks)

    @property
    def score(self) -> float:
        """Points earned, by hand or by the grader, less what lateness costs."""
        earned = sum(self.earned(mark) for mark in self.marks)
        return round(self.by_hand.get(self.notebook, earned) * (1 - self.penalty / 100), 2)

    def earned(self, mark: Mark) -> float:
        """Points of one exercise, before any penalty."""
        return self.by_hand.get(mark.exercise, mark.earned)


def assemble(
    submissions: Sequence[Any], jobs: Sequence[Any], manual: Sequence[Any], late: Mapping[str, Any]
) -> list[Record]:
    """Put rows of the gradebook's tables together.

    Parameters
    ----------
    submissions, jobs, manual : Sequence[Row]
        Submissions that count; all jobs and manual marks, older ones first.
    late : Mapping[str, Any]
        The rule: "percent" a day, at "most", and "days": student -> notebook ("" for all) -> days.
    """
    of_digest = defaultdict(list)
    for job in jobs:
        of_digest[job.digest].append(job)
    return [_record(row, of_digest[row.digest], manual, late) for row in submissions]


def penalty(days: int, late: Mapping[str, Any]) -> float:
    """Percent that so many days cost: so much a day, at most so much."""
    return min(days * late.get("percent", 0.0), late.get("most", 100.0))


def history(submissions: Sequence[Any], jobs: Sequence[Any], manual: Sequence[Any]) -> list[str]:
    """Rows of one student in words, in order."""
    lines = [
        f"handed in: {row.file} ({row.problem or f'notebook {row.notebook}, {row.digest[:8]}'})"
        for row in submissions
    ]
    for job in jobs:
        result = Result.from_json(job.result) if job.result else None
        got = job.error or job.state
        if result is not None:
            marks = [m for m in result.marks if job.scope in ("", m.exercise)]
            got = ", ".join(f"{m.exercise}: {m.earned}/{m.points}" for m in marks)
        what = f"exercise {job.scope}" if job.scope else f"notebook {job.notebook}"
        lines.append(f"{what} of {job.digest[:8]}, version {job.version[:8]}: {got}")
    for row in manual:
        points = "" if row.points is None else f" {row.points:g} points"
        lines.append(f"by hand, {row.exercise} of {row.digest[:8]}:{points} {row.comment}".rstrip())
    return lines


def _record(row: Any, jobs: Sequence[Any], manual: Sequence[Any], late: Mapping) -> Record:
    days = late.get("days", {}).get(row.student, {})
    days_late = max(days.get(row.notebook, days.get("", row.late)), 0)
    notes = (row.note,) if row.note else ()
    record = Record(
        row.student, row.notebook, row.file, "refused", row.problem, notes=notes,
        days_late=days_late, penalty=penalty(days_late, late),
    )  # fmt: skip
    if row.digest and not row.problem:
        record = _graded(record, jobs)
    own = [m for m in manual if m.student == row.student and _belongs(m.exercise, row.notebook)]
    here = [m for m in own if m.digest == row.digest]
    settled = {m.exercise for m in here if m.points is not None}
    cleared = {m.exercise: m.id for m in here if m.points is not None and m.points < 0}
    here = [m for m in here if m.id > cleared.get(m.exercise, 0)]
    record = replace(
        record,
        by_hand={m.exercise: m.points for m in here if m.points is not None},
        comments={m.exercise: m.comment for m in here if m.comment},
    )
    older = sorted({m.exercise for m in own if m.digest != row.digest} - settled)
    if older:
        what = f"marked by hand in an earlier submission: {', '.join(older)}"
        record = replace(record, flags=(*record.flags, what))
    if not record.has_score:
        return record
    looked_at = record.flags or any(m.flags for m in record.marks)
    return replace(record, status=REVIEW if looked_at else GRADED)


def _belongs(exercise: str, notebook: str) -> bool:
    return not notebook or exercise.split(".")[0].zfill(2) == notebook


def _graded(record: Record, jobs: Sequence[Any]) -> Record:
    """Fill in the marks: those of the whole, each replaced by what was graded again later."""
    whole = [job for job in jobs if not job.scope]
    results = {job.key: Result.from_json(job.result) for job in jobs if job.result}
    first = results.get(whole[-1].key) if whole else None
    if first is None:
        state, error = (whole[-1].state, whole[-1].error) if whole else ("queued", "")
        status = {"failed": "unreadable", "review": "the grader failed"}.get(state)
        return replace(record, status=status or "not graded yet", problem=error)
    marks = {mark.exercise: mark for mark in first.marks}
    for job in jobs:
        for mark in results[job.key].marks if job.scope and job.key in results else ():
            if mark.exercise == job.scope:
                marks[job.scope] = mark
    failed = [j.scope for j in jobs if j.scope and not j.result and j.state in ("failed", "review")]
    flags = tuple(f"could not be graded again: {scope}; the old mark stands" for scope in failed)
    return replace(
        record,
        marks=tuple(marks[exercise] for exercise in sorted(marks, key=_order)),
        notes=(*record.notes, *(g for g in first.guarantees if "UNSAFE" in g), *first.notes),
        flags=(*first.flags, *flags),
        guarantees=first.guarantees,
        version=[job.version for job in jobs if job.result][-1],
    )


def _order(exercise: str) -> list[int]:
    return [int(part) for part in exercise.split(".")]
