"""Submissions that try to break the grader, and broken ones: `attacks` and `files`.

Each is a notebook 02 of one student, who answers 2.1 and 2.5 rightly and 2.2 wrongly, and does
something beside it. What it should be given stands with it.
"""

import pytest

from gancourse.errors import CourseError
from gancourse.grading.sandbox import walls


def _missing() -> str:
    try:
        walls.guarantees()
    except CourseError as error:
        return " ".join(str(error).split("\n"))
    return ""


MISSING = _missing()
needs_a_sandbox = pytest.mark.skipif(bool(MISSING), reason=MISSING or "there is one")
