"""Honest but odd notebooks: each gets the marks of the plain one, from `check` and from `grade`."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import handmade
import pytest
from handmade import text
from sandboxed import needs_a_sandbox

from gancourse.grading.answers.notebook_file import parse
from gancourse.grading.answers.preview import preview
from gancourse.grading.judging import marking
from gancourse.notebooks import build

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "solutions").glob("[0-9][0-9]_*.py"))
Cells = list[dict]


def solved(source: Path) -> Cells:
    """The cells of a notebook, with the solutions in the stubs."""
    notebook = build.solved(build.Course.at(ROOT), source)
    cells = [cell for cell in notebook.cells if "solution" not in build.tags(cell)]
    return json.loads(json.dumps(cells))


def is_(cell: dict, role: str) -> bool:
    return str(cell.get("id")).startswith(role + "-")


def changed(role: str, change: Callable[[str], str]) -> Callable[[Cells], Cells]:
    """With the source of the exercises' cells, or of their checks, changed."""
    return lambda cells: [
        {**cell, "source": change(cell["source"])} if is_(cell, role) else cell for cell in cells
    ]


def without_checks(cells: Cells) -> Cells:
    return [cell for cell in cells if not is_(cell, "check")]


def checks_as_text(cells: Cells) -> Cells:
    return [
        {"cell_type": "markdown", "metadata": {}, "source": c["source"], "id": c["id"]}
        if is_(c, "check")
        else c
        for c in cells
    ]


def without_ids(cells: Cells) -> Cells:
    return [{key: value for key, value in cell.items() if key != "id"} for cell in cells]


def of_colab(cells: Cells) -> Cells:
    return [
        {**cell, "metadata": {**cell["metadata"], "id": cell["id"]}, "id": None} for cell in cells
    ]


def merged(cells: Cells) -> Cells:
    """Each check is in the cell of its exercise."""
    result: Cells = []
    for cell in cells:
        if is_(cell, "check") and is_(result[-1], "exercise"):
            result[-1] = {**result[-1], "source": result[-1]["source"] + "\n\n" + cell["source"]}
        else:
            result.append(cell)
    return result


def answered_below(cells: Cells) -> Cells:
    """The stub stays, and the answer is in a new cell below it; no checks."""
    result: Cells = []
    for cell in cells:
        if is_(cell, "exercise"):
            names = parse(text([cell, *handmade.cells()]).encode()).cells[0].bound
            stub = "\n".join(f"{name} = ..." for name in names)
            result += [{**cell, "source": stub}, {**cell, "id": "new", "metadata": {}}]
        elif not is_(cell, "check"):
            result.append(cell)
    return result


def followed_by(more: str) -> Callable[[str], str]:
    return lambda source: f"{source}\n\n\n{more}"


def in_a_block(source: str) -> str:
    return "if True:\n" + "\n".join(f"    {line}" if line else line for line in source.split("\n"))


def added(*sources: str, at: int | None = None) -> Callable[[Cells], Cells]:
    """With cells added in some place, or at the end."""
    new = [handmade.code(source) for source in sources]
    return lambda cells: [*cells[:at], *new, *(cells[at:] if at is not None else [])]


def answers_last(cells: Cells) -> Cells:
    """The exercises' cells are the last ones; no checks."""
    first = [cell for cell in cells if not (is_(cell, "exercise") or is_(cell, "check"))]
    return [*first, *(cell for cell in cells if is_(cell, "exercise"))]


def in_one_cell(cells: Cells) -> Cells:
    """All code is in one cell, except training."""
    kept = [c for c in cells if c["cell_type"] == "code" and "training" not in str(c["metadata"])]
    return [handmade.code("\n\n".join(cell["source"] for cell in kept))]


def with_one_id(cells: Cells) -> Cells:
    """A tool gave the same id to all other cells."""
    return [{**c, "id": c["id"] if is_(c, "exercise") or is_(c, "check") else "x"} for c in cells]


def annotated(source: str) -> str:
    return re.sub(r"^(answer) = ", r"\1: str = ", source, flags=re.M)


def as_keywords(source: str) -> str:
    return re.sub(r'check\("(.*?)", (\w+)\)', r'check(answer=\2, id="\1")', source)


def through_a_variable(source: str) -> str:
    return re.sub(r'(\w+) = check\("(.*?)", (\w+)\)', r'n = "\2"\n\1 = check(n, \3)', source)


HELPER = "def my_helper(x):\n    return x\n\nmy_number = my_helper(3)"
VARIANTS: dict[str, Callable[[Cells], Cells]] = {
    "checks deleted": without_checks,
    "checks made text": checks_as_text,
    "checks made text, ids lost": lambda cells: without_ids(checks_as_text(cells)),
    "checks commented out": changed("check", lambda s: f"# {s}"),
    "checks with a magic": changed("check", lambda s: f"%%time\n{s}"),
    "checks whose output is captured": changed("check", lambda s: f"%%capture out\n{s}"),
    "checks and more": changed("check", lambda s: f"print('now')\n{s}\ntorch?"),
    "checks in the answers' cells": merged,
    "checks in the answers' cells, ids lost": lambda cells: without_ids(merged(cells)),
    "ids lost": without_ids,
    "as Colab saves it": of_colab,
    "as Colab saves it, checks deleted": lambda cells: of_colab(without_checks(cells)),
    "lines end as on Windows": changed("exercise", lambda s: s.replace("\n", "\r\n")),
    "answers below their stubs, no checks": answered_below,
    "answers in a block, no checks": lambda c: without_checks(changed("exercise", in_a_block)(c)),
    **{
        f"answers with {magic!r}, no checks": lambda cells, magic=magic: without_checks(
            changed("exercise", lambda s: f"{magic}\n{s}")(cells)
        )
        for magic in ("%%time", "%%capture", "%matplotlib inline", "!echo", "# my answer", "")
    },
    **{
        f"answers followed by {more!r}, no checks": lambda cells, more=more: without_checks(
            changed("exercise", followed_by(more))(cells)
        )
        for more in ("torch?", "?torch", "torch.nn??", "x = !ls", "%time 1 + 1", HELPER, "1 / 0")
    },
    "the namespace is reset at the end": added("%reset -f", "x = 1"),
    "extensions": added("%load_ext autoreload\n%autoreload 2", at=2),
    "quit at the end": added("quit()", "import sys\nsys.exit(0)", "raise SystemExit"),
    "quit in the middle": added("exit", "import sys\nsys.exit()", at=12),
    "a cell that waits": added("import asyncio\nawait asyncio.sleep(0)", at=6),
    "future annotations": added("from __future__ import annotations", at=1),
    "another shell": added("%%bash\necho 1", "%%html\n<b>x</b>", "%%javascript\nx", at=5),
    "answers last, no checks": answers_last,
    "all in one cell": in_one_cell,
    "one id for many cells": with_one_id,
    "annotated letters, no checks": lambda c: without_checks(changed("exercise", annotated)(c)),
    "checks with keywords": changed("check", as_keywords),
    "checks with the exercise in a variable": changed("check", through_a_variable),
    "checks under another name": lambda cells: changed(
        "check", lambda s: s.replace("check(", "verify(")
    )(added("from gancourse.exercises import check as verify", at=3)(cells)),
    "checks that print": changed("check", lambda s: f"print({s.partition(' = ')[2]})"),
    "checks twice": changed("check", lambda s: f"{s}\n{s}"),
    "indented with tabs": changed("exercise", lambda s: s.replace("    ", "\t")),
    "answers with notes": changed("exercise", lambda s: f"# \U0001f600 é\n{s};\n'''note'''"),
    "help at the start, no checks": lambda cells: without_checks(
        changed("exercise", lambda s: f"len?\n{s}")(cells)
    ),
}
IN_ALL_NOTEBOOKS = VARIANTS["answers followed by 'torch?', no checks"]


def marks_of(cells: Cells, path: Path, server) -> tuple[dict[str, str], dict[str, str]]:
    """Exercise -> status, from the student's check and from the grader."""
    path.write_text(text(cells), encoding="utf-8")
    checked = {verdict.exercise.id: verdict.status for verdict in preview(path).verdicts}
    graded = marking.grade(path, b"secret", server=server)
    return checked, {mark.exercise: mark.status for mark in graded.marks}


@needs_a_sandbox
@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_of_notebook_02_gets_the_plain_ones_marks(name, server, tmp_path):
    cells = VARIANTS[name](solved(SOURCES[2]))
    for marks in marks_of(cells, tmp_path / "x.ipynb", server):
        assert set(marks.values()) == {"right"}, marks


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_a_variant_of_every_notebook_gets_the_plain_ones_marks(source, tmp_path):
    path = tmp_path / "x.ipynb"
    path.write_text(text(IN_ALL_NOTEBOOKS(solved(source))), encoding="utf-8")
    checked = {verdict.exercise.id: verdict.status for verdict in preview(path).verdicts}
    assert set(checked.values()) == {"right"}, checked


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_an_unedited_notebook_is_blank_and_a_solved_one_is_not(source):
    given = json.loads((ROOT / "notebooks" / f"{source.stem}.ipynb").read_text("utf-8"))
    assert parse(json.dumps(given).encode()).blank
    assert parse(text(of_colab(given["cells"])).encode()).blank
    assert not parse(text([*given["cells"], handmade.code("x = 1")]).encode()).blank
    cells = solved(source)
    assert not parse(text(cells).encode()).blank
    for n, cell in enumerate(given["cells"]):  # one answer is enough
        if is_(cell, "exercise"):
            answered = next(c["source"] for c in cells if c["id"] == cell["id"])
            one = [*given["cells"][:n], {**cell, "source": answered}, *given["cells"][n + 1 :]]
            assert not parse(text(one).encode()).blank
