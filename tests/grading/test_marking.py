"""Marks: of right and wrong answers, of notebooks as students hand them in."""

import inspect
import json
from pathlib import Path

import handmade
import nbformat
import psutil
import pytest
import torch
from handmade import RIGHT, SETUP, code, exercise, text
from sandboxed import needs_a_sandbox, with_patience

from gancourse.errors import CourseError
from gancourse.exercises import of_notebook
from gancourse.grading.answers import collector, notebook_file
from gancourse.grading.answers.preview import preview
from gancourse.grading.judging import marking
from gancourse.grading.judging.flags import find_flags
from gancourse.grading.sandbox import isolation
from gancourse.grading.sandbox.isolation import Limits
from gancourse.grading.sandbox.server import Server
from gancourse.notebooks import build
from gancourse.papers import gan

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "solutions").glob("[0-9][0-9]_*.py"))


def grade(server, path: Path, cells: list, **more) -> marking.Result:
    path = path / "x.ipynb"
    path.write_text(text(cells), encoding="utf-8")
    return marking.grade(path, b"secret", server=server, **more)


def by_id(result: marking.Result) -> dict[str, marking.Mark]:
    return {mark.exercise: mark for mark in result.marks}


@needs_a_sandbox
@pytest.mark.parametrize("source", SOURCES, ids=lambda p: p.stem)
def test_a_solved_notebook_gets_every_point_and_no_flag(source, server, tmp_path):
    """As a student would hand it in: the student's cells with the solutions in the stubs."""
    solved = build.solved(build.Course.at(ROOT), source)
    solved.cells = [cell for cell in solved.cells if "solution" not in build.tags(cell)]
    path = tmp_path / "renamed (1).ipynb"
    nbformat.write(solved, path)
    result = marking.grade(path, b"secret", server=server)
    assert result.notebook == source.stem[:2]
    for mark in result.marks:
        assert mark.status == "right" and mark.earned == mark.points, mark
        assert all("except for names" in flag for flag in mark.flags), mark  # the course's own code
    assert not result.flags and not result.notes
    checked = preview(path)
    assert checked.earned == checked.points and not checked.notes


@needs_a_sandbox
@pytest.mark.parametrize("source", SOURCES, ids=lambda p: p.stem)
def test_an_unedited_notebook_is_unsolved_throughout(source, server):
    path = ROOT / "notebooks" / f"{source.stem}.ipynb"
    result = marking.grade(path, b"secret", server=server)
    assert {mark.status for mark in result.marks} == {"unsolved"}
    assert not result.flagged


@needs_a_sandbox
def test_slips_are_named_and_the_same_file_gets_the_same_result(server, tmp_path):
    slip = (
        "def value(real, fake):\n    return -F.logsigmoid(real).mean() - F.logsigmoid(-fake).mean()"
    )
    first = grade(server, tmp_path, handmade.cells(value=slip))
    mark = by_id(first)["2.2"]
    assert (mark.status, mark.earned) == ("wrong", 0)
    hint = of_notebook("02")[1].hints[mark.slip]
    assert "sign" in hint and mark.message.endswith(hint) and "expected" in mark.message
    assert mark.answer == slip and by_id(first)["2.6"].status == "unsolved"
    assert grade(server, tmp_path, handmade.cells(value=slip)).to_json() == first.to_json()
    other = grade(server, tmp_path, [*handmade.cells(value=slip), code("# one more")])
    assert by_id(other)["2.2"].message != mark.message  # other cases


@needs_a_sandbox
def test_the_reference_under_the_name_of_the_answer_is_no_answer(server, tmp_path):
    """The check is gone, and a later cell imports the course's `gan_step` under the stub's name."""
    nb = json.loads((ROOT / "notebooks" / "02_minimax_game.ipynb").read_text(encoding="utf-8"))
    nb["cells"] = [c for c in nb["cells"] if 'check("2.6"' not in "".join(c["source"])]
    nb["cells"].append(code("from gancourse.papers.gan import gan_step") | {"id": "mine"})
    path = tmp_path / "x.ipynb"
    path.write_text(json.dumps(nb), encoding="utf-8")
    assert by_id(marking.grade(path, b"secret", server=server))["2.6"].status == "unsolved"


@needs_a_sandbox
def test_a_number_that_check_gave_is_flagged(server, tmp_path):
    cells = [code(SETUP), code('number = check("1.1", 0.0)', "check-1-1")]
    cells += [code('number = check("1.1", number + 0.0)')]
    mark = by_id(grade(server, tmp_path, cells))["1.1"]
    assert mark.status == "right" and mark.flags


@needs_a_sandbox
def test_an_endless_answer_is_reported_as_stopped(server, tmp_path):
    """Its check never returns, and later its name is that of the reference."""
    endless = "def generator_loss(fake):\n    while True:\n        pass"
    cells = [code(SETUP), *exercise("2.5", endless)]
    cells += [code("from gancourse.papers.gan import non_saturating_loss as generator_loss")]

    def is_reported(mark: marking.Mark) -> bool:
        return "took too long" in mark.message and not mark.earned

    def graded(limits: Limits) -> marking.Mark:
        return by_id(grade(server, tmp_path, cells, limits=limits))["2.5"]

    assert is_reported(with_patience(graded, Limits(cell=1, exercise=1), is_reported))


@pytest.mark.parametrize("loss, flags", [("0 * fake.mean()", 0), ("F.softplus(-fake).mean()", 1)])
def test_a_watch_that_ended_is_flagged_only_where_the_answer_earned_points(loss, flags):
    """The interrupt of an endless loop ends it too, if it comes while the watch looks."""
    (item,) = (e for e in of_notebook("02") if e.id == "2.5")
    file = notebook_file.parse(text([code(SETUP), *exercise("2.5", RIGHT)]).encode())
    answer = eval(f"lambda fake: {loss}", {"F": torch.nn.functional})
    seen = collector.observe(item, answer, 1)
    log = marking._Log(seen={"2.5": seen}, flags={"2.5": "['profiler']"})
    assert len(marking._mark(file, item, 1, log, ()).flags) == flags


@pytest.mark.parametrize("source", SOURCES, ids=lambda p: p.stem)
def test_the_courses_own_cells_without_ids_are_not_flagged(source):
    """Some tools that students use drop the ids of cells."""
    path = ROOT / "notebooks" / f"{source.stem}.ipynb"
    nb = json.loads(path.read_text(encoding="utf-8"))
    for cell in nb["cells"]:
        cell.pop("id", None)
    file = notebook_file.parse(json.dumps(nb).encode())
    assert not find_flags(file, of_notebook(file.notebook))


@needs_a_sandbox
def test_a_later_answer_counts(server, tmp_path):
    cells = [*handmade.cells(), *exercise("2.2", RIGHT)]
    mark = by_id(grade(server, tmp_path, cells))["2.2"]
    assert mark.status == "right" and not mark.flags


@needs_a_sandbox
def test_a_copy_of_the_packages_source_is_flagged(server, tmp_path):
    source = inspect.getsource(gan.gan_step).replace("loss_D", "mine")
    cells = [code(SETUP), code(source, "exercise-2-6", ["exercise"])]
    assert (
        "its code is the reference's, except for names"
        in by_id(grade(server, tmp_path, cells))["2.6"].flags
    )


def test_without_a_sandbox_nothing_is_run(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    isolation.guarantees.cache_clear()
    path = tmp_path / "x.ipynb"
    path.write_text(text(handmade.cells()), encoding="utf-8")
    with pytest.raises(CourseError, match="apt install bubblewrap") as error:
        marking.grade(path, b"secret")
    assert "bwrap" in error.value.why
    isolation.guarantees.cache_clear()


def test_unsafe_results_are_stamped_and_nothing_is_left(tmp_path):
    early = (
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork():\n"
        "        os._exit(0)\n    time.sleep(1000)"
    )
    with Server("none") as server:
        result = grade(server, tmp_path, handmade.cells(early, RIGHT))
        marks = by_id(result)
        assert [marks[id].earned for id in ("2.1", "2.2", "2.5")] == [1, 2, 1]
        assert all(line.startswith("UNSAFE") for line in result.guarantees)
        assert not psutil.Process(server.process.pid).children(recursive=True)


def test_results_survive_json():
    mark = marking.Mark("2.2", 2, 0, "wrong", "é\n<b>", 3, ("a", "b"), "x = 1")
    result = marking.Result("02", (mark,), ("note",), (), ("no network",))
    assert marking.Result.from_json(result.to_json()) == result
    assert json.loads(result.to_json())["marks"][0]["slip"] == 3


HONEST = {
    "eleven long experiments": [*handmade.cells(value=RIGHT), *[code("while True: pass")] * 11],
    "nine cells that end the process": [
        *handmade.cells(value=RIGHT),
        *[code("import os\nos.abort()")] * 9,
    ],
}


@needs_a_sandbox
@pytest.mark.parametrize("name", HONEST)
def test_an_honest_answer_keeps_its_points(name, server, tmp_path):
    limits = Limits(cell=1, exercise=2, grace=1, total=10)

    def earned(limits: Limits) -> dict[str, int]:
        marks = grade(server, tmp_path, HONEST[name], limits=limits).marks
        return {mark.exercise: mark.earned for mark in marks if mark.earned}

    expected = {"2.1": 1, "2.2": 2, "2.5": 1}
    assert with_patience(earned, limits, lambda marks: marks == expected) == expected


@needs_a_sandbox
def test_time_that_runs_out_halfway_costs_no_answer(server, tmp_path):
    """Cells before it used the first half: the answer's own cell is run again, in full."""
    slow = RIGHT + "\nimport time\ntime.sleep(1.2)"
    cells = [code(SETUP), code("import time as t\nt.sleep(2.4)"), *exercise("2.2", slow)]
    limits = Limits(cell=3, exercise=3, grace=0.2, total=6)

    def status(limits: Limits) -> str:
        return by_id(grade(server, tmp_path, cells, limits=limits))["2.2"].status

    assert with_patience(status, limits, lambda status: status == "right") == "right"
