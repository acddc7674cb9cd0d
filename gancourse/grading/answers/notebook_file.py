"""An untrusted notebook file: which notebook of the course it is, its code cells, its answers.

Everything here treats the file as text. It may be a student's work, a Colab download, a renamed or
half-saved notebook, or a file made to break a reader; what can't be read is `Unreadable`.
"""

import ast
import hashlib
import json
import re
import symtable
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gancourse.errors import CourseError
from gancourse.grading.answers import magics

LARGEST = 30 * 10**6  # bytes of a notebook, images in its outputs included
CELLS, SOURCE = 2000, 2 * 10**5  # code cells, and characters of code in all
NOT_GRADED = {"training", "demonstration"}
CHECK = re.compile(r"""\bcheck\(\s*["'](\d{1,2}\.\d{1,2})["']""")
CHECKED = re.compile(r"""^(\w+) = check\(\s*["'](\d{1,2}\.\d{1,2})["'],\s*\1\s*\)""", re.M)
STUB = re.compile(r"""NotImplementedError\(\s*["']Exercise (\d{1,2}\.\d{1,2})["']""")
TITLE = re.compile(r"^# (\d\d) ")
ROLE = re.compile(r"^(exercise|check)-(\d{1,2}-\d{1,2})(?!\d)")
NOT_PYTHON = (SyntaxError, ValueError, RecursionError, MemoryError)


class Unreadable(CourseError):
    """A file that can't be graded: broken, too large, or no notebook of the course."""

    def __init__(self, what: str, why: str = "") -> None:
        do = "Ask for the notebook again: File > Download > .ipynb, after a run from top to bottom."
        super().__init__(what, why, do)


@dataclass(frozen=True)
class Cell:
    """One code cell."""

    number: int
    """Its place among the notebook's code cells, from 1."""
    source: str
    id: str
    """As the course or Colab wrote it; empty where it has none."""
    skipped: bool
    """Training and demonstrations take time and decide no mark."""

    @cached_property
    def unchanged(self) -> bool:
        """Whether its id is the digest of its source, as in cells that the course wrote."""
        digest = hashlib.sha256(f"code\n{self.source}".encode()).hexdigest()
        return self.id.partition("-")[0] == digest[:10]

    @cached_property
    def checks(self) -> frozenset[str]:
        """The exercises that it checks."""
        return frozenset(CHECK.findall(self.source))

    @cached_property
    def runnable(self) -> "Cell":
        """The part to run: all; of training, imports and definitions, which answers may use."""
        if not self.skipped:
            return self
        lines, parts = self._python[0].split("\n"), []
        for node in self.tree.body if self.tree else ():
            if isinstance(node, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)):
                first = min(n.lineno for n in (node, *getattr(node, "decorator_list", ())))
                parts += lines[first - 1 : node.end_lineno]
        return Cell(self.number, "\n".join(parts), "", False)

    @cached_property
    def _python(self) -> tuple[str, ast.Module | None, bool]:
        """What IPython would run, as text and tree, and whether that is known."""
        try:
            return *magics.python_of(self.source), True
        except SyntaxError:
            return "", None, True  # IPython refuses it, and runs nothing
        except Exception:  # of a kind that may depend on the process that reads it
            return "", None, False

    @property
    def tree(self) -> ast.Module | None:
        """The syntax tree of what IPython would run; None where that is not Python."""
        return self._python[1]

    @property
    def is_searchable(self) -> bool:
        """Whether `tree` shows all that would run: also where IPython would refuse the cell."""
        return self._python[2]

    @cached_property
    def _names(self) -> tuple[frozenset[str], frozenset[str]]:
        try:
            if self.tree is None:
                raise SyntaxError
            scopes = [symtable.symtable(self._python[0], "cell", "exec")]
        except NOT_PYTHON:
            return frozenset(), frozenset(re.findall(r"[A-Za-z_]\w*", self.source))
        binds, uses = set(), set()
        while scopes:
            scope = scopes.pop()
            scopes += scope.get_children()
            for symbol in scope.get_symbols():
                if scope.get_type() == "module" or symbol.is_global():
                    binds |= {symbol.get_name()} if _is_bound(symbol) else set()
                    uses |= {symbol.get_name()} if symbol.is_referenced() else set()
        return frozenset(binds), frozenset(uses)

    @property
    def binds(self) -> frozenset[str]:
        """Global names that it assigns, imports or defines, in functions too."""
        return self._names[0]

    @property
    def uses(self) -> frozenset[str]:
        """Global names that it uses, in functions too; all of its words, where it isn't Python."""
        return self._names[1]


def _is_bound(symbol: symtable.Symbol) -> bool:
    return symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()


@dataclass(frozen=True)
class NotebookFile:
    """A file that can be graded."""

    digest: str
    """SHA-256 of the file."""
    notebook: str
    """Number of the course's notebook that it is, by its content: "02"."""
    cells: tuple[Cell, ...]
    notes: tuple[str, ...] = ()

    @cached_property
    def cells_to_run(self) -> tuple[Cell, ...]:
        """In order, all cells that the student wrote or changed, and what they use.

        The course's own cells that no answer uses, directly or indirectly, only show something.
        They are left out, and so are those tagged training or demonstration, except for definitions
        in them.
        """
        return self._with_dependencies(cell.number for cell in self.cells if not cell.unchanged)

    @cached_property
    def answer_cells(self) -> tuple[Cell, ...]:
        """The least that can be run: the answers and their checks, and what they use."""
        return self._with_dependencies(
            cell.number for cell in self.cells if cell.checks or ROLE.match(cell.id)
        )

    def _with_dependencies(self, numbers: Iterable[int]) -> tuple[Cell, ...]:
        cells = {c.number: c.runnable for c in self.cells if not (c.skipped and c.unchanged)}
        binding: dict[str, list[Cell]] = {}
        for cell in cells.values():
            for name in cell.binds:
                binding.setdefault(name, []).append(cell)
        pending = [cells[number] for number in numbers if number in cells]
        chosen = set()
        while pending:
            cell = pending.pop()
            chosen.add(cell.number)
            for name in cell.uses:
                pending += binding.pop(name, ())
        return tuple(cell for cell in cells.values() if cell.number in chosen and cell.source)

    def answer(self, id: str) -> str:
        """Source of the code cell that answers an exercise; empty where there is none."""
        cell = self._answer_cell(id)
        return cell.source if cell else ""

    def _answer_cell(self, id: str) -> Cell | None:
        """The cell with the exercise's id, or the one before its check; of copies the last."""
        with_id = [cell for cell in self.cells if _role(cell, "exercise") == id]
        checks = [i for i, cell in enumerate(self.cells) if id in cell.checks]
        if with_id or not checks:
            return with_id[-1] if with_id else None
        one_line = "\n" not in self.cells[checks[-1]].source.strip()
        return self.cells[max(0, checks[-1] - one_line)]

    def job(self, ids: Collection[str]) -> dict[str, Any]:
        """What `Collector` has to know, as plain data that can be sent to a sandbox.

        Parameters
        ----------
        ids : Collection[str]
            Those of the notebook's exercises.
        """
        checked = [pair for cell in self.cells for pair in CHECKED.findall(cell.source)]
        return {
            "notebook": self.notebook,
            "exercises": list(ids),
            "cells": [(cell.number, cell.source) for cell in self.cells_to_run],
            "names": {id: self.names(id) for id in ids},
            # name -> exercise of each line `f = check("1.2", f)`: later cells use this name
            "checked": {name: id for name, id in checked if id in ids},
        }

    def names(self, id: str) -> list[str]:
        """Names that an answer without check may have: those that its cell binds, last first."""
        cell = self._answer_cell(id)
        names = []
        for node in cell.tree.body if cell and cell.tree else ():
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                names.append(node.name)
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                names.append(node.targets[0].id)
        return names[::-1]


def _role(cell: Cell, kind: str) -> str:
    """The exercise that a cell's id names: "exercise-2-3" -> "2.3"."""
    match = ROLE.match(cell.id)
    return match[2].replace("-", ".") if match and match[1] == kind else ""


def read(path: Path) -> NotebookFile:
    """Read a file; `Unreadable` says why not. Links are not followed."""
    try:
        if path.is_symlink() or not path.is_file():
            why = "Links, folders and devices are not read."
            raise Unreadable(f"{path.name} is not a file.", why)
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise Unreadable(f"{path.name} can't be read.", str(error)) from error
    return parse(content, path.name)


def parse(content: bytes, name: str = "The file") -> NotebookFile:
    """Parse the bytes of a file. Raises `Unreadable`."""
    if len(content) > LARGEST:
        raise Unreadable(f"{name} is too large.", f"More than {LARGEST // 10**6} MB.")
    try:
        document = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError, MemoryError) as error:
        why = f"Its JSON is broken: {type(error).__name__}: {error}"[:230]
        raise Unreadable(f"{name} is not a notebook.", why) from error
    if not isinstance(document, dict) or not isinstance(document.get("cells"), list):
        raise Unreadable(f"{name} is not a notebook.", "It has no list of cells (nbformat 4).")
    code = [c for c in document["cells"] if isinstance(c, dict) and c.get("cell_type") == "code"]
    sources = [_text(cell.get("source")) for cell in code]
    if len(code) > CELLS or sum(map(len, filter(None, sources))) > SOURCE:
        why = f"More than {CELLS} cells or {SOURCE} characters."
        raise Unreadable(f"{name} is too large.", why)
    cells, notes = [], []
    for number, (cell, source) in enumerate(zip(code, sources, strict=True), start=1):
        if source is None:
            notes.append(f"cell {number} contains no text and was left out")
            continue
        metadata = cell.get("metadata") if isinstance(cell.get("metadata"), dict) else {}
        tags = metadata.get("tags") if isinstance(metadata.get("tags"), list) else []
        id = cell.get("id") or metadata.get("id")  # Colab keeps a cell's id in its metadata
        id = id if isinstance(id, str) else ""
        skipped = bool(NOT_GRADED & {tag for tag in tags if isinstance(tag, str)})
        graded = ROLE.match(id) or CHECK.search(source) or STUB.search(source)
        cells.append(Cell(number, source, id, skipped and not graded))
    titles = [_text(c.get("source")) for c in document["cells"][:5] if isinstance(c, dict)]
    number = _recognize(cells, titles, name)
    return NotebookFile(hashlib.sha256(content).hexdigest(), number, tuple(cells), tuple(notes))


def _recognize(cells: list[Cell], titles: list[str | None], name: str) -> str:
    """The notebook that most exercises of a file belong to; its title counts as one more."""
    votes: Counter[str] = Counter()
    for cell in cells:
        ids = {*cell.checks, *STUB.findall(cell.source)}
        ids |= {_role(cell, "exercise"), _role(cell, "check")} - {""}
        votes.update(f"{int(id.split('.')[0]):02d}" for id in ids)
    votes.update(match[1] for text in titles if (match := TITLE.match(text or "")))
    for number, _ in sorted(votes.items(), key=lambda item: (-item[1], item[0])):
        if find_spec(f"gancourse.exercises.nb{number}"):
            return number
    raise Unreadable(
        f"{name} is no notebook of this course.",
        'No cell checks one of its exercises: check("2.1", answer).',
    )


def _text(source: Any) -> str | None:
    """A cell's source, which is a string or a list of lines; None where it is neither."""
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        return None
    return source.encode("utf-8", "replace").decode("utf-8")  # a lone surrogate can't be sent on
