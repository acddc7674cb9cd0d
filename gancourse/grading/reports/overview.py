"""The class as a whole, for the instructor: scores, the hardest exercises, slips, flags."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gancourse import exercises
from gancourse.errors import CourseError
from gancourse.exercises import rubric
from gancourse.exercises.base import Exercise
from gancourse.exercises.rubric import RubricLine
from gancourse.grading.gradebook.files import write_private
from gancourse.grading.gradebook.records import REVIEW, RUBRIC, StudentRecord, number_of
from gancourse.grading.judging import given
from gancourse.grading.judging.similarity import SimilarGroup, similar_groups, with_behind
from gancourse.grading.reports import feedback
from gancourse.grading.reports.feedback import PAGES

BARS = 10  # of the histogram
MOST_SLIPS = 10
MOST_SHOWN = 4  # answers of a group


@dataclass(frozen=True)
class Difficulty:
    """Shares of the class, between 0 and 1, that got an exercise right, wrong, or not solved."""

    exercise: str
    title: str
    right: float
    wrong: float
    unsolved: float


@dataclass(frozen=True)
class SlipCount:
    """A slip, and how many students made it."""

    count: int
    exercise: str
    title: str
    hint: str


@dataclass(frozen=True)
class LineCount:
    """A rubric line: how many students have points for it, and their mean (0 where none has)."""

    line: str
    title: str
    points: int
    marked: int
    mean: float


@dataclass(frozen=True)
class Summary:
    """One notebook, for all who handed it in."""

    notebook: str
    points: int
    scores: tuple[float, ...]
    others: Mapping[str, int]
    """Status -> number of students without a score."""
    exercises: tuple[Difficulty, ...]
    slips: tuple[SlipCount, ...]
    lines: tuple[LineCount, ...] = ()
    """Of the rubric, if the notebook has one."""
    waiting: tuple[str, ...] = ()
    """Students who have no score yet because a rubric line has no points."""

    @property
    def mean(self) -> float:
        return sum(self.scores) / len(self.scores)

    @property
    def histogram(self) -> list[tuple[str, int]]:
        """Bars of ten percent: label, number of students. Full marks count in the last."""
        width = 100 // BARS
        bars = Counter(min(int(BARS * score / self.points), BARS - 1) for score in self.scores)
        return [(f"{width * n} to {width * (n + 1)}", bars[n]) for n in range(BARS)]

    @property
    def most(self) -> int:
        """Students in the highest bar."""
        return max(n for _, n in self.histogram)


def title(id: str) -> str:
    """The title of an exercise or a rubric line; empty for one no longer in the course."""
    for line in rubric.of_notebook(number_of(id)):
        if line.id == id:
            return line.title
    try:
        return exercises.find(id).title
    except CourseError:
        return ""


def worth() -> dict[str, int]:
    """Points of each notebook that has exercises, with those of its rubric lines."""
    numbers = [f"{n:02d}" for n in range(100)]
    points = {n: sum(e.points for e in exercises.of_notebook(n)) for n in numbers}
    lines = {n: sum(line.points for line in rubric.of_notebook(n)) for n in numbers}
    return {number: total + lines[number] for number, total in points.items() if total}


def most_points(id: str) -> int:
    """The most that can be given for an exercise or a rubric line.

    Raises
    ------
    CourseError
        If there is neither. It lists those that there are.
    """
    lines = rubric.of_notebook(number_of(id))
    for line in lines:
        if line.id == id:
            return line.points
    try:
        return exercises.find(id).points
    except CourseError as error:
        listed = ", ".join(map(str, lines))
        do = f"Rubric lines, with their most points: {listed}." if lines else error.do
        raise CourseError(error.what, error.why, do) from error


def summarize(records: Sequence[StudentRecord]) -> list[Summary]:
    """One summary for each notebook that was handed in."""
    by_notebook = defaultdict(list)
    for record in records:
        by_notebook[record.notebook].append(record)
    return [
        _of_notebook(number, group, {e.id: e for e in exercises.of_notebook(number)})
        for number, group in sorted(by_notebook.items())
        if number
    ]


def _of_notebook(
    number: str, records: Sequence[StudentRecord], registry: Mapping[str, Exercise]
) -> Summary:
    verdicts: dict[str, Counter[str]] = defaultdict(Counter)
    slips: Counter[tuple[str, int]] = Counter()
    for mark in (m for record in records for m in record.marks if m.status != RUBRIC):
        verdicts[mark.exercise][mark.status] += 1
        if mark.slip is not None:
            slips[mark.exercise, mark.slip] += 1
    titles = {id: registry[id].title if id in registry else "" for id in verdicts}
    difficulties = []
    for id, count in verdicts.items():
        right, wrong = count["right"], count["wrong"] + count["error"]
        shares = (n / count.total() for n in (right, wrong, count["unsolved"]))
        difficulties.append(Difficulty(id, titles[id], *shares))
    counts = [
        SlipCount(count, id, titles[id], registry[id].hints[slip])
        for (id, slip), count in slips.items()
        if id in registry and slip < len(registry[id].hints)
    ]
    return Summary(
        number,
        sum(one.points for one in (*registry.values(), *rubric.of_notebook(number))),
        tuple(record.score for record in records if record.has_score),
        Counter(record.status for record in records if not record.has_score),
        tuple(sorted(difficulties, key=lambda d: (d.right, d.exercise))),
        tuple(sorted(counts, key=lambda s: (-s.count, s.exercise, s.hint))[:MOST_SLIPS]),
        tuple(_of_line(line, records) for line in rubric.of_notebook(number)),
        tuple(record.student for record in records if record.waiting),
    )


def _of_line(line: RubricLine, records: Sequence[StudentRecord]) -> LineCount:
    given = [record.by_hand[line.id] for record in records if line.id in record.by_hand]
    mean = sum(given) / len(given) if given else 0.0
    return LineCount(line.id, line.title, line.points, len(given), mean)


def flagged(records: Sequence[StudentRecord]) -> list[tuple[str, str, str]]:
    """Student, place and reason of everything that a human should review."""
    rows = [
        (record.student, record.notebook or record.file, f"{record.status}: {record.problem}")
        for record in records
        if not (record.has_score or record.waiting)
    ]
    for record in records:
        rows += [(record.student, record.notebook, flag) for flag in record.flags]
        rows += [(record.student, m.exercise, flag) for m in record.marks for flag in m.flags]
    return rows


def sandboxes(records: Sequence[StudentRecord]) -> list[tuple[int, tuple[str, ...]]]:
    """How submissions were kept apart: how many, and what was guaranteed for them."""
    counts = Counter(record.guarantees for record in records if record.guarantees)
    return [(count, guarantees) for guarantees, count in sorted(counts.items())]


def as_text(summary: Summary) -> str:
    """A summary for the terminal."""
    others = "".join(f", {n} {status}" for status, n in sorted(summary.others.items()))
    lines = [f"notebook {summary.notebook}: {len(summary.scores)} with a score{others}"]
    if summary.scores:
        lines.append(f"  mean {summary.mean:.1f} of {summary.points} points")
        for label, n in summary.histogram:
            lines.append(f"  {label:>9} % {n:4} {'#' * round(40 * n / summary.most)}")
    if summary.scores or summary.exercises:
        lines.append("  the hardest exercises:")
        for exercise in summary.exercises[:3]:
            share = f"{exercise.right:.0%} right, {exercise.unsolved:.0%} not solved"
            lines.append(f"    {exercise.exercise} {exercise.title}: {share}")
    for line in summary.lines:
        mean = f", mean {line.mean:.1f} of {line.points} points" if line.marked else ""
        lines.append(f"  by hand: {line.line} {line.title}: {line.marked} marked{mean}")
    if summary.slips:
        lines.append("  what to teach again:")
    for slip in summary.slips[:3]:
        students = f"{slip.count} student{'s' * (slip.count != 1)}"
        lines.append(f"    {slip.exercise}, {students}: {slip.hint}")
    return "\n".join(lines)


def class_page(
    summaries: Sequence[Summary],
    records: Sequence[StudentRecord],
    groups: Sequence[SimilarGroup] = (),
    copies: Sequence[tuple[str, ...]] = (),
    outdated: Sequence[str] = (),
) -> str:
    """The summaries as one page that needs no network, with what a human should review.

    Parameters
    ----------
    summaries, records
        All of the class.
    groups : Sequence[SimilarGroup]
        Students whose answers are alike.
    copies : Sequence[tuple[str, ...]]
        For each notebook that several have handed in byte by byte: its number, and the students.
    outdated : Sequence[str]
        Students whose feedback is older than their marks.
    """
    page = PAGES.get_template("class.html")
    lists = {"flagged": flagged(records), "groups": groups, "copies": copies, "outdated": outdated}
    return page.render(summaries=summaries, sandboxes=sandboxes(records), shown=MOST_SHOWN, **lists)


def write_class_page(
    folder: Path,
    records: Sequence[StudentRecord],
    earlier: Mapping[str, Sequence[StudentRecord]] | None = None,
) -> Path:
    """Write the page about the class; returns its path.

    Parameters
    ----------
    folder : Path
        Of the gradebook.
    records : Sequence[StudentRecord]
        The class.
    earlier : Mapping[str, Sequence[StudentRecord]] | None
        Name of a gradebook of another term -> its records.
    """
    groups, copies = alike(records, earlier or {})
    path = folder / "class.html"
    old = feedback.outdated(folder / "feedback", records, title)
    write_private(path, class_page(summarize(records), records, groups, copies, old))
    return path


def alike(
    records: Sequence[StudentRecord], earlier: Mapping[str, Sequence[StudentRecord]]
) -> tuple[list[SimilarGroup], list[tuple[str, ...]]]:
    """Groups whose answers are alike, and identical files: see `class_page`.

    A student of an earlier term who takes the course again is compared with others only.
    """
    present = {record.student for record in records}
    named = [(record.student, record) for record in records]
    for term, others in earlier.items():
        named += [(f"{r.student} ({term})", r) for r in others if r.student not in present]
    answers: dict[str, dict[str, str]] = defaultdict(dict)
    files: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, record in named:
        for mark in record.marks:
            if mark.answer:
                answers[mark.exercise][name] = with_behind(mark.answer, mark.behind)
        if record.notebook and record.digest and record.digest not in given.handed_out():
            files[record.notebook, record.digest].append(name)
    code = {exercise: given.given_fragments(exercise) for exercise in answers}
    before = {name for name, _ in named} - present
    groups = similar_groups(answers, code, before)
    copies = [(key[0], *names) for key, names in sorted(files.items()) if len(names) > 1]
    return groups, [copy for copy in copies if present & {*copy[1:]}]


def overview(
    folder: Path,
    records: Sequence[StudentRecord],
    earlier: Mapping[str, Sequence[StudentRecord]] | None = None,
) -> str:
    """How the class did, for the terminal; writes the page too."""
    lines = [as_text(summary) for summary in summarize(records)]
    review = sum(r.status == REVIEW or bool(r.waiting and r.flagged) for r in records)
    missing = [record for record in records if not (record.has_score or record.waiting)]
    page = write_class_page(folder, records, earlier)
    for count, guarantees in sandboxes(records):
        if guarantees[0].startswith(("CONTAINER", "UNSAFE")):
            lines.append(f"{count} submission{'s' * (count != 1)}: {'; '.join(guarantees)}")
    lines.append(f"{review} to review, {len(missing)} without a mark: see {page}")
    return "\n".join([*lines, *(f"  {unmarked(record)}" for record in missing)])


def unmarked(record: StudentRecord) -> str:
    """A student without a mark, and why, in a line."""
    why = ": ".join(part for part in (record.status, record.problem) if part)
    return f"{record.student}, notebook {record.notebook or '?'}: {why}"
