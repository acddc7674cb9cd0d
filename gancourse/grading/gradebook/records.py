"""What the gradebook says about one student's notebook: marks, comments, lateness, the score."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gancourse.exercises import of_notebook, rubric
from gancourse.exercises.verdicts import without_parts
from gancourse.grading.judging.marking import Mark, Result

GRADED, REVIEW = "graded", "needs review"
UNMARKED, RUBRIC = "not marked yet", "rubric"
SCORE, MAXIMUM = "score", "maximum"


@dataclass(frozen=True)
class StudentRecord:
    """One notebook of one student, as it stands now."""

    student: str
    notebook: str
    """"02", or "" where the submission is none of the course's notebooks."""
    file: str
    status: str
    """"graded"; "needs review" (a human should review the marks); "not marked yet" (graded, but
    some rubric lines have no points); or, without marks, "refused", "unreadable", "not graded yet"
    or "the grader failed"."""
    problem: str = ""
    marks: tuple[Mark, ...] = ()
    """Of the exercises, then of the rubric lines, if the notebook has some."""
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
    """Percent that lateness costs."""
    late_of: str = SCORE
    """What it is a percentage of: the student's score, or the notebook's maximum."""
    entry: str = ""
    """Its path in the folder or zip of the submissions."""
    digest: str = ""
    """SHA-256 of what is graded; empty where it could not be read."""

    @property
    def has_score(self) -> bool:
        """Whether there is a score to export. No mark is not a mark of 0."""
        return self.notebook in self.by_hand or (bool(self.marks) and not self.waiting)

    @property
    def waiting(self) -> tuple[Mark, ...]:
        """Rubric lines without points, unless points were given for the whole notebook."""
        if self.notebook in self.by_hand:
            return ()
        return tuple(m for m in self.marks if m.status == RUBRIC and m.exercise not in self.by_hand)

    @property
    def flagged(self) -> bool:
        return bool(self.flags) or any(mark.flags for mark in self.marks)

    @property
    def points(self) -> int:
        """Points that the notebook is worth."""
        return sum(mark.points for mark in self.marks)

    @property
    def so_far(self) -> str:
        """What is known while rubric lines are waiting, before any penalty: "24 of 25 points"."""
        known = [mark for mark in self.marks if mark not in self.waiting]
        earned = sum(self.earned(mark) for mark in known)
        return f"{earned:g} of {sum(mark.points for mark in known)} points"

    @property
    def maximum(self) -> int:
        """Points that the notebook is worth, also where nothing of it was graded."""
        if self.marks or not self.notebook:
            return self.points
        parts = (*of_notebook(self.notebook), *rubric.of_notebook(self.notebook))
        return sum(part.points for part in parts)

    @property
    def before_penalty(self) -> float:
        """Points earned, by hand or by the grader."""
        earned = sum(self.earned(mark) for mark in self.marks)
        return self.by_hand.get(self.notebook, earned)

    @property
    def deducted(self) -> float:
        """Points that lateness costs; never more than were earned."""
        whole = self.maximum if self.late_of == MAXIMUM else self.before_penalty
        return round(min(whole * self.penalty / 100, self.before_penalty), 2)

    @property
    def penalty_text(self) -> str:
        """What lateness costs, in words: "10 % of the score"."""
        return f"{self.penalty:g} % of the {self.late_of}"

    @property
    def score(self) -> float:
        """Points earned, less what lateness costs."""
        return round(self.before_penalty - self.deducted, 2)

    def earned(self, mark: Mark) -> float:
        """Points of one exercise, before any penalty."""
        return self.by_hand.get(mark.exercise, mark.earned)

    def points_of(self, exercise: str) -> float | None:
        """Points of an exercise, a rubric line or the whole, before any penalty; None without."""
        for mark in self.marks:
            if mark.exercise == exercise and self.has_points(mark):
                return self.earned(mark)
        return self.by_hand.get(exercise)

    def has_points(self, mark: Mark) -> bool:
        """Whether an exercise or a rubric line has points: a line has none until it is marked."""
        return mark.status != RUBRIC or mark.exercise in self.by_hand

    def verdict(self, mark: Mark) -> str:
        """The status of a mark in words; for a rubric line, whether it was marked."""
        if mark.status != RUBRIC:
            return mark.status
        if mark.exercise in self.by_hand:
            return "marked by hand"
        return UNMARKED if mark in self.waiting else "not marked separately"


def number_of(exercise: str) -> str:
    """The notebook of an exercise: "02" of "2.3", and of "02" itself."""
    return exercise.split(".")[0].zfill(2)


def assemble(
    submissions: Sequence[Any],
    jobs: Sequence[Any],
    manual: Sequence[Any],
    late: Mapping[str, Any],
    whole: bool = False,
) -> list[StudentRecord]:
    """Make records from rows of the gradebook's tables.

    Parameters
    ----------
    submissions, jobs, manual : Sequence[Row]
        Submissions that count; all jobs and manual marks, older ones first.
    late : Mapping[str, Any]
        The rule: "percent" per day, "most" in all, "of" what ("score" or "maximum"), and "days":
        student -> notebook ("" for all) -> days.
    whole : bool
        Whether only right answers earn points, and parts of an exercise none.
    """
    by_digest = defaultdict(list)
    for job in jobs:
        by_digest[job.digest].append(job)
    return [_record(row, by_digest[row.digest], manual, late, whole) for row in submissions]


def _whole(mark: Mark) -> Mark:
    """A mark without the points for parts."""
    if mark.status == "right":
        return mark
    return replace(mark, earned=0, message=without_parts(mark.message))


def history(submissions: Sequence[Any], jobs: Sequence[Any], manual: Sequence[Any]) -> list[str]:
    """Rows of one student in words, in order."""
    lines = [
        f"handed in: {row.file} ({row.problem or f'notebook {row.notebook}, {row.digest[:8]}'})"
        for row in submissions
    ]
    for job in jobs:
        outcome = job.error or job.state
        if job.result:
            marks = Result.from_json(job.result).marks
            marks = [mark for mark in marks if job.scope in ("", mark.exercise)]
            outcome = ", ".join(f"{m.exercise}: {m.earned}/{m.points}" for m in marks)
        what = f"exercise {job.scope}" if job.scope else f"notebook {job.notebook}"
        lines.append(f"{what} of {job.digest[:8]}, version {job.version[:8]}: {outcome}")
    for row in manual:
        points = "" if row.points is None else f" {row.points:g} points"
        points = " points removed" if row.points == -1 else points
        of = f" of {row.digest[:8]}" if row.digest else ""
        lines.append(f"by hand, {row.exercise}{of}:{points} {row.comment}".rstrip())
    return lines


def _record(
    row: Any, jobs: Sequence[Any], manual: Sequence[Any], late: Mapping, whole: bool
) -> StudentRecord:
    days = late.get("days", {}).get(row.student, {})
    days_late = max(days.get(row.notebook, days.get("", row.late)), 0)
    penalty = min(days_late * late.get("percent", 0.0), late.get("most", 100.0))
    notes = (row.note,) if row.note else ()
    record = StudentRecord(
        row.student, row.notebook, row.file, "refused", row.problem, notes=notes,
        days_late=days_late, penalty=penalty, late_of=late.get("of", SCORE),
        entry=row.entry or "", digest=row.digest,
    )  # fmt: skip
    if row.digest and not row.problem:
        record = _with_marks(record, jobs)
    if whole:
        record = replace(record, marks=tuple(map(_whole, record.marks)))
    of_student = [
        mark
        for mark in manual
        if mark.student == row.student and row.notebook in ("", number_of(mark.exercise))
    ]
    settled = {m.exercise for m in of_student if m.digest == row.digest and m.points is not None}
    lines = {line.id for line in rubric.of_notebook(row.notebook)}  # not about the file's cells
    current = [m for m in of_student if m.digest == row.digest or m.exercise in lines]
    cleared = {m.exercise: m.id for m in current if m.points is not None and m.points < 0}
    current = [mark for mark in current if mark.id > cleared.get(mark.exercise, 0)]
    older = {mark.exercise for mark in of_student if mark.digest != row.digest} - settled
    by_hand = {mark.exercise: mark.points for mark in current if mark.points is not None}
    gone, kept = sorted(older - lines), sorted(older & {*by_hand})
    flags = [f"marked by hand in an earlier submission: {', '.join(gone)}"] if gone else []
    flags += [f"marked for an earlier submission, still counted: {', '.join(kept)}"] if kept else []
    record = replace(
        record,
        by_hand=by_hand,
        comments={mark.exercise: mark.comment for mark in current if mark.comment},
        flags=(*record.flags, *flags),
    )
    if record.waiting:
        waiting = ", ".join(mark.exercise for mark in record.waiting)
        return replace(record, status=UNMARKED, problem=f"{waiting} ({record.so_far} so far)")
    if not record.has_score:
        return record
    return replace(record, status=REVIEW if record.flagged else GRADED)


def _with_marks(record: StudentRecord, jobs: Sequence[Any]) -> StudentRecord:
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
    ordered = [marks[id] for id in sorted(marks, key=lambda id: [*map(int, id.split("."))])]
    lines = rubric.of_notebook(record.notebook)
    return replace(
        record,
        marks=(*ordered, *(Mark(line.id, line.points, 0, RUBRIC, "") for line in lines)),
        notes=(*record.notes, *(g for g in first.guarantees if "UNSAFE" in g), *first.notes),
        flags=(*first.flags, *flags),
        guarantees=first.guarantees,
        version=[job.version for job in jobs if job.result][-1],
    )
