"""A class of honest but odd notebooks, graded in one run: right marks, as in `check`; no flags."""

import csv

import pytest
from fakes import lay
from oddities import CLASS
from sandboxed import needs_a_sandbox
from test_honest_variants import SOURCES, VARIANTS, solved

from gancourse.exercises import of_notebook
from gancourse.grading.answers.preview import preview

ALL = {exercise.id for exercise in of_notebook("02")}


@pytest.fixture(scope="module")
def handed_in(tmp_path_factory):
    """A folder for each student."""
    root, cells = tmp_path_factory.mktemp("class"), solved(SOURCES[2])
    for student, odd in CLASS.items():
        files = {name: content.encode() for name, content in odd.files.items()}
        lay(root / student, {odd.name: odd.notebook(cells)} | files)
    return root


@needs_a_sandbox
@pytest.mark.timeout(600)  # 170 seconds with one core of two, beside other work
def test_the_class_gets_its_marks_and_no_flags(handed_in, tmp_path, monkeypatch, run):
    assert len(CLASS) + len(VARIANTS) >= 100
    monkeypatch.chdir(SOURCES[2].parent)  # in the course's folder: it tells what is its own
    run("grade", str(handed_in), "--workers", "1", "--out", str(tmp_path))
    run("export", "--out", str(tmp_path))
    earned = {student: set() for student in CLASS}
    flagged = set()
    with (tmp_path / "export/marks.csv").open(encoding="utf-8-sig", newline="") as table:
        for row in csv.DictReader(table):
            student = next(s for s in CLASS if s.casefold() == row["student"].casefold())
            earned[student] |= {row["exercise"]} if row["verdict"] == "right" else set()
            flagged |= {(student, row["flags"])} if row["flags"] else set()
    wrong = {s: ALL - odd.lost ^ earned[s] for s, odd in CLASS.items()}
    assert not {student: ids for student, ids in wrong.items() if ids}
    assert not {(student, text) for student, text in flagged if not CLASS[student].flagged}
    assert {student for student, _ in flagged} == {s for s, odd in CLASS.items() if odd.flagged}


PREVIEWED = [student for student, odd in CLASS.items() if odd.previewed]
SHORT = PREVIEWED[::5]


@pytest.mark.parametrize("student", PREVIEWED)
def test_check_gives_a_student_the_same_points(student, handed_in, request):
    if student not in SHORT and not request.config.getoption("--every-notebook"):
        pytest.skip("runs with --every-notebook")
    path = handed_in / student / CLASS[student].name
    right = {v.exercise.id for v in preview(path).verdicts if v.status == "right"}
    assert right == ALL - CLASS[student].lost
