"""The class as a whole: scores, the hardest exercises, and the slips worth a lesson."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gancourse.exercises.base import Exercise
from gancourse.grading.gradebook.records import Record

STEPS = 10  # bars of the histogram
MOST_SLIPS = 10


@dataclass(frozen=True)
class Difficulty:
    """Shares of the class, between 0 and 1, that got an exercise right, wrong, or not solved."""

    exercise: str
    title: str
    right: float
    wrong: float
    unsolved: float


@dataclass(frozen=True)
class Frequent:
    """A slip, and how many students made it."""

    count: int
    exercise: str
    title: str
    hint: str


@dataclass(frozen=True)
class Summary:
    """One notebook, for all who handed it in."""

    notebook: str
    points: int
    scores: tuple[float, ...]
    others: Mapping[str, int]
    """Status -> number of students without a score."""
    exercises: tuple[Difficulty, ...]
    slips: tuple[Frequent, ...]

    @property
    def mean(self) -> float:
        return sum(self.scores) / len(self.scores)

    @property
    def histogram(self) -> list[tuple[str, int]]:
        """Bars of ten percent: label, number of students. Full marks count in the last."""
        width = 100 // STEPS
        bars = Counter(min(int(STEPS * score / self.points), STEPS - 1) for score in self.scores)
        return [(f"{width * n} to {width * (n + 1)}", bars[n]) for n in range(STEPS)]

    @property
    def most(self) -> int:
        """Students in the highest bar."""
        return max(n for _, n in self.histogram)


def summarise(
    records: Sequence[Record], exercises: Callable[[str], Sequence[Exercise]]
) -> list[Summary]:
    """One summary for each notebook that was handed in."""
    by_notebook = defaultdict(list)
    for record in records:
        by_notebook[record.notebook].append(record)
    return [
        _of_notebook(number, own, {e.id: e for e in exercises(number)})
        for number, own in sorted(by_notebook.items())
        if number
    ]


def flagged(records: Sequence[Record]) -> list[tuple[str, str, str]]:
    """Student, place and reason of everything that a human should look at."""
    missing = [one for one in records if not one.has_score]
    found = [(m.student, m.notebook or m.file, f"{m.status}: {m.problem}") for m in missing]
    for one in records:
        found += [(one.student, one.notebook, flag) for flag in one.flags]
        found += [(one.student, mark.exercise, flag) for mark in one.marks for flag in mark.flags]
    return found


def text(book: Summary) -> str:
    """A summary for the terminal."""
    others = "".join(f", {n} {status}" for status, n in sorted(book.others.items()))
    lines = [f"notebook {book.notebook}: {len(book.scores)} with a score{others}"]
    if book.scores:
        lines.append(f"  mean {book.mean:.1f} of {book.points} points")
        for label, n in book.histogram:
            lines.append(f"  {label:>9} % {n:4} {'#' * round(40 * n / book.most)}")
        lines.append("  the hardest exercises:")
        for one in book.exercises[:3]:
            share = f"{one.right:.0%} right, {one.unsolved:.0%} not solved"
            lines.append(f"    {one.exercise} {one.title}: {share}")
    if book.slips:
        lines.append("  what to teach again:")
    for slip in book.slips[:3]:
        who = f"{slip.count} student{'s' * (slip.count != 1)}"
        lines.append(f"    {slip.exercise}, {who}: {slip.hint}")
    return "\n".join(lines)


def _of_notebook(number: str, records: Sequence[Record], known: Mapping[str, Exercise]) -> Summary:
    verdicts: dict[str, Counter[str]] = defaultdict(Counter)
    slips: Counter[tuple[str, int]] = Counter()
    for mark in (mark for record in records for mark in record.marks):
        verdicts[mark.exercise][mark.status] += 1
        if mark.slip is not None:
            slips[mark.exercise, mark.slip] += 1

    def title(id: str) -> str:
        return known[id].title if id in known else ""

    exercises = [
        Difficulty(
            id,
            title(id),
            count["right"] / count.total(),
            (count["wrong"] + count["error"]) / count.total(),
            count["unsolved"] / count.total(),
        )
        for id, count in verdicts.items()
    ]
    frequent = [
        Frequent(count, id, title(id), known[id].slips[slip].hint)
        for (id, slip), count in slips.items()
        if id in known and slip < len(known[id].slips)
    ]
    return Summary(
        number,
        sum(exercise.points for exercise in known.values()),
        tuple(record.score for record in records if record.has_score),
        Counter(record.status for record in records if not record.has_score),
        tuple(sorted(exercises, key=lambda one: (one.right, one.exercise))),
        tuple(sorted(frequent, key=lambda s: (-s.count, s.exercise, s.hint))[:MOST_SLIPS]),
    )
