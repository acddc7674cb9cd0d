"""Signs that an answer is a reference solution: for the instructor to review, never for the marks.

The references ship with the package, so no sandbox can keep a student from calling one. What can be
seen is flagged: an import, an alias, getattr, copied source, or the means to hide one of these.
"""

import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Iterator, Sequence
from functools import partial, reduce
from typing import Any

from gancourse.exercises.base import Exercise
from gancourse.grading.answers.notebook_file import Cell, NotebookFile
from gancourse.grading.judging.similarity import fragments

ENOUGH, COPIED = 40, 0.9  # fragments of a reference that are telling; share of them in a copy
REGISTRY = "gancourse.exercises"
PRIVATE = {
    *("reference", "alternatives", "slips", "of_notebook", "assess"),
    *("f_back", "f_locals", "f_globals", "tb_frame", "gi_frame", "__globals__", "__code__"),
}
BARE = {"exec", "eval", "compile", "__import__", "__builtins__", "getattr", "vars", "setattr"}
MEANS = {
    *("sys.setprofile", "sys.settrace", "sys.monitoring", "sys.modules", "sys._getframe", "ctypes"),
    *("gc.get_objects", "gc.get_referrers", "inspect.getsource", "inspect.stack", "builtins"),
    *("os._exit", "os.kill", "os.fork", "os.write", "signal.signal", "signal.setitimer"),
    *("atexit.register", "importlib.reload", "pickle.loads", "marshal.loads"),
    *("exec", "eval", "__import__", "__builtins__", "setattr"),
}
HARMLESS = ("__file__", "__version__", "__doc__", "__name__")
LONGEST = 12  # names in a path of a package; longer ones are made to take time
NOT_TO_PATCH = {"gancourse", "torch", "builtins", "sys", "numpy", "IPython"}


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
    answers = {e.id: file.answer(e.id) for e in exercises}
    imported: dict[str, str] = {}  # name in the notebook so far -> dotted path of the import
    for cell in (*file.module_cells, *file.cells):
        for name in cell.binds:
            imported.pop(name, None)
        paths = sorted(set(_paths(cell, imported)))
        for exercise in exercises:  # the course's own cells use some references later on
            if cell.file or cell.source == answers[exercise.id] or exercise.id in cell.checks:
                references = [path for path in paths if _names_reference(path, exercise.reference)]
                flags[exercise.id] += _lines("uses the reference solution", cell, references)
        if not cell.unchanged:
            means = [path for path in paths if _is_means(path)]
            flags[""] += _lines("uses internals of the exercises or the process", cell, means)
            flags[""] += _lines("replaces part of a package", cell, _patched(cell, imported))
    for exercise in exercises:
        sources = (answers[exercise.id], *file.modules.values())
        if any(_is_copy(source, exercise.reference) for source in sources):
            flags[exercise.id].append("its code is the reference's, except for names")
    return {id: tuple(dict.fromkeys(lines)) for id, lines in flags.items() if lines}


def _lines(what: str, cell: Cell, paths: Sequence[str]) -> list[str]:
    return [f"{what}: {cell.place}, `{path[:100]}`" for path in paths]


def _paths(cell: Cell, imported: dict[str, str]) -> Iterator[str]:
    """Dotted paths in packages that a cell uses; what it imports is added to `imported`."""
    nodes = list(ast.walk(cell.tree)) if cell.tree else []
    for node in nodes:
        for alias in node.names if isinstance(node, ast.Import) else ():
            top = alias.name.split(".")[0]
            imported[alias.asname or top] = alias.name if alias.asname else top
            yield alias.name
        for alias in node.names if isinstance(node, ast.ImportFrom) and node.module else ():
            imported[alias.asname or alias.name] = f"{node.module}.{alias.name}"
            yield f"{node.module}.{alias.name}"
    for node in nodes:
        path = _dotted(node, imported)
        if path and not isinstance(node.ctx, ast.Store):
            yield path
        elif isinstance(node, ast.Call) and _dotted(node.func, imported) in ("getattr", "vars"):
            base = _dotted(node.args[0], imported) if node.args else ""
            if base.startswith("gancourse"):
                yield f"{base}.?"
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from (f"{text}.?" for text in re.findall(r"gancourse\.[\w.]{1,80}", node.value))


def _dotted(node: ast.AST, imported: dict[str, str]) -> str:
    """`o.value` -> "gancourse.papers.gan.value"; empty where it is no path of an import."""
    names: list[str] = []
    while isinstance(node, ast.Attribute) and len(names) < LONGEST:
        names.append(node.attr)
        node = node.value
    name = node.id if isinstance(node, ast.Name) else ""
    head = imported.get(name) or (name if name in BARE else "")
    if head:
        return ".".join([head, *names[::-1]])
    return f".{names[0]}" if names and names[0] in PRIVATE else ""


def _is_means(path: str) -> bool:
    """Whether a path is a means to reach a reference, or to tamper with the process."""
    if path.startswith(REGISTRY):
        return path not in (REGISTRY, f"{REGISTRY}.check", f"{REGISTRY}.verdict")
    hidden = path.endswith("?") or (".__" in path and not path.endswith(HARMLESS))
    inside = path.startswith("gancourse.") and hidden
    return inside or path in MEANS or path.split(".")[0] in MEANS or path[0] == "."


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


def _patched(cell: Cell, imported: dict[str, str]) -> list[str]:
    """Attributes of imported things that a cell assigns to: `torch.isclose = ...`."""
    nodes = ast.walk(cell.tree) if cell.tree else ()
    targets = (target for node in nodes for target in getattr(node, "targets", ()))
    paths = (_dotted(target, imported) for target in targets if isinstance(target, ast.Attribute))
    return [path for path in paths if path.split(".")[0] in NOT_TO_PATCH]


def _is_copy(source: str, reference: Any) -> bool:
    """Whether an answer contains nearly all of the reference's code, except names and constants."""
    try:
        code = fragments(textwrap.dedent(inspect.getsource(_without_partial(reference))))
    except (OSError, TypeError):  # a number, a letter, a part of torch
        return False
    return code.total() >= ENOUGH and (code & fragments(source)).total() >= COPIED * code.total()
