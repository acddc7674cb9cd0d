"""Partial credit: the parts of an exercise that an answer gets right."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from gancourse.exercises.differences import STEP, Failure, Observation, difference


@dataclass(frozen=True)
class Part:
    """A share of an exercise's points, for what can be right on its own.

    What the parts leave is for an answer that is right in everything.
    """

    what: str
    """As in "1 of 3 points, for the gradient of D": no period in it."""
    points: int
    values: tuple[str, ...] = ("*",)
    """Patterns (`fnmatch`) of the names of the observations that belong to it."""
    cases: tuple[int, ...] = ()
    """Which of the cases; empty: all, except the one on a simulated device."""


def right_parts(
    parts: Sequence[Part],
    wanted: Sequence[Observation | Failure],
    seen: Sequence[Observation | Failure],
    rtol: float,
    atol: float,
) -> list[Part]:
    """The parts that an answer gets right.

    Parameters
    ----------
    parts : Sequence[Part]
        Those of an exercise.
    wanted, seen : Sequence[Observation | Failure]
        What was observed of the reference and of the answer on each case, without the simulated
        device.
    rtol, atol : float
        Tolerances.
    """
    found = []
    for part in parts:
        which = part.cases or range(len(wanted))
        pairs = [(wanted[n], seen[n]) for n in which if n < len(seen)]
        if len(pairs) == len(which) and all(_agree(part, *pair, rtol, atol) for pair in pairs):
            found.append(part)
    return found


def _agree(
    part: Part, wanted: Observation | Failure, got: Observation | Failure, rtol: float, atol: float
) -> bool:
    if isinstance(got, Failure) and not isinstance(wanted, Failure):
        return any(_belongs(part, name) for name in got.right)
    if isinstance(wanted, Failure):
        return not difference(wanted, got, rtol, atol)
    w, g = (
        {name: x for name, x in one.items() if not name.startswith(STEP) and _belongs(part, name)}
        for one in (wanted, got)
    )
    return bool(w) and not difference(w, g, rtol, atol)


def _belongs(part: Part, name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in part.values)
