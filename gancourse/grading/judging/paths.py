"""What the names in a notebook's code stand for: dotted paths in packages.

`import torch.nn as n` and `m = n.functional` make `m.relu` the path "torch.nn.functional.relu".
A name may stand for several things, because the order in which code runs is not known.
"""

import ast
import sys
from collections.abc import Iterator
from functools import cached_property
from types import ModuleType

LONGEST = 12  # names in a path of a package; longer ones are made to take time
SHELL = "get_ipython()"  # what stands for IPython's shell, in a path
TYPE = "type()"  # ... and for the type of something
GETS_SHELL = {"get_ipython", "IPython.get_ipython", "IPython.core.getipython.get_ipython"}
IMPORTS = {"__import__", "importlib.import_module"}
BUILTIN = {
    *("exec", "eval", "compile", "__import__", "__builtins__", "getattr", "vars", "setattr"),
    *("delattr", "globals", "locals", "open", "get_ipython", "type", "object"),
}
MOST = 20  # things that a name may stand for


class Names:
    """What the names of a notebook may stand for so far; `learn` reads one more cell."""

    def __init__(self) -> None:
        self.paths: dict[str, set[str]] = {}
        self.rebound: set[str] = set()
        """Names of imports that were assigned something else, unless that failed."""

    def learn(self, tree: ast.Module) -> None:
        """Read a cell's imports, and names given to what was imported."""
        for node in ast.walk(tree):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                for name, path in imported(node):
                    self._add(name, path)
                    self.rebound.discard(name)
        for _ in range(3):  # names of names
            for node in ast.walk(tree):
                for target, value in _given(node):
                    for path in self.of(value):
                        self._add(target.id, path)
        for node in tree.body:
            for target, value in _given(node) if isinstance(node, ast.Assign) else ():
                if all(path[0] == "." for path in self.of(value)):
                    self.rebound.add(target.id)

    def forget(self, tree: ast.Module) -> None:
        """Drop names that a cell surely defines again; of other assignments any may fail."""
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.decorator_list:
                self.paths.pop(node.name, None)

    def of(self, node: ast.AST) -> list[str]:
        """The paths that an expression may stand for; `x.f` of an unknown `x` is ".f"."""
        names: list[str] = []
        while isinstance(node, ast.Attribute) and len(names) < LONGEST:
            names.append(node.attr)
            node = node.value
        heads = self._heads(node)
        if not heads and names:
            return [f".{names[0]}"]
        return [canonical(".".join([head, *names[::-1]])) for head in sorted(heads)]

    def _heads(self, node: ast.AST) -> set[str]:
        if isinstance(node, ast.Name):
            return self.paths.get(node.id) or ({node.id} & BUILTIN)
        if not isinstance(node, ast.Call) or not isinstance(node.func, (ast.Name, ast.Attribute)):
            return set()
        called = set(self.of(node.func))
        first = node.args[0] if node.args else None
        if called & GETS_SHELL:
            return {SHELL}
        if called & {TYPE[:-2]} and len(node.args) == 1:
            return {TYPE}
        if called & IMPORTS and isinstance(first, ast.Constant) and isinstance(first.value, str):
            return {first.value}
        return set()

    def _add(self, name: str, path: str) -> None:
        paths = self.paths.setdefault(name, set())
        if path.strip(".") and path[0] != "." and len(paths) < MOST:
            paths.add(path)


class Code:
    """A cell's syntax tree with the parents of its nodes."""

    def __init__(self, tree: ast.Module) -> None:
        self.tree = tree
        self.nodes = list(ast.walk(tree))

    @cached_property
    def _parents(self) -> dict[int, ast.AST]:
        return {id(c): node for node in self.nodes for c in ast.iter_child_nodes(node)}

    def parent(self, node: ast.AST) -> ast.AST:
        """The node that contains this one; a module contains itself."""
        return self._parents.get(id(node), self.tree)

    def is_local(self, node: ast.Name) -> bool:
        """Whether a name is certainly a parameter, or the variable of a comprehension."""
        for above in self.above(node):
            if isinstance(above, (ast.FunctionDef, ast.Lambda)):
                free = above.args.posonlyargs + above.args.args
                free = free[: len(free) - len(above.args.defaults)]
                if any(arg.arg == node.id for arg in free):
                    return True
            for part in getattr(above, "generators", ()):
                names = {n.id for n in ast.walk(part.target) if isinstance(n, ast.Name)}
                if node.id in names and not isinstance(part.iter, (ast.Tuple, ast.List, ast.Set)):
                    return True
        return False

    def above(self, node: ast.AST) -> Iterator[ast.AST]:
        """The nodes that contain this one, from the inside."""
        while node is not self.tree:
            node = self.parent(node)
            yield node


def imported(node: ast.Import | ast.ImportFrom) -> list[tuple[str, str]]:
    """Names that an import binds, with their paths; "*" where it binds all of a module."""
    if isinstance(node, ast.Import):
        names = [(alias.asname, alias.name) for alias in node.names]
        return [(name or path.split(".")[0], path if name else path.split(".")[0])
                for name, path in names]  # fmt: skip
    pairs = []
    for alias in node.names:
        names = public(node.module or "") if alias.name == "*" else ()
        pairs += [(name, f"{node.module}.{name}") for name in names]
        pairs.append((alias.asname or alias.name, f"{node.module or ''}.{alias.name}"))
    return pairs


def public(module: str) -> list[str]:
    """Names that `from module import *` binds; none if the module has not been imported here."""
    names = vars(sys.modules[module]) if module in sys.modules else {}
    return list(names.get("__all__", [name for name in names if name[0] != "_"]))


def canonical(path: str) -> str:
    """A path by the name of its module: "torch.sys.path" is "sys.path"."""
    parts = path.split(".")
    module = sys.modules.get(parts[0])
    for n, part in enumerate(parts[1:], start=1):
        inner = vars(module).get(part) if isinstance(module, ModuleType) else None
        if not isinstance(inner, ModuleType):
            return ".".join([module.__name__, *parts[n:]]) if module else path
        module = inner
    return module.__name__ if module else path


def _given(node: ast.AST) -> Iterator[tuple[ast.Name, ast.AST]]:
    """Names that get a value, and the value: `a = b`, `for a in (b, c)`, `(a := b)`."""
    pairs: list[tuple[ast.AST, ast.AST]] = []
    if isinstance(node, ast.Assign):
        pairs = [(target, node.value) for target in node.targets]
    elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)) and node.value:
        pairs = [(node.target, node.value)]
    elif isinstance(node, ast.withitem) and node.optional_vars:
        pairs = [(node.optional_vars, node.context_expr)]
    elif isinstance(node, (ast.For, ast.comprehension)):
        values = node.iter.elts if isinstance(node.iter, (ast.Tuple, ast.List, ast.Set)) else ()
        pairs = [(node.target, value) for value in values]
    elif isinstance(node, ast.arguments):
        args = [*node.posonlyargs, *node.args]
        with_default = zip(args[len(args) - len(node.defaults) :], node.defaults, strict=True)
        keywords = zip(node.kwonlyargs, node.kw_defaults, strict=True)
        for arg, value in (*with_default, *keywords):
            if value is not None:
                yield ast.Name(arg.arg), value
    for target, value in pairs:
        if isinstance(target, ast.Name):
            yield target, value
        elif isinstance(target, (ast.Tuple, ast.List)) and isinstance(value, (ast.Tuple, ast.List)):
            yield from ((t, v) for t, v in zip(target.elts, value.elts, strict=False)
                        if isinstance(t, ast.Name))  # fmt: skip
