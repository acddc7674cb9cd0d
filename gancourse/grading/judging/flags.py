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
from gancourse.grading.answers.cell import Cell
from gancourse.grading.answers.notebook_file import NotebookFile
from gancourse.grading.judging import commands, given, means, own_modules
from gancourse.grading.judging.dependencies import source_of, statements_behind
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
    search = _Search(file, exercises)
    for cell in (*file.module_cells, *file.cells):
        searched = cell.is_searchable
        try:
            if cell.tree is not None:
                search.look_at(cell)
        except RecursionError:
            searched = False
        if not searched:
            text = f"{cell.place} can't be read as Python, so it was not searched"
            search.flags[""].append(text)
    search.look_for_copies()
    return {id: tuple(dict.fromkeys(lines)) for id, lines in search.flags.items() if lines}


class _Search:
    """The search of a notebook for flags, cell by cell."""

    def __init__(self, file: NotebookFile, exercises: Sequence[Exercise]) -> None:
        self.exercises, self.names, self.modules = exercises, Names(), file.modules
        self.given = given.statements(file.notebook)
        self.flags: dict[str, list[str]] = {e.id: [] for e in exercises} | {"": []}
        self.behind = statements_behind(file, [e.id for e in exercises])
        self.own = {e.id: file.names(e.id) for e in exercises}
        self.tried: dict[str, set[str]] = {
            e.id: set() for e in exercises if not callable(e.reference)
        }
        self.may_write, self.unknown = False, []

    def look_at(self, cell: Cell) -> None:
        """Search one more cell."""
        self.names.learn(cell.tree)
        for exercise in self.exercises:  # the course's own cells use some references later on
            needed = self.behind[exercise.id].get(cell.number)
            tree = cell.tree if cell.file or exercise.id in cell.checks else needed
            tree = self._own(tree) if tree and not cell.file else tree
            references = {
                path
                for path in (means.uses(Code(tree), self.names) if tree else ())
                if _names_reference(path, exercise.reference)
            }
            lines = _lines("uses the reference solution", cell, sorted(references))
            self.flags[exercise.id] += lines
        self._look_for_means(cell, Code(cell.tree))  # also if given: anybody can make such an id
        self.names.forget(cell.tree)

    def _own(self, tree: ast.Module) -> ast.Module:
        """The statements that the course did not write: it imports some references later on."""
        return ast.Module([s for s in tree.body if ast.dump(s) not in self.given], [])

    def _look_for_means(self, cell: Cell, code: Code) -> None:
        """Search a cell, whoever wrote it."""
        flags, names = self.flags[""], self.names
        paths = sorted({*means.uses(code, names)} - {""})
        found = [path for path in paths if is_means(path) or path[0] in "!%" or " " in path]
        found = [path for path in found if commands.file_run(path) not in self.modules]
        flags += _lines("uses internals of the exercises or the process", cell, found)
        flags += _lines("replaces part of a package", cell, means.patches(code, names))
        for id in sorted(set(means.repeated_checks(code, names, self.own, self.tried))):
            flags.append(f"tries answers to {id} one after another: {cell.place}")
        self.may_write = self.may_write or own_modules.may_write(code, names)
        unknown = [
            name for name in own_modules.unknown_imports(code) if f"{name}.py" not in self.modules
        ]
        self.unknown += _lines("imports what may be a copy", cell, unknown)

    def look_for_copies(self) -> None:
        """Search for modules that may be copies, and for the references' source."""
        self.flags[""] += self.unknown if self.may_write else []
        for exercise in self.exercises:
            sources = [source_of(tree) for tree in self.behind[exercise.id].values()]
            sources += self.modules.values()
            if _is_copy(sources, exercise.reference):
                text = "its code is the reference's, except for names"
                self.flags[exercise.id].append(text)


def _lines(what: str, cell: Cell, paths: Iterator[str] | Sequence[str]) -> list[str]:
    return [f"{what}: {cell.place}, `{path[:100]}`" for path in paths]


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
