"""Points by hand for a class, in a table, and students by another name."""

import csv

import pytest
from fakes import MARKS, notebook


def fill(source: str, target: str, change) -> None:
    """A copy of a table in which `change` has edited the rows, as a spreadsheet saves it."""
    with open(source, encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    for row in table:
        change(row)
    with open(target, "w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(table[0]), delimiter=";")
        writer.writeheader()
        writer.writerows(table)


@pytest.fixture
def graded(term, run):
    """Three students graded: 2 of 2 points for 2.1, none for 2.3."""
    assert run("grade", "submissions")[0] == 0
    run("export")
    return run


def test_marks_csv_of_the_export_is_accepted(graded):
    assert graded("mark", "--from", "grades/export/marks.csv") == (0, "0 marks saved.\n")

    def change(row):
        if (row["student"], row["exercise"]) == ("bob", "2.3"):
            row |= {"earned": "0,5", "comment": "half\nof it"}
        if (row["student"], row["exercise"]) == ("ann", "2.1"):
            row |= {"comment": "well done"}

    fill("grades/export/marks.csv", "filled.csv", change)
    assert graded("mark", "--from", "filled.csv") == (0, "2 marks saved.\n")
    assert graded("mark", "--from", "filled.csv") == (0, "0 marks saved.\n")
    graded("export")
    assert graded("mark", "--from", "grades/export/marks.csv") == (0, "0 marks saved.\n")
    text = graded("history", "bob")[1]
    assert "by hand, 2.3" in text and "0.5 points half" in text
    text = graded("history", "ann")[1]
    assert "well done" in text and "points well done" not in text  # a comment, no points


def test_points_for_a_notebook_that_could_not_be_graded(term, run):
    (term / "submissions" / "eve").mkdir()
    (term / "submissions" / "eve" / "02.ipynb").write_bytes(notebook(bad=True))
    run("grade", "submissions")
    run("export")

    def change(row):
        if row["student"] == "eve":
            row |= {"earned": "3", "comment": "on paper"}

    fill("grades/export/marks.csv", "filled.csv", change)
    assert run("mark", "--from", "filled.csv") == (0, "1 mark saved.\n")
    run("export")
    with open("grades/export/marks.csv", encoding="utf-8", newline="") as file:
        (row,) = [row for row in csv.DictReader(file) if row["student"] == "eve"]
    assert (row["earned"], row["by hand"], row["comment"]) == ("3", "yes", "on paper")
    assert run("mark", "--from", "grades/export/marks.csv") == (0, "0 marks saved.\n")


def test_a_table_of_one_s_own(term, graded):
    (term / "own.csv").write_text("Student, Notebook ,POINTS\nann,2,4\nbob,02,3\ndan,,\n")
    assert graded("mark", "--from", "own.csv") == (0, "2 marks saved.\n")
    assert "by hand, 02" in graded("history", "ann")[1]
    (term / "own.csv").write_text("student,exercise,points,comment\nann,2.3,1,\nann,2,5,all\n")
    said = "ann, 02: points by hand, 4, are now 5.\n2 marks saved.\n"
    assert graded("mark", "--from", "own.csv") == (0, said)
    lines = graded("history", "ann")[1].splitlines()
    assert "2.3" in lines[-2] and "02" in lines[-1] and "5 points all" in lines[-1]
    graded("mark", "ann", "02", "--clear")
    assert graded("history", "ann")[1].splitlines()[-1].endswith("points removed")


@pytest.mark.parametrize(
    "row, message",
    [
        ("ann,2.3,9,", "row 3, ann: Points are at most 1 for 2.3, not 9"),
        ("ann,2.3,-1,", "Points are at most 1 for 2.3, not -1"),
        ("ann,2.3,nan,", "not nan"),
        ("ann,2.3,inf,", "not inf"),
        ("ann,2.3,good,", "'good' is no number of points for 2.3"),
        ("ann,2.99,1,", "There is no exercise '2.99'"),
        ("ann,x,1,", "There is no exercise or notebook 'x'"),
        ("ann,99,1,", "There is no exercise or notebook '99'"),
        ("ann,3.1,1,", "has not handed in notebook 03"),
        ("ann,,1,", "row 3, ann: Exercise or notebook is missing."),
        ("nobody,2.3,1,", "is called 'nobody'"),
        ("an,2.3,1,", "Names that are near: dan, ann."),
        ("bob,2.1,0,", "row 3, bob: 2.1 is in the table twice"),
    ],
)
def test_one_wrong_row_and_nothing_is_saved(term, graded, row, message):
    (term / "t.csv").write_text(f"student,exercise,points,comment\nbob,2.1,1,\n{row}\n")
    status, text = graded("mark", "--from", "t.csv")
    assert status == 1 and message in " ".join(text.split()) and "Nothing was saved" in text
    assert "by hand" not in graded("history", "bob")[1]


@pytest.mark.parametrize(
    "table, message",
    [
        ("", "no column 'student'"),
        ("student,points\nann,1\n", "no column 'exercise'"),
        ("student,exercise\nann,2.1\n", "no column 'points'"),
    ],
)
def test_a_table_without_the_columns(term, graded, table, message):
    (term / "t.csv").write_text(table)
    status, text = graded("mark", "--from", "t.csv")
    assert status == 1 and message in text and "Traceback" not in text


def test_students_are_listed_and_found_by_the_names_of_the_lms(term, run):
    for name in ("doejane_12345", "roejohn_777"):
        (term / "submissions" / name).mkdir()
        (term / "submissions" / name / "02.ipynb").write_bytes(notebook(marks=MARKS, who=name))
    (term / "submissions" / "zoe").mkdir()
    (term / "submissions" / "eve").mkdir()
    (term / "submissions" / "eve" / "02.ipynb").write_bytes(notebook(bad=True))
    run("grade", "submissions")
    status, text = run("students")
    assert status == 0 and text.splitlines() == [
        "ann    02: score",
        "bob    02: score",
        "dan    02: score",
        "doejane_12345    02: score",
        "eve    02: unreadable",
        "roejohn_777    02: score",
        "zoe    (nothing): refused",
    ]
    for name in ("jane_doe", "Jane Doe", "12345"):
        status, text = run("mark", name, "2.3", "--points", "1")
        assert status == 0 and f"{name!r} is doejane_12345 in the gradebook." in text
        assert "doejane_12345, 2.3: saved." in text
    status, text = run("mark", "jane_do", "2.3", "--points", "1")
    assert status == 1 and "near: doejane_12345." in text
    assert "1 points" in run("history", "Doe, Jane")[1]
    (term / "t.csv").write_text("student,exercise,points\njohn_roe,2.3,1\n")
    status, text = run("mark", "--from", "t.csv")
    assert status == 0 and "'john_roe' is roejohn_777" in text and "1 mark saved." in text


def test_days_late_by_another_name(term, run):
    (term / "submissions" / "doejane_12345").mkdir()
    content = notebook(marks=MARKS, who="jane")
    (term / "submissions" / "doejane_12345" / "02.ipynb").write_bytes(content)
    (term / "days.csv").write_text("student,days\njane_doe,2\nzed,1\n")
    status, text = run("grade", "submissions", "--late", "10", "--late-days", "days.csv")
    assert status == 0 and "'jane_doe' is doejane_12345 in the gradebook." in text
    assert "Days late do not count. No student in the gradebook is called 'zed'." in text
    run("export")
    with open("grades/export/totals.csv", encoding="utf-8", newline="") as file:
        scores = {row["student"]: row["score"] for row in csv.DictReader(file)}
    assert scores["doejane_12345"] == "1.6" and scores["ann"] == "2"


def test_a_login_is_known_from_canvas_s_table(term, run):
    run("grade", "submissions")
    (term / "canvas.csv").write_text(
        "Student,ID,SIS Login ID,Section,02 Minimax (7)\n"
        "    Points Possible,,,,7\nDoe Ann,1,ann,A,\nBob,2,bob,A,\nDan,3,dan,A,\n"
    )
    run("export", "--canvas", "canvas.csv")
    status, text = run("history", "Ann Doe")
    assert status == 0 and "'Ann Doe' is ann in the gradebook." in text


@pytest.mark.parametrize(
    "of, scores", [("score", ["1.6", "2"]), ("maximum", ["1.2", "2"])]
)  # ann earned 2 of 4 points and is two days late
def test_a_day_late_costs_a_share_of_the_score_or_of_the_maximum(term, run, of, scores):
    (term / "days.csv").write_text("student,days\nann,2\n")
    run("grade", "submissions", "--late", "10", "--late-of", of, "--late-days", "days.csv")
    run("export")
    with open("grades/export/totals.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["score"] for row in rows][:2] == scores
    assert rows[0]["deducted"] == f"{2 - float(scores[0]):g}"
    run("feedback")
    page = (term / "grades/feedback/ann.html").read_text("utf-8")
    lost = f"a deduction of {2 - float(scores[0]):g} (20 % of the {of}) for 2 days late"
    assert f"{scores[0]} of 4 points" in page and lost in page
