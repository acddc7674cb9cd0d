"""Marks: of right and wrong answers, of notebooks as students hand them in."""

import json
from pathlib import Path

import nbformat
import pytest
from hostile import needs_a_sandbox, notebook
from hostile.notebook import code, exercise, text

from gancourse.errors import CourseError
from gancourse.exercises import of_notebook
from gancourse.grading.answers import shell as cells_module
from gancourse.grading.answers import submission
from gancourse.grading.answers.preview import preview
from gancourse.grading.judging import evidence, judge
from gancourse.grading.sandbox import walls
from gancourse.grading.sandbox.server import Limits, Server
from gancourse.notebooks import build

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "solutions").glob("[0-9][0-9]_*.py"))


@pytest.fixture(scope="module")
def server():
    with Server() as server:
        yield server


def grade(server, path: Path, cells: list, **more) -> judge.Result:
    path = path / "x.ipynb"
    path.write_text(text(cells), encoding="utf-8")
    return judge.grade(path, b"secret", server=server, **more)


def by_id(result: judge.Result) -> dict[str, judge.Mark]:
    return {mark.exercise: mark for mark in result.marks}


@needs_a_sandbox
@pytest.mark.parametrize("source", SOURCES, ids=lambda p: p.stem)
def test_a_solved_notebook_gets_every_point_and_no_flag(source, server, tmp_path):
    """As a student would hand it in: the student's cells with the solutions in the stubs."""
    solved = build.solved(build.Course.at(ROOT), source)
    solved.cells = [cell for cell in solved.cells if "solution" not in build.tags(cell)]
    path = tmp_path / "renamed (1).ipynb"
    nbformat.write(solved, path)
    result = judge.grade(path, b"secret", server=server)
    assert result.notebook == source.stem[:2]
    for mark in result.marks:
        assert mark.status == "right" and mark.earned == mark.points, mark
        assert all("but for names" in flag for flag in mark.flags), mark  # the course's own code
    assert not result.flags
    assert not result.notes


@needs_a_sandbox
@pytest.mark.parametrize("source", SOURCES[:3], ids=lambda p: p.stem)
def test_an_unedited_notebook_is_unsolved_throughout(source, server):
    path = ROOT / "notebooks" / f"{source.stem}.ipynb"
    result = judge.grade(path, b"secret", server=server)
    assert {mark.status for mark in result.marks} == {"unsolved"}
    assert not result.flags and not any(mark.flags for mark in result.marks)


@needs_a_sandbox
def test_slips_are_named_and_the_same_file_gets_the_same_result(server, tmp_path):
    slip = (
        "def value(real, fake):\n    return -F.logsigmoid(real).mean() - F.logsigmoid(-fake).mean()"
    )
    one = grade(server, tmp_path, notebook.cells(value=slip))
    mark = by_id(one)["2.2"]
    assert (mark.status, mark.earned, mark.slip) == ("wrong", 0, 0)
    assert mark.message.endswith(of_notebook("02")[1].slips[0].hint) and "expected" in mark.message
    assert mark.answer == slip and by_id(one)["2.6"].status == "unsolved"
    assert grade(server, tmp_path, notebook.cells(value=slip)).to_json() == one.to_json()
    other = grade(server, tmp_path, [*notebook.cells(value=slip), code("# one more")])
    assert by_id(other)["2.2"].message != mark.message  # other cases


@needs_a_sandbox
def test_where_the_check_is_gone_the_name_counts(server, tmp_path):
    cells = [code(notebook.IMPORTS), exercise("2.2", notebook.RIGHT)[0]]
    assert by_id(grade(server, tmp_path, cells))["2.2"].status == "right"


@needs_a_sandbox
def test_the_courses_own_version_under_the_name_is_no_answer(server, tmp_path):
    """The check is gone, and a later cell imports the course's `gan_step` under the stub's name."""
    nb = json.loads((ROOT / "notebooks" / "02_minimax_game.ipynb").read_text(encoding="utf-8"))
    nb["cells"] = [c for c in nb["cells"] if 'check("2.6"' not in "".join(c["source"])]
    nb["cells"].append(code("from gancourse.papers.gan import gan_step") | {"id": "mine"})
    path = tmp_path / "x.ipynb"
    path.write_text(json.dumps(nb), encoding="utf-8")
    assert by_id(judge.grade(path, b"secret", server=server))["2.6"].status == "unsolved"


@needs_a_sandbox
def test_a_number_given_by_check_is_no_answer(server, tmp_path):
    given = [code(notebook.IMPORTS), code('number = check("2.4", 0.0)', "check-2-4")]
    cells = [*given, code('number = check("2.4", number)')]
    assert by_id(grade(server, tmp_path, cells))["2.4"].status == "wrong"
    cells = [*given, code('number = check("2.4", number + 0.0)')]
    mark = by_id(grade(server, tmp_path, cells))["2.4"]
    assert mark.status == "right" and mark.flags


@needs_a_sandbox
def test_a_cell_that_is_no_python_costs_only_its_own_points(server, tmp_path):
    """`value` is never defined, and an exercise after it builds on `value`."""
    loss = notebook.LOSS + "\nvalue(torch.ones(2), torch.ones(2))"
    cells = [code(notebook.IMPORTS), *exercise("2.2", notebook.RIGHT.replace(":", ""))]
    cells += [*exercise("2.5", loss), code("del value"), code("value")]
    path = tmp_path / "x.ipynb"
    marks = by_id(grade(server, tmp_path, cells))
    assert (marks["2.2"].status, marks["2.5"].status) == ("unsolved", "right")
    path.write_text(text(cells), encoding="utf-8")
    assert {v.exercise.id: v.status for v in preview(path).verdicts}["2.5"] == "right"
    cells[1:3] = exercise("2.2", notebook.RIGHT)  # what was answered stays answered
    assert by_id(grade(server, tmp_path, cells))["2.2"].status == "right"


@needs_a_sandbox
def test_an_answer_without_end_is_said_to_be_stopped(server, tmp_path):
    """Its check never comes back, and then the name is the course's own."""
    endless = "def generator_loss(fake):\n    while True:\n        pass"
    cells = [code(notebook.IMPORTS), *exercise("2.5", endless)]
    cells += [code("from gancourse.papers.gan import non_saturating_loss as generator_loss")]
    mark = by_id(grade(server, tmp_path, cells, limits=Limits(cell=1, exercise=1)))["2.5"]
    assert "took too long" in mark.message and not mark.earned


@needs_a_sandbox
@pytest.mark.parametrize("source", SOURCES, ids=lambda p: p.stem)
def test_nobody_is_flagged_for_the_courses_own_cells_without_ids(source):
    """Some tools that students use drop the ids of cells."""
    path = ROOT / "notebooks" / f"{source.stem}.ipynb"
    nb = json.loads(path.read_text(encoding="utf-8"))
    for cell in nb["cells"]:
        cell.pop("id", None)
    handed_in = submission.parse(json.dumps(nb).encode())
    assert not evidence.find(handed_in, of_notebook(handed_in.notebook))


@needs_a_sandbox
def test_a_later_answer_counts(server, tmp_path):
    cells = [*notebook.cells(), *exercise("2.2", notebook.RIGHT)]
    mark = by_id(grade(server, tmp_path, cells))["2.2"]
    assert mark.status == "right" and not mark.flags


@needs_a_sandbox
def test_a_copy_of_the_packages_source_is_flagged(server, tmp_path):
    import inspect

    from gancourse.papers import gan

    source = inspect.getsource(gan.gan_step).replace("loss_D", "mine")
    cells = [code(notebook.IMPORTS), code(source, "exercise-2-6", ["exercise"])]
    assert (
        "its code is the package's own, but for names"
        in by_id(grade(server, tmp_path, cells))["2.6"].flags
    )


def test_without_a_sandbox_nothing_is_run(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    walls.guarantees.cache_clear()
    path = tmp_path / "x.ipynb"
    path.write_text(text(notebook.cells()), encoding="utf-8")
    with pytest.raises(CourseError, match="apt install bubblewrap") as error:
        judge.grade(path, b"secret")
    assert "bwrap" in error.value.why
    walls.guarantees.cache_clear()


def test_unsafe_results_are_stamped_and_nothing_is_left(tmp_path):
    early = (
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork():\n"
        "        os._exit(0)\n    time.sleep(1000)"
    )
    with Server(unsafe=True) as server:
        result = grade(server, tmp_path, notebook.cells(early, notebook.RIGHT))
        marks = by_id(result)
        assert [marks[id].earned for id in ("2.1", "2.2", "2.5")] == [1, 2, 1]
        assert all(line.startswith("UNSAFE") for line in result.guarantees)
        import psutil

        assert not psutil.Process(server.process.pid).children(recursive=True)


def test_results_survive_json():
    mark = judge.Mark("2.2", 2, 0, "wrong", "é\n<b>", 3, ("a", "b"), "x = 1")
    result = judge.Result("02", (mark,), ("note",), (), ("no network",))
    assert judge.Result.from_json(result.to_json()) == result
    assert json.loads(result.to_json())["marks"][0]["slip"] == 3


HELPER = "def value(real, fake):\n    return F.logsigmoid(real).mean() + helper(fake)"
DEFINED = "def helper(x):\n    return F.logsigmoid(-x).mean()"
START, REST = (
    [code(notebook.IMPORTS), *exercise("2.1", notebook.CHOICE)],
    exercise("2.5", notebook.LOSS),
)
DEDENT = "def f(x):\n    if x:\n        return 1\n      return 2"
HONEST = {
    "a wrong dedent elsewhere": [*notebook.cells(value=notebook.RIGHT), code(DEDENT)],
    "the course's version is printed": [
        *notebook.cells(value=notebook.RIGHT),
        code("import gancourse\nprint(gancourse.__version__)"),
    ],
    "a helper behind a form feed": [
        *[code(notebook.IMPORTS), *exercise("2.1", notebook.CHOICE)],
        code(
            "t = 'a\x0cb'\n" + "def helper(x):\n    return F.logsigmoid(-x).mean()",
            "0",
            ["training"],
        ),
        *exercise("2.2", HELPER),
        *exercise("2.5", notebook.LOSS),
    ],
    "%matplotlib inline before the imports": [
        code("%matplotlib inline\n" + notebook.IMPORTS),
        *notebook.cells(value=notebook.RIGHT)[1:],
    ],
    "Colab's drive before the imports": [
        code("from google.colab import drive\ndrive.mount('/content/drive')\n" + notebook.IMPORTS),
        *notebook.cells(value=notebook.RIGHT)[1:],
    ],
    "a helper's name is used again": [
        *START,
        *exercise("2.2", DEFINED + "\n" + HELPER),
        *REST,
        code("helper = None"),
    ],
    "sum = 3, later": [
        *START,
        *exercise(
            "2.2",
            "def value(real, fake):\n"
            "    return sum([F.logsigmoid(real).mean(), F.logsigmoid(-fake).mean()])",
        ),
        *REST,
        code("sum = 3"),
    ],
    "a helper in a training cell": [
        *START,
        code(f"while True: pass\n{DEFINED}", "0123456789", ["training"]),
        *exercise("2.2", HELPER),
        *REST,
    ],
    "an answer merged into a training cell": [
        *START,
        code(notebook.RIGHT, "0123456789", ["training"]),
        code('value = check("2.2", value)'),
        *REST,
    ],
    "torch.compile": notebook.cells(value="@torch.compile\n" + notebook.RIGHT),
    "eleven long experiments": [
        *notebook.cells(value=notebook.RIGHT),
        *[code("while True: pass")] * 11,
    ],
    "nine cells that end the process": [
        *notebook.cells(value=notebook.RIGHT),
        *[code("import os\nos.abort()")] * 9,
    ],
}


@needs_a_sandbox
@pytest.mark.parametrize("name", HONEST)
def test_an_honest_answer_keeps_its_points(name, server, tmp_path):
    """Also in `gancourse check`, which has no limits of time, nor a sandbox."""
    limits = Limits(cell=1, exercise=2, grace=1, total=10)
    result = grade(server, tmp_path, HONEST[name], limits=limits)
    marks = result.marks
    assert not result.flags or "process" in name  # whoever calls os.abort is asked
    assert {m.exercise: m.earned for m in marks if m.earned} == {"2.1": 1, "2.2": 2, "2.5": 1}
    if "that" not in name and "long" not in name:
        seen = preview(tmp_path / "x.ipynb").verdicts
        assert {v.exercise.id for v in seen if v.points} == {"2.1", "2.2", "2.5"}


@needs_a_sandbox
def test_time_that_runs_out_halfway_costs_no_answer(server, tmp_path):
    """Cells before it used the first half: the answer's own cell is run again, in full."""
    slow = notebook.RIGHT + "\nimport time\ntime.sleep(1.2)"
    cells = [code(notebook.IMPORTS), code("import time as t\nt.sleep(2.4)"), *exercise("2.2", slow)]
    limits = Limits(cell=3, exercise=3, grace=0.2, total=6)
    assert by_id(grade(server, tmp_path, cells, limits=limits))["2.2"].status == "right"


def test_what_ends_a_cell_that_goes_on_is_what_is_told(server):
    made = cells_module.make()
    error = cells_module.run(made, "import google.colab.nothing\nraise KeyboardInterrupt")
    assert isinstance(error, KeyboardInterrupt)
    error = cells_module.run(made, "1 / 0\nseen = 1\nraise ValueError")
    assert isinstance(error, ZeroDivisionError) and made.user_ns["seen"] == 1
    type(made).clear_instance()
