"""For tests with a real sandbox."""

from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar, TypeVar

import pytest

from gancourse.errors import CourseError
from gancourse.grading.sandbox import isolation
from gancourse.grading.sandbox.isolation import Limits, Sandbox

T = TypeVar("T")


def _why_missing() -> str:
    try:
        isolation.guarantees()
    except CourseError as error:
        return " ".join(str(error).split("\n"))
    return ""


MISSING = _why_missing()
needs_a_sandbox = pytest.mark.skipif(bool(MISSING), reason=MISSING or "there is one")


class Remembered(Sandbox):
    """A sandbox that a test can ask about when it is gone."""

    made: ClassVar[list[Sandbox]] = []

    def __enter__(self) -> Sandbox:
        self.made.append(self)
        return super().__enter__()


def with_patience(attempt: Callable[[Limits], T], limits: Limits, holds: Callable[[T], bool]) -> T:
    """The result under short limits; where it is not as expected, under ten times longer ones.

    So endless code is stopped soon, and a busy machine fails no test.
    """
    result = attempt(limits)
    if holds(result):
        return result
    times = ("cell", "exercise", "grace", "total")
    return attempt(replace(limits, **{name: 10 * getattr(limits, name) for name in times}))
