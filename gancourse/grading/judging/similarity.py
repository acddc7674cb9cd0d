"""Groups of students whose answers are nearly the same.

What the course itself gives its students tells nothing: the starter code, the notebooks, the
reference, and the registered right and wrong answers of an exercise. Of the rest, what two answers
have in common is evidence, in bits: the fewer of the answers outside of their group have it, the
more. So a group is found whatever its size, and what independent students write alike is not one.
The evidence of a notebook's exercises is added up.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.cluster import AgglomerativeClustering

from gancourse.grading.judging.symbols import LENGTH, LONGEST, Fragment, fragments

ALIKE = 0.8  # share of two answers' own fragments that are in both
EVIDENCE = 15.0  # bits that two students' answers to a notebook must have in common ...
# ... and more in a large class: the binary logarithm of the number of pairs
MOST = 6.0  # bits of one difference from the course's code: 1 in 64 students has it by chance
BY_CHANCE = 3.0  # bits of an exercise that do not count: many answers have one habit in common
UNSEEN, SURE = 0.5, 4  # of 4 more answers, half a one is taken to have what no other answer has


@dataclass(frozen=True)
class SimilarAnswers:
    """One exercise in which answers are alike."""

    exercise: str
    share: float
    """Of the fragments of two answers, the mean share that is in both."""
    answers: Mapping[str, str]
    """Student -> source."""


@dataclass(frozen=True)
class SimilarGroup:
    """Students, and the exercises in which answers of at least two of them are alike."""

    students: tuple[str, ...]
    exercises: tuple[SimilarAnswers, ...]


def similar_groups(
    answers: Mapping[str, Mapping[str, str]],
    given: Mapping[str, Collection[Fragment]] | None = None,
    earlier: Collection[str] = (),
) -> list[SimilarGroup]:
    """Groups whose answers are alike, those with most such exercises first, then larger ones.

    Parameters
    ----------
    answers : Mapping[str, Mapping[str, str]]
        Exercise -> student -> source of the answer. What isn't Python is left out.
    given : Mapping[str, Collection[Fragment]] | None
        Exercise -> fragments of what the course gives to all.
    earlier : Collection[str]
        Students of earlier terms: a group of nobody else is not reported.
    """
    students = sorted({student for sources in answers.values() for student in sources})
    place = {student: n for n, student in enumerate(students)}
    evidence: dict[str, np.ndarray] = defaultdict(
        lambda: np.zeros((len(students), len(students)), dtype=np.float32)
    )
    found: dict[str, list[_Alike]] = {}
    for exercise, sources in answers.items():
        known = frozenset((given or {}).get(exercise, ()))
        found[exercise] = list(_alike(sources, known))
        for alike in found[exercise]:
            rows = [place[student] for student in alike.students]
            evidence[exercise.split(".")[0]][np.ix_(rows, rows)] += alike.bits
    groups = []
    linked = np.zeros((len(students), len(students)), dtype=bool)
    for bits in evidence.values():
        linked |= bits >= EVIDENCE + np.log2(max(len(students) * (len(students) - 1) / 2, 1))
    for rows in clusters(linked):
        members = {students[row] for row in rows}
        if members - set(earlier):
            groups.append(_group(members, answers, found))
    return sorted(groups, key=lambda g: (-len(g.exercises), -len(g.students), g.students))


def with_behind(answer: str, behind: str) -> str:
    """An answer with the code that it needs from elsewhere, if the two are not too long."""
    return f"{behind}\n{answer}" if behind and len(behind) + len(answer) < LONGEST else answer


@dataclass(frozen=True)
class _Alike:
    """Students whose answers to one exercise are alike, by the code that is not given."""

    students: tuple[str, ...]
    bits: np.ndarray
    """Evidence for each two of them."""
    shares: np.ndarray


def _group(
    members: set[str],
    answers: Mapping[str, Mapping[str, str]],
    found: Mapping[str, Sequence[_Alike]],
) -> SimilarGroup:
    exercises = []
    for exercise, every in sorted(found.items(), key=lambda pair: _number(pair[0])):
        for alike in every:
            rows = [n for n, student in enumerate(alike.students) if student in members]
            if len(rows) > 1:
                pairs = alike.shares[np.ix_(rows, rows)][~np.eye(len(rows), dtype=bool)]
                sources = {alike.students[n]: answers[exercise][alike.students[n]] for n in rows}
                exercises.append(SimilarAnswers(exercise, float(pairs.mean()), sources))
    return SimilarGroup(tuple(sorted(members)), tuple(exercises))


def _number(exercise: str) -> list[int]:
    return [int(part) for part in exercise.split(".") if part.isdecimal()]


def _alike(sources: Mapping[str, str], given: frozenset[Fragment]) -> Iterator[_Alike]:
    """Sets of students whose answers to an exercise are alike, each with its evidence."""
    own = {student: frozenset(fragments(s)) - given for student, s in sorted(sources.items())}
    students = [student for student, code in own.items() if code]
    place = {f: n for n, f in enumerate(sorted(set().union(*own.values())))}
    has = np.zeros((len(students), len(place)), dtype=np.float32)
    for row, student in enumerate(students):
        has[row, [place[fragment] for fragment in own[student]]] = 1
    both = has @ has.T
    sizes = np.diag(both)
    shares = both / np.maximum(sizes[:, None] + sizes - both, 1)
    components = _components(shares >= ALIKE)
    alone = np.setdiff1d(np.arange(len(students)), [row for rows in components for row in rows])
    # who copied from each other wrote it once
    if not components:
        return
    sets = np.stack([*has[alone], *(has[rows].max(axis=0) for rows in components)])
    written = sets.sum(axis=0)
    # answers that are wholly given count too: they don't have it
    count = len(sets) + len(own) - len(students)
    for n, rows in enumerate(components):
        elsewhere = written - sets[len(alone) + n]
        chance = (elsewhere + UNSEEN) / (count + SURE - 1)
        weights = np.minimum(-np.log2(chance), MOST) / LENGTH
        bits = (has[rows] * weights) @ has[rows].T
        near = shares[np.ix_(rows, rows)]
        bits = np.maximum(bits - BY_CHANCE, 0) * (near >= ALIKE)
        yield _Alike(tuple(students[row] for row in rows), bits, near)


def clusters(linked: np.ndarray) -> Iterator[list[int]]:
    """Sets of rows of which most are linked with each other, so that no chain joins half a class.

    Average linkage; links between two sets are clustered again, so that each link is in a set.
    """
    left = linked & ~np.eye(len(linked), dtype=bool)
    clustering = AgglomerativeClustering(
        n_clusters=None, distance_threshold=0.5, metric="precomputed", linkage="average"
    )
    while left.any():
        some = np.flatnonzero(left.any(axis=0))
        labels = clustering.fit_predict(1.0 - left[np.ix_(some, some)])
        for label in range(labels.max() + 1):
            rows = some[labels == label]
            if len(rows) > 1:
                yield rows.tolist()
                left[np.ix_(rows, rows)] = False


def _components(linked: np.ndarray) -> list[list[int]]:
    """Sets of rows that are linked, directly or through others; those of one row are left out."""
    left, found = set(range(len(linked))), []
    while left:
        pending, component = [left.pop()], []
        while pending:
            row = pending.pop()
            component.append(row)
            near = [n for n in np.flatnonzero(linked[row]).tolist() if n in left]
            left.difference_update(near)
            pending += near
        if len(component) > 1:
            found.append(sorted(component))
    return found
