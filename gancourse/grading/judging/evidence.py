"""Signs that an answer is the package's own: for an instructor's eyes, never for the marks.

The references ship with the package, so no sandbox can keep a student from calling one. What can be
seen is said: an import, an alias, getattr, copied source, or the means to hide one of these.
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
from gancourse.grading.answers.submission import Cell, Submission
from gancourse.grading.judging.similarity import pieces

ENOUGH, COPIED = 40, 0.9  # pieces of a reference that say something; share of them in a copy
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
DEEPEST = 12  # names in a path of a package; longer ones are made to take time
NOT_TO_PATCH = {"gancourse", "torch", "builtins", "sys", "numpy", "IPython"}


def find(handed_in: Submission, exercises: Sequence[Exercise]) -> dict[str, tuple[str, ...]]:
    """Signs by exercise id, and, under "", those of the whole notebook.

    Parameters
    ----------
    handed_in : Submission
        Its code is parsed, never run.
    exercises : Sequence[Exercise]
        Those of the notebook that it is.
    """
    found: dict[str, list[str]] = {e.id: [] for e in exercises} | {"": []}
    answers = {e.id: handed_in.answer(e.id) for e in exercises}
    known: dict[str, str] = {}  # name in the notebook so far -> dotted path of what was imported
    for cell in handed_in.cells:
        for name in cell.binds:
            known.pop(name, None)
        paths = sorted(set(_paths(cell, known)))
        for exercise in exercises:  # the course's own cells use some references later on
            if cell.source == answers[exercise.id] or exercise.id in cell.checks:
                own = [path for path in paths if _is(path, exercise.reference)]
                found[exercise.id] += _lines("uses the package's own version", cell, own)
        if not cell.untouched:
            means = [path for path in paths if _is_means(path)]
            found[""] += _lines("reaches behind the exercises", cell, means)
            found[""] += _lines("replaces part of a package", cell, _patched(cell, known))
    for exercise in exercises:
        if _copied(answers[exercise.id], exercise.reference):
            found[exercise.id].append("its code is the package's own, but for names")
    return {id: tuple(dict.fromkeys(lines)) for id, lines in found.items() if lines}


def _lines(what: str, cell: Cell, paths: Sequence[str]) -> list[str]:
    return [f"{what}: cell {cell.number}, `{path[:100]}`" for path in paths]


def _paths(cell: Cell, known: dict[str, str]) -> Iterator[str]:
    """Dotted paths of packages that a cell speaks of; what it imports is added to `known`."""
    nodes = list(ast.walk(cell.tree)) if cell.tree else []
    for node in nodes:
        for alias in getattr(node, "names", ()) if isinstance(node, ast.Import) else ():
            short = alias.name.split(".")[0]
            known[alias.asname or short] = alias.name if alias.asname else short
            yield alias.name
        for alias in node.names if isinstance(node, ast.ImportFrom) and node.module else ():
            known[alias.asname or alias.name] = f"{node.module}.{alias.name}"
            yield f"{node.module}.{alias.name}"
    for node in nodes:
        path = _dotted(node, known)
        if path and not isinstance(node.ctx, ast.Store):
            yield path
        elif isinstance(node, ast.Call) and _dotted(node.func, known) in ("getattr", "vars"):
            base = _dotted(node.args[0], known) if node.args else ""
            if base.startswith("gancourse"):
                yield f"{base}.?"
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from (f"{text}.?" for text in re.findall(r"gancourse\.[\w.]{1,80}", node.value))


def _dotted(node: ast.AST, known: dict[str, str]) -> str:
    """`o.value` -> "gancourse.objectives.value"; empty where it is no path of an import."""
    names: list[str] = []
    while isinstance(node, ast.Attribute) and len(names) < DEEPEST:
        names.append(node.attr)
        node = node.value
    name = node.id if isinstance(node, ast.Name) else ""
    head = known.get(name) or (name if name in BARE else "")
    if head:
        return ".".join([head, *names[::-1]])
    return f".{names[0]}" if names and names[0] in PRIVATE else ""


def _is_means(path: str) -> bool:
    if path.startswith(REGISTRY):
        return path not in (REGISTRY, f"{REGISTRY}.check", f"{REGISTRY}.verdict")
    hidden = path.endswith("?") or (".__" in path and not path.endswith(HARMLESS))
    inside = path.startswith("gancourse.") and hidden
    return inside or path in MEANS or path.split(".")[0] in MEANS or path[0] == "."


def _is(path: str, reference: Any) -> bool:
    """Whether a path of the course's own package names a reference."""
    parts = path.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        module = sys.modules.get(".".join(parts[:cut])) if parts[0] == "gancourse" else None
        if module is not None:
            thing = reduce(lambda owner, name: getattr(owner, name, None), parts[cut:], module)
            return callable(thing) and thing is _plain(reference)
    return False


def _plain(reference: Any) -> Any:
    return _plain(reference.func) if isinstance(reference, partial) else reference


def _patched(cell: Cell, known: dict[str, str]) -> list[str]:
    """Attributes of imported things that a cell assigns to: `torch.isclose = ...`."""
    nodes = ast.walk(cell.tree) if cell.tree else ()
    targets = (target for node in nodes for target in getattr(node, "targets", ()))
    paths = (_dotted(target, known) for target in targets if isinstance(target, ast.Attribute))
    return [path for path in paths if path.split(".")[0] in NOT_TO_PATCH]


def _copied(source: str, reference: Any) -> bool:
    """Whether an answer holds nearly all of the reference's code, names and constants aside."""
    try:
        own = pieces(textwrap.dedent(inspect.getsource(_plain(reference))))
    except (OSError, TypeError):  # a number, a letter, a part of torch
        return False
    return own.total() >= ENOUGH and (own & pieces(source)).total() >= COPIED * own.total()
