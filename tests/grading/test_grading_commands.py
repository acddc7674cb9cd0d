"""The commands of an instructor's term, and of a student."""

import csv
import json
import os
import sqlite3
import stat
import sys
from contextlib import closing
from functools import partial
from pathlib import Path

import fakes
import pytest
from fakes import MARKS, lay, notebook
from handmade import code, text

from gancourse import cli, exercises
from gancourse.grading.gradebook import batch, capacity, version
from gancourse.grading.judging import given
from gancourse.notebooks import handbook
from gancourse.notebooks.build import Course

TOTAL = sum(exercise.points for exercise in exercises.of_notebook("02"))


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
        (["mark", "nobody", "2.3", "--points", "1"], 1, "is called 'nobody'"),
        (["history", "nobody"], 1, "is called 'nobody'"),
        (["mark", "ann", "3.1", "--points", "1"], 1, "has not handed in notebook 03"),
        (["export", "--out", "elsewhere"], 2, "There is no gradebook in elsewhere"),
        (["export", "--moodle", "worksheet.csv"], 2, "02=..."),
        (["export", "--canvas", "none.csv"], 2, "can't be read"),
        (["grade", "submissions", "--workers", "0"], 2, "workers"),
        (["check", "nothing.ipynb"], 1, "is not a file"),
        (["grade", "submissions", "--layout", "x"], 2, "gradescope, moodle, brightspace"),
        (["grade", "submissions", "--layout", "gradescope"], 1, "submission_metadata.yml"),
        (["grade", "submissions", "--sandbox", "none"], 2, "container"),
        (
            ["grade", "submissions", "--sandbox", "container", "--unsafe-no-sandbox"],
            *(2, "leave out one of them"),
        ),
        (["package", "gradescope", "77"], 2, "There is no notebook 77 with exercises"),
        (["package", "classroom", "x", "--out", "new"], 2, "There is no notebook x"),
        (["package", "classroom", "02", "--out", "new"], 1, "in the course's folder"),
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
        full.setattr(Path, "replace", lambda *a, **k: (_ for _ in ()).throw(OSError(28, "full")))
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
    assert status == 0 and "no longer late, since --late-days doesn't name them: ann" in text


@pytest.mark.parametrize(
    "words, sandbox",
    [
        ((), "bubblewrap"),
        (("--sandbox", "container"), "container"),
        (("--unsafe-no-sandbox",), "none"),
    ],
)
def test_the_sandbox_asked_for_is_used(term, run, monkeypatch, words, sandbox):
    seen = []

    def grade(path, secret, *, sandbox):
        seen.append(sandbox)
        return fakes.grade(path, secret)

    monkeypatch.setattr(batch, "run", partial(batch.run.func, grade=grade))
    assert run("grade", "submissions", *words)[0] == 0
    assert {*seen} == {sandbox}


def test_fewer_workers_than_cores_are_explained(term, run, monkeypatch):
    monkeypatch.setattr(capacity, "workers", lambda: (1, "1.0 GB of free memory"))
    monkeypatch.setattr(capacity, "cores", lambda: [0, 1, 2])
    status, output = run("grade", "submissions")
    assert status == 0 and "1 worker: 1.0 GB of free memory" in output
    assert "worker" not in run("grade", "submissions", "--workers", "1")[1]


def test_the_packages_are_written_and_nothing_is_replaced(tmp_path, monkeypatch, run):
    monkeypatch.chdir(tmp_path)
    status, output = run("package", "gradescope", "2", "--out", "new.zip")
    assert status == 0 and "keep it private" in output
    status, output = run("package", "gradescope", "2", "--out", "new.zip")
    assert status == 1 and "new.zip exists" in output
    monkeypatch.chdir(Path(cli.__file__).parents[2])
    status, output = run("package", "classroom", "2", "--out", str(tmp_path / "template"))
    assert status == 0 and "classroom.yml" in output and "02_minimax_game.ipynb" in output


def test_the_folder_is_private_and_a_wider_one_is_mentioned(term, run):
    assert "chmod" not in run("grade", "submissions")[1]
    for command in ("feedback", "review", "export"):
        run(command)
    for path in (term / "grades", *(term / "grades").rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    assert not [path for path in (term / "grades").rglob(".*")]  # nothing half written
    (term / "grades").chmod(0o755)
    status, text = run("export")
    assert status == 0 and "others on this machine may read it" in text
    assert stat.S_IMODE((term / "grades").stat().st_mode) == 0o755  # it may be shared on purpose


def test_feedback_that_is_older_than_the_marks_is_mentioned(term, run):
    run("grade", "submissions")
    assert "older" not in run("export")[1]  # none was written
    assert "3 pages in grades/feedback, 3 of them new or changed" in run("feedback")[1]
    assert "older" not in run("export")[1]
    run("mark", "bob", "2.3", "--points", "1")
    assert "older than the marks, 1: run gancourse feedback" in run("export")[1]
    run("grade", "submissions")
    assert "older than the marks, for 1 student: bob" in (term / "grades/class.html").read_text()
    assert "3 pages in grades/feedback, 1 of them new or changed" in run("feedback")[1]
    assert "older" not in run("export")[1] + (term / "grades/class.html").read_text()


def test_whole_counts_right_exercises_only_until_parts_count_again(term, run):
    for folder in (term / "submissions").iterdir():
        content = notebook(**{"marks": MARKS, "who": folder.name, "in part": ["2.3"]})
        (folder / "02.ipynb").write_bytes(content)
    run("grade", "submissions")
    earned = []
    for option in ([], ["--whole"], [], ["--parts"]):
        run("grade", "submissions", *option)
        run("export")
        rows = [r for r in table(term / "grades/export/marks.csv") if r["exercise"] == "2.3"]
        earned.append({row["earned"] for row in rows})
        shown = {"1 of 2 points, for the mean" in row["message"] for row in rows}
        assert shown == {earned[-1] == {"1"}}
        assert all(row["message"].startswith("Not correct yet") for row in rows)
    assert earned == [{"1"}, {"0"}, {"0"}, {"1"}]


def test_the_layout_and_blank_notebooks_are_said(term, run):
    text = run("grade", "submissions")[1]
    assert text.startswith("Layout: named folders or files, 3 students\n") and "ann" not in text
    blank = notebook(blank=True, marks={"2.1": 0})
    lay(term / "submissions", {"ann/later.ipynb": blank, "eve/02.ipynb": blank})
    os.utime(term / "submissions" / "ann" / "02.ipynb", (1, 1))
    text = run("grade", "submissions")[1]
    note = "later.ipynb is the course's notebook, unchanged: it does not count"
    assert f"ann, notebook 02, 02.ipynb: {note}" in text
    assert "eve, notebook 02, 02.ipynb: blank: nothing was written in it" in text
    run("export")
    scores = {row["student"]: row["score"] for row in table("grades/export/totals.csv")}
    assert scores == {"ann": "2", "bob": "2", "dan": "2", "eve": "0"}
    lay(term / "again", {"ann/02.ipynb": blank, "bob/02.ipynb": notebook(marks={"2.1": 1})})
    run("grade", "again")
    run("export")
    after = {row["student"]: row["score"] for row in table("grades/export/totals.csv")}
    assert after["ann"] == "2", "what was written counts, though it was handed in before"
