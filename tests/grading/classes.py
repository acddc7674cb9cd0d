"""Simulated classes: answers that were written independently, and copies of some of them."""

import ast
import inspect
import random
import textwrap

from gancourse.exercises import find

NAMES = [a + b for a in ("", "my_", "tmp_", "new_") for b in ("batch", "cost", "data", "n", "out")]


def right_answers(exercise: str) -> list[str]:
    """Sources of the reference and of registered right alternatives that are whole functions."""
    one, sources = find(exercise), []
    for answer in (one.reference, *one.alternatives):
        try:
            source = textwrap.dedent(inspect.getsource(answer))
            if isinstance(ast.parse(source).body[0], ast.FunctionDef):
                sources.append(source)
        except (OSError, TypeError, SyntaxError):
            continue
    return sources


def written_by(rng: random.Random, sources: list[str]) -> str:
    """One of the right answers, as a student with habits of their own writes it."""
    tree = Habits(rng).visit(ast.parse(rng.choice(sources)))
    tree = Renamed(rng).visit(tree)
    return ast.unparse(ast.fix_missing_locations(tree))


def copied_by(rng: random.Random, source: str) -> str:
    """A copy that hides where it is from."""
    source = ast.unparse(Renamed(rng).visit(ast.parse(source)))
    lines = source.split("\n")
    for n in range(len(lines)):
        if rng.random() < 0.2 and lines[n].strip():
            lines[n] += f"  # {rng.choice(NAMES)}"
    imports = ["import math", "import torch.nn.functional as F", "import torch"]
    rng.shuffle(imports)
    start = rng.choice([[], ["%%time"], ["%%capture"]])
    return "\n".join([*start, *imports[: rng.randrange(4)], *lines])


class Renamed(ast.NodeTransformer):
    """Renames what an answer binds itself; names of arguments stay, as they are given."""

    def __init__(self, rng: random.Random) -> None:
        self.rng, self.names = rng, {}

    def visit_Module(self, node: ast.Module) -> ast.AST:
        bound = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)
                 and isinstance(n.ctx, ast.Store)}  # fmt: skip
        self.names = {name: f"{self.rng.choice(NAMES)}_{n}" for n, name in enumerate(sorted(bound))}
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.copy_location(ast.Name(self.names.get(node.id, node.id), node.ctx), node)


class Habits(ast.NodeTransformer):
    """Writes the same in other words; how often is a habit of this student."""

    def __init__(self, rng: random.Random) -> None:
        self.rng, self.count = rng, 0
        kinds = ("order", "temporary", "method", "returned", "checked", "minus")
        self.rate = {kind: rng.random() * 0.8 for kind in kinds}

    def does(self, kind: str) -> bool:
        return self.rng.random() < self.rate[kind]

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, (ast.Add, ast.Mult)) and self.does("order"):
            node.left, node.right = node.right, node.left
        return node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, ast.USub) and self.does("minus"):
            return ast.BinOp(ast.UnaryOp(ast.USub(), ast.Constant(1)), ast.Mult(), node.operand)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        method = isinstance(node.func, ast.Attribute) and not node.args and not node.keywords
        if method and node.func.attr in ("mean", "sum", "sigmoid") and self.does("method"):
            function = ast.Attribute(ast.Name("torch", ast.Load()), node.func.attr, ast.Load())
            return ast.Call(function, [node.func.value], [])
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.generic_visit(node)
        node.body = self.rewritten(node.body)
        return node

    def visit_For(self, node: ast.For) -> ast.AST:
        self.generic_visit(node)
        node.body = self.rewritten(node.body)
        return node

    def rewritten(self, body: list[ast.stmt]) -> list[ast.stmt]:
        result = []
        for statement in body:
            value = getattr(statement, "value", None)
            calls = [n for n in ast.walk(value) if isinstance(n, ast.Call)] if value else []
            calls = [call for call in calls if call.args and isinstance(call.args[0], ast.Call)]
            inside = any(
                isinstance(n, (ast.Lambda, ast.comprehension)) for n in ast.walk(statement)
            )
            if calls and not inside and self.does("temporary"):
                call = self.rng.choice(calls)
                result.append(ast.Assign([self.name(ast.Store())], call.args[0]))
                call.args[0] = ast.Name(result[-1].targets[0].id, ast.Load())
            if isinstance(statement, ast.Return) and value and self.does("returned"):
                result.append(ast.Assign([self.name(ast.Store())], value))
                statement = ast.Return(ast.Name(result[-1].targets[0].id, ast.Load()))
            if isinstance(statement, ast.Assign) and self.rng.random() < 0.2 * self.rate["checked"]:
                result += [
                    statement,
                    ast.parse("assert torch.isfinite(torch.zeros(1)).all()").body[0],
                ]
                continue
            result.append(statement)
        return result

    def name(self, context: ast.expr_context) -> ast.Name:
        self.count += 1
        return ast.Name(f"t{self.count}", context)
