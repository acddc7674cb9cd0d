"""The commands of an instructor's term, and of a student."""

import csv
import json
import sqlite3
import sys
from contextlib import closing
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import fakes
import pytest
from fakes import MARKS, lay, notebook
from handmade import code, text

from gancourse import cli, exercises
from gancourse.grading.answers import notebook_file
from gancourse.grading.gradebook import batch, version, workers
from gancourse.grading.judging import given
from gancourse.notebooks import handbook
from gancourse.notebooks.build import Course

TOTAL = sum(exercise.points for exercise in exercises.of_notebook("02"))


@pytest.fixture
def term(tmp_path, monkeypatch):
    """A working folder with submissions, and a grader that does what they run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(workers, "local", fakes.here)
    monkeypatch.setattr(batch, "run", partial(batch.run, grade=fakes.grade))
    parse = lambda content: SimpleNamespace(notebook=fakes.recognize(content))  # noqa: E731
    monkeypatch.setattr(notebook_file, "parse", parse)
    special = {"bob": {"slip": 0}, "dan": {"flag": "2.1"}}
    for name in ("ann", "bob", "dan"):
        folder = tmp_path / "submissions" / name
        folder.mkdir(parents=True)
        content = notebook(**{"marks": MARKS, "who": name} | special.get(name, {}))
        (folder / "02.ipynb").write_bytes(content)
    return tmp_path


@pytest.fixture
def run(monkeypatch, capsys):
    """Run a command in this process; its status and output."""

    def command(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["gancourse", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        output = capsys.readouterr()
        return ended.value.code or 0, output.out + output.err

    return command


def table(path) -> list[dict]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_term(term, run, monkeypatch):
    """Grade, look, mark by hand, give back, correct an exercise, regrade, export."""
    status, text = run("grade", "submissions", "--out", "grades", "--late", "10")
    assert status == 0 and "3 with a score" in text and "1 to review" in text
    assert exercises.find("2.3").hints[0] in text
    assert "calls the reference" in (term / "grades" / "class.html").read_text("utf-8")

    status, text = run("mark", "bob", "2.3", "--points", "1", "--comment", "half right")
    assert status == 0
    status, text = run("feedback")
    assert status == 0 and "3 pages" in text
    assert "half right" in (term / "grades" / "feedback" / "bob.html").read_text("utf-8")

    (term / "late.csv").write_text("student,days\nann,2\n")
    status, text = run("grade", "submissions", "--late-days", "late.csv")
    assert status == 0
    status, text = run("export")
    assert status == 0
    totals = table(term / "grades" / "export" / "totals.csv")
    assert [row["score"] for row in totals] == ["1.6", "3", "2"]
    assert len(table(term / "grades" / "export" / "marks.csv")) == 6

    assert run("regrade", "2.3")[1].startswith("Nothing to do")
    monkeypatch.setenv("GANCOURSE_TEST_CORRECTION", "1")
    monkeypatch.setattr(version, "exercises_version", lambda number: "corrected")
    assert "02: 3 submissions keep marks from another version" in run("grade", "submissions")[1]
    status, text = run("regrade", "2.3")
    assert status == 0 and "ann: 0 -> 2" in text and "bob" not in text and "2 marks changed" in text
    assert "keep marks" not in run("grade", "submissions")[1]
    status, text = run("history", "ann")
    assert status == 0 and "2.3: 0/2" in text and "2.3: 2/2" in text


def test_students_without_a_mark_are_listed_and_the_status_is_1(term, run):
    (term / "submissions" / "eve").mkdir()
    (term / "submissions" / "eve" / "02.ipynb").write_bytes(notebook(bad=True))
    (term / "submissions" / "zoe").mkdir()
    status, text = run("grade", "submissions")
    assert status == 1 and "eve, notebook 02: unreadable" in text and "zoe" in text
    status, text = run("export")
    assert status == 1 and "To review, 2" in text
    totals = {row["student"]: row for row in table(term / "grades" / "export" / "totals.csv")}
    assert totals["eve"]["score"] == "" and totals["zoe"]["status"] == "refused"
    status, text = run("mark", "eve", "2.3", "--points", "1")
    assert status == 2 and "was not graded" in text
    status, text = run("mark", "eve", "02", "--points", "3", "--comment", "on paper")
    assert status == 0
    run("export")
    totals = {row["student"]: row for row in table(term / "grades" / "export" / "totals.csv")}
    assert totals["eve"]["score"] == "3"
    run("mark", "ann", "02", "--points", "3")
    assert "whole of 02" in run("mark", "ann", "2.3", "--points", "1")[1]


def test_export_to_both_systems(term, run):
    run("grade", "submissions")
    (term / "canvas.csv").write_text(
        "Student,ID,SIS Login ID,Section,02 Minimax (7)\n"
        f"    Points Possible,,,,{TOTAL}\nAnn,1,ann,A,\nBob,2,bob,A,\nDan,3,dan,A,\n"
    )
    (term / "moodle.csv").write_text(
        "Identifier,Full name,Grade,Maximum grade,Last modified (grade)\n"
        "Participant 1,ann,,100,-\nParticipant 2,Bobby,,100,-\n"
    )
    words = ("--canvas", "canvas.csv", "--moodle", "2=moodle.csv")
    status, text = run("export", *words)
    assert status == 1 and "bob, notebook 02: not found in Moodle's table" in text
    assert [row["02 Minimax (7)"] for row in table("grades/export/canvas.csv")[1:]] == ["2"] * 3
    grades = [row["Grade"] for row in table("grades/export/moodle_02.csv")]
    assert grades == [f"{200 / TOTAL:.2f}", ""]


@pytest.mark.parametrize(
    "words, status, message",
    [
        (["grade", "nowhere"], 1, "nowhere does not exist"),
        (["regrade", "2.99"], 1, "There is no exercise '2.99'"),
        (["mark", "ann", "2.3"], 2, "Give --points, --comment or both"),
        (["mark", "ann", "2.3", "--points", "99"], 2, "at most 1 for 2.3"),
        (["mark", "nobody", "2.3", "--points", "1"], 1, "has not handed in"),
        (["history", "nobody"], 1, "Nothing is recorded"),
        (["export", "--out", "elsewhere"], 2, "There is no gradebook in elsewhere"),
        (["export", "--moodle", "worksheet.csv"], 2, "02=..."),
        (["export", "--canvas", "none.csv"], 2, "can't be read"),
        (["grade", "submissions", "--workers", "0"], 2, "workers"),
        (["check", "nothing.ipynb"], 1, "is not a file"),
    ],
)
def test_wrong_use_says_why(term, run, words, status, message):
    run("grade", "submissions")
    ended, text = run(*words)
    assert ended == status and message in " ".join(text.split())
    assert "Traceback" not in text


def test_a_missing_extra_is_one_clear_message(term, run, monkeypatch):
    run("grade", "submissions")
    for name in [n for n in sys.modules if n.startswith("gancourse.grading.grad")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    status, text = run("export")
    assert status == 1 and 'pip install "gancourse[instructor]"' in text and "sqlalchemy" in text


def test_the_students_own_check(tmp_path, run):
    wrong = "def loss(fake):\n    return -torch.nn.functional.logsigmoid(fake).sum()"
    sources = ("import torch\nfrom gancourse.exercises import check", 'answer = check("2.1", "c")')
    sources = (*sources, wrong, 'loss = check("2.5", loss)', "1 / 0")
    path = tmp_path / "renamed.ipynb"
    path.write_text(text([code(source) for source in sources]))
    status, output = run("check", str(path))
    assert status == 1 and f"1 of {TOTAL} points" in output and "That is the sum" in output
    assert "note: cell 5 raised ZeroDivisionError: division by zero" in output


def test_the_students_check_needs_no_extra(tmp_path, run, monkeypatch):
    for name in ("sqlalchemy", "jinja2", "nbformat", "jupytext"):
        monkeypatch.setitem(sys.modules, name, None)
    path = tmp_path / "x.ipynb"
    cell = {"cell_type": "code", "source": 'check("2.1", "c")', "metadata": {}}
    first = {"cell_type": "code", "source": ["from gancourse.exercises import check"]}
    path.write_text(json.dumps({"cells": [first, cell]}))
    assert f"1 of {TOTAL} points" in run("check", str(path))[1]


def test_the_page_of_exercises_is_up_to_date():
    course = Course.at(Path(cli.__file__).parents[2])
    page = course.root / handbook.PAGE
    assert page.read_text("utf-8") == handbook.exercises_page(course), "run: gancourse build"
    assert "| 02 The minimax game" in page.read_text("utf-8")


def test_a_problem_outside_the_course_is_one_message(term, run, monkeypatch):
    run("grade", "submissions")
    with monkeypatch.context() as full:
        full.setattr(Path, "write_text", lambda *a, **k: (_ for _ in ()).throw(OSError(28, "full")))
        status, text = run("export")
    assert status == 1 and "full" in text and "Traceback" not in text
    place = term / "grades" / "gradebook.sqlite"
    with closing(sqlite3.connect(place)) as db, db:
        db.execute("alter table submissions drop column note")
    status, text = run("history", "ann")
    assert status == 1 and "note" in text and "Everything saved is safe" in text


@pytest.mark.parametrize(
    "words, message",
    [
        (["grade", "."], "is inside ."),
        (["grade", "grades"], "is inside grades"),
        (["export", "--notebook", "02,03"], "no notebook 02,03"),
        (["export", "--moodle", "02=a.csv", "--moodle", "2=b.csv"], "twice"),
        (["mark", "ann", "xyz", "--points", "1"], "no notebook xyz"),
        (["grade", "submissions", "--late-days", "short.csv"], "student and days"),
    ],
)
def test_more_wrong_use(term, run, words, message):
    run("grade", "submissions")
    (term / "short.csv").write_text("student,days\nann\n")
    status, text = run(*words)
    assert status == 2 and message in " ".join(text.split())


def test_an_instructor_s_own_notebook_next_to_the_course_s(tmp_path, monkeypatch):
    lay(tmp_path, {"notebooks/11_my_own.ipynb": b'{"cells": []}', "solutions/x": b""})
    monkeypatch.chdir(tmp_path)
    given.handed_out.cache_clear()
    given._of_notebook.cache_clear()
    assert given.handed_out() == frozenset() and given._of_notebook("11") == frozenset()
    given.handed_out.cache_clear()
    given._of_notebook.cache_clear()


def own_answer(word: str = "x") -> str:
    """An answer like nobody else's, with a name that a copy changes."""
    lines = [f"    {word}{n} = [n * {n} for n in range({n}) if n % 2] + [{n}]" for n in range(9)]
    lines += [f"    while len({word}{n}) > {n}: {word}{n}.pop()" for n in range(9)]
    return "\n".join(["def value(real, fake):", *lines, f"    return sum({word}3, real.mean())"])


def test_copies_in_the_class_and_from_an_earlier_term(term, run):
    def hand_in(place: str, name: str, **facts) -> None:
        (term / place / name).mkdir(parents=True)
        (term / place / name / "02.ipynb").write_bytes(notebook(marks=MARKS, **facts))

    hand_in("before", "zed", who="zed", answers={"2.1": own_answer("old")})
    hand_in("before", "ann", who="ann", answers={"2.1": "x = 1"})
    assert run("grade", "before", "--out", "terms/2024")[0] == 0
    for name in ("eva", "finn", "gil"):
        hand_in("submissions", name, who="the same", answers={"2.1": "y = 1"})
    hand_in("submissions", "hal", who="hal", answers={"2.1": own_answer()})
    hand_in("submissions", "ida", who="ida", answers={"2.1": f"%%time\n{own_answer('mine')}"})

    status, _ = run("grade", "submissions")
    page = (term / "grades" / "class.html").read_text("utf-8")
    assert status == 0 and "Notebook 02: eva, finn, gil" in page
    assert "hal, ida: 2.1" in page and "zed" not in page
    assert run("grade", "submissions", "--earlier", "terms/2024")[0] == 0
    page = (term / "grades" / "class.html").read_text("utf-8")
    assert "hal, ida, zed (terms/2024): 2.1" in page and "ann (terms" not in page
    run("feedback")  # it is remembered
    assert "zed (terms/2024)" in (term / "grades" / "class.html").read_text("utf-8")
    (term / "terms" / "2024").rename(term / "gone")
    status, text = run("feedback")
    assert status == 0 and "not compared with the earlier term" in text
    status, text = run("grade", "submissions", "--earlier", "nowhere")
    assert status == 2 and "which --earlier names" in " ".join(text.split())


def test_a_list_of_days_replaces_the_one_before(term, run):
    for name in ("ann", "bob"):
        (term / f"{name}.csv").write_text(f"student,days\n{name},2\n")
    run("grade", "submissions", "--late", "10", "--late-days", "ann.csv")
    status, text = run("grade", "submissions", "--late-days", "bob.csv")
    assert status == 0 and "no longer late, since bob.csv doesn't name them: ann" in text
