"""Exercises that are answered by a letter or by a number."""

from collections.abc import Mapping
from typing import Any

from gancourse.exercises.base import Case, Exercise, observe_value


def choice(
    id: str,
    title: str,
    *,
    minutes: int,
    answer: str,
    wrong: Mapping[str, str],
    points: int = 1,
    advice: str = "",
) -> Exercise:
    """An exercise with a letter as its answer.

    Parameters
    ----------
    id, title, points, minutes, advice
        As in `base.Exercise`.
    answer : str
        The right letter, lower case: "c".
    wrong : Mapping[str, str]
        Each other letter, and the hint for it.
    """
    others = (answer.upper(), f" {answer} ")
    return _question(id, title, points, minutes, answer, wrong, others, advice)


def number(
    id: str,
    title: str,
    *,
    minutes: int,
    answer: float,
    wrong: Mapping[float, str],
    points: int = 1,
    also: tuple[Any, ...] = (),
    advice: str = "",
    rtol: float = 1e-4,
) -> Exercise:
    """An exercise with a number as its answer.

    Parameters
    ----------
    id, title, points, minutes, advice, rtol
        As in `base.Exercise`.
    answer : float
        The right number.
    wrong : Mapping[float, str]
        Numbers that people arrive at by a mistake, each with the hint for it.
    also : tuple
        Other ways to write the right number.
    """
    return _question(id, title, points, minutes, answer, wrong, also, advice, rtol=rtol)


def _question(
    id: str,
    title: str,
    points: int,
    minutes: int,
    answer: Any,
    wrong: Mapping[Any, str],
    alternatives: tuple[Any, ...],
    advice: str,
    **tolerance: float,
) -> Exercise:
    return Exercise(
        id=id, title=title, points=points, minutes=minutes, reference=answer,
        cases=lambda rng: [Case()], observe=observe_value,
        slips={hint: value for value, hint in wrong.items()},
        alternatives=alternatives, advice=advice, **tolerance,
    )  # fmt: skip
