"""An untrusted file read as a submission: which notebook it is, its code cells, its answers.

Everything here treats the file as text. It may be a student's work, a Colab download, a renamed or
half-saved notebook, or something made to break a reader; what can't be read is `Unreadable`.
"""

import ast
import hashlib
import json
import re
import symtable
import warnings
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gancourse.errors import CourseError

LARGEST = 30 * 10**6  # bytes of a notebook, pictures in its outputs included
CELLS, SOURCE = 2000, 2 * 10**5  # code cells, and characters of code in all
NOT_GRADED = {"training", "demonstration"}
CHECK = re.compile(r"""\bcheck\(\s*["'](\d{1,2}\.\d{1,2})["']""")
KEPT = re.compile(r"""^(\w+) = check\(\s*["'](\d{1,2}\.\d{1,2})["'],\s*\1\s*\)""", re.M)
STUB = re.compile(r"""NotImplementedError\(\s*["']Exercise (\d{1,2}\.\d{1,2})["']""")
TITLE = re.compile(r"^# (\d\d) ")
ROLE = re.compile(r"^(exercise|check)-(\d{1,2}-\d{1,2})(?!\d)")


class Unreadable(CourseError):
    """A file that can't be graded: broken, absurd, or no notebook of the course."""

    def __init__(self, what: str, why: str = "") -> None:
        do = "Ask for the notebook again: File > Download > .ipynb, after a run from top to bottom."
        super().__init__(what, why, do)


@dataclass(frozen=True)
class Cell:
    """One code cell."""

    number: int
    """Its place among the notebook's code cells, from 1."""
    source: str
    name: str
    """Its id, as the course or Colab wrote it; empty where it has none."""
    skipped: bool
    """Training and demonstrations take time and decide no mark."""

    @cached_property
    def untouched(self) -> bool:
        """Whether its id is the digest of its source, as the course names its own cells."""
        digest = hashlib.sha256(f"code\n{self.source}".encode()).hexdigest()
        return self.name.partition("-")[0] == digest[:10]

    @cached_property
    def checks(self) -> frozenset[str]:
        """The exercises that it checks."""
        return frozenset(CHECK.findall(self.source))

    @cached_property
    def light(self) -> "Cell":
        """What of it may run: all; of training, imports and definitions, which answers may use."""
        if not self.skipped:
            return self
        lines, parts = self._python.split("\n"), []
        for node in self.tree.body if self.tree else ():
            if isinstance(node, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)):
                first = min(n.lineno for n in (node, *getattr(node, "decorator_list", ())))
                parts += lines[first - 1 : node.end_lineno]
        return Cell(self.number, "\n".join(parts), "", False)

    @cached_property
    def _python(self) -> str:
        """Its source without magics."""
        return re.sub(r"^([ \t]*)[%!?].*$", r"\1pass", self.source, flags=re.MULTILINE)

    @cached_property
    def tree(self) -> ast.Module | None:
        """Its syntax tree; None where it is no Python."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return ast.parse(self._python)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None

    @cached_property
    def _names(self) -> tuple[frozenset[str], frozenset[str]]:
        """Global names that it gives a meaning to, and those that it uses, functions included."""
        binds, uses = set(), set()
        try:
            tables = [symtable.symtable(self._python, "cell", "exec")]
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return frozenset(), frozenset(re.findall(r"[A-Za-z_]\w*", self.source))
        while tables:
            table = tables.pop()
            tables += table.get_children()
            for symbol in table.get_symbols():
                if table.get_type() == "module" or symbol.is_global():
                    binds |= {symbol.get_name()} if _is_bound(symbol) else set()
                    uses |= {symbol.get_name()} if symbol.is_referenced() else set()
        return frozenset(binds), frozenset(uses)

    @property
    def binds(self) -> frozenset[str]:
        """Global names that it gives a meaning to."""
        return self._names[0]

    @property
    def uses(self) -> frozenset[str]:
        """Global names that it uses; every word of it, where it is no Python."""
        return self._names[1]


def _is_bound(symbol: symtable.Symbol) -> bool:
    return symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()


@dataclass(frozen=True)
class Submission:
    """A notebook that can be graded."""

    digest: str
    """SHA-256 of the file."""
    notebook: str
    """Number of the notebook that it is, by its content: "02"."""
    cells: tuple[Cell, ...]
    notes: tuple[str, ...] = ()

    @cached_property
    def runs(self) -> tuple[Cell, ...]:
        """The cells to run, in order: all that the student wrote or changed, and what they use.

        The course's own cells that take no part in an answer, however indirectly, show something;
        so do those tagged training or demonstration, of which only definitions are run.
        """
        return self._with(cell.number for cell in self.cells if not cell.untouched)

    @cached_property
    def needed(self) -> tuple[Cell, ...]:
        """The least that can be run: the answers and their checks, and what they use."""
        return self._with(
            cell.number for cell in self.cells if cell.checks or ROLE.match(cell.name)
        )

    def _with(self, numbers: Iterable[int]) -> tuple[Cell, ...]:
        """These cells and all that they use, in order."""
        cells = {c.number: c.light for c in self.cells if not (c.skipped and c.untouched)}
        binding: dict[str, list[Cell]] = {}
        for cell in cells.values():
            for name in cell.binds:
                binding.setdefault(name, []).append(cell)
        todo = [cells[number] for number in numbers if number in cells]
        chosen = set()
        while todo:
            cell = todo.pop()
            chosen.add(cell.number)
            for name in cell.uses:
                todo += binding.pop(name, ())
        return tuple(cell for cell in cells.values() if cell.number in chosen and cell.source)

    def answer(self, id: str) -> str:
        """Source of the code cell that answers an exercise; empty where there is none.

        It is the cell that the course named so, or the one before the exercise's check; of
        several copies the last.
        """
        named = [cell for cell in self.cells if _role(cell, "exercise") == id]
        if named:
            return named[-1].source
        checks = [i for i, cell in enumerate(self.cells) if id in cell.checks]
        if not checks:
            return ""
        alone = re.fullmatch(r"[^\n]*\n?", self.cells[checks[-1]].source.strip())
        return self.cells[max(0, checks[-1] - bool(alone))].source

    def kept(self, ids: Collection[str]) -> dict[str, str]:
        """Name -> exercise of each line `f = check("1.2", f)`: what the notebook goes on with."""
        found = [pair for cell in self.cells for pair in KEPT.findall(cell.source)]
        return {name: id for name, id in found if id in ids}

    def names(self, id: str) -> list[str]:
        """Names that an answer may have where its check is gone: what its cell binds."""
        try:
            body = ast.parse(self.answer(id)).body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return []
        found = []
        for node in body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                found.append(node.name)
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                found.append(node.targets[0].id)
        return found[::-1]


def _role(cell: Cell, kind: str) -> str:
    """The exercise that a cell's id names: "exercise-2-3" -> "2.3"."""
    match = ROLE.match(cell.name)
    return match[2].replace("-", ".") if match and match[1] == kind else ""


def read(path: Path) -> Submission:
    """Read a submission; `Unreadable` says why not. Links are not followed."""
    try:
        if path.is_symlink() or not path.is_file():
            raise Unreadable(
                f"{path.name} is not a file.", "Links, folders and devices are not read."
            )
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise Unreadable(f"{path.name} can't be read.", str(error)) from error
    return parse(content, path.name)


def parse(content: bytes, name: str = "The file") -> Submission:
    """What `read` does, for bytes that are at hand."""
    if len(content) > LARGEST:
        raise Unreadable(f"{name} is too large.", f"More than {LARGEST // 10**6} MB.")
    try:
        known = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError, MemoryError) as error:
        raise Unreadable(
            f"{name} is not a notebook.", f"Its JSON is broken: {_short(error)}"
        ) from error
    if not isinstance(known, dict) or not isinstance(known.get("cells"), list):
        raise Unreadable(f"{name} is not a notebook.", "It has no list of cells (nbformat 4).")
    code = [c for c in known["cells"] if isinstance(c, dict) and c.get("cell_type") == "code"]
    sources = [_text(cell.get("source")) for cell in code]
    if len(code) > CELLS or sum(map(len, filter(None, sources))) > SOURCE:
        raise Unreadable(
            f"{name} is too large.", f"More than {CELLS} cells or {SOURCE} characters."
        )
    cells, notes = [], []
    for number, (cell, source) in enumerate(zip(code, sources, strict=True), start=1):
        if source is None:
            notes.append(f"cell {number} holds no text and was left out")
            continue
        metadata = cell.get("metadata") if isinstance(cell.get("metadata"), dict) else {}
        tags = metadata.get("tags") if isinstance(metadata.get("tags"), list) else []
        title = cell.get("id") or metadata.get("id")  # Colab keeps a cell's id in its metadata
        title = title if isinstance(title, str) else ""
        skipped = bool(NOT_GRADED & {t for t in tags if isinstance(t, str)})
        answers = ROLE.match(title) or CHECK.search(source) or STUB.search(source)
        cells.append(Cell(number, source, title, skipped and not answers))
    titles = [_text(c.get("source")) for c in known["cells"][:5] if isinstance(c, dict)]
    return Submission(
        hashlib.sha256(content).hexdigest(),
        _recognise(cells, titles, name),
        tuple(cells),
        tuple(notes),
    )


def _recognise(cells: list[Cell], titles: list[str | None], name: str) -> str:
    """The notebook that most exercises of a file belong to; its title counts as one more."""
    found: Counter[str] = Counter()
    for cell in cells:
        ids = {*CHECK.findall(cell.source), *STUB.findall(cell.source)}
        ids |= {_role(cell, "exercise"), _role(cell, "check")} - {""}
        found.update(f"{int(id.split('.')[0]):02d}" for id in ids)
    for text in titles:
        found.update(m[1] for m in [TITLE.match(text or "")] if m)
    for number, _ in sorted(found.items(), key=lambda item: (-item[1], item[0])):
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


def _short(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:200]
