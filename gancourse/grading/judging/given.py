"""What the course gives to all of its students: code that tells nothing about who wrote it."""

import ast
import inspect
import sys
import textwrap
from functools import cache, partial
from pathlib import Path

from gancourse import env, exercises
from gancourse.exercises.base import Exercise
from gancourse.grading.answers import notebook_file
from gancourse.grading.judging.symbols import Fragment, all_fragments


@cache
def given_fragments(exercise: str) -> frozenset[Fragment]:
    """Fragments of the notebook as it was handed out and solved, and of all registered answers."""
    number = f"{int(exercise.split('.')[0]):02d}"
    for one in exercises.of_notebook(number):
        if one.id == exercise:
            return _of_notebook(number) | _of_exercise(one)
    return frozenset()


@cache
def statements(number: str) -> frozenset[str]:
    """The statements in the cells of a notebook as it is handed out, where that is at hand."""
    paths = (env.root() / "notebooks").glob(f"{number}_*.ipynb")
    trees = [cell.tree for file in map(_read, paths) if file for cell in file.cells if cell.tree]
    return frozenset(ast.dump(statement) for tree in trees for statement in tree.body)


@cache
def handed_out() -> frozenset[str]:
    """Digests of the course's own notebooks, where its folder is at hand."""
    return frozenset(file.digest for file in map(_read, _notebooks("*")) if file)


def _notebooks(number: str) -> list[Path]:
    folders = (env.root() / "notebooks", env.root() / "solutions")
    return sorted(path for folder in folders for path in folder.glob(f"{number}_*.ipynb"))


def _read(path: Path) -> notebook_file.NotebookFile | None:
    try:
        return notebook_file.read(path)
    except notebook_file.Unreadable:  # the instructor's own notebook, in the same folder
        return None


@cache
def _of_notebook(number: str) -> frozenset[Fragment]:
    found: set[Fragment] = set()
    for file in map(_read, _notebooks(number)):
        for cell in file.cells if file else ():
            found |= all_fragments(cell.source)
    return frozenset(found)


def _of_exercise(exercise: Exercise) -> frozenset[Fragment]:
    """Those of the exercise's file, with its right and wrong answers, and of the reference's."""
    things = [exercise.reference, exercise.cases, exercise.observe, *exercise.alternatives]
    found: set[Fragment] = set()
    for name in {_module(thing) for thing in things} - {""}:
        found |= all_fragments(textwrap.dedent(inspect.getsource(sys.modules[name])))
    return frozenset(found)


def _module(thing: object) -> str:
    while isinstance(thing, partial):
        thing = thing.func
    name = getattr(thing, "__module__", "") or ""
    return name if name.startswith("gancourse") and name in sys.modules else ""
