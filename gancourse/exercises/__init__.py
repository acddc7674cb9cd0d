"""Every exercise of the course, and the `check` that notebooks call.

``nb01`` ... hold the exercises of each notebook; they are imported when one is asked for.
"""

import os
from importlib import import_module
from importlib.util import find_spec
from typing import TypeVar

from gancourse.errors import CourseError
from gancourse.exercises.base import Exercise, Verdict, assess

T = TypeVar("T")


def of_notebook(number: str) -> tuple[Exercise, ...]:
    """The exercises of one notebook ("02"), in order; empty where it has none."""
    name = f"gancourse.exercises.nb{number}"
    return import_module(name).EXERCISES if find_spec(name) else ()


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
    """What is said of an answer to the questions of a seed; the notebook does not go on with it."""
    return assess(find(id), answer, seed)


def check(id: str, answer: T) -> T:
    """Check an answer on fresh random cases, show the verdict, and return what to go on with.

    A right answer is returned as it is. For a wrong or blank one the course's own version is
    returned, so the notebook always runs to its end. Write ``f = check("1.2", f)``. A choice
    (a letter) is returned as it is in any case: nothing depends on it.
    """
    exercise = find(id)
    if answer is exercise.reference and not isinstance(answer, (str, int)):
        text = "this is the course's own version. Run the cell with your answer again, then this."
        _show(Verdict(exercise, "unsolved", text))
        return answer
    said = assess(exercise, answer, seed=int.from_bytes(os.urandom(4), "little"))
    if said.status == "right" or isinstance(exercise.reference, str):
        _show(said)
        return answer
    more = "\nThe notebook goes on with the course's own version."
    _show(Verdict(exercise, said.status, said.message + more, said.slip))
    return exercise.reference


def _show(verdict: Verdict) -> None:
    try:
        from IPython.core.getipython import get_ipython
        from IPython.display import display
    except ImportError:
        print(verdict)
        return
    display(verdict) if get_ipython() else print(verdict)
