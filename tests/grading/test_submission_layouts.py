"""Each system's way of laying out submissions, as a small sample."""

import zipfile
from pathlib import Path

import pytest
from fakes import lay, notebook, parse

from gancourse.errors import CourseError
from gancourse.grading.gradebook.collect import Collection, collect

TWO, THREE, BLANK = notebook("02"), notebook("03"), notebook("02", blank=True)
NEWER = notebook("02", newer=True)


def packed(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def students(collection: Collection) -> dict[str, list[str]]:
    """Student -> numbers of the notebooks that can be graded."""
    result: dict[str, list[str]] = {}
    for submission in collection:
        result.setdefault(submission.student, [])
        result[submission.student] += [submission.notebook] if not submission.problem else []
    return result


def problems(collection: Collection) -> dict[str, str]:
    return {s.student: s.problem for s in collection if s.problem}


# Gradescope
METADATA = b"""---
submission_11:
  :submitters:
  - :name: Jane Doe
    :sid: '00123'
    :email: jane@x.edu
  :created_at: 2026-11-30 10:15:30.123456789 Z
  :score: 7.0
  :results: !ruby/hash:ActiveSupport::HashWithIndifferentAccess
    tests: &1 []
    again: *1
submission_12:
  :submitters:
  - :name: "Jos\\xE9 Roe"
    :sid: '00124'
    :email: ''
  - :name: Ann Poe
    :sid:
    :email: ann@x.edu
  :created_at: 2026-11-29 10:15:30.123456789 Z
  :history:
  - :created_at: 2026-11-28 10:15:30.0 Z
"""
EXPORT = {
    "submission_metadata.yml": METADATA,
    "submission_11/my work.ipynb": TWO,
    "submission_12/02.ipynb": TWO,
    "submission_12/03.ipynb": THREE,
}


@pytest.mark.parametrize("around", ["", "assignment_99_export/"])
def test_a_gradescope_export(tmp_path, around):
    place = packed(tmp_path / "a.zip", {around + name: c for name, c in EXPORT.items()})
    collection = collect(place, parse)
    assert str(collection) == "Layout: Gradescope export, 3 students"
    expected = {"jane@x.edu": ["02"], "José Roe_00124": ["02", "03"], "ann@x.edu": ["02", "03"]}
    assert students(collection) == expected
    notes = {s.student: s.note for s in collection}
    assert "group, with ann@x.edu" in notes["José Roe_00124"] and not notes["jane@x.edu"]
    folder = lay(tmp_path / "f", {around + name: content for name, content in EXPORT.items()})
    assert students(collect(folder, parse)) == expected


@pytest.mark.parametrize(
    "metadata",
    [
        b"", b"- a\n- b", b"submission_11: 7", b"submission_11:\n  :submitters: 3", b"\xff\xfe",
        b"a: [", b"!!python/object/apply:os.system ['touch hacked']",
        b"a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n? [1]\n: 2",
    ],
)  # fmt: skip
def test_a_broken_list_of_gradescope_is_one_clear_error(tmp_path, metadata, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place = lay(tmp_path / "x", {**EXPORT, "submission_metadata.yml": metadata})
    with pytest.raises(CourseError, match="can't be read") as error:
        collect(place, parse)
    assert "Export" in error.value.do and not (tmp_path / "hacked").exists()


def test_a_submission_that_gradescope_does_not_list_is_named(tmp_path):
    collection = collect(lay(tmp_path, {**EXPORT, "submission_13/02.ipynb": TWO}), parse)
    assert "doesn't tell the student" in problems(collection)["? submission_13/02.ipynb"]
    assert "3 students" in str(collection)


def test_of_two_gradescope_submissions_the_newer_counts(tmp_path):
    again = METADATA + METADATA[4:].replace(b"submission_1", b"submission_").replace(
        b"1 []", b"2 []"
    )
    again = again.replace(b"2026-11-30", b"2026-11-20", 1)
    files = {**EXPORT, "submission_metadata.yml": again, "submission_1/02.ipynb": NEWER}
    jane = next(iter(s for s in collect(lay(tmp_path, files), parse) if "jane" in s.student))
    assert jane.content == NEWER and "more than once" in jane.note


# Blackboard
def comment(name: str, user: str) -> bytes:
    return f"Name: {name} ({user})\r\nAssignment: HW_1\r\nDate Submitted: ...\r\n".encode()


def test_a_blackboard_download(tmp_path):
    files = {
        "HW_1_jane_doe_attempt_2026-11-30-10-15-30_02 final.ipynb": NEWER,
        "HW_1_jane_doe_attempt_2026-11-30-10-15-30.txt": comment("Jane (J) Doe", "jane_doe"),
        "HW_1_jane_doe_attempt_2026-11-29-22-15-30_02 final.ipynb": TWO,
        "HW_1_jane_doe_attempt_2026-11-29-22-15-30.txt": comment("Jane (J) Doe", "jane_doe"),
        "HW_1_bob_attempt_2026-11-29-10-15-30_03.ipynb": THREE,
        "HW_1_bob_attempt_2026-11-29-10-15-30_x_attempt_2026-11-30-10-15-30.txt": b"Name: (eve)",
        "HW_1_tom_attempt_2026-11-29-10-15-30.txt": comment("Tom", "jane_doe"),
        "HW_1_kim_attempt_2026-11-29-10-15-30_02.ipynb": TWO,
        "HW_1_kim_attempt_2026-11-29-10-15-30.txt": comment("Kim", "jane_doe"),
    }
    collection = collect(packed(tmp_path / "a.zip", files), parse)
    assert str(collection) == "Layout: Blackboard download, 3 students"
    assert students(collection) == {"jane_doe": ["02"], "bob": ["03"], "kim": ["02"]}
    jane = next(s for s in collection if s.student == "jane_doe")
    assert jane.content == NEWER and jane.file == "02 final.ipynb" and jane.note


# Brightspace
def test_a_brightspace_download(tmp_path):
    files = {
        "index.html": b"x",
        "12345-67890 - Jane Doe - Nov 30, 2026 915 AM/02.ipynb": TWO,
        "12345-67890 - Jane Doe - Nov 30, 2026 1015 PM/02.ipynb": NEWER,
        "12345-67890 - Jane Doe - Dec 1, 2025 1115 PM/02.ipynb": TWO,
        "12346-67890 - Jo-Ann O'Neil - Nov 29, 2026 115 PM/index.html": b"x",
        "12346-67890 - Jo-Ann O'Neil - Nov 29, 2026 115 PM/03.ipynb": THREE,
    }
    collection = collect(packed(tmp_path / "a.zip", files), parse)
    assert str(collection) == "Layout: Brightspace download, 2 students"
    assert students(collection) == {"Jane Doe": ["02"], "Jo-Ann O'Neil": ["03"]}
    assert next(iter(collection)).content == NEWER
    flat = {name.replace("/", " - "): content for name, content in files.items()}
    assert students(collect(packed(tmp_path / "b.zip", flat), parse)) == students(collection)


def test_two_people_of_one_name_in_brightspace(tmp_path):
    names = ("1-9 - Li Wei - Nov 30, 2026 915 AM/02.ipynb", "2-9 - Li Wei - Nov 30, 2026 9 AM")
    files = {names[0]: TWO, "2-9 - Li Wei - 30 November, 2026 1015 AM/02.ipynb": TWO}
    assert students(collect(lay(tmp_path, files), parse)) == {
        "Li Wei_1": ["02"],
        "Li Wei_2": ["02"],
    }


# Google Classroom
def test_a_folder_of_google_classroom(tmp_path):
    files = {"hw/Jane Doe - 02_minimax_game.ipynb": TWO, "hw/José Roe - my work.ipynb": THREE}
    collection = collect(lay(tmp_path / "a", files), parse)
    assert str(collection) == "Layout: Google Classroom folder, 2 students"
    assert students(collection) == {"Jane Doe": ["02"], "José Roe": ["03"]}
    files = {"hw/Jane Doe/02.ipynb": TWO, "hw/José Roe/Copy of 03.ipynb": THREE}
    assert students(collect(lay(tmp_path / "b", files), parse)) == students(collection)
    one = collect(lay(tmp_path / "c", {"Jane Doe - 02_minimax_game.ipynb": TWO}), parse)
    assert students(one) == {"Jane Doe": ["02"]}


# nbgrader
@pytest.mark.parametrize("place", [".", "submitted"])
def test_a_course_of_nbgrader(tmp_path, place):
    files = {
        "submitted/jane/ps1/02.ipynb": TWO,
        "submitted/jane/ps1/timestamp.txt": b"2026-11-30 10:15:30.1 UTC",
        "submitted/jane/ps1-again/02.ipynb": NEWER,
        "submitted/jane/ps1-again/timestamp.txt": b"2026-12-01 10:15:30.1 UTC",
        "submitted/bob/ps1/03.ipynb": THREE,
    }
    if place == ".":
        files |= {"source/ps1/02.ipynb": TWO, "autograded/jane/ps1/02.ipynb": TWO}
    collection = collect(lay(tmp_path, files) / place, parse)
    assert str(collection) == "Layout: nbgrader's submitted/, 2 students"
    assert students(collection) == {"bob": ["03"], "jane": ["02"]}
    jane = [s for s in collection if s.student == "jane"]
    assert jane[0].content == NEWER and "more than once" in jane[0].note


# GitHub
def clone(name: str, **more: bytes) -> dict[str, bytes]:
    """A student's repository: the course's files, and some that are changed."""
    given = {f"notebooks/{n:02d}_x.ipynb": notebook(f"{n:02d}", blank=True) for n in range(4)}
    given |= {f"solutions/{n:02d}_x.ipynb": notebook(f"{n:02d}", solved=True) for n in range(4)}
    given |= {"README.md": b"x", ".git/HEAD": b"x", "solutions/02_x.py": b"x"}
    return {f"{name}/{path}": content for path, content in (given | more).items()}


def test_clones_of_github_classroom(tmp_path):
    files = clone("minimax-jane-doe", **{"notebooks/02_x.ipynb": TWO})
    files |= clone(
        "minimax-bob", **{"notebooks/03_x.ipynb": THREE, "notebooks/old/03.ipynb": THREE}
    )
    files |= clone("minimax-eve")
    collection = collect(lay(tmp_path / "minimax-submissions", files), parse)
    assert str(collection) == "Layout: GitHub repositories, 3 students"
    assert students(collection) == {"jane-doe": ["02"], "bob": ["03"], "eve": []}
    assert "the course's, unchanged" in problems(collection)["eve"]
    bob = next(s for s in collection if s.student == "bob")
    assert bob.file == "03_x.ipynb" and "not 03.ipynb" in bob.note
    assert students(collect(tmp_path, parse)) == students(collection)
    elsewhere = collect(lay(tmp_path / "again", files), parse)
    assert students(elsewhere) == students(collection)


def test_one_clone_alone_and_repositories_without_solutions(tmp_path):
    files = clone("minimax-jane", **{"notebooks/02_x.ipynb": TWO})
    assert students(collect(lay(tmp_path / "a", files), parse)) == {"minimax-jane": ["02"]}
    place = lay(tmp_path / "minimax-submissions", files)
    assert students(collect(place, parse)) == {"jane": ["02"]}
    bare = {"hw-jo/02.ipynb": TWO, "hw-jo/.git/HEAD": b"", "hw-al/02.ipynb": TWO}
    assert students(collect(lay(tmp_path / "b", bare), parse)) == {"al": ["02"], "jo": ["02"]}
    zipped = {f"hw-{name}-main/notebooks/02_x.ipynb": TWO for name in ("jo", "al")}
    zipped |= {"hw-jo-main/README.md": b"x"}
    assert students(collect(packed(tmp_path / "c.zip", zipped), parse)) == {
        "al": ["02"],
        "jo": ["02"],
    }


def test_a_copy_of_the_repository_in_another_layout(tmp_path):
    """The executed notebooks of the course in it are nobody's answer."""
    repository = clone("gancourse", **{"notebooks/02_x.ipynb": TWO})
    files = {f"submission_11/{path}": content for path, content in repository.items()}
    place = lay(tmp_path / "a", {**files, "submission_metadata.yml": METADATA})
    assert students(collect(place, parse)) == {"jane@x.edu": ["02"]}
    place = packed(tmp_path / "x.zip", repository)
    zips = {"doe_11_2222_work.zip": place.read_bytes(), "roe_12_2223_02.ipynb": TWO}
    assert students(collect(packed(tmp_path / "b.zip", zips), parse)) == {
        "doe_11": ["02"],
        "roe_12": ["02"],
    }


# All of them
def test_the_instructor_can_name_the_layout(tmp_path):
    place = lay(tmp_path, {"doe_111_2222_02_x.ipynb": TWO, "roe_12_2223_03_y.ipynb": THREE})
    assert students(collect(place, parse)) == {"doe_111": ["02"], "roe_12": ["03"]}
    expected = {"doe_111_2222": ["02"], "roe": ["03"]}
    assert students(collect(place, parse, "folders")) == expected
    with pytest.raises(CourseError, match="submission_metadata"):
        collect(place, parse, "gradescope")
    place = packed(tmp_path / "z.zip", {"hw/a-jo/02.ipynb": TWO, "hw/a-al/02.ipynb": TWO})
    assert students(collect(place, parse, "github")) == {"jo": ["02"], "al": ["02"]}


def test_plain_folders_are_said_to_be_so(tmp_path):
    place = lay(tmp_path, {"jane - x/02.ipynb": TWO, "1234-5 - joe/02.ipynb": TWO})
    assert str(collect(place, parse)) == "Layout: named folders or files, 2 students"
    one = collect(lay(tmp_path / "one", {"jane/02.ipynb": TWO, "jane/03.ipynb": THREE}), parse)
    assert str(one) == "Layout: named folders or files, 1 student"
    assert students(one) == {"jane": ["02", "03"]}


def test_a_students_folder_that_begins_with_a_dot_is_graded(tmp_path):
    files = {".jane/02.ipynb": TWO, "bob/02.ipynb": TWO, "bob/.old/02.ipynb": TWO}
    files |= {".git/HEAD": b"x", ".ipynb_checkpoints/02-checkpoint.ipynb": TWO}
    expected = {".jane": ["02"], "bob": ["02"]}
    assert students(collect(lay(tmp_path / "a", files), parse)) == expected
    assert students(collect(packed(tmp_path / "a.zip", files), parse)) == expected


def test_a_student_can_not_bring_a_list_of_students(tmp_path):
    """What looks like another layout inside one student's folder is only that student's."""
    files = {f"Jane Doe_11_assignsubmission_file/{name}": c for name, c in EXPORT.items()}
    assert {*students(collect(packed(tmp_path / "a.zip", files), parse))} == {"Jane Doe_11"}


def test_deep_folders_and_broken_texts_stop_nothing(tmp_path, monkeypatch):
    deep = {"/".join("a" * 20_000) + "/02.ipynb": TWO}
    assert students(collect(packed(tmp_path / "a.zip", deep), parse)) == {"a": ["02"]}
    broken = {"jane/ps1/timestamp.txt": b"x" * 100, "jane/ps1/02.ipynb": TWO}
    broken |= {"bob/ps1/02.ipynb": TWO, ".hid/.work/02.ipynb": TWO}
    broken = {f"submitted/{name}": content for name, content in broken.items()}
    path = packed(tmp_path / "b.zip", broken)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in broken.items():
            archive.writestr(name, content)
    path.write_bytes(path.read_bytes().replace(b"x" * 100, b"y" * 100))  # its checksum is wrong
    expected = {"jane": ["02"], "bob": ["02"], ".hid": ["02"]}
    assert students(collect(path, parse)) == expected


def test_one_student_s_files_do_not_decide_the_layout_of_a_class(tmp_path):
    export = {f"assignment_9_export/{name}": content for name, content in EXPORT.items()}
    export["assignment_9_export/submission_11/timestamp.txt"] = b"2026"
    collection = collect(packed(tmp_path / "a.zip", export), parse)
    assert str(collection) == "Layout: Gradescope export, 3 students"
    names = ("team-1", "team-2", "team-3")
    files = {f"{name}/02.ipynb": TWO for name in names} | clone(
        "team-4", **{"notebooks/02_x.ipynb": TWO}
    )
    expected = {name: ["02"] for name in (*names, "team-4")}
    assert students(collect(lay(tmp_path / "b", files), parse)) == expected
