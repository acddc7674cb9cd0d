import os
import stat
import zipfile
from pathlib import Path, PurePosixPath
from types import SimpleNamespace

import pytest
from fakes import lay, notebook, parse

from gancourse.errors import CourseError
from gancourse.grading.gradebook import places
from gancourse.grading.gradebook.collect import collect
from gancourse.grading.gradebook.layouts import student_of

TWO, THREE = notebook("02"), notebook("03")


def packed(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def collected(place: Path) -> list[tuple[str, str, str]]:
    return [(s.student, s.notebook, s.problem) for s in collect(place, parse)]


@pytest.mark.parametrize(
    "path, expected",
    [
        ("alice/02_minimax_game.ipynb", ("alice", "02_minimax_game.ipynb", False)),
        ("alice/deep/er/x.ipynb", ("alice", "x.ipynb", False)),
        ("alice_02_minimax_game.ipynb", ("alice", "02_minimax_game.ipynb", False)),
        ("alice_b_02_minimax_game.ipynb", ("alice_b", "02_minimax_game.ipynb", False)),
        ("02_minimax_game-alice.ipynb", ("alice", "02_minimax_game.ipynb", False)),
        ("doejane_12345_67890_02_x.ipynb", ("doejane_12345", "02_x.ipynb", False)),
        ("doejane_LATE_12345_67890_my work-1.ipynb", ("doejane_12345", "my work-1.ipynb", True)),
        ("LATE_anon_a1B2c_67890_x.ipynb", ("anon_a1B2c", "x.ipynb", True)),
        ("Jane Doe_12345_assignsubmission_file/x.ipynb", ("Jane Doe_12345", "x.ipynb", False)),
        ("Jane Doe_12345_assignsubmission_file_/x.ipynb", ("Jane Doe_12345", "x.ipynb", False)),
        ("Jane Doe_12345_assignsubmission_file_x.ipynb", ("Jane Doe_12345", "x.ipynb", False)),
        ("Participant_12_assignsubmission_file/x.ipynb", ("Participant_12", "x.ipynb", False)),
        ("02_minimax_game.ipynb", ("", "02_minimax_game.ipynb", False)),
        ("homework.ipynb", ("", "homework.ipynb", False)),
    ],
)  # fmt: skip
def test_the_student_of_a_path(path, expected):
    assert student_of(PurePosixPath(path)) == expected


def test_a_folder_of_folders_with_renamed_notebooks(tmp_path):
    files = {"bob/final FINAL.ipynb": TWO, "alice/03.ipynb": THREE, "alice/02.ipynb": TWO}
    files |= {"alice/.ipynb_checkpoints/02-checkpoint.ipynb": THREE, "bob/picture.png": b"x"}
    assert collected(lay(tmp_path, files)) == [
        ("alice", "02", ""),
        ("alice", "03", ""),
        ("bob", "02", ""),
    ]


@pytest.mark.parametrize("wrapped", ["", "submissions/"])
def test_a_zip_of_canvas(tmp_path, wrapped):
    files = {"doejane_LATE_11_2222_02_x.ipynb": TWO, "roejohn_12_2223_03_y.ipynb": THREE}
    place = packed(tmp_path / "submissions.zip", {wrapped + name: c for name, c in files.items()})
    assert collected(place) == [("doejane_11", "02", ""), ("roejohn_12", "03", "")]
    assert [s.late for s in collect(place, parse)] == [True, False]


def test_a_zip_of_moodle_and_one_that_was_packed_in_a_folder(tmp_path):
    names = (
        "Jane Doe_11_assignsubmission_file/x.ipynb",
        "José Roe_12_assignsubmission_file/y.ipynb",
    )
    expected = [("Jane Doe_11", "02", ""), ("José Roe_12", "02", "")]
    assert collected(packed(tmp_path / "a.zip", dict.fromkeys(names, TWO))) == expected
    wrapped = [f"course/{name}" for name in names]
    assert collected(packed(tmp_path / "b.zip", dict.fromkeys(wrapped, TWO))) == expected


def test_what_can_not_be_graded_is_listed_and_the_rest_is_graded(tmp_path):
    lay(tmp_path, {"ann/02.ipynb": b"no json", "bob/report.pdf": b"x", "carl/02.ipynb": TWO})
    lay(tmp_path, {"02_alone.ipynb": TWO, "dora/02.ipynb": TWO})
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to("/etc")
    (tmp_path / "dora" / "03.ipynb").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "dora" / "pipe.ipynb")
    problems = {(student, number): problem for student, number, problem in collected(tmp_path)}
    assert problems[("carl", "02")] == problems[("dora", "02")] == ""
    assert "no notebook" in problems[("ann", "")] and "report.pdf" in problems[("bob", "")]
    assert "nothing was handed in" in problems[("empty", "")]
    assert "link" in problems[("link", "")] and problems[("dora", "")]
    assert "doesn't tell the student" in problems[("? 02_alone.ipynb", "")]


def test_hostile_zips(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "MOST", 10_000)
    path = tmp_path / "evil.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("../../evil/02.ipynb", "/etc/02.ipynb", "good/02.ipynb", "..\\win/02.ipynb"):
            archive.writestr(name, TWO)
        archive.writestr("bomb/02.ipynb", b" " * 1_000_000)
        archive.writestr("liar/02.ipynb", b" " * 20_000)
        link = zipfile.ZipInfo("link/02.ipynb")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("a\u202eb/02.ipynb", TWO)
        archive.writestr(f"{'x' * 150}/02.ipynb", TWO)
    content = path.read_bytes().replace(
        (20_000).to_bytes(4, "little"), (9_000).to_bytes(4, "little")
    )
    path.write_bytes(content)
    before = set(tmp_path.parent.rglob("*"))
    problems = {student: problem for student, _, problem in collected(path)}
    assert problems.pop("good") == ""
    assert len(problems) == 8 and all(problems.values()), problems
    assert "leads out" in problems["evil"] and "leads out" in problems["etc"]
    assert "larger" in problems["bomb"] and "link" in problems["link"] and problems["liar"]
    assert "control characters" in problems["a?b"]
    assert set(tmp_path.parent.rglob("*")) == before


def test_the_newer_of_two_files_counts_and_a_note_says_so(tmp_path):
    lay(tmp_path, {"ann/b.ipynb": TWO, "ann/a.ipynb": notebook("02", newer=True)})
    os.utime(tmp_path / "ann" / "b.ipynb", (1, 1))
    (submission,) = collect(tmp_path, parse)
    assert submission.file == "a.ipynb" and "b.ipynb" in submission.note


@pytest.mark.parametrize("what", ["nothing", "empty", "broken.zip"])
def test_a_place_without_submissions_is_one_clear_error(tmp_path, what):
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(CourseError):
        collected(tmp_path / what)


@pytest.mark.parametrize(
    "name, expected",
    [
        ("राजकुमार_12345_67890_work.ipynb", ("राजकुमार_12345", "work.ipynb", False)),
        ("สมหญิง_LATE_12345_67890_work.ipynb", ("สมหญิง_12345", "work.ipynb", True)),
        ("doejane_11_2222_x_13_98765_02.ipynb", ("", "doejane_11_2222_x_13_98765_02.ipynb", False)),
        (
            "roeeve_13_9999_x_LATE_13_98765_02.ipynb",
            ("roeeve_13", "x_LATE_13_98765_02.ipynb", True),
        ),
        ("doe_11_3333_doe_11_2222_02.ipynb", ("doe_11", "doe_11_2222_02.ipynb", False)),
    ],
)
def test_names_that_canvas_makes_from_strange_names(name, expected):
    """Of "doejane_1.1_22.22_x" Canvas makes doejane_11_2222_x, and puts 13_98765 after it."""
    assert student_of(PurePosixPath(name)) == expected


def test_a_folder_with_several_students_is_refused(tmp_path):
    """A section of the class: which of the two is meant?"""
    place = lay(tmp_path, {"A/jane/02.ipynb": TWO, "A/joe/02.ipynb": TWO, "B/02.ipynb": TWO})
    (bad,) = [s for s in collect(place, parse) if s.problem]
    assert bad.student == "A" and "(jane, joe): which student's" in bad.problem
    again = lay(
        tmp_path / "again", {"jane/02.ipynb": TWO, "jane/old/02.ipynb": TWO, "x/02.ipynb": TWO}
    )
    assert [s for s, _, problem in collected(again) if not problem] == ["jane", "x"]


def test_students_with_hidden_files_are_not_lost(tmp_path):
    files = {"ann/02.ipynb": TWO, "bob/.ipynb": TWO, "carl/.DS_Store": b"x", "ann/._02.ipynb": b"x"}
    expected = [("ann", "02", ""), ("bob", "02", "")]
    assert collected(packed(tmp_path / "z.zip", files)) == expected
    assert collected(lay(tmp_path / "f", files))[:2] == expected
    assert collected(tmp_path / "f")[2][0] == "carl"


def test_zips_as_other_tools_pack_them(tmp_path):
    lms = dict.fromkeys(
        ("submissions/doejane_11_2222_02.ipynb", "submissions/roe_12_2223_x.ipynb"), TWO
    )
    assert [s for s, *_ in collected(packed(tmp_path / "a.zip", lms))] == ["doejane_11", "roe_12"]
    single = {"course/Jane Doe_11_assignsubmission_file/x.ipynb": TWO}
    assert [s for s, *_ in collected(packed(tmp_path / "b.zip", single))] == ["Jane Doe_11"]
    dots = {"./ann/02.ipynb": TWO, "./bob/02.ipynb": TWO}
    assert collected(packed(tmp_path / "c.zip", dots)) == [("ann", "02", ""), ("bob", "02", "")]
    raw = bytearray(packed(tmp_path / "d.zip", {"José/02.ipynb": TWO}).read_bytes())
    for mark, at in ((b"PK\x03\x04", 7), (b"PK\x01\x02", 9)):
        raw[raw.find(mark) + at] &= ~8  # macOS writes UTF-8 and doesn't say so
    (tmp_path / "d.zip").write_bytes(raw)
    assert collected(tmp_path / "d.zip") == [("José", "02", "")]


def test_of_a_student_s_many_files_one_is_in_memory(tmp_path):
    lay(tmp_path, {f"ann/{n}.ipynb": notebook("02", n=n) for n in range(9)})
    alive = []

    class Content(bytes):
        count = 0

        def __del__(self) -> None:
            Content.count -= 1

    def watch(content: bytes, *more) -> SimpleNamespace:
        Content.count += 1
        alive.append(Content.count)
        return SimpleNamespace(**{**vars(parse(content)), "content": Content(content)})

    (submission,) = collect(tmp_path, watch)
    assert submission.content and len(alive) == 9 and max(alive) == 2  # it, and the one before


def test_with_equal_times_the_copy_with_a_number_is_the_newer(tmp_path):
    files = {"ann/x.ipynb": notebook("02", n=1), "ann/x-1.ipynb": notebook("02", n=2)}
    (submission,) = collect(packed(tmp_path / "z.zip", files), parse)
    assert submission.file == "x-1.ipynb" and "not x.ipynb" in submission.note


def test_folders_that_tools_make_around_a_class(tmp_path):
    flat = dict.fromkeys(("s/jane_doe_02_minimax_game.ipynb", "s/bob_02_minimax_game.ipynb"), TWO)
    assert [s for s, *_ in collected(packed(tmp_path / "a.zip", flat))] == ["bob", "jane_doe"]
    named = dict.fromkeys(("HW_2_2024_Fall/jane/02.ipynb", "HW_2_2024_Fall/bob/02.ipynb"), TWO)
    assert [s for s, *_ in collected(packed(tmp_path / "b.zip", named))] == ["bob", "jane"]


def test_a_blank_notebook_downloaded_later_does_not_count(tmp_path):
    blank = notebook("02", blank=True)
    lay(tmp_path, {"ann/a.ipynb": TWO, "ann/b.ipynb": blank, "ann/c.ipynb": notebook("02", n=3)})
    lay(tmp_path, {"ann/d.ipynb": blank, "bob/02.ipynb": blank})
    for time, name in enumerate("abcd"):
        os.utime(tmp_path / "ann" / f"{name}.ipynb", (time, time))
    ann, bob = collect(tmp_path, parse)
    assert ann.file == "c.ipynb" and ann.content == notebook("02", n=3) and not ann.blank
    assert "c.ipynb counts, not a.ipynb" in ann.note
    assert "b.ipynb, d.ipynb is the course's notebook, unchanged: it does not count" in ann.note
    assert bob.notebook == "02" and bob.content == blank and bob.blank


def test_python_files_next_to_a_notebook_belong_to_it(tmp_path):
    """Canvas numbers what is handed in again; each file is its own student's."""
    seen = {}

    def watch(content: bytes, name: str, beside) -> SimpleNamespace:
        seen[name] = {file: read() for file, read in beside.items()}
        return parse(content)

    files = {"doe_11_2222_02.ipynb": TWO, "doe_11_2223_helpers.py": b"1", "roe_12_1_x.py": b"3"}
    files |= {"doe_11_2225_helpers-1.py": b"2", "roe_12_2226_roe.ipynb": TWO}
    list(collect(packed(tmp_path / "z.zip", files), watch))
    assert seen["02.ipynb"] == {"helpers.py": b"1", "helpers-1.py": b"2"}
    lay(tmp_path / "f", {"ann/w/02.ipynb": TWO, "ann/w/h.py": b"4", "ann/other/h.py": b"5"})
    list(collect(tmp_path / "f", watch))
    assert seen["02.ipynb"] == {"h.py": b"4"}


def test_a_students_own_zip_is_read(tmp_path, monkeypatch):
    inner = packed(tmp_path / "w.zip", {"w/02.ipynb": TWO, "w/h.py": b"1", "w/deep.zip": b"PK"})
    files = {"ann/w.zip": inner.read_bytes(), "bob/w.zip": b"PK broken", "eve/e.zip": b""}
    (tmp_path / "w.zip").unlink()
    ann, bob, eve = collect(lay(tmp_path, files), parse)
    assert (ann.notebook, ann.file, ann.problem) == ("02", "02.ipynb", "")
    assert bob.file == "w.zip" and "not a zip that can be read" in bob.problem and eve.problem
    monkeypatch.setattr(places, "MOST_IN_STUDENTS_ZIP", 2)
    ann, *_ = collect(tmp_path, parse)
    assert "more than 2" in ann.problem


def test_a_large_file_that_is_packed_far_too_well_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "LARGEST", 10_000)
    files = {"bomb/02.ipynb": b" " * 10**6, "small/02.ipynb": TWO}
    noise = os.urandom(15_000).hex().encode()
    files |= {"large/02.ipynb": b'{"number": "02", "images": "' + noise + b'"}'}
    problems = {s: problem for s, _, problem in collected(packed(tmp_path / "z.zip", files))}
    assert "200 times larger" in problems.pop("bomb") and not any(problems.values())


def test_a_notebook_next_to_a_zip_of_the_same_time_is_the_newer_one(tmp_path):
    inner = packed(tmp_path / "w.zip", {"02.ipynb": TWO}).read_bytes()
    newer = notebook("02", newer=True)
    files = {"doe_11_2222_w.zip": inner, "doe_11_2223_02.ipynb": newer}
    (submission,) = collect(packed(tmp_path / "z.zip", files), parse)
    assert submission.content == newer


def test_300_students_are_read_in_the_order_of_their_names(tmp_path):
    place = lay(tmp_path, {f"s{n:03d}/02.ipynb": notebook("02", n=n) for n in range(300)})
    collection = collect(place, parse)
    assert str(collection).endswith("300 students")
    assert [s.student for s in collection] == [f"s{n:03d}" for n in range(300)]
