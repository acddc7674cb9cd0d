"""The workflow of GitHub Classroom: its steps are run here as a runner does."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import handmade
import pytest
import yaml
from handmade import RIGHT, code, text

from gancourse import __version__, exercises
from gancourse.errors import CourseError
from gancourse.grading.answers import notebook_file
from gancourse.grading.gradebook import collect
from gancourse.grading.packages import classroom

TOTAL = sum(exercise.points for exercise in exercises.of_notebook("02"))
NAME = "notebooks/02_minimax_game.ipynb"
COURSE = Path(classroom.__file__).resolve().parents[3]


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A student's repository, from the template."""
    monkeypatch.chdir(COURSE)
    classroom.package("02", tmp_path / "repository")
    monkeypatch.chdir(tmp_path / "repository")
    return tmp_path / "repository"


def steps() -> dict[str, dict]:
    workflow = yaml.safe_load(classroom.WORKFLOW.read_text("utf-8"))
    assert workflow[True] == ["push", "workflow_dispatch"]  # YAML reads "on" as true
    assert workflow["permissions"] == {"contents": "read"}
    return {step.get("name", step.get("uses")): step for step in workflow["jobs"]["check"]["steps"]}


def run(tmp_path) -> tuple[int, str, str]:
    """Run the workflow's steps but the installation: status, output and summary."""
    commands = tmp_path / "commands"
    commands.mkdir()
    code = '-c "from gancourse.cli import main; main()"'
    for name, words in {"gancourse": code, "python": ""}.items():
        (commands / name).write_text(f'#!/bin/sh\nexec {sys.executable} {words} "$@"\n')
        (commands / name).chmod(0o755)
    summary = tmp_path / "summary.md"
    summary.touch()
    environment = {**os.environ, "PATH": f"{commands}:/usr/bin:/bin", "PYTHONPATH": str(COURSE)}
    environment["GITHUB_STEP_SUMMARY"] = str(summary)
    output = ""
    for name in ("Check the notebook", "Show the points"):
        step = steps()[name]
        shell = ["python", "-c"] if step.get("shell") == "python" else ["bash", "-e", "-c"]
        words = [*shell, step["run"]]
        done = subprocess.run(words, env=environment, capture_output=True, text=True)
        output += done.stdout + done.stderr
        if done.returncode:
            return done.returncode, output, summary.read_text("utf-8")
    return 0, output, summary.read_text("utf-8")


def test_the_workflow_installs_this_version_and_has_no_placeholder_left(repository):
    install = steps()["Install the course, with PyTorch for a machine without a GPU"]["run"]
    assert f"gancourse @ git+https://github.com/gancourse/gancourse@v{__version__}" in install
    words = classroom.WORKFLOW.read_text("utf-8")
    assert not any(word in words for word in ("NOTEBOOK", "COURSE", "PYTHON_VERSION"))
    assert yaml.safe_load(words)["jobs"]["check"]["steps"][1]["with"]["python-version"]
    assert (repository / NAME).read_bytes() == (COURSE / NAME).read_bytes()


def test_points_are_an_annotation_and_a_summary_and_no_failure(repository, tmp_path):
    cells = [*handmade.cells(value=RIGHT), code("raise ValueError('<b> | x')")]
    (repository / NAME).write_text(text(cells), encoding="utf-8")
    status, output, summary = run(tmp_path)
    assert status == 0, output
    assert f"::notice title=Points::4/{TOTAL}" in output
    rows = [line for line in summary.split("\n") if line.startswith("| 2.")]
    assert len(rows) == len(exercises.of_notebook("02")) and "| 2/2 |" in rows[1]
    assert all(row.replace("\\|", "").count("|") == 4 for row in rows)
    assert "raised ValueError: &lt;b>" in summary and "<b>" not in summary
    facts = json.loads((repository / "points.json").read_text())
    assert (facts["earned"], facts["points"], facts["notebook"]) == (4, TOTAL, "02")
    assert facts["exercises"][1]["status"] == "right"


@pytest.mark.parametrize("content", ["{", None, text([code("print(1)")])])
def test_an_unreadable_notebook_fails_and_says_why(repository, tmp_path, content):
    (repository / "points.json").write_text("{}")  # of an earlier run, or a student's own
    (repository / NAME).unlink()
    if content is not None:
        (repository / NAME).write_text(content)
    status, output, summary = run(tmp_path)
    assert status == 1 and f"::error title=Notebook::{NAME} can't be read" in output
    assert "Traceback" not in output and not summary
    assert "is not a" in output or "is no notebook" in output


def test_nothing_is_replaced_and_the_course_must_be_at_hand(repository, tmp_path, monkeypatch):
    (repository / NAME).write_text("mine")
    monkeypatch.chdir(COURSE)
    with pytest.raises(CourseError, match="exist"):
        classroom.package("02", repository)
    assert (repository / NAME).read_text() == "mine"
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CourseError, match="course's folder"):
        classroom.package("02", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_clones_of_students_repositories_can_be_graded(repository, tmp_path):
    """What `gh classroom clone student-repos` makes: a folder for each, with its history."""
    for student in ("02-minimax-ann", "02-minimax-bob"):
        shutil.copytree(repository, tmp_path / "clones" / student)
        (notebook,) = (tmp_path / "clones" / student).glob("**/02_*.ipynb")
        solved = Path(__file__).parents[2] / "solutions" / "02_minimax_game.ipynb"
        notebook.write_bytes(solved.read_bytes())
        history = tmp_path / "clones" / student / ".git" / "objects"
        history.mkdir(parents=True)
        for n in range(collect.MOST_FILES + 1):
            (history / f"{n:02x}").write_bytes(b"x")
    submissions = list(collect.collect(tmp_path / "clones", notebook_file.parse))
    seen = [(s.student, s.notebook, s.problem) for s in submissions]
    assert seen == [("ann", "02", ""), ("bob", "02", "")]
