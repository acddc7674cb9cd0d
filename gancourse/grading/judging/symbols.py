"""Code as a sequence of symbols, and its short fragments: what is compared of two answers.

The symbols are the syntax tree, read in order, without its own names, constants, docstrings,
annotations, imports and magics. Short fragments of that sequence are compared, as Moss does
(Schleimer, Wilkerson and Aiken, 2003).
"""

import ast
from collections import Counter
from functools import lru_cache

from gancourse.grading.answers import magics

LENGTH = 6  # symbols in a fragment
LONGEST = 50_000  # characters; no answer is that long, and comparing it would take long
IGNORED = {ast.Import, ast.ImportFrom, ast.Pass, ast.Load, ast.Store, ast.Del, ast.Global}
SKIPPED = {"annotation", "returns", "type_comment", "type_params"}
USUAL = {"numpy": "np", "functional": "F", "pyplot": "plt"}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)

Fragment = tuple[str, ...]


@lru_cache(maxsize=10_000)
def fragments(source: str) -> Counter[Fragment]:
    """The fragments of an answer, with how often each occurs; none of what isn't Python."""
    tree = _tree(source)
    return _of_tree(tree) if tree else Counter()


def all_fragments(source: str) -> set[Fragment]:
    """Those of code as a whole, and of each function and lambda in it, as an answer of its own."""
    tree = _tree(source)
    found = set(_of_tree(tree)) if tree else set()
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Lambda):
            body: list[ast.stmt] = [ast.Return(node.body)]
            node = ast.FunctionDef(name="f", args=node.args, body=body, decorator_list=[])
        if isinstance(node, FUNCTIONS):
            found |= set(_of_tree(node))
    return found


def _tree(source: str) -> ast.Module | None:
    try:
        return magics.python_of(source if len(source) <= LONGEST else "")[1]
    except Exception:  # it is no Python, or too much for the parser
        return None


def _of_tree(tree: ast.AST) -> Counter[Fragment]:
    symbols: list[str] = []
    try:
        _read(tree, *_names(tree), symbols)
    except RecursionError:
        return Counter()
    return Counter(tuple(symbols[i : i + LENGTH]) for i in range(len(symbols) - LENGTH + 1))


def _names(tree: ast.AST) -> tuple[set[str], dict[str, str]]:
    """Names that the answer binds, and those of its imports, as the course's notebooks have them.

    Both may be changed without changing the code; those of builtins, and of what earlier cells
    define, keep their meaning.
    """
    own, imports = set(), {}
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            own.add(node.arg)
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            own.add(node.id)
        elif isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            own.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                last = alias.name.split(".")[-1]
                imports[alias.asname or last] = USUAL.get(last, last)
    return own, imports


def _read(node: ast.AST, own: set[str], imports: dict[str, str], symbols: list[str]) -> None:
    """Append the symbols of a node and of what it contains."""
    kind = type(node)
    if kind in IGNORED or (kind is ast.Expr and _is_silent(node.value)):
        return
    if kind is ast.Name:
        symbols.append("Name" if node.id in own else imports.get(node.id, node.id))
        return
    if kind is ast.Attribute:
        symbols.append(f".{node.attr}")
    elif kind is ast.keyword:
        symbols.append(f"{node.arg}=")
    elif kind is not ast.Module:
        symbols.append("Assign" if kind is ast.AnnAssign else kind.__name__)
    for field in node._fields:
        value = getattr(node, field, None)
        if field in SKIPPED:
            continue
        if isinstance(value, ast.AST):
            _read(value, own, imports, symbols)
        elif type(value) is list:
            for child in value:
                if isinstance(child, ast.AST):
                    _read(child, own, imports, symbols)


def _is_silent(value: ast.expr) -> bool:
    """Whether a statement does nothing for an answer: a docstring, a magic, something printed."""
    printed = isinstance(value, ast.Call) and getattr(value.func, "id", "") == "print"
    return printed or isinstance(value, ast.Constant) or bool(magics.call_of(value)[0])
