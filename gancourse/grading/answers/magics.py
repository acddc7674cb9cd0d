"""The Python that IPython runs for a cell: prompts, indentation, `%time f()`, `!ls` and `f?`.

What is read is what would run, so that nothing of a cell is overlooked. It is only text here:
nothing is run.
"""

import ast
import re
import string
import warnings
from collections.abc import Iterator

from IPython.core.inputtransformer2 import TransformerManager

SHELL_LINES = {"sx", "system", "sc", "!", "ls", "ll", "cp", "mv", "cat", "mkdir", "rm", "less"}
SHELL_CELLS = {"bash", "sh", "script", "!", "sx", "system", "perl", "ruby"} | {
    *("python", "python2", "python3", "pypy", "cmd", "zsh"),
}
PYTHON_LINES = {"time", "timeit", "prun", "config", "debug", "memit", "lprun", "mprun"}
PYTHON_CELLS = {"time", "timeit", "prun", "capture", "debug"}
RUNNERS = {
    **dict.fromkeys(("system", "getoutput"), 1),
    **{"run_line_magic": 2, "magic": 1, "run_cell_magic": 3},
}
SPECIAL = re.compile(r"^[ \t]*[%!?/,;]|=[ \t]*[%!]|\?[ \t]*$", re.MULTILINE)
PROMPT = re.compile(r">>>|\.\.\.|In \[")
MOST = 100  # lines of IPython's own syntax: for each of them IPython reads the cell again
LONGEST = 10**6  # that many, times the characters of the cell
DEEPEST = 4  # magics in magics
OPTIONS = 12  # words before the statement of `%timeit -n 10 f()`


class NotSearched(ValueError):
    """A cell that would take too long to read."""


def python_of(source: str, depth: int = 0) -> tuple[str, ast.Module]:
    """The Python that IPython runs for a cell, as text and as syntax tree.

    The statements in magics, as in `%time f()` or below `%%capture`, are part of it, and so are the
    expressions in braces that IPython evaluates in `!echo {f()}`.

    Parameters
    ----------
    source : str
        Of a cell.
    depth : int
        The number of magics that it is in.

    Raises
    ------
    SyntaxError
        If IPython refuses the cell: nothing of it runs.
    NotSearched
        If it would take too long.
    """
    text = _transformed(source)
    tree = _parse(text)
    if text.isascii() and "get_ipython" not in text:  # Python reads some letters as ASCII
        return text, tree
    magics = _Magics(depth)
    tree = magics.visit(tree)
    if magics.found:
        text = ast.unparse(ast.fix_missing_locations(tree))
        tree = _parse(text)
    return text, tree


def call_of(node: ast.AST) -> tuple[str, tuple[str, ...]]:
    """How IPython writes a magic or a shell command: `get_ipython().system("ls")`.

    Returns
    -------
    tuple[str, tuple[str, ...]]
        Method and texts; "" and nothing for any other expression.
    """
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return "", ()
    shell, method = node.func.value, node.func.attr
    own = isinstance(shell, ast.Call) and getattr(shell.func, "id", "") == "get_ipython"
    texts = tuple(a.value for a in node.args if isinstance(a, ast.Constant))
    texts = tuple(text for text in texts if isinstance(text, str))
    if not own or RUNNERS.get(method) != len(texts) or len(texts) != len(node.args):
        return "", ()
    if method == "magic":
        name, _, line = texts[0].lstrip("%").partition(" ")
        return "run_line_magic", (name, line)
    return method, texts


def _transformed(source: str) -> str:
    count = len(SPECIAL.findall(source))
    if not count and not PROMPT.search(source):
        try:
            _parse(source)
            return source
        except SyntaxError:
            pass  # indented, perhaps
    if count > MOST or count * len(source) > LONGEST:
        raise NotSearched(f"{count} lines of IPython's own syntax")
    return TransformerManager().transform_cell(source)


def _parse(text: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text)


class _Magics(ast.NodeTransformer):
    """Adds what magics run to the statements of a cell."""

    def __init__(self, depth: int) -> None:
        self.depth, self.found = depth, False

    def visit_Expr(self, node: ast.Expr) -> list[ast.stmt]:
        return [node, *self._inside(node.value)]

    def visit_Assign(self, node: ast.Assign) -> list[ast.stmt]:
        return [node, *self._inside(node.value)]

    def _inside(self, node: ast.expr) -> list[ast.stmt]:
        method, texts = call_of(node)
        if not method:
            return []
        if self.depth >= DEEPEST:
            raise NotSearched("magics in magics")
        script = method != "run_cell_magic" or texts[0] in SHELL_CELLS
        more = [found for text in texts[: None if script else 2] for found in _fields(text)]
        if method == "run_line_magic" and texts[0] in PYTHON_LINES:
            more += self._after_options(texts[1])
        elif method == "run_cell_magic" and texts[0] in PYTHON_CELLS:
            name, line, body = texts
            more += self._after_options(line) if name == "timeit" else []
            own = name in ("prun", "debug")  # the statement may begin in the first line
            more += self._after_options(f"{line}\n{body}" if own else body)
        self.found = self.found or bool(more)
        return more

    def _after_options(self, text: str) -> list[ast.stmt]:
        """Statements of `-n 10 f()`; none where IPython would find no Python either."""
        for _ in range(OPTIONS):
            try:
                return python_of(text, self.depth + 1)[1].body
            except SyntaxError:
                text = text.lstrip(" \t").partition(" ")[2]
                if not text.strip():
                    return []
        return []


def _fields(text: str) -> Iterator[ast.stmt]:
    """Expressions in braces, which IPython evaluates in commands and in lines of magics."""
    try:
        parts = list(string.Formatter().parse(text)) if "{" in text else []
    except ValueError:
        return
    for _, name, spec, _ in parts:
        expression = f"{name}:{spec}" if spec else name or ""
        try:
            yield ast.Expr(ast.parse(expression.strip() or "0", mode="eval").body)
        except SyntaxError:
            continue
