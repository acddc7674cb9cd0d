"""Pages to mark an exercise by hand: all answers of a class next to each other, equal ones once.

Each is one file that needs no network. Everything in it that a student wrote is escaped, and only
the page's own script, known by its digest, can run. It makes the table that `gancourse mark --from`
reads.
"""

import ast
import base64
import functools
import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from gancourse.grading.answers.cell import NOT_PYTHON, Cell
from gancourse.grading.answers.magics import call_of
from gancourse.grading.gradebook.files import private_folder, write_private
from gancourse.grading.gradebook.records import RUBRIC, StudentRecord
from gancourse.grading.judging.marking import Mark
from gancourse.grading.reports.exports import safe
from gancourse.grading.reports.feedback import PAGES, VERDICTS

KINDS = {
    "hint": "Wrong, with a hint",
    "wrong": "Wrong, without a hint",
    "flagged": "Flagged",
    "unsolved": "Not solved",
    "right": "Right",
}
"""Kind of an answer -> heading, in the order of the page."""
SCRIPT = (Path(__file__).parent / "pages" / "review.js").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Group:
    """Students with the same answer, the same verdict, and the same points and comment by hand."""

    kind: str
    students: tuple[str, ...]
    mark: Mark
    """Of the first of them. In the others' messages the random numbers differ."""
    by_hand: str
    """Points given by hand; empty without."""
    comment: str
    elsewhere: tuple[str, ...] = ()
    """Those who have points for the whole notebook: points for the exercise do not count."""
    flagged: tuple[str, ...] = ()
    """Those whose whole notebook has flags, of any kind."""

    @property
    def id(self) -> str:
        """The same for as long as the answer, its verdict and its marks by hand are."""
        facts = (self.mark.exercise, *_key(self.mark), self.by_hand, self.comment)
        return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]

    @property
    def verdict(self) -> str:
        return VERDICTS.get(self.mark.status, self.mark.status)

    @property
    def names(self) -> list[tuple[str, str]]:
        """Each student's name, and the same as the cell of a table."""
        return [(name, safe(name)) for name in self.students]


def groups(records: Sequence[StudentRecord]) -> dict[str, list[Group]]:
    """Exercise -> its answers, in the order of `KINDS`; of each kind, those of most students first.

    Two answers are the same if their code is, whatever their comments and layout.
    """
    found: dict[tuple, list[tuple[StudentRecord, Mark]]] = defaultdict(list)
    for record in records:
        for mark in record.marks:
            if mark.status != RUBRIC:
                given = record.by_hand.get(mark.exercise)
                by_hand = "" if given is None else f"{given:g}"
                comment = record.comments.get(mark.exercise, "")
                found[(mark.exercise, by_hand, comment, *_key(mark))].append((record, mark))
    answers: dict[str, list[Group]] = defaultdict(list)
    for (exercise, by_hand, comment, kind, *_), members in found.items():
        students = tuple(record.student for record, _ in members)
        whole = tuple(r.student for r, _ in members if r.notebook in r.by_hand)
        flagged = tuple(record.student for record, _ in members if record.flags)
        group = Group(kind, students, members[0][1], by_hand, comment, whole, flagged)
        answers[exercise].append(group)
    order = list(KINDS)

    def place(group: Group) -> tuple:
        slip = -1 if group.mark.slip is None else group.mark.slip
        return order.index(group.kind), slip, -len(group.students), group.students

    ids = sorted(answers, key=lambda id: [*map(int, id.split("."))])
    return {id: sorted(answers[id], key=place) for id in ids}


def _key(mark: Mark) -> tuple:
    """What two answers have in common that are the same, their kind first."""
    return _kind(mark), mark.status, mark.slip, mark.flags, mark.earned, _code(mark.answer)


def _kind(mark: Mark) -> str:
    if mark.status in ("right", "unsolved"):
        return "flagged" if mark.flags else mark.status
    return "wrong" if mark.slip is None else "hint"


@functools.cache
def _code(source: str) -> str:
    """The syntax tree of an answer as text; the answer itself where it isn't Python."""
    try:
        tree = Cell(0, source, "", False).tree
        nodes = tree.body if tree else []
        code = [ast.dump(n) for n in nodes if not call_of(getattr(n, "value", n))[0]]  # no %%time
        return "\n".join(code) or source.strip()
    except NOT_PYTHON:
        return source.strip()


def exercise_page(
    exercise: str, answers: Sequence[Group], title: Callable[[str], str], key: str
) -> str:
    """The page of one exercise.

    Parameters
    ----------
    exercise : str
        "2.6".
    answers : Sequence[Group]
        Of this exercise, as `groups` sorts them.
    title : Callable[[str], str]
        The title of an exercise.
    key : str
        Of the gradebook: what is entered is stored in the browser under it.
    """
    by_kind = {kind: [a for a in answers if a.kind == kind] for kind in KINDS}
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    return PAGES.get_template("review.html").render(
        exercise=exercise,
        title=title(exercise),
        most=answers[0].mark.points,
        sections=[(KINDS[kind], some) for kind, some in by_kind.items() if some],
        students=sum(len(group.students) for group in answers),
        count=len(answers),
        key=key,
        script=Markup(SCRIPT),
        digest=digest,
    )


def index_page(answers: Mapping[str, Sequence[Group]], title: Callable[[str], str]) -> str:
    """The page that lists the exercises, with numbers of students and of different answers."""
    rows = []
    for exercise, some in answers.items():
        counts: Counter[str] = Counter()
        for group in some:
            counts[group.kind] += len(group.students)
        rows.append((exercise, title(exercise), [counts[kind] for kind in KINDS], len(some)))
    return PAGES.get_template("review_index.html").render(rows=rows, kinds=KINDS.values())


def write_all(
    folder: Path,
    records: Sequence[StudentRecord],
    title: Callable[[str], str],
    key: str,
    only: Collection[str] = (),
) -> list[Path]:
    """Write the pages of all exercises, or of those named, and the index; the files, index last."""
    answers = groups(records)
    chosen = {id: some for id, some in answers.items() if not only or id in only}
    private_folder(folder)
    paths = [folder / f"{exercise}.html" for exercise in chosen]
    for path, (exercise, some) in zip(paths, chosen.items(), strict=True):
        write_private(path, exercise_page(exercise, some, title, key))
    listed = {id: some for id, some in answers.items() if (folder / f"{id}.html").exists()}
    write_private(folder / "index.html", index_page(listed, title))
    return [*paths, folder / "index.html"]
