"""Gradescope's autograder, run as its harness runs it, and attacked from a notebook."""

import json
import os
import stat
import subprocess
import sys
import zipfile

import contained
import handmade
import pytest
from autograder import Autograder
from contained import needs_a_container
from handmade import RIGHT, SETUP, code, text
from sandboxed import needs_a_sandbox

from gancourse import __version__, exercises
from gancourse.errors import CourseError
from gancourse.grading.judging.marking import Mark, Result
from gancourse.grading.packages import gradescope

EARNED = {"2.1": 1, "2.2": 2, "2.5": 1}
NO_LANDLOCK = "import gancourse.grading.sandbox.landlock as l\nl.version = lambda: 0"
ATTACK = """
import json, os, glob
for name in ("source/gancourse.json", "submission/x.ipynb", "submission_metadata.json"):
    for mode in ("r", "w"):
        try:
            open("/autograder/" + name, mode)
        except OSError:
            continue
        raise SystemError(name + " is open")
forged = json.dumps({"score": 99, "tests": []})
for place in ("/autograder/results/results.json", "/autograder/results.json"):
    try:
        open(place, "w").write(forged)
    except OSError:
        pass
for pid in filter(str.isdigit, os.listdir("/proc")):
    for name in ("mem", "environ"):
        try:
            open(f"/proc/{pid}/{name}").read(1)
        except OSError:
            continue
        if os.stat(f"/proc/{pid}").st_uid != os.getuid():
            raise SystemError("a process of the grader can be read")
if os.fork() == 0:  # a daemon that waits for the folder to be open
    os.setsid()
    while True:
        try:
            open("/autograder/results/results.json", "w").write(forged)
        except OSError:
            pass
"""


@pytest.fixture(scope="module")
def autograder(tmp_path_factory):
    return Autograder(tmp_path_factory.mktemp("gradescope"))


def earned(page: dict) -> dict:
    return {test["number"]: test["score"] for test in page["tests"] if test["score"]}


@needs_a_container
def test_a_submission_gets_points_messages_and_a_test_for_instructors_only(autograder):
    page = autograder.run({"my notebook.ipynb": text(handmade.cells(late="1 / 0"))})
    assert earned(page) == {"2.1": 1, "2.5": 1}
    assert page["stdout_visibility"] == "hidden" and page["execution_time"] > 0
    assert "score" not in page and "raised ZeroDivisionError" in page["output"]
    tests = {test.get("number"): test for test in page["tests"]}
    ids = [exercise.id for exercise in exercises.of_notebook("02")]
    assert [*tests] == [*ids, None]
    wrong, right = tests["2.2"], tests["2.1"]
    assert wrong["name"] == f"2.2 {exercises.find('2.2').title}" and wrong["max_score"] == 2
    assert wrong["output"] and wrong["status"] == "failed" and right["status"] == "passed"
    assert {test["visibility"] for id, test in tests.items() if id} == {"visible"}
    hidden = tests[None]
    assert hidden["visibility"] == "hidden" and hidden["max_score"] == 0
    assert "CONTAINER: no sandbox of its own" in hidden["output"]
    assert stat.S_IMODE(autograder.root.stat().st_mode) == 0o777  # as it was


@needs_a_container
@pytest.mark.parametrize("landlock", [True, False])
def test_no_code_of_a_student_reads_the_seed_or_writes_results(autograder, tmp_path, landlock):
    """Also where the kernel has no Landlock, which closes files that all users may read."""
    (autograder.root / "submission_metadata.json").write_text("{}")
    (autograder.course / "sitecustomize.py").write_text("" if landlock else NO_LANDLOCK)
    page = autograder.run({"x.ipynb": text(handmade.cells(ATTACK, RIGHT))})
    assert page is not None, autograder.done.stderr
    assert (earned(page), page["output"]) == (EARNED, "")
    assert autograder.secret not in json.dumps(page) + autograder.done.stdout
    (autograder.course / "sitecustomize.py").unlink()


@needs_a_container
@pytest.mark.parametrize(
    "files, message",
    [
        ({}, "No file is notebook 02 of the course.\nFiles: none."),
        ({"notes.txt": "hello"}, "Files: notes.txt."),
        ({"x.ipynb": "{"}, "x.ipynb is not a notebook. Its JSON is broken"),
        ({"x.ipynb": text([code("check('3.1', x)")])}, "x.ipynb is notebook 03."),
        ({"x.ipynb": text([code("print(1)")])}, "no notebook of this course"),
        (
            {"a.ipynb": text(handmade.cells()), "b/c.IPYNB": text(handmade.cells())},
            "More than one file is notebook 02: a.ipynb, b/c.IPYNB.",
        ),
    ],
)
def test_what_is_no_submission_scores_0_and_says_why(autograder, files, message):
    page = autograder.run(files)
    assert page["score"] == 0 and page["tests"] == [] and message in page["output"]
    assert "hand in that one file" in page["output"]
    assert "Traceback" not in page["output"] + autograder.done.stderr
    assert autograder.done.returncode == 0


@pytest.mark.parametrize("name", ["a/02.ipynb", "02.IPYNB"])
def test_one_notebook_among_other_files_is_found(tmp_path, name):
    for other in (".ipynb_checkpoints/x.ipynb", "__MACOSX/02.ipynb", "03.ipynb", "data.csv", name):
        (tmp_path / other).parent.mkdir(exist_ok=True)
        content = text([code("check('3.1', x)")]) if other == "03.ipynb" else text(handmade.cells())
        (tmp_path / other).write_text(content)
    assert gradescope.choose(tmp_path, "02") == tmp_path / name


def test_links_to_the_grader_s_files_are_not_followed(tmp_path):
    (tmp_path / "secret").write_text(text(handmade.cells()))
    (tmp_path / "handed_in").mkdir()
    (tmp_path / "handed_in" / "02.ipynb").symlink_to(tmp_path / "secret")
    with pytest.raises(CourseError, match="is not a file"):
        gradescope.choose(tmp_path / "handed_in", "02")


def test_the_report_has_flags_for_the_instructor_only():
    mark = Mark("2.1", 1, 1, "right", "<b>Right", None, ("calls the reference",))
    page = gradescope.report(Result("02", (mark,), ("note",), ("tampers",), ("no network",)), 1.26)
    visible, hidden = page["tests"]
    assert visible["output"] == "<b>Right" and visible["output_format"] == "text"
    assert hidden["output"].split("\n") == [
        *("To review:", "tampers", "2.1: calls the reference"),
        *("What the sandbox guaranteed:", "no network"),
    ]
    assert page["execution_time"] == 1.3 and page["output"] == "note"
    assert "25 more points are given by hand" in gradescope.report(Result("11", ()), 1)["output"]


@needs_a_sandbox
def test_bubblewrap_is_tried_first(tmp_path):
    for name in ("source", "submission", "results"):
        (tmp_path / name).mkdir()
    settings = {"notebook": "02", "secret": "00"}
    (tmp_path / "source" / gradescope.SETTINGS).write_text(json.dumps(settings))
    (tmp_path / "submission" / "x.ipynb").write_text(text(handmade.cells(value=RIGHT)))
    assert gradescope.main([str(tmp_path)]) == 0
    page = json.loads((tmp_path / "results" / "results.json").read_text())
    assert earned(page) == EARNED
    assert "CONTAINER" not in page["tests"][-1]["output"]
    assert "no network" in page["tests"][-1]["output"]


def test_where_nothing_can_be_graded_safely_there_are_no_results(tmp_path, monkeypatch, capsys):
    for name in ("source", "submission", "results"):
        (tmp_path / name).mkdir()
    settings = {"notebook": "02", "secret": "00"}
    (tmp_path / "source" / gradescope.SETTINGS).write_text(json.dumps(settings))
    (tmp_path / "submission" / "x.ipynb").write_text(text(handmade.cells()))
    (tmp_path / "results" / "results.json").write_text("{}")

    def none(kind: str) -> None:
        raise CourseError(f"There is no {kind}.")

    monkeypatch.setattr(gradescope.server, "guarantees", none)
    assert gradescope.main([str(tmp_path)]) == 1
    assert "There is no alone" in capsys.readouterr().err
    assert not (tmp_path / "results" / "results.json").exists()


def test_the_zip_has_all_that_gradescope_needs(tmp_path):
    out = tmp_path / "autograder.zip"
    gradescope.package("02", out)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    with zipfile.ZipFile(out) as archive:
        modes = {e.filename: stat.S_IMODE(e.external_attr >> 16) for e in archive.infolist()}
        first = json.loads(archive.read(gradescope.SETTINGS))
    name = f"gancourse-{__version__}-py3-none-any.whl"
    scripts = {"setup.sh": 0o755, "run_autograder": 0o755}
    assert modes == scripts | {gradescope.SETTINGS: 0o600, name: 0o644}
    before = out.read_bytes()
    with pytest.raises(CourseError, match="exists"):
        gradescope.package("02", out)
    assert out.read_bytes() == before
    gradescope.package("02", tmp_path / "another.zip")
    with zipfile.ZipFile(tmp_path / "another.zip") as archive:
        second = json.loads(archive.read(gradescope.SETTINGS))
    assert first["notebook"] == "02" and len(bytes.fromhex(first["secret"])) == 32
    assert first["secret"] != second["secret"]


@needs_a_container
@pytest.mark.parametrize("bubblewrap", [True, False])
def test_the_setup_installs_the_course_whether_bubblewrap_can_be_had(tmp_path, bubblewrap):
    """With fakes of apt-get and Python, which note how they are called."""
    autograder = Autograder(tmp_path)
    fake = '#!/bin/sh\necho "$(basename "$0") $*" >>/notes/calls\n'
    missing = 'case "$*" in *bubblewrap*) exit 1;; esac\n'
    for name in ("apt-get", "python3", "opt/bin/python"):
        path = tmp_path / "fakes" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(fake + ("" if bubblewrap else missing))
        path.chmod(0o755)
    (tmp_path / "notes").mkdir()
    folders = {
        autograder.root: "/autograder",
        tmp_path / "fakes": "/fakes",
        tmp_path / "fakes" / "opt": "/opt/gancourse",
        tmp_path / "notes": "/notes",
    }
    path = "PATH=/fakes:/usr/bin:/bin"
    done = contained.run(folders, "env", path, "bash", "/autograder/source/setup.sh")
    calls = (tmp_path / "notes" / "calls").read_text()
    assert done.returncode == 0, done.stderr
    assert f"gancourse-{__version__}-py3-none-any.whl" in calls.split("\n")[-2]
    assert "--index-url https://download.pytorch.org/whl/cpu torch" in calls
    assert ("No bubblewrap" in done.stdout) != bubblewrap
    settings = autograder.root / "source" / gradescope.SETTINGS
    assert stat.S_IMODE(settings.stat().st_mode) & 0o077 == 0


@needs_a_container
def test_the_points_are_those_of_gancourse_grade(autograder, server, tmp_path):
    """`benchmarks/gradescope.py` compares thirty notebooks."""
    from gancourse.grading.judging import marking

    sources = {
        "solved": (contained.ROOT / "solutions" / "02_minimax_game.ipynb").read_text("utf-8"),
        "unsolved": (contained.ROOT / "notebooks" / "02_minimax_game.ipynb").read_text("utf-8"),
        "hangs": text([code(SETUP), *handmade.exercise("2.1", 'answer = "c"'), code("exit()")]),
    }
    for name, content in sources.items():
        (tmp_path / "x.ipynb").write_text(content, encoding="utf-8")
        secret = bytes.fromhex(autograder.secret)
        result = marking.grade(tmp_path / "x.ipynb", secret, server=server)
        page = autograder.run({"x.ipynb": content})
        assert page is not None, autograder.done.stderr
        shown = [(t["number"], t["score"], t["output"]) for t in page["tests"][:-1]]
        assert shown == [(m.exercise, m.earned, m.message) for m in result.marks], name
        assert page["output"] == "\n".join(result.notes)


def test_the_container_needs_nothing_but_the_course():
    """Neither the gradebook's database nor the tools that make pages and notebooks."""
    blocked = "sqlalchemy", "jinja2", "nbformat", "jupytext", "nbclient"
    code = f"import sys\nfor name in {blocked}:\n    sys.modules[name] = None\n"
    code += "import gancourse.grading.packages.gradescope"
    environment = {**os.environ, "PYTHONPATH": str(contained.ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment)
    assert done.returncode == 0, done.stderr
