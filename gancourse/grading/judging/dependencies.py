"""The statements that an answer needs: its own cell, and what other cells define."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

from gancourse.grading.answers.cell import Cell
from gancourse.grading.answers.notebook_file import NotebookFile


def statements_behind(file: NotebookFile, ids: Iterable[str]) -> dict[str, dict[int, ast.Module]]:
    """For each exercise what its answer needs, by the number of the cell.

    Parameters
    ----------
    file : NotebookFile
        Its code is parsed, never run.
    ids : Iterable[str]
        Of exercises.
    """
    binding: dict[str, list[tuple[Cell, ast.stmt]]] = defaultdict(list)
    for cell in file.cells:
        for statement in cell.tree.body if cell.tree else ():
            for name in _bound(statement):
                binding[name].append((cell, statement))
    return {id: _behind(file, file.answer(id), binding) for id in ids}


def _behind(
    file: NotebookFile, answer: str, binding: Mapping[str, list[tuple[Cell, ast.stmt]]]
) -> dict[int, ast.Module]:
    own = [cell for cell in file.cells if answer and cell.source == answer and cell.tree]
    found = {cell.number: list(cell.tree.body) for cell in own if cell.tree}
    numbers, seen, taken = set(found), set(), set()
    pending = [name for cell in own for name in cell.uses]
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        needed = [  # a statement may bind thousands of names: it is read once
            (c, s) for c, s in binding.get(name, ()) if c.number not in numbers and s not in taken
        ]
        taken |= {statement for _, statement in needed}
        for cell, statement in needed:
            found.setdefault(cell.number, []).append(statement)
        source = source_of(ast.Module([statement for _, statement in needed], []))
        pending += Cell(0, source, "", False).uses if needed else ()
    return {number: ast.Module(body, []) for number, body in found.items()}


def code_behind(file: NotebookFile, ids: Iterable[str]) -> dict[str, str]:
    """For each exercise the source of what its answer needs from elsewhere.

    That is from cells that answer no exercise, and from whole Python files that are named there.
    """
    ids = list(ids)
    answers = {id: file.answer(id) for id in ids}
    others = {cell.number for cell in file.cells if cell.source not in answers.values()}
    behind = {}
    for id, trees in statements_behind(file, ids).items():
        parts = [source_of(tree) for number, tree in trees.items() if number in others]
        text = "\n".join([answers[id], *parts])
        parts += [
            source for name, source in file.modules.items()
            if re.search(rf"\b{re.escape(name.removesuffix('.py'))}\b", text)
        ]  # fmt: skip
        behind[id] = "\n".join(parts)
    return behind


def source_of(tree: ast.AST) -> str:
    """The source of a tree; empty where it is nested too deeply."""
    try:
        return ast.unparse(tree)
    except RecursionError:
        return ""


def _bound(statement: ast.stmt) -> set[str]:
    """Names that a statement binds, and those whose parts it assigns to: `a.b = c`, `a[0] = c`."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {statement.name}
    names = set()
    for node in ast.walk(statement):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, (ast.Attribute, ast.Subscript)) and isinstance(node.ctx, ast.Store):
            names |= {n.id for n in ast.walk(node.value) if isinstance(n, ast.Name)}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
    return names
