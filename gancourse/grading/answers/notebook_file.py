"""An untrusted notebook file: which notebook of the course it is, its code cells, its answers.

Everything here treats the file as text. It may be a student's work, a Colab download, a renamed or
half-saved notebook, or a file made to break a reader; what can't be read is `Unreadable`.
"""

import hashlib
import re
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gancourse.grading.answers import contents, modules
from gancourse.grading.answers.cell import CHECK, CHECKED, ROLE, Cell, ids, role
from gancourse.grading.answers.contents import MOST, Unreadable
from gancourse.grading.answers.statements import (
    STUB,
)

CELLS, SOURCE = 2000, 2 * 10**5  # code cells, and characters of code in all
NOT_GRADED = {"training", "demonstration"}
VERSION = re.compile(r"(\d{1,3})\.(\d{1,3})(?!\d)", re.ASCII)
TITLE = re.compile(r"^# (\d\d) ")


@dataclass(frozen=True)
class NotebookFile:
    """A file that can be graded."""

    content: bytes
    """What is graded of the file, as a notebook: its cells without outputs, and `modules`."""
    notebook: str
    """Number of the course's notebook that it is, by its content: "02"."""
    cells: tuple[Cell, ...]
    notes: tuple[str, ...] = ()
    modules: Mapping[str, str] = field(default_factory=dict)
    """The student's own modules that it imports: name of the file -> text."""

    @cached_property
    def digest(self) -> str:
        """SHA-256 of `content`: running it again changes outputs, and not the digest."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def blank(self) -> bool:
        """Whether it is as some version of the course hands it out: nothing was written in it."""
        return all(cell.given for cell in self.cells)

    @cached_property
    def module_cells(self) -> tuple[Cell, ...]:
        """Its modules, to be searched like cells."""
        return tuple(Cell(0, text, "", False, name) for name, text in self.modules.items())

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
        with_id = [cell for cell in self.cells if role(cell, "exercise") == id]
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
        answers = {self._answer_cell(id) for id in ids}
        return {
            "notebook": self.notebook,
            "exercises": list(ids),
            "modules": dict(self.modules),
            "cells": [(cell.number, cell.source) for cell in self.cells_to_run],
            "names": {id: self.names(id) for id in ids},
            "definitions": {id: self._definitions(id, answers) for id in ids},
            # name -> exercise of each line `f = check("1.2", f)`: later cells use this name
            "checked": {name: id for name, id in checked if id in ids},
        }

    def names(self, id: str) -> list[str]:
        """Names that an answer without check may have: those that its cell binds, likely first.

        A check tells the name. Else what other cells use is more likely the answer than a helper,
        which other functions of its own cell use; and what is bound last than what is first.
        """
        cell = self._answer_cell(id)
        if cell is None:
            return []
        checked = {n for c in self.cells for n, of in CHECKED.findall(c.source) if of == id}
        others = [other for other in self.cells if other is not cell]
        course = set().union(*(other.uses for other in others if other.unchanged))
        used = set().union(*(other.uses for other in others))

        def unlikely(name: str) -> tuple[bool, ...]:
            tests = (name in checked, name in course, name in cell.bound, name in used)
            return (*(not test for test in tests), name in cell.helpers)

        imported = cell.imported[::-1] if role(cell, "exercise") else ()
        return sorted(dict.fromkeys([*cell.bound[::-1], *imported]), key=unlikely)

    def _definitions(self, id: str, answers: Collection[Cell | None]) -> list[int]:
        """Numbers of the cells that may define an answer: its own, and later ones of the student.

        None after another of the `answers`, if that is of the same name.
        """
        own, names = self._answer_cell(id), {*self.names(id)}
        numbers = [own.number] if own else []
        for cell in self.cells[self.cells.index(own) + 1 :] if own else ():
            if names & {*cell.bound} and cell != own and cell in answers:
                break
            if names & {*cell.bound, *cell.imported} and not cell.unchanged:
                numbers.append(cell.number)
        return numbers


def read(path: Path, with_modules: bool = False) -> NotebookFile:
    """Read a file; `Unreadable` says why not. Links are not followed.

    Parameters
    ----------
    path : Path
        Of the notebook.
    with_modules : bool
        Whether the Python files next to it belong to it.
    """
    try:
        if path.is_symlink() or not path.is_file():
            why = "Links, folders and devices are not read."
            raise Unreadable(f"{path.name} is not a file.", why)
        with path.open("rb") as file:
            content = file.read(MOST + 1)
        beside = modules.next_to(path) if with_modules else {}
    except OSError as error:
        raise Unreadable(f"{path.name} can't be read.", str(error)) from error
    return parse(content, path.name, beside)


def parse(
    content: bytes, name: str = "The file", beside: Mapping[str, modules.Read] | None = None
) -> NotebookFile:
    """Parse the bytes of a file.

    Parameters
    ----------
    content : bytes
        Untrusted.
    name : str
        Of the file, for messages.
    beside : Mapping[str, modules.Read] | None
        Name of a file next to it -> what reads it. Those that it imports become `modules`.

    Raises
    ------
    Unreadable
        If it is no notebook of the course.
    """
    document = contents.load(content, name)
    saved = contents.cells(document)
    code = [cell for cell in saved if cell["cell_type"] == "code" or _is_check(cell)]
    if len(code) > CELLS or sum(len(cell["source"] or "") for cell in code) > SOURCE:
        why = f"More than {CELLS} cells or {SOURCE} characters."
        raise Unreadable(f"{name} is too large.", why)
    cells, notes = [], []
    for number, cell in enumerate(code, start=1):
        source, id = cell["source"], cell["metadata"].get("id", "")
        if source is None:
            notes.append(f"cell {number} contains no text and was left out")
            continue
        skipped = bool(NOT_GRADED & {*cell["metadata"].get("tags", ())})
        graded = ROLE.match(id) or CHECK.search(source) or STUB.search(source)
        cells.append(Cell(number, source, id, skipped and not graded))
    notes += _version_note(document, cells)
    number = _recognize(cells, [cell["source"] for cell in saved[:5]], name)
    beside = {**modules.stored(document), **(beside or {})}
    own, left_out = modules.imported([cell.source for cell in cells], beside)
    content = contents.dump(document, saved, own)
    return NotebookFile(content, number, tuple(cells), (*notes, *left_out), own)


def _is_check(cell: Mapping[str, Any]) -> bool:
    """Whether a cell is a check and nothing else, though it was made a text: its answer counts."""
    return bool(CHECKED.fullmatch((cell["source"] or "").strip()))


def _version_note(document: dict, cells: Iterable[Cell]) -> list[str]:
    """Say so if cells that are no Python here come from a newer Python, which may allow them."""
    info = document.get("metadata")
    info = info.get("language_info") if isinstance(info, dict) else None
    version = VERSION.match(str(info.get("version"))[:20]) if isinstance(info, dict) else None
    written = tuple(map(int, version.groups())) if version else (0, 0)
    if written <= sys.version_info[:2]:
        return []
    broken = [c for c in cells if c.tree is None and not c.skipped and "%%" not in c.source]
    if not broken:
        return []
    theirs, ours = (".".join(map(str, pair)) for pair in (written, sys.version_info[:2]))
    numbers = ", ".join(str(cell.number) for cell in broken)
    return [
        f"written with Python {theirs}, run with Python {ours}, which does not understand cell"
        f"{'s' * (len(broken) > 1)} {numbers}: grade it with Python {theirs} "
        "(docs/INSTRUCTORS.md, In a container)"
    ]


def _recognize(cells: list[Cell], titles: list[str | None], name: str) -> str:
    """The notebook that most exercises of a file belong to; its title counts as one more."""
    votes: Counter[str] = Counter()
    for cell in cells:
        named = ids(cell) | {*STUB.findall(cell.source)}
        votes.update(f"{int(id.split('.')[0]):02d}" for id in named)
    votes.update(match[1] for text in titles if (match := TITLE.match(text or "")))
    for number, _ in sorted(votes.items(), key=lambda item: (-item[1], item[0])):
        if find_spec(f"gancourse.exercises.nb{number}"):
            return number
    raise Unreadable(
        f"{name} is no notebook of this course.",
        'No cell checks one of its exercises: check("2.1", answer).',
    )
