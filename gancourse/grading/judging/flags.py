"""Signs that an answer is a reference solution: for the instructor to review, never for the marks.

The references ship with the package, so no sandbox can keep a student from calling one. What can be
seen is flagged: an import, an alias, getattr, copied source, or the means to hide one of these.
"""

import ast
import inspect
import sys
import textwrap
from collections.abc import Iterator, Sequence
from functools import partial, reduce
from typing import Any

from gancourse.exercises.base import Exercise
from gancourse.grading.answers.notebook_file import Cell, NotebookFile
from gancourse.grading.judging import means, own_modules
from gancourse.grading.judging.dependencies import statements_behind
from gancourse.grading.judging.paths import Code, Names
from gancourse.grading.judging.rules import is_means
from gancourse.grading.judging.symbols import fragments

ENOUGH, COPIED = 40, 0.9  # fragments of a reference that are telling; share of them in a copy


def find_flags(file: NotebookFile, exercises: Sequence[Exercise]) -> dict[str, tuple[str, ...]]:
    """Flags by exercise id, and, under "", those of the whole notebook.

    Parameters
    ----------
    file : NotebookFile
        Its code is parsed, never run.
    exercises : Sequence[Exercise]
        Those of its notebook.
    """
    flags: dict[str, list[str]] = {e.id: [] for e in exercises} | {"": []}
    behind = {e.id: statements_behind(file, e.id) for e in exercises}
    own = {e.id: file.names(e.id) for e in exercises}
    names = Names()
    tried: dict[str, set[str]] = {e.id: set() for e in exercises if not callable(e.reference)}
    written, unknown = False, []
    for cell in file.cells:
        if not cell.is_searchable:
            text = f"cell {cell.number} can't be read as Python, so it was not searched"
            flags[""].append(text)
        if cell.tree is None:
            continue
        names.learn(cell.tree)
        code = Code(cell.tree)
        paths = sorted(set(means.uses(code, names)))
        for exercise in exercises:  # the course's own cells use some references later on
            tree = cell.tree if exercise.id in cell.checks else behind[exercise.id].get(cell.number)
            references = {
                path
                for path in (means.uses(Code(tree), names) if tree else ())
                if _names_reference(path, exercise.reference)
            }
            flags[exercise.id] += _lines("uses the reference solution", cell, sorted(references))
        if not cell.unchanged:
            flags[""] += _of_cell(cell, code, names, paths)
            for id in sorted(set(means.repeated_checks(code, names, own, tried))):
                flags[""].append(f"tries answers to {id} one after another: cell {cell.number}")
            written = written or own_modules.may_write(code, names)
            unknown += _lines("imports what may be a copy", cell, own_modules.unknown_imports(code))
        names.forget(cell.tree)
    flags[""] += unknown if written else []
    for exercise in exercises:
        sources = [ast.unparse(tree) for tree in behind[exercise.id].values()]
        if _is_copy(sources, exercise.reference):
            flags[exercise.id].append("its code is the reference's, except for names")
    return {id: tuple(dict.fromkeys(lines)) for id, lines in flags.items() if lines}


def _of_cell(cell: Cell, code: Code, names: Names, paths: Sequence[str]) -> Iterator[str]:
    """Flags of a cell that the student wrote or changed."""
    found = [path for path in paths if is_means(path) or path[0] in "!%" or " " in path]
    yield from _lines("uses internals of the exercises or the process", cell, found)
    yield from _lines("replaces part of a package", cell, means.patches(code, names))


def _lines(what: str, cell: Cell, paths: Iterator[str] | Sequence[str]) -> list[str]:
    return [f"{what}: cell {cell.number}, `{path[:100]}`" for path in paths]


def _names_reference(path: str, reference: Any) -> bool:
    """Whether a path in the course's package is that of a reference."""
    parts = path.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        module = sys.modules.get(".".join(parts[:cut])) if parts[0] == "gancourse" else None
        if module is not None:
            thing = reduce(lambda owner, name: getattr(owner, name, None), parts[cut:], module)
            return callable(thing) and thing is _without_partial(reference)
    return False


def _without_partial(reference: Any) -> Any:
    return _without_partial(reference.func) if isinstance(reference, partial) else reference


def _is_copy(sources: Sequence[str], reference: Any) -> bool:
    """Whether cells contain nearly all of the reference's code, except names and constants."""
    try:
        code = fragments(textwrap.dedent(inspect.getsource(_without_partial(reference))))
    except (OSError, TypeError):  # a number, a letter, a part of torch
        return False
    if code.total() < ENOUGH:
        return False
    return any((code & fragments(s)).total() >= COPIED * code.total() for s in sources)
