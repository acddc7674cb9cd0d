"""What is read of a cell is what IPython would run of it."""

import ast

import pytest
from handmade import code, text

from gancourse.grading.answers import collector, magics
from gancourse.grading.answers.cell import Cell
from gancourse.grading.answers.magics import NotSearched, python_of
from gancourse.grading.answers.notebook_file import parse

RUNS_SEEN = [  # each runs `seen()`, whatever Python thinks of the cell
    "seen()",
    "torch?\nseen()",
    "??torch\nseen()",
    "x = !ls\nseen()",
    "%matplotlib inline\nseen()",
    "  seen()\n  x = 1",
    ">>> seen()\n>>> x = 1",
    "In [1]: seen()",
    "%time seen()",
    "%timeit -n1 -r 1 seen()",
    "%%timeit -n1 -r1 seen()\nx = 1",
    "%%time\nseen()",
    "%%capture out\nseen()",
    "%%capture\n%%time\nseen()",
    "%prun -q seen()",
    "%%prun -q\nseen()",
    "x = %time seen()",
    "def f():\n    %time seen()\nf()",
    "if True:\n    %time seen()",
    "!echo {seen()}",
    "x = !echo {seen()}",
    "%env A={seen()}",
    "%config InlineBackend.figure_format = seen()",
    "%%bash -s {seen()}\ntrue",
    "%%sx\necho {seen()}",
    "get_ipython().run_line_magic('time', 'seen()')",
    "\N{MATHEMATICAL BOLD SMALL G}et_ipython().run_line_magic('time', 'seen()')",
]


@pytest.mark.parametrize("source", RUNS_SEEN)
def test_what_runs_is_what_is_read(source):
    shell, calls = collector.make_shell(), []
    shell.user_ns["seen"] = lambda: calls.append(1) or "1"
    shell.user_ns["torch"] = 1
    try:
        collector.run_cell(shell, source)
    finally:
        type(shell).clear_instance()
    names = {n.id for n in ast.walk(python_of(source)[1]) if isinstance(n, ast.Name)}
    assert calls and "seen" in names
    assert Cell(1, source, "", False).is_searchable


@pytest.mark.parametrize("source", ["(", "not python at all", "x = = 1", "f'{'", "if 1:\nx"])
def test_what_ipython_refuses_runs_nothing_and_needs_no_search(source):
    cell = Cell(1, source, "", False)
    assert cell.tree is None and cell.is_searchable


@pytest.mark.timeout(60)  # it takes milliseconds
@pytest.mark.parametrize(
    "source",
    [
        *("!a\n" * 10_000, "x?\n" * 10_000, "y = %a\n" * 10_000, "-" * 90_000 + "1"),
        *("%time " * 9 + "f()", "!a\n" * 50 + "x = 1\n" * 20_000),
    ],
)
def test_what_takes_long_to_read_is_left_and_known_to_be(source):
    cell = Cell(1, source, "", False)
    assert cell.tree is None and not cell.is_searchable and not cell.binds


def test_names_of_timed_cells_count():
    cells = [
        code("%%time\nhelper = lambda x: x"),
        code("%time other = 2"),
        code("mine = helper(1)"),
    ]
    file = parse(text([*cells, code('check("2.1", mine)')]).encode())
    assert [sorted(cell.binds) for cell in file.cells[:2]] == [["helper"], ["other"]]
    training = Cell(1, "%%time\nimport os\ndef f():\n    %time g()\nf()", "", True)
    assert training.runnable.source.startswith("import os\ndef f():\n")
    assert "\nf()" not in training.runnable.source


def test_calls_that_are_no_magics_are_left_alone():
    for source in ("f()", "get_ipython().system(x)", "shell.system('ls')", "get_ipython()"):
        assert magics.call_of(ast.parse(source).body[0].value) == ("", ())
    with pytest.raises(NotSearched):
        python_of("%%time\n" * 6 + "f()")
