"""Every exercise of the course, and the `check` that notebooks call.

One file per exercise: 8.6 is ``nb08/ex06_content_loss.py`` or whatever its subject is. A notebook's
exercises are imported when one of them is asked for.
"""

import os
from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules
from typing import TypeVar

from gancourse.errors import CourseError
from gancourse.exercises.base import Exercise
from gancourse.exercises.verdicts import Verdict, assess

T = TypeVar("T")


class ReferenceNumber(int):
    """A reference that is an integer, as `check` returns it: `is` can't tell it from others."""


def is_reference(exercise: Exercise, answer: object) -> bool:
    """Whether this is the reference solution itself, imported or returned by `check`."""
    same = answer is exercise.reference and not isinstance(answer, (str, int))
    return same or isinstance(answer, ReferenceNumber)


def of_notebook(number: str) -> tuple[Exercise, ...]:
    """The exercises of one notebook ("02"), in order; empty where it has none."""
    name = f"gancourse.exercises.nb{number}"
    if not find_spec(name):
        return ()
    files = sorted(module.name for module in iter_modules(import_module(name).__path__))
    return tuple(import_module(f"{name}.{file}").EXERCISE for file in files if file[0] != "_")


def find(id: str) -> Exercise:
    """The exercise with an id ("2.3"). CourseError with the ids there are, if there is none."""
    try:
        known = of_notebook(f"{int(id.split('.')[0]):02d}")
    except ValueError:
        known = ()
    for exercise in known:
        if exercise.id == id:
            return exercise
    raise CourseError(
        f"There is no exercise {id!r}.",
        f"Known: {', '.join(e.id for e in known) or 'none in such a notebook'}.",
        "Ids are strings, notebook and number: check('1.2', fgsm).",
    )


def verdict(id: str, answer: object, seed: int = 0) -> Verdict:
    """The verdict on an answer, for the random inputs of a seed."""
    return assess(find(id), answer, seed)


def check(id: str, answer: T) -> T:
    """Check an answer on fresh random inputs, show the verdict, and return what to continue with.

    A right answer is returned as it is. For a wrong or blank one the reference solution is
    returned, so the notebook always runs to its end. Write ``f = check("1.2", f)``. A choice
    (a letter) is returned as it is in any case: nothing depends on it.
    """
    exercise = find(id)
    if is_reference(exercise, answer):
        text = "this is the reference solution. Run the cell with your answer again, then this one."
        _show(Verdict(exercise, "unsolved", text))
        return answer
    said = assess(exercise, answer, seed=int.from_bytes(os.urandom(4), "little"))
    if said.status == "right" or isinstance(exercise.reference, str):
        _show(said)
        number = isinstance(exercise.reference, (int, float))
        return float(answer) if number and not isinstance(answer, (int, float)) else answer
    more = "\nThe notebook continues with the reference solution."
    _show(Verdict(exercise, said.status, said.message + more, said.slip, said.points))
    reference = exercise.reference
    return ReferenceNumber(reference) if type(reference) is int else reference


def _show(verdict: Verdict) -> None:
    try:
        from IPython.core.getipython import get_ipython
        from IPython.display import display
    except ImportError:
        print(verdict)
        return
    display(verdict) if get_ipython() else print(verdict)
