"""Answers of different students that are nearly the same.

An answer becomes a row of symbols: its syntax tree, read in order, with its own names, all
constants and the docstrings taken out. Short pieces of that row are compared, as Moss does
(Schleimer, Wilkerson and Aiken, 2003). Pieces of the code that was given, and pieces that many of
the class have, say nothing and are left out; where little is left, nothing is reported.
"""

import ast
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

PIECE = 6  # symbols in a piece
LONGEST = 50_000  # characters; no answer is that long, and comparing it would take long
LEAST = 12  # pieces that an answer must have of its own to be compared
COMMON = 0.1  # share of the class that makes a piece common ...
FEW = 4  # ... but never this many students or fewer
ALIKE = 0.8  # share of two answers' own pieces that are in both


@dataclass(frozen=True)
class Found:
    """One exercise in which two answers are alike."""

    exercise: str
    share: float
    answers: tuple[str, str]


@dataclass(frozen=True)
class Pair:
    """Two students, and where their answers are alike; more exercises say more."""

    students: tuple[str, str]
    found: tuple[Found, ...]


def pairs(
    answers: Mapping[str, Mapping[str, str]], given: Mapping[str, str] | None = None
) -> list[Pair]:
    """Students whose answers are alike, those with most such answers first.

    Parameters
    ----------
    answers : Mapping[str, Mapping[str, str]]
        Exercise -> student -> source of the answer. What isn't Python is left out.
    given : Mapping[str, str] | None
        Exercise -> source of the cell as it was handed out.
    """
    alike: dict[tuple[str, str], list[Found]] = defaultdict(list)
    for exercise, sources in sorted(answers.items()):
        for first, second, share in _alike(sources, (given or {}).get(exercise, "")):
            both = (sources[first], sources[second])
            alike[first, second].append(Found(exercise, share, both))
    found = [Pair(students, tuple(found)) for students, found in alike.items()]
    return sorted(found, key=lambda pair: (-len(pair.found), pair.students))


def pieces(source: str) -> Counter[tuple[str, ...]]:
    """The pieces of an answer, with how often each comes; none of what isn't Python."""
    try:
        tree = ast.parse(source if len(source) <= LONGEST else "")
        own = _own_names(tree)
        symbols = list(_symbols(tree, own))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Counter()
    return Counter(tuple(symbols[i : i + PIECE]) for i in range(len(symbols) - PIECE + 1))


def _alike(sources: Mapping[str, str], given: str) -> Iterator[tuple[str, str, float]]:
    starter = pieces(given)
    known = {student: pieces(source) - starter for student, source in sorted(sources.items())}
    share = Counter(piece for own in known.values() for piece in own)
    most = max(FEW, COMMON * len(known))
    rare = {
        student: frozenset(piece for piece in own if share[piece] <= most)
        for student, own in known.items()
    }
    holders = defaultdict(list)
    for student, own in rare.items():
        if len(own) >= LEAST:
            for piece in own:
                holders[piece].append(student)
    together = Counter(pair for who in holders.values() for pair in combinations(who, 2))
    for (first, second), both in sorted(together.items()):
        part = both / len(rare[first] | rare[second])
        if part >= ALIKE:
            yield first, second, part


def _own_names(tree: ast.AST) -> set[str]:
    """Names that the answer itself gives to things; those of libraries keep their meaning."""
    own = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            own.add(node.arg)
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            own.add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)):
            own.add(node.name)
    return own


def _symbols(node: ast.AST, own: set[str]) -> Iterator[str]:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return  # a docstring, or a text in place of a comment
    if isinstance(node, (ast.Load, ast.Store, ast.Del)):
        return
    symbol = type(node).__name__
    if isinstance(node, ast.Name) and node.id not in own:
        symbol = node.id
    elif isinstance(node, ast.Attribute):
        symbol = f".{node.attr}"
    elif isinstance(node, ast.keyword):
        symbol = f"{node.arg}="
    yield symbol
    for child in ast.iter_child_nodes(node):
        yield from _symbols(child, own)
