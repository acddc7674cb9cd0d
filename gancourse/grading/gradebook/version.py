"""The version of a notebook's exercises: a digest of all code that their marks depend on."""

import ast
import functools
import hashlib
from pathlib import Path
from typing import Any

import gancourse

PACKAGE = Path(gancourse.__file__).parent


def exercises_version(notebook: str, package: Path = PACKAGE) -> str:
    """A digest that changes where code does, and not with docstrings, comments or layout.

    The code is that of the notebook's exercises and of all they import from the package.
    """
    pending = sorted((package / "exercises" / f"nb{notebook}").glob("*.py"))
    digests: dict[Path, str] = {}
    while pending:
        path = pending.pop()
        if path not in digests and path.is_file():
            digests[path], imports = _read(path)
            for name in imports:
                place = package.parent.joinpath(*name.split("."))
                pending += [place.with_suffix(".py"), place / "__init__.py"]
    lines = [f"{p.relative_to(package).as_posix()} {digest}" for p, digest in digests.items()]
    return hashlib.sha256("\n".join([gancourse.__version__, *sorted(lines)]).encode()).hexdigest()


@functools.cache
def _read(path: Path) -> tuple[str, tuple[str, ...]]:
    """The digest of a file's code, and what it imports from the package."""
    tree = ast.parse(path.read_bytes())
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    names = {name for name in names if name.startswith("gancourse.")}
    return hashlib.sha256(repr(_code(tree)).encode()).hexdigest(), tuple(names)


def _code(node: Any) -> Any:
    """A syntax tree as plain data, without docstrings, the same in every version of Python."""
    if isinstance(node, list):
        return [_code(item) for item in node if not _is_docstring(item)]
    if not isinstance(node, ast.AST):
        return node
    fields = ((name, _code(value)) for name, value in ast.iter_fields(node))
    return type(node).__name__, [(name, value) for name, value in fields if value not in (None, [])]


def _is_docstring(node: Any) -> bool:
    """Also a text below an attribute, which documents it."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
