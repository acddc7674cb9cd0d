"""`make lab` and `make test`, with a Python and a pip that only pretend: what is said when, and
whether the next call recovers. The real set-up is what runs these tests.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
TOOLS = "sh make cksum rm mkdir sed grep tail head cat id tee df awk cp chmod sleep kill env"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="make is for Linux and macOS")

PRETENDER = """#!/bin/sh
# A Python that knows just what the set-up asks of it.
me=$(cat "$0.version")
case "$*" in
    -V) echo "$me" ;;
    "-m ensurepip --version") [ -z "${NO_ENSUREPIP:-}" ] && echo "pip 23" || exit 1 ;;
    "-m venv "*)
        [ -z "${VENV_FAILS:-}" ] || { echo "Error: it broke"; exit 1; }
        mkdir -p "$3/bin"
        cp "$0" "$3/bin/python"; cp "$0.version" "$3/bin/python.version" ;;
    "-m pip install "*)
        echo "pip $*" >>"$CALLS"
        echo "Collecting torch>=2.6"
        [ -z "${PIP_IS_KILLED:-}" ] || kill -9 "$PPID" $$
        [ -z "${PIP_SAYS:-}" ] || { echo "$PIP_SAYS"; exit 1; } ;;
    "-m pytest"*) echo "pytest ran: $*" ;;
    "-m jupyterlab"*) echo "lab ran: $*" ;;
    "-c "*) exec "$REAL_PYTHON" "$@" ;;
    *) echo "unexpected: $*" >&2; exit 9 ;;
esac
"""


class Machine:
    """A fresh copy of the set-up, on a machine that has `make` and the Pythons it is given."""

    def __init__(self, folder):
        self.course = folder / "the course"  # a space in the path must not matter
        self.bin = folder / "bin"
        self.bin.mkdir()
        shutil.copytree(ROOT / "tools" / "lab", self.course / "tools" / "lab")
        for name in ("Makefile", "pyproject.toml", "tools/setup.sh", "tools/lab.sh"):
            shutil.copy(ROOT / name, self.course / name)
        for tool in TOOLS.split():
            (self.bin / tool).symlink_to(shutil.which(tool))
        self.calls = folder / "calls"
        self.calls.touch()

    def python(self, name, version):
        path = self.bin / name
        path.write_text(PRETENDER)
        path.chmod(0o755)
        (self.bin / f"{name}.version").write_text(f"Python {version}\n")

    def make(self, *arguments, **variables):
        env = {"PATH": str(self.bin), "CALLS": str(self.calls), "REAL_PYTHON": sys.executable}
        result = subprocess.run(
            ["make", *arguments],
            cwd=self.course,
            env=env | variables,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return result.returncode, result.stdout + result.stderr

    def installs(self):
        return [c for c in self.calls.read_text().splitlines() if "-e .[" in c]


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


@pytest.fixture
def ready(machine):
    machine.python("python3", "3.11.4")
    return machine


def test_a_fresh_machine_is_set_up_and_tested_once(ready):
    status, said = ready.make("test", "ARGS=-k digits")
    assert status == 0 and "pytest ran: -m pytest -n auto" in said and " -k digits" in said
    assert "torch" in said and "Ready" in said
    began = time.monotonic()
    status, said = ready.make("test")
    assert time.monotonic() - began < 3
    assert status == 0 and "pytest ran" in said and "Installing" not in said
    assert len(ready.installs()) == 1


def test_lab_opens_notebook_00(ready):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    status, said = ready.make("lab", f"PORT={port}")
    assert status == 0 and f"/lab/tree/notebooks/00_start_here.ipynb --port={port}" in said
    assert "in use" not in said
    assert ("--allow-root" in said) == (os.geteuid() == 0)


def test_after_the_tests_the_lab_needs_no_second_installation(ready):
    ready.make("test")
    ready.make("lab")
    assert len(ready.installs()) == 1
    (ready.course / ".venv" / ".ready-test").unlink()
    ready.make("lab")
    ready.make("test")
    assert ["[lab]" in call for call in ready.installs()] == [False, True, False]


def test_a_port_in_use_is_said(ready):
    with socket.create_server(("localhost", 0)) as taken:
        port = taken.getsockname()[1]
        status, said = ready.make("lab", f"PORT={port}")
    assert status == 0 and f"Port {port} is in use" in said and "PORT=9000" in said


def test_a_changed_pyproject_is_installed_again(ready):
    ready.make("test")
    with (ready.course / "pyproject.toml").open("a") as file:
        file.write("\n# one more line\n")
    ready.make("test")
    assert len(ready.installs()) == 2


@pytest.mark.parametrize("versions", [{}, {"python3": "3.9.18"}, {"python3": "3.15.0"}])
def test_no_usable_python(machine, versions):
    for name, version in versions.items():
        machine.python(name, version)
    status, said = machine.make("test")
    assert status != 0 and "No Python was found" in said and "3.10 to 3.14" in said
    assert all(version in said for version in versions.values())
    assert not (machine.course / ".venv").exists()


def test_the_first_usable_python_is_taken(machine):
    machine.python("python3", "3.9.18")
    machine.python("python3.10", "3.10.13")
    machine.python("python3.12", "3.12.1")
    status, said = machine.make("test")
    assert status == 0 and "with Python 3.12.1" in said


def test_the_named_python_is_taken(ready):
    ready.python("python3.12", "3.12.1")
    ready.make("test")
    status, said = ready.make("test", PYTHON="python3.12")
    assert status == 0 and "Creating .venv again, with Python 3.12.1" in said
    assert "Installing" not in ready.make("test")[1]  # and it stays


@pytest.mark.parametrize("named, found", [("python3.8", "3.8.2"), ("nowhere", "not a Python")])
def test_a_named_python_that_cannot_be_used(ready, named, found):
    ready.python("python3.8", "3.8.2")
    ready.make("test")
    status, said = ready.make("test", PYTHON=named)
    assert status != 0 and f"PYTHON={named} can't be used" in said and found in said
    assert ready.make("test")[0] == 0 and len(ready.installs()) == 1


def test_missing_venv_module(ready):
    status, said = ready.make("test", NO_ENSUREPIP="1")
    assert status != 0 and "apt install python3-venv" in said
    assert ready.make("test")[0] == 0


def test_venv_that_fails_is_made_again(ready):
    status, said = ready.make("test", VENV_FAILS="1")
    assert status != 0 and "Creating .venv failed" in said and "it broke" in said
    assert ready.make("test")[0] == 0


@pytest.mark.parametrize(
    "pip, said_of_it",
    [
        ("WARNING: Retrying after connection broken by 'NewConnectionError'", "no connection"),
        ("ERROR: Could not find torch>=2.6 (from versions: none)", "no connection"),
        ("OSError: [Errno 28] No space left on device", "disk is full"),
        ("ERROR: No matching distribution at https://host.example/simple", "No matching"),
    ],
)
def test_pip_that_fails_is_explained_and_the_next_call_recovers(ready, pip, said_of_it):
    status, said = ready.make("test", PIP_SAYS=pip)
    assert status != 0 and said_of_it in said and "make test" in said
    assert "://" not in said and "pytest ran" not in said
    status, said = ready.make("test")
    assert status == 0 and "not finished. Creating .venv again" in said and "pytest ran" in said


def test_a_killed_set_up_recovers(ready):
    assert ready.make("test", PIP_IS_KILLED="1")[0] != 0
    (ready.course / ".venv" / "bin" / "half a file").touch()
    status, said = ready.make("test")
    assert status == 0 and "Creating .venv again" in said
    assert not (ready.course / ".venv" / "bin" / "half a file").exists()


@pytest.mark.parametrize("accident", ["gone", "replaced"])
def test_a_python_that_was_removed_or_replaced(ready, accident):
    ready.make("test")
    python = ready.course / ".venv" / "bin" / "python"
    if accident == "gone":
        python.unlink()
    else:
        python.with_name("python.version").write_text("Python 3.12.9\n")
    status, said = ready.make("test")
    assert status == 0 and "gone or was replaced" in said


def test_a_folder_that_cannot_be_written_to(ready):
    (ready.course / ".venv").touch()  # stands in for a read-only folder, which root may write to
    status, said = ready.make("test")
    assert status != 0 and "Nothing can be written" in said


def names(requirements):
    """{"torch": ">=2.6"} from ["torch>=2.6"]."""
    split = (re.fullmatch(r"([A-Za-z0-9_.-]+)(\[.*\])?(.*)", r) for r in requirements)
    return {m[1].lower(): m[3] for m in split}


def test_conda_environment_is_in_step_with_pyproject():
    text = (ROOT / "pyproject.toml").read_text()
    lists = {
        key: re.findall(r'"([^"]+)"', body)
        for key, body in re.findall(r"^(\w+) = \[(.*?)\]$", text, re.MULTILINE | re.DOTALL)
    }
    extras = [lists[key] for key in ("export", "lab", "instructor", "cluster", "test")]
    wanted = names(sum(extras, lists["dependencies"]))
    del wanted["gancourse"]
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    conda = [d for d in environment["dependencies"] if isinstance(d, str)]
    (pip,) = (d["pip"] for d in environment["dependencies"] if isinstance(d, dict))
    found = names(conda) | names(p for p in pip if not p.startswith("-e"))
    assert found.pop("python") == re.search(r'requires-python = "(.+)"', text)[1]
    assert found.pop("pip") == ""
    found["torch"] = found.pop("pytorch")  # conda's name
    found["matplotlib"] = found.pop("matplotlib-base")
    assert found == wanted
    assert any(p.startswith("-e .") for p in pip)


def test_the_workflow_tries_the_oldest_and_the_newest():
    text = (ROOT / "pyproject.toml").read_text()
    workflow = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text())
    entries = workflow["jobs"]["bounds"]["strategy"]["matrix"]["include"]
    tried = {(entry["python"], entry["resolution"]) for entry in entries}
    low, high = re.search(r'requires-python = ">=3\.(\d+),<3\.(\d+)"', text).groups()
    assert (f"3.{low}", "lowest-direct") in tried and (f"3.{int(high) - 1}", "highest") in tried
