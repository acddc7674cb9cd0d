"""One code cell of an untrusted notebook, or a module next to it: what it is, binds and uses.

It is read as IPython would run it, and never run here.
"""

import ast
import hashlib
import re
import symtable
from dataclasses import dataclass
from functools import cached_property

from gancourse.grading.answers import magics
from gancourse.grading.answers.statements import (
    bound_names,
    helper_names,
    imported_names,
    is_definition,
    is_starter,
    names_in_text,
)

SETUP = {"found", "course"}  # names that the setup cell binds, in any version
CHECK = re.compile(r"""\bcheck\(\s*["'](\d{1,2}\.\d{1,2})["']""")
CHECKED = re.compile(r"""^(\w+) = check\(\s*["'](\d{1,2}\.\d{1,2})["'],\s*\1\s*\)""", re.M)
ROLE = re.compile(r"^(exercise|check)-(\d{1,2}-\d{1,2})(?!\d)")
NOT_PYTHON = (SyntaxError, ValueError, RecursionError, MemoryError)


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
    file: str = ""
    """Of a module next to the notebook, whose text this is; empty for cells of the notebook."""

    @property
    def place(self) -> str:
        """Where it is, in words."""
        return self.file or f"cell {self.number}"

    @cached_property
    def unchanged(self) -> bool:
        """Whether its id is the digest of its source, as in cells that the course wrote."""
        digest = hashlib.sha256(f"code\n{self.source}".encode()).hexdigest()
        return self.id.partition("-")[0] == digest[:10]

    @cached_property
    def given(self) -> bool:
        """Whether it is as some version of the course hands it out."""
        source = self.source.strip()
        if self.unchanged or (self.id == "setup" and {*self.bound} <= SETUP and not self.checks):
            return True
        if role(self, "check"):
            return bool(CHECKED.fullmatch(source))
        nodes = self.tree.body if role(self, "exercise") and self.tree else ()
        return bool(nodes) and all(map(is_starter, nodes))

    @cached_property
    def checks(self) -> frozenset[str]:
        """The exercises that it checks."""
        return frozenset(CHECK.findall(self.source))

    @cached_property
    def runnable(self) -> "Cell":
        """The part to run: all; of training, definitions and constants, which answers may use."""
        if not self.skipped:
            return self
        lines, parts = self._python[0].split("\n"), []
        for node in self.tree.body if self.tree else ():
            if is_definition(node):
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

    @cached_property
    def bound(self) -> tuple[str, ...]:
        """Names that it defines or assigns outside functions, in order."""
        return tuple(bound_names(self.tree.body) if self.tree else names_in_text(self.source))

    @cached_property
    def imported(self) -> tuple[str, ...]:
        """Names that it imports from modules, in order."""
        return tuple(imported_names(self.tree.body)) if self.tree else ()

    @cached_property
    def helpers(self) -> frozenset[str]:
        """Names that a function or class of this cell, of another name, uses."""
        return frozenset(helper_names(self.tree.body)) if self.tree else frozenset()

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


def ids(cell: Cell) -> set[str]:
    """Exercises that a cell answers or checks."""
    return {*cell.checks, role(cell, "exercise"), role(cell, "check")} - {""}


def role(cell: Cell, kind: str) -> str:
    """The exercise that a cell's id names: "exercise-2-3" -> "2.3"."""
    match = ROLE.match(cell.id)
    return match[2].replace("-", ".") if match and match[1] == kind else ""
