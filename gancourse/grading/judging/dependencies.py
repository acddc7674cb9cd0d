"""The statements that an answer needs: its own cell, and what the student's other cells define."""

import ast
from collections import defaultdict

from gancourse.grading.answers.notebook_file import Cell, NotebookFile


def statements_behind(file: NotebookFile, id: str) -> dict[int, ast.Module]:
    """What an answer needs, by the number of the cell; nothing of the course's own cells.

    Parameters
    ----------
    file : NotebookFile
        Its code is parsed, never run.
    id : str
        Of an exercise.
    """
    answer = file.answer(id)
    own = [cell for cell in file.cells if answer and cell.source == answer and cell.tree]
    binding: dict[str, list[tuple[Cell, ast.stmt]]] = defaultdict(list)
    for cell in file.cells:
        if cell.tree and not cell.unchanged and cell not in own:
            for statement in cell.tree.body:
                for name in _bound(statement):
                    binding[name].append((cell, statement))
    found = {cell.number: list(cell.tree.body) for cell in own if cell.tree}
    pending = [name for cell in own for name in cell.uses]
    while pending:
        needed = binding.pop(pending.pop(), [])
        for cell, statement in needed:
            found.setdefault(cell.number, []).append(statement)
        source = source_of(ast.Module([statement for _, statement in needed], []))
        pending += Cell(0, source, "", False).uses
    return {number: ast.Module(body, []) for number, body in found.items()}


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
