"""`gancourse grade` in a container, with each of the two sandboxes; the file that builds one.

There is no docker here: the containers are bubblewrap's, with the rights that the guide's commands
give, a read-only root and no home.
"""

import csv
import re
import sys

import contained
import handmade
import pytest
from contained import needs_a_container
from handmade import RIGHT, text

GUIDE = (contained.ROOT / "docs" / "INSTRUCTORS.md").read_text("utf-8")
FILE = (contained.ROOT / "Containerfile").read_text("utf-8")
CLI = "from gancourse.cli import main; main()"


def grade(tmp_path, *words: str, namespaces: bool) -> tuple[str, list[dict]]:
    """Grade two submissions in the container: what is printed, and the totals."""
    for name, value in {"ann": RIGHT, "bob": handmade.WRONG}.items():
        (tmp_path / "submissions" / name).mkdir(parents=True)
        path = tmp_path / "submissions" / name / "x.ipynb"
        path.write_text(text(handmade.cells(value=value)))
    start = [sys.executable, "-c", CLI]
    output, options = "", ["--out", "/term/grades", "--workers", "1"]
    for command in (["grade", "/term/submissions", *options, *words], ["export", *options[:2]]):
        done = contained.run({tmp_path: "/term"}, *start, *command, namespaces=namespaces)
        output = done.stdout + done.stderr if command[0] == "grade" else output
        if done.returncode:
            return output, []
    with open(tmp_path / "grades" / "export" / "totals.csv", newline="") as file:
        return output, list(csv.DictReader(file))


@needs_a_container
def test_in_a_container_without_namespaces(tmp_path):
    output, rows = grade(tmp_path, "--sandbox", "container", namespaces=False)
    assert [row["score"] for row in rows] == ["4", "2"], output
    assert "2 submissions: CONTAINER: no sandbox of its own" in output and "no network" in output
    assert "CONTAINER" in (tmp_path / "grades" / "class.html").read_text("utf-8")
    assert not any("UNSAFE" in row["flags"] for row in rows)


@needs_a_container
def test_without_namespaces_nothing_runs_unless_that_is_asked_for(tmp_path):
    output, rows = grade(tmp_path, namespaces=False)
    assert rows == [] and "there is no sandbox" in output and "--sandbox container" in output


@needs_a_container
def test_in_a_container_with_namespaces(tmp_path):
    tmp_path.chmod(0o777)
    output, rows = grade(tmp_path, namespaces=True)
    if "No permissions to creat" in output:
        pytest.skip("this kernel allows no namespaces within namespaces")
    assert [row["score"] for row in rows] == ["4", "2"], output
    assert "CONTAINER" not in output and "UNSAFE" not in output


def test_the_file_builds_the_grader_for_a_chosen_python_and_a_user_without_rights():
    lines = [line for line in FILE.split("\n") if line and not line.startswith("#")]
    words = [line.split()[0] for line in lines if not line.startswith(" ")]
    assert words[:2] == ["ARG", "FROM"] and "python:${PYTHON}-slim" in lines[1]
    assert "bubblewrap" in FILE and "https://download.pytorch.org/whl/cpu" in FILE
    assert lines[-2] == "USER grader"
    copied = {word for line in lines if line.startswith("COPY") for word in line.split()[1:-1]}
    assert all((contained.ROOT / word).exists() for word in copied)
    allowed = (contained.ROOT / ".dockerignore").read_text("utf-8").split()
    assert copied == {word[1:] for word in allowed if word.startswith("!")}


def test_the_guide_s_command_gives_the_rights_that_are_tested_here():
    (command,) = re.findall(r"docker run[^`]*--sandbox container[^`]*", GUIDE)
    assert tuple(re.findall(r"--cap-add (\w+)", command)) == contained.RIGHTS
    for option in ("--network none", "--read-only", "--cap-drop ALL", "--pids-limit", "--memory"):
        assert option in command
    assert "--build-arg PYTHON=3.13" in GUIDE
