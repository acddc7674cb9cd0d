"""Finds what breaks the conventions in a source, and which notebooks are out of date."""

import ast
import re
from base64 import b64decode
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from PIL import Image

from gancourse.exercises.base import Exercise
from gancourse.figures import DPI, PAGE_WIDTH
from gancourse.notebooks.build import (
    CHECK,
    Course,
    exercise_ids,
    header_facts,
    is_sealed,
    read,
    readme,
    solved,
    student,
    tags,
    with_outputs,
)

CARD = re.compile(
    r"^\*\*Exercise (?P<id>[\d.]+)\*\* · \*(?P<title>.+)\* · difficulty [●○]{5} · "
    r"importance [●○]{5} · (?P<minutes>\d+) minutes? · (?P<points>\d+) points?$",
    re.MULTILINE,
)
FORM = "**Exercise 1.2** · *Title* · difficulty ●●○○○ · importance ●●●○○ · 5 minutes · 1 point"
LINE = 100
HINT = re.compile(r"<summary>Hint (\d)</summary>")


def problems(course: Course, source: Path) -> list[str]:
    """What is wrong with a source, one line per finding; empty if nothing is."""
    cells = read(course, source).cells
    found = [
        *_opening(cells),
        *blocks(cells),
        *_code(student(course, source), "the student's version"),
        *_code(solved(course, source), "the solved version"),
        *_images(cells),
        *_exercises(cells, course.exercises(source.stem[:2])),
    ]
    return [f"solutions/{source.name}: {text}" for text in found]


def out_of_date(course: Course, names: Sequence[str] = ()) -> list[str]:
    """Everything that `gancourse build` would change, and every problem of the sources."""
    found = []
    for source in course.sources(names):
        found += problems(course, source)
        path = course.root / "notebooks" / f"{source.stem}.ipynb"
        if not path.exists() or _text(path) != nbformat.writes(student(course, source)):
            found.append(f"notebooks/{path.name}: differs from its source; run gancourse build")
        path = source.with_suffix(".ipynb")
        number = source.stem[:2]
        if not path.exists():
            found.append(f"solutions/{path.name}: missing; run gancourse build --execute {number}")
        elif not is_sealed(nbformat.read(path, as_version=4)):
            found.append(
                f"solutions/{path.name}: changed by hand since it was executed; edit the source, "
                f"then run gancourse build --execute {number}"
            )
        elif (fresh := with_outputs(solved(course, source), path)) is None:
            found.append(
                f"solutions/{path.name}: executed from older code than its source has now; "
                f"run gancourse build --execute {number}"
            )
        elif _text(path) != nbformat.writes(fresh):
            found.append(f"solutions/{path.name}: differs from its source; run gancourse build")
        else:
            found += [f"solutions/{path.name}: {text}" for text in _wide(fresh)]
    sources = {source.stem for source in course.sources()}
    for folder in ("notebooks", "solutions"):
        for path in sorted((course.root / folder).glob("*.ipynb")):
            if path.stem not in sources:
                found.append(f"{folder}/{path.name}: has no source in solutions/")
    text = readme(course)
    if text is None:
        found.append("README.md: has no place for the table: <!-- notebooks:begin --> and :end")
    elif text != (course.root / "README.md").read_text(encoding="utf-8"):
        found.append("README.md: its table of notebooks is out of date; run gancourse build")
    return found


def _wide(notebook: NotebookNode) -> Iterator[str]:
    """Figures that are wider than the page, where their text would be shown smaller."""
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if png := output.get("data", {}).get("image/png"):
                width = Image.open(BytesIO(b64decode(png))).width * 96 / DPI
                if width > PAGE_WIDTH + 1:
                    yield f"cell {cell.id}: a figure of {width:.0f} pixels, more than {PAGE_WIDTH}"


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8").removesuffix("\n")


def _opening(cells: Sequence[NotebookNode]) -> Iterator[str]:
    roles = [[tag for tag in tags(cell) if tag in ("header", "setup")] for cell in cells]
    if roles[:2] != [["header"], ["setup"]] or any(roles[2:]):
        yield "the first cell is tagged header, the second setup, and no other is"
    elif cells:
        _, builds, minutes = header_facts(cells[0].source)
        if not builds:
            yield "the header cell has no line **You build:** ..."
        if not minutes:
            yield "the header cell has no table with minutes (integers) in its last column"


def blocks(cells: Sequence[NotebookNode]) -> Iterator[str]:
    """Wrong solution markers, with which a student's version would show an answer."""
    for cell in cells:
        marks = re.findall(r"^ *# (BEGIN|END) SOLUTION$", cell.source, re.MULTILINE)
        name = f"the cell that begins {cell.source.splitlines()[:1]}"
        if marks != ["BEGIN", "END"] * (len(marks) // 2):
            yield f"{name}: BEGIN SOLUTION and END SOLUTION don't alternate"
        if bool(marks) != ("exercise" in tags(cell)):
            yield f"{name}: cells tagged exercise, and only they, hold a BEGIN SOLUTION block"


def _code(notebook: NotebookNode, version: str) -> Iterator[str]:
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        name = f"cell {cell.id} in {version}"
        try:
            tree = ast.parse(cell.source)
        except SyntaxError as error:
            yield f"{name} is not Python: line {error.lineno}: {error.msg}"
            continue
        ignored = "nbval-ignore-output" in tags(cell) and "setup" not in tags(cell)
        if ignored and not any(_is_tested(node) for node in ast.walk(tree)):
            yield f"{name}: its output is not compared, so it should assert, expect or report"
        if "setup" not in tags(cell) and (long := _longest(cell.source)) > LINE:
            yield f"{name}: a line of {long} characters; code has at most {LINE}"
        if small := re.search(r"\bfontsize=[0-8](\.\d+)?\b", cell.source):
            yield f"{name}: {small[0]} is hard to read; figures have fonts of at least 9 points"


def _is_tested(node: ast.AST) -> bool:
    """Whether a node is an assertion, or a call of `env.expect` or `env.report`."""
    called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
    return isinstance(node, ast.Assert) or called in ("env.expect", "env.report")


def _longest(code: str) -> int:
    return max((len(line) for line in code.split("\n")), default=0)


def _images(cells: Sequence[NotebookNode]) -> Iterator[str]:
    for cell in cells:
        if cell.cell_type == "markdown" and re.search(r"!\[\s*\]\(|<img(?![^>]*alt=)", cell.source):
            yield f"cell {cell.id}: an image has no alternative text"


def _exercises(cells: Sequence[NotebookNode], registry: Sequence[Exercise]) -> Iterator[str]:
    known = {exercise.id: exercise for exercise in registry}
    stubs = list(exercise_ids(cells).values())
    checks = [m for c in cells if c.cell_type == "code" for m in CHECK.findall(c.source)]
    prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    cards = list(CARD.finditer(prose))
    if "" in stubs:
        yield 'the code cell after an exercise cell is its check: f = check("1.2", f)'
    for what, ids in (("stub", stubs), ("check", checks), ("card", [m["id"] for m in cards])):
        for id in sorted({*known, *ids} - {""}):
            if id not in known:
                yield f"exercise {id} has a {what}, but is not in the registry"
            elif ids.count(id) != 1:
                yield f"exercise {id} of the registry has {ids.count(id)} {what}s, not 1"
    for line in re.findall(r"^\*\*Exercise [\d.]+\*\*.*$", prose, re.MULTILINE):
        if not CARD.match(line):
            yield f"the card that begins {line[:20]!r} does not have the usual form: {FORM}"
    for card, after in zip(cards, [*cards[1:], None], strict=False):
        hints = HINT.findall(prose[card.end() : after.start() if after else len(prose)])
        if hints != ["1", "2", "3"]:
            yield f"exercise {card['id']} has hints {hints}, not 1, 2, 3"
        if exercise := known.get(card["id"]):
            for part in ("title", "minutes", "points"):
                wanted = str(getattr(exercise, part))
                if card[part] != wanted:
                    yield f"exercise {card['id']}: the registry's {part} is {wanted}"
