"""What a cell uses; some of it is a means only in some uses: `sys.modules`, `getattr`, magics."""

import ast
import re
import sys
from collections.abc import Iterator, Mapping

from gancourse.grading.answers.magics import call_of, python_of
from gancourse.grading.judging import commands, rules
from gancourse.grading.judging.dependencies import source_of
from gancourse.grading.judging.paths import SHELL, Code, Names
from gancourse.grading.judging.rules import REGISTRY

CHECKS = {f"{REGISTRY}.check", f"{REGISTRY}.verdict"}
SHOWS = {"print", "dir", "help", "type", "str", "repr", "hasattr", "isinstance", "len", "display"}
SHELL_CLASS = "IPython.core.interactiveshell.InteractiveShell"
UNPICKLES = {"pickle.load", "torch.load", "numpy.load", "joblib.load", "pandas.read_pickle"}
MOST_TRIES = 3
SCOPES = {"globals", "locals", "vars"}
COLAB = re.compile(r"google(\.|$)|IPython|ipykernel|ipywidgets|helpers?|utils?$")
IN_PACKAGE = re.compile(r"gancourse\.[\w.]{1,80}|(?<!com/)gancourse[/\\]\w+|/proc/(self|\d)")
PROGRAMS = re.compile(r"subprocess\.(?!PIPE|DEVNULL|STDOUT|\w*Error|TimeoutE)|os\.(system|popen)")
REPEATS = (
    *(ast.For, ast.While, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp),
    *(ast.FunctionDef, ast.Lambda, ast.AsyncFunctionDef),
)


def uses(code: Code, names: Names) -> Iterator[str]:
    """Paths in packages that a cell uses; what it hides is "?"."""
    for node in code.nodes:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from _of_import(node)
        elif isinstance(node, (ast.Name, ast.Attribute)):
            if not (isinstance(node.ctx, ast.Store) and isinstance(node, ast.Name)):
                for path in names.of(node):
                    yield from _of_path(path, node, code, names)
        elif isinstance(node, ast.Call):
            yield from _of_call(node, code, names)
        elif isinstance(node, ast.MatchClass):
            yield from (f".{name}" for name in node.kwd_attrs)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from _of_text(node, code)


def patches(code: Code, names: Names) -> Iterator[str]:
    """Attributes of imported things that a cell assigns to or deletes: `torch.isclose = ...`."""
    for node in code.nodes:
        if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
            paths = names.of(node)
            yield from filter(rules.is_patch, paths)
            chain = {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)}
            if "__class__" in chain - {node.attr} or (rules.is_dunder(node.attr) and _odd(node)):
                yield source_of(node)[:100] or node.attr


def repeated_checks(
    code: Code, names: Names, own: Mapping[str, list[str]], tried: dict[str, set[str]]
) -> Iterator[str]:
    """Exercises for which a cell checks something else than their answers, again and again.

    Parameters
    ----------
    code, names
        The cell, and what its names stand for.
    own : Mapping[str, list[str]]
        Exercise -> names that its answer has.
    tried : dict[str, set[str]]
        For exercises that are answered by a letter or a number: what earlier cells have tried.
        What this one tries is added.
    """
    for node in code.nodes:
        if not isinstance(node, ast.Call) or not CHECKS & set(names.of(node.func)):
            continue
        given = [*node.args, *(keyword.value for keyword in node.keywords)]
        exercise = given[0].value if given and isinstance(given[0], ast.Constant) else "?"
        answer = given[1] if len(given) > 1 else None
        if isinstance(answer, ast.Name) and answer.id in own.get(str(exercise), ()):
            continue
        if any(isinstance(above, REPEATS) for above in code.above(node)):
            yield str(exercise)
        elif answer is not None and exercise in tried:
            tried[exercise].add(source_of(answer))
            if len(tried[exercise]) >= MOST_TRIES:
                yield str(exercise)


def _of_import(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    whole = isinstance(node, ast.Import)
    paths = (
        [a.name for a in node.names]
        if whole
        else [f"{node.module or ''}.{a.name}" for a in node.names]
    )
    yield from (path for path in paths if path != SHELL_CLASS)  # one setting of it is harmless


def _of_path(path: str, node: ast.expr, code: Code, names: Names) -> Iterator[str]:
    parent = code.parent(node)
    if isinstance(parent, ast.Attribute):
        return  # part of a longer path
    if path.startswith("."):
        own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
        if not (own and path[1:] in ("reference", "alternatives", "slips")):
            yield path
    elif path.startswith(SHELL):
        yield from [] if _is_harmless_shell(path, node, parent) else [f"{path}.?"]
    elif path == "sys.modules" or path.startswith("sys.modules."):
        yield from [] if _is_look_up(node, parent, code) else [path.partition(".get")[0]]
    elif (path.startswith("gancourse") and path in sys.modules) or path in CHECKS:
        other = isinstance(node, ast.Name) and (node.id in names.rebound or code.is_local(node))
        yield path if other or _is_plain(node, parent, code) else f"{path}.?"
    elif path == "importlib.import_module" and not isinstance(parent, ast.Call):
        yield "importlib.?"
    else:
        yield path


def _of_call(node: ast.Call, code: Code, names: Names) -> Iterator[str]:
    method, texts = call_of(node)
    if method:
        yield from _of_magic(method, texts)
        return
    called = set(names.of(node.func))
    if PROGRAMS.match(next(iter(called), "")):
        yield from _of_program(node, names)
    first = node.args[0] if node.args else None
    bases = names.of(first) if first is not None else []
    constant = first.value if isinstance(first, ast.Constant) else None
    if called & {"__import__", "importlib.import_module"}:
        yield constant if isinstance(constant, str) else "importlib.?"
    elif called & {"getattr", "setattr", "delattr"}:
        for base in bases:
            hides = "setattr" in called or "delattr" in called or base.startswith("gancourse")
            root = base.split(".")[0]
            inside = root in ("sys", "builtins", "IPython", SHELL, "importlib", "__builtins__")
            if (hides and root in rules.PATCHED) or inside:
                yield f"{base}.?"
        if not {"getattr"} & called and not isinstance(first, ast.Name):
            yield "setattr()"
    elif called & {"importlib.reload", "inspect.getsource", "vars"}:
        yield from (f"{b}.?" for b in bases if b.split(".")[0] in ("gancourse", "builtins", "sys"))
    elif (
        called & UNPICKLES and isinstance(first, ast.Call) and "io.BytesIO" in names.of(first.func)
    ):
        yield "a pickle in the notebook"
    elif called & {"open", "io.open"} and isinstance(constant, int):
        yield "open of a file's number"
    elif called & {"operator.attrgetter", "operator.methodcaller"} and not isinstance(
        constant, str
    ):
        yield "operator.?"
    elif called & {"object.__setattr__", "type.__setattr__"} and getattr(first, "id", "") != "self":
        yield "setattr()"
    if any(path.startswith("timeit.") for path in called):
        yield from _of_code(constant, names)
    if called & SCOPES and not node.args and not _is_look_up(node, code.parent(node), code):
        yield f"{min(called & SCOPES)}()"


def _of_code(text: object, names: Names) -> Iterator[str]:
    """What a text uses that is run as code."""
    try:
        tree = python_of(text)[1] if isinstance(text, str) else None
    except Exception:  # it is no Python: it does not run
        return
    if tree is not None:
        names.learn(tree)
        yield from uses(Code(tree), names)


def _of_magic(method: str, texts: tuple[str, ...]) -> Iterator[str]:
    shown = " ".join(texts)[:60].replace("\n", " ")
    if method in ("system", "getoutput"):
        reads = method == "getoutput" and "gancourse" in texts[0] and "pip" not in texts[0]
        if reads or commands.touches_package(texts[0]):
            yield f"!{shown}"
    elif method == "run_line_magic" and commands.line_magic(*texts):
        yield f"%{shown}"
    elif method == "run_cell_magic" and commands.cell_magic(*texts):
        yield f"%%{shown}"


def _of_program(node: ast.Call, names: Names) -> Iterator[str]:
    """A call of another program: by a text or a list of texts, which are read as a command."""
    first = node.args[0] if node.args else None
    words = first.elts if isinstance(first, (ast.List, ast.Tuple)) else [first]
    text = []
    for word in words:
        if isinstance(word, ast.Constant) and isinstance(word.value, str):
            text.append(word.value)
        elif word is not None and "sys.executable" in names.of(word):
            text.append("python")
        elif first is word or word is words[0]:
            yield "a program whose name is computed"
        else:
            text.append("x")
    if commands.touches_package(" ".join(text)) or "gancourse check" in " ".join(text):
        yield f"!{' '.join(text)[:60]}"


def _of_text(node: ast.Constant, code: Code) -> Iterator[str]:
    """Texts that name parts of the package, or attributes that nothing honest needs."""
    parent = code.parent(node)
    if isinstance(parent, ast.Expr) or (
        isinstance(code.parent(parent), ast.Expr) and call_of(parent)[0]
    ):
        return  # a docstring, or a magic's text
    yield from (f"the text {match[0]}" for match in IN_PACKAGE.finditer(node.value))
    name = node.value
    if name in rules.SPELLED or (rules.is_dunder(name) and name not in rules.HARMLESS_DUNDERS):
        yield f".{name}"


def _is_harmless_shell(path: str, node: ast.expr, parent: ast.AST) -> bool:
    """Whether IPython's shell is only asked for, shown, or given a magic that can be read."""
    if path == SHELL:
        called = isinstance(parent, ast.Call) and getattr(parent.func, "id", "") in SHOWS
        tests = (ast.Compare, ast.Assign, ast.BoolOp, ast.If, ast.IfExp, ast.UnaryOp, ast.Expr)
        return called or isinstance(parent, tests) or parent is node
    runs = isinstance(parent, ast.Call) and bool(call_of(parent)[0])
    return runs or (
        path.startswith((f"{SHELL}.__class__", f"{SHELL}.config"))
        and not isinstance(node.ctx, ast.Store)
    )


def _is_look_up(node: ast.expr, parent: ast.AST, code: Code) -> bool:
    """Whether a table of names is only asked whether it has a name, or for a harmless one."""
    if isinstance(parent, ast.Compare):
        return all(isinstance(op, (ast.In, ast.NotIn)) for op in parent.ops)
    if isinstance(parent, ast.keyword):  # text.format(**locals())
        return parent.arg is None
    key: ast.AST | None = parent.slice if isinstance(parent, ast.Subscript) else None
    of_modules = isinstance(node, ast.Attribute)
    if isinstance(parent, ast.Attribute) and parent.attr in ("get", "keys"):
        call = code.parent(parent)
        key = call.args[0] if isinstance(call, ast.Call) and call.args else None
        if parent.attr == "keys":
            return True
    if of_modules and node.attr == "get" and isinstance(parent, ast.Call) and parent.args:
        key = parent.args[0]
    if not isinstance(key, ast.Constant) or not isinstance(key.value, str):
        return isinstance(parent, ast.Call) and getattr(parent.func, "id", "") in SHOWS
    return bool(COLAB.match(key.value)) if of_modules else not rules.is_dunder(key.value)


def _is_plain(node: ast.expr, parent: ast.AST, code: Code) -> bool:
    """Whether a module of the course, or `check`, is only named, called, shown or given a name."""
    if isinstance(parent, ast.Call):
        return parent.func is node or getattr(parent.func, "id", "") in SHOWS
    if isinstance(parent, ast.Assign):
        within = isinstance(code.parent(parent), ast.ClassDef)
        return not within and all(isinstance(target, ast.Name) for target in parent.targets)
    return isinstance(parent, (ast.Expr, ast.NamedExpr, ast.Delete))


def _odd(node: ast.Attribute) -> bool:
    """Whether Python's own attributes are set on something else than `self` and a few of names."""
    own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
    return not own and node.attr not in ("__doc__", "__name__", "__qualname__", "__version__")
