"""Questions about the statements of a cell; its code is parsed, never run."""

import ast
import re
from collections.abc import Iterator, Sequence

STUB = re.compile(r"""NotImplementedError\(\s*["']Exercise (\d{1,2}\.\d{1,2})["']""")
BINDING = re.compile(r"^(?:def|class) (\w+)|^(\w+)(?: *:[^=\n]*| *)=(?!=)", re.M)
BLOCKS = ("body", "orelse", "handlers", "finalbody")
NAMES = (ast.Name, ast.Tuple, ast.List, ast.expr_context)
PLAIN = (ast.Constant, ast.Name, ast.Attribute, ast.UnaryOp, ast.BinOp, ast.Tuple, ast.List)
PLAIN += (ast.Set, ast.Dict, ast.operator, ast.unaryop, ast.expr_context)


def is_definition(node: ast.stmt) -> bool:
    """Whether a statement takes no time: an import, a function, a class, a constant, an alias."""
    if isinstance(node, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)):
        return True
    if not isinstance(node, (ast.Assign, ast.AnnAssign)) or node.value is None:
        return False
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    names = all(isinstance(p, NAMES) for target in targets for p in ast.walk(target))
    plain = all(isinstance(part, PLAIN) for part in ast.walk(node.value))
    return names and (plain or isinstance(node.value, ast.Lambda))


def is_starter(node: ast.stmt) -> bool:
    """Whether a statement of an exercise's cell is to be filled in: `x = ...`, or a stub."""
    if isinstance(node, ast.FunctionDef):
        body = node.body[ast.get_docstring(node) is not None :]
        return len(body) == 1 and _is_stub(body[0])
    if isinstance(node, ast.ClassDef):
        return any(map(_is_stub, ast.walk(node)))
    value = node.value if isinstance(node, ast.Assign) else None
    return isinstance(value, ast.Constant) and value.value is Ellipsis


def _is_stub(node: ast.AST) -> bool:
    constants = (p.value for p in ast.walk(node) if isinstance(p, ast.Constant))
    return isinstance(node, ast.Raise) and any(str(c).startswith("Exercise ") for c in constants)


def bound_names(nodes: Sequence[ast.AST]) -> Iterator[str]:
    """Names that statements define or assign, in order; also in `if`, `try`, `with` and loops."""
    for node in nodes:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
            continue
        for target in _targets(node):
            yield from (part.id for part in ast.walk(target) if isinstance(part, ast.Name))
        for block in BLOCKS:
            yield from bound_names(getattr(node, block, ()))


def imported_names(nodes: Sequence[ast.AST]) -> Iterator[str]:
    """Names that statements import from somewhere, in order."""
    for node in nodes:
        aliases = node.names if isinstance(node, ast.ImportFrom) else ()
        yield from (alias.asname or alias.name for alias in aliases)


def helper_names(nodes: Sequence[ast.AST]) -> Iterator[str]:
    """Names that a function or class uses which has another name."""
    for node in nodes:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names = (part.id for part in ast.walk(node) if isinstance(part, ast.Name))
            yield from (name for name in names if name != node.name)


def names_in_text(source: str) -> list[str]:
    """Names that code defines or assigns at the start of a line, where it isn't Python."""
    return [first or second for first, second in BINDING.findall(source)]


def _targets(node: ast.AST) -> Sequence[ast.expr]:
    """What a statement assigns to; not its attributes or elements."""
    targets = getattr(node, "targets", None) or [getattr(node, "target", None)]
    assigns = isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign))
    kinds = (ast.Name, ast.Tuple, ast.List)
    return [target for target in targets if assigns and isinstance(target, kinds)]
