"""Rubric lines: marked by hand only, next to the exercises that the grader marks."""

import csv
import io
import sys
from functools import partial
from types import SimpleNamespace

import fakes
import pytest
from fakes import MARKS, SECRET, handed_in, notebook
from test_feedback import is_sound

from gancourse import cli
from gancourse.exercises import of_notebook, rubric
from gancourse.exercises.rubric import RubricLine
from gancourse.grading.answers import notebook_file
from gancourse.grading.answers.preview import Preview
from gancourse.grading.gradebook import batch, version, workers
from gancourse.grading.gradebook.collect import Submission
from gancourse.grading.gradebook.gradebook import Gradebook
from gancourse.grading.gradebook.records import REVIEW, UNMARKED, StudentRecord
from gancourse.grading.reports import exports, feedback, overview

LINES = (RubricLine("2.a", "Control", 4), RubricLine("2.b", "Ethics", 2))
TOTAL = sum(exercise.points for exercise in of_notebook("02"))


@pytest.fixture(autouse=True)
def small_rubric(monkeypatch):
    """Two lines for notebook 02, and a grader in this process that does what submissions say."""
    monkeypatch.setitem(rubric.RUBRICS, "02", LINES)
    monkeypatch.setattr(workers, "local", fakes.here)


@pytest.fixture
def book(tmp_path) -> Gradebook:
    return Gradebook(tmp_path / "grades", secret=SECRET)


def graded(book: Gradebook, submissions: list[Submission]) -> dict[str, StudentRecord]:
    book.add(submissions)
    batch.run(book, fakes.grade)
    return records(book)


def records(book: Gradebook) -> dict[str, StudentRecord]:
    return {record.student: record for record in book.records()}


def rows(text: str) -> list[dict]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_there_is_no_score_until_every_line_has_points(book):
    record = graded(book, handed_in(1))["a"]
    assert (record.status, record.has_score, record.points) == (UNMARKED, False, 10)
    assert record.problem == "2.a, 2.b (2 of 4 points so far)"
    book.mark("a", "2.a", 3.5, "five seeds, but another data set")
    record = records(book)["a"]
    assert not record.has_score and record.problem == "2.b (5.5 of 8 points so far)"
    book.mark("a", "2.b", 0, "no licence")  # zero points are points
    record = records(book)["a"]
    assert (record.status, record.score, record.problem) == ("graded", 5.5, "")
    book.mark("a", "2.b", -1, "")
    assert records(book)["a"].status == UNMARKED


def test_lateness_costs_a_part_of_all_points(book):
    book.put("late", '{"percent": 10, "days": {"a": {"02": 1}}}')
    graded(book, handed_in(1))
    book.mark("a", "2.a", 4, "")
    assert "10 % of the score is deducted" in feedback.student_page(book.records(), str)
    book.mark("a", "2.b", 2, "")
    assert records(book)["a"].score == 7.2


def test_a_notebook_without_rubric_lines_is_as_before(book):
    files = [Submission("a", "01.ipynb", "01", notebook("01", marks={"1.1": 1, "1.2": 0}))]
    record = graded(book, files)["a"]
    assert (record.status, record.score, len(record.marks)) == ("graded", 2, 2)
    assert overview.worth()["01"] == sum(e.points for e in of_notebook("01"))
    assert exports.rubric_lines([record], overview.title) == ""
    assert "by hand" not in overview.as_text(overview.summarize([record])[0])
    assert "Marked by hand" not in overview.class_page(overview.summarize([record]), [record])


def test_notebook_11_waits_for_the_lines_of_the_project(book):
    files = [Submission("a", "11.ipynb", "11", notebook("11", marks={"11.1": 1, "11.2": 0}))]
    record = graded(book, files)["a"]
    assert record.status == UNMARKED and not record.has_score
    assert [mark.exercise for mark in record.waiting] == [f"11.{x}" for x in "abcdef"]
    (total,) = rows(exports.totals([record], {}))
    assert (total["score"], total["status"]) == ("", UNMARKED)
    assert total["problem"].endswith("11.f (2 of 4 points so far)")
    page = feedback.student_page([record], overview.title)
    is_sound(page)
    assert "No score yet: 2 of 4 points so far." in page and "do not count as 0" in page
    for line in rubric.of_notebook("11"):
        assert f"{line.id} {line.title}: ? of {line.points} points (not marked yet)" in page
        book.mark("a", line.id, line.points, "")
    assert records(book)["a"].score == 2 + 25


def test_regrading_leaves_them(book, monkeypatch):
    graded(book, handed_in(1))
    book.mark("a", "2.a", 4, "")
    book.mark("a", "2.b", 1, "")
    monkeypatch.setenv("GANCOURSE_TEST_CORRECTION", "1")
    monkeypatch.setattr(version, "exercises_version", lambda number: "corrected")
    assert batch.run(book, fakes.grade, scope="2.3") == 1
    assert records(book)["a"].score == 9


def test_a_later_submission_keeps_them_and_is_flagged(book):
    graded(book, handed_in(1))
    book.mark("a", "2.3", 1, "nearly")
    book.mark("a", "2.a", 4, "good")
    book.mark("a", "2.b", 1, "")
    better = Submission("a", "new.ipynb", "02", notebook(marks={"2.1": 1, "2.3": 1}))
    record = graded(book, [better])["a"]
    assert (record.score, record.status) == (9, REVIEW) and record.comments == {"2.a": "good"}
    assert record.flags == (
        "marked by hand in an earlier submission: 2.3",  # there the grader's points count again
        "marked for an earlier submission, still counted: 2.a, 2.b",
    )
    book.mark("a", "2.a", 3, "the new report is worse")
    book.mark("a", "2.b", -1, "")
    record = records(book)["a"]
    assert record.status == UNMARKED and record.by_hand == {"2.a": 3}
    assert record.flags == ("marked by hand in an earlier submission: 2.3",)
    assert f"1 to review, 0 without a mark: see {book.folder}" in overview.overview(
        book.folder, [record]
    )


def test_points_for_the_whole_notebook_replace_all_lines(book):
    graded(book, handed_in(1))
    book.mark("a", "02", 9, "marked on paper")
    record = records(book)["a"]
    assert (record.score, record.status) == (9, "graded")
    verdicts = {row["exercise"]: row["verdict"] for row in rows(exports.marks([record], str))}
    assert verdicts["2.a"] == "not marked separately"
    assert "not marked yet" not in feedback.student_page([record], str)


def test_what_could_not_be_graded_is_not_waiting_for_marks(book):
    record = graded(book, handed_in(1, a={"bad": True}))["a"]
    assert record.status == "unreadable" and not record.waiting


def test_tables(book):
    graded(book, handed_in(2))
    book.mark("a", "2.a", 3, "-1: no control")
    book.mark("a", "2.b", 2, "")
    by_line = {(r["student"], r["exercise"]): r for r in rows(exports.marks(book.records(), str))}
    assert len(by_line) == 8
    marked, waiting = by_line["a", "2.a"], by_line["b", "2.a"]
    assert (marked["earned"], marked["by hand"]) == ("3", "yes")
    assert (marked["verdict"], waiting["verdict"]) == ("marked by hand", UNMARKED)
    assert (waiting["earned"], waiting["points"], waiting["by hand"]) == ("", "4", "")
    table = exports.rubric_lines(book.records(), overview.title)
    assert [row["points"] for row in rows(table)] == ["3", "2", "", ""]
    assert rows(table)[0] | {"title": "Control", "most": "4"} == rows(table)[0]
    assert exports.filled_in(table, book.records())[0].comment == "-1: no control"


def test_canvas_and_moodle_get_only_final_scores(book):
    graded(book, handed_in(2))
    book.mark("a", "2.a", 3, "no control")
    book.mark("a", "2.b", 2, "")
    canvas = "Student,ID,Section,02 x (7)\n Points Possible,,,20\na,1,A,\nb,2,A,5\n"
    text, _ = exports.canvas(canvas, book.records(), {"02": 10}, {})
    assert [row["02 x (7)"] for row in rows(text)] == ["20", "14"]
    moodle = "Identifier,Full name,Grade,Maximum grade,Feedback comments\n1,a,,10,\n2,b,,10,\n"
    text, _ = exports.moodle(moodle, book.records(), 10)
    assert [row["Grade"] for row in rows(text)] == ["7", ""]
    assert "2.a: 3 of 4. no control<br>2.b: 2 of 2." in rows(text)[0]["Feedback comments"]


def test_the_overview_counts_lines_apart_from_exercises(book):
    graded(book, handed_in(3))
    for student in "ab":
        book.mark(student, "2.a", 3, "")
    book.mark("a", "2.b", 2, "")
    (summary,) = overview.summarize(book.records())
    assert summary.points == TOTAL + 6 and summary.scores == (7,)
    assert [e.exercise for e in summary.exercises] == ["2.3", "2.1"]
    assert [(line.line, line.marked, line.mean) for line in summary.lines] == [
        ("2.a", 2, 3),
        ("2.b", 1, 2),
    ]
    assert summary.waiting == ("b", "c")
    text = overview.overview(book.folder, book.records())
    assert "1 with a score, 2 not marked yet" in text and "0 without a mark" in text
    assert "by hand: 2.a Control: 2 marked, mean 3.0 of 4 points" in text
    page = overview.class_page([summary], book.records())
    is_sound(page)
    assert "2.b Ethics" in page and "until every line is marked: b, c." in page


def test_the_hardest_exercises_are_shown_before_any_line_is_marked(book):
    (summary,) = overview.summarize(list(graded(book, handed_in(2)).values()))
    assert not summary.scores and "2.3" in overview.as_text(summary)
    assert "the hardest first" in overview.class_page([summary], [])


def test_a_student_s_own_check_mentions_them():
    assert str(Preview((), (), "02")) == "0 of 0 points; 6 more are given by hand, for the report"
    assert str(Preview((), (), "01")) == "0 of 0 points"


# The commands --------------------------------------------------------------------------------
@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a command in a folder with a graded class; its status and output."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(batch, "run", partial(batch.run, grade=fakes.grade))
    parse = lambda content: SimpleNamespace(notebook=fakes.recognize(content))  # noqa: E731
    monkeypatch.setattr(notebook_file, "parse", parse)
    contents = {name: notebook(marks=MARKS, who=name) for name in ("ann", "bob", "=eve")}
    fakes.lay(tmp_path / "submissions", {f"{n}/02.ipynb": c for n, c in contents.items()})

    def command(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["gancourse", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        output = capsys.readouterr()
        return ended.value.code or 0, " ".join((output.out + output.err).split())

    status, text = command("grade", "submissions")
    assert status == 0 and "0 with a score, 3 not marked yet" in text
    return command


def test_marking_line_by_line(run):
    status, text = run("mark", "ann", "2.a", "--points", "3", "--comment", "no control")
    assert status == 0 and "Not marked yet: 2.b (5 of 8 points so far)." in text
    status, text = run("mark", "ann", "2.b", "--points", "2")
    assert status == 0 and text == "ann, 2.b: saved."
    assert "by hand, 2.a" in run("history", "ann")[1] and "3 points" in run("history", "ann")[1]
    run("feedback")
    with open("grades/feedback/ann.html", encoding="utf-8") as file:
        page = file.read()
    assert "2.a Control: 3 of 4 points (marked by hand)" in page and "no control" in page
    status, text = run("export")
    assert status == 1 and "bob, notebook 02: not marked yet: 2.a, 2.b" in text


@pytest.mark.parametrize(
    "words, status, message",
    [
        (["ann", "2.c", "--points", "1"], 1, "2.a Control (4), 2.b Ethics (2)"),
        (["ann", "2.99", "--points", "1"], 1, "2.a Control (4), 2.b Ethics (2)"),
        (["ann", "2.a", "--points", "5"], 2, "at most 4 for 2.a, not 5. Rubric lines"),
        (["ann", "1.a", "--points", "5"], 1, "There is no exercise '1.a'"),
        (["ann", "02", "--points", str(TOTAL + 7)], 2, f"at most {TOTAL + 6} for 02"),
        (["ann", "--points", "1"], 2, "Give a student and an exercise"),
        (["ann", "--from", "x.csv"], 2, "give no more"),
        (["--from", "nothing.csv"], 2, "can't be read"),
    ],
)
def test_wrong_marks_are_refused_with_the_lines_there_are(run, words, status, message):
    ended, text = run("mark", *words)
    assert ended == status and message in text and "Traceback" not in text


def test_a_line_can_not_be_graded_again(run):
    status, text = run("regrade", "2.a")
    assert status == 2 and "2.a is marked by hand" in text


def fill_in(points: dict[tuple[str, str], str], comment: str = "") -> None:
    """Fill in the table that the export wrote, as a spreadsheet would save it."""
    with open("grades/export/rubric.csv", encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    for row in table:
        if (key := (row["student"], row["exercise"])) in points:
            row |= {"points": points[key], "comment": comment}
    with open("filled.csv", "w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(table[0]), delimiter=";")
        writer.writeheader()
        writer.writerows(table)


def test_marking_a_class_in_a_table(run):
    run("export")
    fill_in({("ann", "2.a"): "2,5", ("ann", "2.b"): "0", ("'=eve", "2.a"): "4"}, "-1: no seeds")
    status, text = run("mark", "--from", "filled.csv")
    assert status == 0 and text.startswith("3 marks saved.") and text.endswith("marked yet: 2.")
    assert run("mark", "--from", "filled.csv")[1].startswith("0 marks saved.")
    run("export")
    fill_in({})  # as it is: nothing changes, and no text has become another
    assert run("mark", "--from", "filled.csv")[1].startswith("0 marks saved.")
    assert "2.5 points -1: no seeds" in run("history", "ann")[1]
    assert "4 points" in run("history", "=eve")[1] and "by hand" not in run("history", "bob")[1]


def test_a_table_with_a_wrong_row_changes_nothing(run):
    run("export")
    fill_in({("ann", "2.a"): "3", ("ann", "2.b"): "9", ("bob", "2.a"): "good"})
    with open("filled.csv", "a", encoding="utf-8") as file:
        file.write("zoe;2.a;;;1;\r\nann;2.x;;;1;\r\n")
    status, text = run("mark", "--from", "filled.csv")
    assert status == 1 and "Nothing was saved" in text
    assert "ann: Points are at most 2 for 2.b, not 9" in text and "'good'" in text
    assert "is called 'zoe'" in text and "no exercise '2.x'" in text
    assert "by hand" not in run("history", "ann")[1]
    with open("filled.csv", "w", encoding="utf-8") as file:
        file.write("student;points\nann;1\n")
    assert "no column 'exercise'" in run("mark", "--from", "filled.csv")[1]
