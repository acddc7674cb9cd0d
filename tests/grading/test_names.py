"""A person's name for a student, and the gradebook's."""

import pytest

from gancourse.errors import CourseError
from gancourse.grading.gradebook.names import find

CANVAS = ["doejane_12345", "roejohn_777", "smithann_1", "smithannette_2", "josemaría_3"]
MOODLE = ["Jane Doe_12345", "John Roe_777", "Group A-Eve Poe_4"]


@pytest.mark.parametrize(
    "wanted, students, expected",
    [
        ("doejane_12345", CANVAS, "doejane_12345"),
        ("12345", CANVAS, "doejane_12345"),
        ("jane_doe", CANVAS, "doejane_12345"),
        ("Jane Doe", CANVAS, "doejane_12345"),
        ("Doe, Jane", CANVAS, "doejane_12345"),
        ("JaneDoe", MOODLE, "Jane Doe_12345"),
        ("doejane", MOODLE, "Jane Doe_12345"),
        ("doe_jane_12345", MOODLE, "Jane Doe_12345"),
        ("Jose Maria", CANVAS, "josemaría_3"),
        ("smithann", CANVAS, "smithann_1"),  # not smithannette
        ("7", ["7", "roe_7"], "7"),  # exact
        (" ann ", ["ann", "bob"], "ann"),
        ("राम", ["राम_1", "रमा_2"], "राम_1"),
    ],
)
def test_one_student(wanted, students, expected):
    assert find(wanted, students) == expected


def test_a_login_or_address_from_the_table_of_the_lms():
    others = {"doejane_12345": ["jd17", "jane@x.org"], "roejohn_777": ["jr17"]}
    assert find("jd17", CANVAS, others) == "doejane_12345"
    assert find("Jane@x.org", CANVAS, others) == "doejane_12345"


@pytest.mark.parametrize(
    "wanted, students, message",
    [
        ("janedoe", CANVAS, "Names that are near: doejane_12345."),
        ("jane_do", CANVAS, "Names that are near: doejane_12345."),
        ("jane", CANVAS, "doejane_12345"),
        ("smith", CANVAS, "smithann_1, smithannette_2"),
        ("doejane_99", CANVAS, "Names that are near: doejane_12345."),
        ("Eve Poe", MOODLE, "Group A-Eve Poe_4"),
        ("jane doe", ["jane_doe", "doe_jane"], "can be several students: doe_jane, jane_doe."),
        ("5", ["ann_5", "bob_5"], "can be several students: ann_5, bob_5."),
        ("zzz", CANVAS, "No student in the gradebook is called 'zzz'.\nList all names"),
        ("", CANVAS, "No student in the gradebook is called ''"),
        ("_", CANVAS, "No student"),
        ("1", ["2_1x", "x_12"], "No student"),
    ],
)
def test_none_or_several_are_listed_and_none_is_taken(wanted, students, message):
    with pytest.raises(CourseError) as error:
        find(wanted, students)
    assert message in str(error.value)


def test_a_long_list_is_cut():
    with pytest.raises(CourseError, match="and 12 more"):
        find("ann", [f"ann_{n}" for n in range(20)])


def test_a_name_of_very_many_words_takes_no_time():
    many = " ".join("abcdefghijklmnop")
    assert find(many.replace(" ", "_"), [f"{many}_1"]) == f"{many}_1"
