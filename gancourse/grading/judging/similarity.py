"""Answers of different students that are nearly the same.

An answer becomes a sequence of symbols: its syntax tree, read in order, without its own names,
constants and docstrings. Short fragments of that sequence are compared, as Moss does (Schleimer,
Wilkerson and Aiken, 2003). Fragments of the starter code, and those that many of the class have,
tell nothing and are left out; where few are left, nothing is reported.
"""

import ast
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

from gancourse.grading.answers.notebook_file import NOT_PYTHON

LENGTH = 6  # symbols in a fragment
LONGEST = 50_000  # characters; no answer is that long, and comparing it would take long
LEAST = 12  # fragments that an answer must have of its own to be compared
COMMON = 0.1  # share of the class that makes a fragment common ...
FEW = 4  # ... but never this many students or fewer
ALIKE = 0.8  # share of two answers' own fragments that are in both


@dataclass(frozen=True)
class SimilarAnswers:
    """One exercise in which two students' answers are alike."""

    exercise: str
    share: float
    answers: tuple[str, str]


@dataclass(frozen=True)
class SimilarPair:
    """Two students, and the exercises in which their answers are alike."""

    students: tuple[str, str]
    exercises: tuple[SimilarAnswers, ...]


def similar_pairs(
    answers: Mapping[str, Mapping[str, str]], starters: Mapping[str, str] | None = None
) -> list[SimilarPair]:
    """Students whose answers are alike, those with most such answers first.

    Parameters
    ----------
    answers : Mapping[str, Mapping[str, str]]
        Exercise -> student -> source of the answer. What isn't Python is left out.
    starters : Mapping[str, str] | None
        Exercise -> source of the cell as it was handed out.
    """
    similar: dict[tuple[str, str], list[SimilarAnswers]] = defaultdict(list)
    for exercise, sources in sorted(answers.items()):
        for first, second, share in _alike(sources, (starters or {}).get(exercise, "")):
            both = (sources[first], sources[second])
            similar[first, second].append(SimilarAnswers(exercise, share, both))
    pairs = [SimilarPair(students, tuple(exercises)) for students, exercises in similar.items()]
    return sorted(pairs, key=lambda pair: (-len(pair.exercises), pair.students))


def fragments(source: str) -> Counter[tuple[str, ...]]:
    """The fragments of an answer, with how often each occurs; none of what isn't Python."""
    try:
        tree = ast.parse(source if len(source) <= LONGEST else "")
        symbols = list(_symbols(tree, _own_names(tree)))
    except NOT_PYTHON:
        return Counter()
    return Counter(tuple(symbols[i : i + LENGTH]) for i in range(len(symbols) - LENGTH + 1))


def _alike(sources: Mapping[str, str], starter: str) -> Iterator[tuple[str, str, float]]:
    given = fragments(starter)
    written = {student: fragments(source) - given for student, source in sorted(sources.items())}
    count = Counter(fragment for answer in written.values() for fragment in answer)
    most = max(FEW, COMMON * len(written))
    rare = {
        student: frozenset(fragment for fragment in answer if count[fragment] <= most)
        for student, answer in written.items()
    }
    authors = defaultdict(list)
    for student, answer in rare.items():
        if len(answer) >= LEAST:
            for fragment in answer:
                authors[fragment].append(student)
    shared = Counter(pair for students in authors.values() for pair in combinations(students, 2))
    for (first, second), both in sorted(shared.items()):
        share = both / len(rare[first] | rare[second])
        if share >= ALIKE:
            yield first, second, share


def _own_names(tree: ast.AST) -> set[str]:
    """Names that the answer itself binds; those of libraries keep their meaning."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names.add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)):
            names.add(node.name)
    return names


def _symbols(node: ast.AST, names: set[str]) -> Iterator[str]:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return  # a docstring, or a text in place of a comment
    if isinstance(node, (ast.Load, ast.Store, ast.Del)):
        return
    symbol = type(node).__name__
    if isinstance(node, ast.Name) and node.id not in names:
        symbol = node.id
    elif isinstance(node, ast.Attribute):
        symbol = f".{node.attr}"
    elif isinstance(node, ast.keyword):
        symbol = f"{node.arg}="
    yield symbol
    for child in ast.iter_child_nodes(node):
        yield from _symbols(child, names)
