import csv
import io
from dataclasses import replace

import pytest

from gancourse.errors import CourseError
from gancourse.exercises import of_notebook
from gancourse.grading.gradebook.records import StudentRecord
from gancourse.grading.judging.marking import Mark
from gancourse.grading.reports import exports

WORTH = {"02": 4}
CANVAS = """\
Student,ID,SIS User ID,SIS Login ID,Section,02 Minimax game (501),Essay (502),Current Score
,,,,,Manual Posting,,(read only)
    Points Possible,,,,,10,5,(read only)
"Doe, Jane",11,s11,jane@x.org,A,,4,80
"Roe, Jo",12,s12,jo@x.org,A,7,,70
"=cmd|' /C calc'!A0",13,s13,eve@x.org,A,,,
"Student, Test",99,,test,A,,,
"""
MOODLE = """\
Identifier,Full name,Email address,Status,Grade,Maximum grade,Grade can be changed,\
Last modified (submission),Last modified (grade),Feedback comments
Participant 11,Jane Doe,jane@x.org,Submitted,,100.00,Yes,"Sunday, 22 November 2026",-,
Participant 12,Jo Roe,jo@x.org,Submitted,55.00,100.00,Yes,-,-,my own words
Participant 13,Eve Poe,eve@x.org,Submitted,,100.00,No,-,-,
"""


def record(student: str, *earned: int, **more) -> StudentRecord:
    words = ("right", "wrong", "unsolved")
    marks = [Mark(f"2.{n}", 2, e, words[e == 0], "message") for n, e in enumerate(earned, start=1)]
    return StudentRecord(student, "02", "x.ipynb", "graded", marks=tuple(marks), **more)


def rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def test_one_row_for_each_student_and_exercise():
    refused = StudentRecord("eve", "", "x.ipynb", "refused", "it is a link")
    by_hand = record("bob", 2, 0, by_hand={"2.2": 1.5}, comments={"2.2": "nearly"})
    table = rows(exports.marks([record("ann", 2, 2), by_hand, refused], lambda id: f"title {id}"))
    assert table[0] == list(exports.MARKS) and len(table) == 6
    assert table[4][:8] == ["bob", "02", "2.2", "title 2.2", "2", "1.5", "yes", "wrong"]
    assert table[4][9:11] == ["nearly", "graded"]
    assert table[5][0] == "eve" and table[5][4:6] == ["", ""] and table[5][10] == "refused"


def test_totals_have_no_zero_for_a_student_without_a_mark():
    late = record("bob", 2, 2, days_late=2, penalty=20.0)
    refused = StudentRecord("eve", "02", "x.ipynb", "unreadable", "broken")
    table = rows(exports.totals([late, refused], WORTH))
    assert table[1][:7] == ["bob", "02", "3.2", "4", "2", "20", "0.8"]
    assert table[2][2] == "" and table[2][6:9] == ["", "unreadable", "broken"]


@pytest.mark.parametrize(
    "cell", ["=1+1", "+cmd", "-cmd", "@sum", "\t=1", " =1", "\uff1d1", "\r=1", "-2+3"]
)
def test_a_formula_becomes_text(cell):
    assert exports.safe(cell) == f"'{cell}"
    text = exports.totals([StudentRecord(cell, "02", cell, "refused", cell)], WORTH)
    assert rows(text)[1][0] == f"'{cell}"


@pytest.mark.parametrize("cell", ["-1.5", "12", "-", "", "a=b", "Doe, Jane", "+3"])
def test_other_cells_stay(cell):
    assert exports.safe(cell) == cell


def test_canvas_gets_its_own_table_back_with_scores_of_its_size():
    records = [record("doejane_11", 2, 0), record("jo@x.org", 2, 2, penalty=10.0)]
    others = [record("nobody", 2, 2), StudentRecord("s13", "02", "x", "unreadable", "broken")]
    text, lines = exports.canvas(CANVAS, records + others, WORTH, {})
    assert rows(text) == [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "02 Minimax game (501)"],
        ["    Points Possible", "", "", "", "", "10"],
        ["Doe, Jane", "11", "s11", "jane@x.org", "A", "5"],
        ["Roe, Jo", "12", "s12", "jo@x.org", "A", "9"],
    ]
    assert lines == ["nobody, notebook 02: not found in Canvas's table"]


def test_canvas_with_semicolons_and_formulas_in_names():
    table = CANVAS.replace('"Doe, Jane"', "Doe Jane").replace(",", ";").replace("10;5", "10,0;5")
    text, _ = exports.canvas(
        "\ufeff" + table, [record("s11", 2, 2), record("s13", 2, 0)], WORTH, {}
    )
    table = list(csv.reader(io.StringIO(text), delimiter=";"))
    assert [row[-1] for row in table[2:]] == ["10", "5"]
    assert table[3][0].startswith("'=cmd")


def test_a_number_alone_is_no_match():
    """A folder called alice_11 is not the student with Canvas's number 11."""
    _, lines = exports.canvas(CANVAS, [record("alice_11", 2, 2)], WORTH, {})
    assert lines == ["alice_11, notebook 02: not found in Canvas's table"]


def test_canvas_column_by_name_or_one_clear_error():
    text, _ = exports.canvas(CANVAS, [record("s11", 2, 2)], WORTH, {"02": "Essay (502)"})
    assert rows(text)[0][-1] == "Essay (502)" and rows(text)[2][-1] == "5"
    with pytest.raises(CourseError, match=r"--column '02=\.\.\.'"):
        exports.canvas(CANVAS.replace("02 Mini", "Mini"), [record("s11", 2, 2)], WORTH, {})
    for bad in ("", "a,b\n1,2\n", MOODLE, CANVAS.replace("Points Possible", "Punkte")):
        with pytest.raises(CourseError, match="Export Entire Gradebook"):
            exports.canvas(bad, [record("s11", 2, 2)], WORTH, {})


def test_moodle_gets_its_own_worksheet_back():
    comments = {"02": "fine <work>", "2.2": "look again"}
    records = [record("Jane Doe_11", 2, 0, comments=comments), record("jo@x.org", 2, 2)]
    text, lines = exports.moodle(MOODLE, [*records, record("Participant_13", 2, 2)], 4)
    before, after = rows(MOODLE), rows(text)
    assert after[0] == before[0] and [row[4] for row in after[1:]] == ["50", "100", ""]
    assert after[1][:4] == before[1][:4] and after[1][5:9] == before[1][5:9]
    assert after[1][9].startswith(exports.SIGN) and "fine &lt;work&gt;" in after[1][9]
    assert after[2][9] == "my own words" and after[3] == before[3]
    assert "own comment was kept" in lines[0] and "locked" in lines[1]
    again, _ = exports.moodle(text, [record("Jane Doe_11", 2, 2)], 4)
    assert rows(again)[1][4] == "100" and "fine" not in rows(again)[1][9]
    with pytest.raises(CourseError, match="grading worksheet"):
        exports.moodle(CANVAS, records, 4)


def test_a_student_named_like_another_gets_no_mark_of_theirs():
    canvas = CANVAS.replace('"Roe, Jo"', "doejane_11")  # Canvas packs it as doejane11_12
    records = [record("doejane11_12", 0, 0), record("doejane_11", 2, 2)]
    text, lines = exports.canvas(canvas, records, WORTH, {})
    assert {row[1]: row[-1] for row in rows(text)[2:]} == {"11": "10", "12": "0"} and not lines
    moodle = MOODLE.replace("Jo Roe", "Jane Doe_11")
    records = [record("Jane Doe 11_12", 0, 0), record("Jane Doe_11", 2, 2)]
    text, _ = exports.moodle(moodle, records, 4)
    assert [row[4] for row in rows(text)[1:]] == ["100", "0", ""]
    gone = "".join(
        line for line in moodle.splitlines(True) if not line.startswith("Participant 11")
    )
    text, lines = exports.moodle(gone, records, 4)
    assert rows(text)[1][4] == "0" and "Jane Doe_11, notebook 02: not found" in lines[-1]


def test_two_records_for_one_row_are_left_out_and_listed():
    text, lines = exports.canvas(
        CANVAS, [record("doejane_11", 2, 2), record("s11", 0, 0)], WORTH, {}
    )
    assert len(rows(text)) == 2 and len(lines) == 2 and "by hand" in lines[0]


def test_a_student_s_text_of_any_length_in_moodle_s_table():
    """With "Online text" switched on, the worksheet holds what students wrote."""
    long = MOODLE.replace("Yes,-,-,my own words", f"Yes,{'x' * 200_000},-,my own words")
    text, _ = exports.moodle(long, [record("Jane Doe_11", 2, 2)], 4)
    assert rows(text)[1][4] == "100"


def test_comments_of_others_stay_as_they_are():
    text, _ = exports.moodle(MOODLE.replace("my own", "- my own"), [record("Jane Doe_11", 2)], 4)
    assert rows(text)[2][9] == "- my own words"


def test_a_group_before_the_name_in_moodle_s_zip():
    text, lines = exports.moodle(MOODLE, [record("Group A-Jane Doe_11", 2, 2)], 4)
    assert rows(text)[1][4] == "100" and not lines
    assert exports.moodle(MOODLE, [record("Group A-Jo Roe_11", 2, 2)], 4)[1]


def test_a_scale_takes_no_points():
    with pytest.raises(CourseError, match="scale"):
        exports.moodle(MOODLE.replace("Maximum grade", "Scale"), [record("Jane Doe_11", 2)], 4)


def test_excused_in_canvas_stays_excused():
    text, lines = exports.canvas(CANVAS.replace("jane@x.org,A,,", "jane@x.org,A,EX,"),
        [record("s11", 2, 2)], WORTH, {})  # fmt: skip
    assert len(rows(text)) == 2 and "excused" in lines[0]


@pytest.mark.parametrize(
    "title", ["Quiz of 10.02. (501)", "Due 2024-02-10 (501)", "02 Current Score"]
)
def test_a_date_is_no_notebook_s_number(title):
    with pytest.raises(CourseError, match="No columns"):
        exports.canvas(
            CANVAS.replace("02 Minimax game (501)", title), [record("s11", 2)], WORTH, {}
        )


@pytest.mark.parametrize("cell", ["x;=1+1;y", "said\n=1+1", "a\t@b", "x; =1"])
def test_no_formula_where_semicolons_separate_cells(cell):
    """As a spreadsheet of German, French ... reads the same file."""
    text = exports.totals([StudentRecord("eve", "02", "x", "refused", cell)], WORTH)
    cells = [c for row in csv.reader(io.StringIO(text), delimiter=";") for c in row]
    assert not [c for c in cells if exports.FORMULA.match(c)]


def test_a_share_of_the_maximum_is_never_more_than_was_earned():
    late = record("bob", 2, 0, days_late=6, penalty=60.0, late_of="maximum")
    assert (late.deducted, late.score) == (2, 0)
    by_hand = StudentRecord(
        "eve", "02", "x", "graded", by_hand={"02": 5}, penalty=10.0, late_of="maximum"
    )
    worth = sum(exercise.points for exercise in of_notebook("02"))
    assert by_hand.score == round(5 - worth / 10, 2)
    text, _ = exports.moodle(MOODLE, [replace(by_hand, student="Jane Doe_11", days_late=1)], 10)
    assert f"deduction of {worth / 10:g} (10 % of the maximum) for 1 day late" in rows(text)[1][9]
