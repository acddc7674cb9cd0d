"""The zip of feedback, named as the zips of submissions of Canvas and Moodle are."""

import json
import re
import zipfile
from pathlib import Path

import pytest
from fakes import MARKS, notebook
from test_collect import packed
from test_exports import record
from test_feedback import EVIL

from gancourse.grading.gradebook.gradebook import Gradebook
from gancourse.grading.reports import feedback_zip


def canvas_student(name: str) -> tuple[str, str]:
    """User and attachment, as Canvas reads them: the first two parts that are numbers."""
    user, attachment = [part for part in name.split("_") if part.isdigit()][:2]
    return user, attachment


def moodle_student(path: str) -> tuple[str, str]:
    """User and file, as Moodle reads them (4.0 needs five parts, 4.1 four)."""
    _, user, kind, plugin, rest = path.split("_", 4)
    assert (kind, plugin) == ("assignsubmission", "file") and user.isdigit()
    return user, rest.lstrip("/")


def entries(path: Path) -> dict[str, str]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_canvas_gets_notebooks_under_the_names_that_it_gave(term, run):
    names = {
        "doejane_12345_67890_02_minimax_game.ipynb": "jane",
        "roejohn_LATE_777_67891_my work-1.ipynb": "john",
        "josemaría_9_67892_02.ipynb": "jose",
    }
    files = {name: notebook(marks=MARKS, who=who) for name, who in names.items()}
    run("grade", str(packed(term / "submissions.zip", files)))
    run("mark", "12345", "2.3", "--points", "1", "--comment", "half ``` right")
    status, text = run("export", "--feedback-zip", "canvas")
    assert status == 0 and "feedback_canvas_02.zip" in text
    packed_feedback = entries(term / "grades/export/feedback_canvas_02.zip")
    assert set(packed_feedback) == {*names}
    assert canvas_student("doejane_12345_67890_02_minimax_game.ipynb") == ("12345", "67890")
    cells = json.loads(packed_feedback["doejane_12345_67890_02_minimax_game.ipynb"])["cells"]
    text = "\n".join(cell["source"] for cell in cells)
    assert {cell["cell_type"] for cell in cells} == {"markdown"}
    assert "**3 of 4 points.**" in text and "1 of 2 points (wrong; points given by hand)" in text
    assert "Your instructor:\n\n````text\nhalf ``` right\n````" in text


def test_a_notebook_handed_in_again_has_its_new_number(term, run):
    content = notebook(marks=MARKS)
    run("grade", str(packed(term / "a.zip", {"doe_1_222_02.ipynb": content, "x_2_9_y.txt": b""})))
    run("grade", str(packed(term / "b.zip", {"doe_1_333_02.ipynb": content})))
    run("export", "--feedback-zip", "canvas")
    assert [*entries(term / "grades/export/feedback_canvas_02.zip")] == ["doe_1_333_02.ipynb"]


@pytest.mark.parametrize("ending", ["", "_"])
def test_moodle_gets_pages_in_the_folders_of_its_zip(term, run, ending):
    names = ["Jane Doe_12345", "Group A-José Roe_777"]
    files = {
        f"{name}_assignsubmission_file{ending}/x.ipynb": notebook(marks=MARKS, who=name)
        for name in names
    }
    run("grade", str(packed(term / "submissions.zip", files)))
    status, text = run("export", "--feedback-zip", "moodle", "--notebook", "02")
    assert status == 0 and "feedback_moodle_02.zip" in text
    pages = entries(term / "grades/export/feedback_moodle_02.zip")
    assert set(pages) == {f"{name}_assignsubmission_file_/feedback_02.html" for name in names}
    read = {moodle_student(f"/{path}") for path in pages}
    assert read == {("12345", "feedback_02.html"), ("777", "feedback_02.html")}
    assert all("2 of 4 points" in page for page in pages.values())


def test_files_of_moodle_without_folders_get_folders(term, run):
    name = "Jane Doe_12345_assignsubmission_file_x.ipynb"
    other = "Jo Roe_5_assignsubmission_file_y.ipynb"
    files = {name: notebook(marks=MARKS), other: notebook(bad=True)}
    run("grade", str(packed(term / "submissions.zip", files)))
    status, _ = run("export", "--feedback-zip", "moodle")
    assert status == 1  # Jo Roe's notebook was unreadable: there is no score to explain
    pages = entries(term / "grades/export/feedback_moodle_02.zip")
    assert [*pages] == ["Jane Doe_12345_assignsubmission_file_/feedback_02.html"]


@pytest.mark.parametrize("system", ["canvas", "moodle"])
def test_what_did_not_come_through_the_system_is_listed(term, run, system):
    run("grade", "submissions")
    status, text = run("export", "--feedback-zip", system)
    assert status == 1 and "ann, notebook 02: no feedback in the zip" in text
    assert entries(term / f"grades/export/feedback_{system}_02.zip") == {}


def test_one_zip_for_each_notebook(term, run):
    files = {"doe_1_222_a.ipynb": notebook("02", marks=MARKS)}
    files["doe_1_333_b.ipynb"] = notebook("03", marks={"3.1": 1})
    run("grade", str(packed(term / "s.zip", files)))
    run("export", "--feedback-zip", "canvas")
    names = {f"feedback_canvas_{n}.zip": [*entries(term / f"grades/export/feedback_canvas_{n}.zip")]
             for n in ("02", "03")}  # fmt: skip
    assert names == {"feedback_canvas_02.zip": ["doe_1_222_a.ipynb"],
                     "feedback_canvas_03.zip": ["doe_1_333_b.ipynb"]}  # fmt: skip


def test_nothing_of_a_student_becomes_markdown_or_html():
    name, comments = f"*a* [x](y) {EVIL}", {"2.1": f"```\n{EVIL}\n````", "02": "# no heading"}
    text = feedback_zip.student_notebook(record(name, 0, comments=comments), lambda id: EVIL)
    sources = [cell["source"] for cell in json.loads(text)["cells"]]
    outside = re.sub(r"(`{3,})text\n.*?\n\1(?=\n|$)", "", "\n".join(sources), flags=re.S)
    assert "<" not in outside and "*a*" not in outside and "`" not in outside
    assert "# no heading" not in outside and "alert" in "\n".join(sources)


def test_a_gradebook_from_before_the_names_were_stored_opens(term, run):
    run("grade", "submissions")
    book = Gradebook(term / "grades")
    with book.engine.begin() as db:
        db.exec_driver_sql("drop table entries")
    assert run("export")[0] == 0
    assert run("export", "--feedback-zip", "canvas")[0] == 1


def test_a_hostile_path_is_not_stored(term, run):
    files = {"a/\x1b[2J/02.ipynb": notebook(marks=MARKS), "b/02.ipynb": notebook(marks=MARKS)}
    run("grade", str(packed(term / "s.zip", files)))
    records = {record.student: record.entry for record in Gradebook(term / "grades").records()}
    assert records["b"] == "b/02.ipynb" and records["a"] == ""
