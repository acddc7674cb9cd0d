import sys
from collections.abc import Iterator
from functools import partial
from types import SimpleNamespace

import fakes
import pytest
from fakes import MARKS, notebook
from sandboxed import Remembered

from gancourse import cli
from gancourse.grading.answers import notebook_file
from gancourse.grading.gradebook import batch, workers
from gancourse.grading.sandbox import server as server_module
from gancourse.grading.sandbox.server import Server


@pytest.fixture
def term(tmp_path, monkeypatch):
    """A working folder with submissions, and a grader that does what they run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(workers, "local", fakes.here)
    monkeypatch.setattr(batch, "run", partial(batch.run, grade=fakes.grade))
    parse = lambda content: SimpleNamespace(notebook=fakes.recognize(content))  # noqa: E731
    monkeypatch.setattr(notebook_file, "parse", parse)
    special = {"bob": {"slip": 0}, "dan": {"flag": "2.1"}}
    for name in ("ann", "bob", "dan"):
        folder = tmp_path / "submissions" / name
        folder.mkdir(parents=True)
        content = notebook(**{"marks": MARKS, "who": name} | special.get(name, {}))
        (folder / "02.ipynb").write_bytes(content)
    return tmp_path


@pytest.fixture
def run(monkeypatch, capsys):
    """Run a command in this process; its status and output."""

    def command(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["gancourse", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        output = capsys.readouterr()
        return ended.value.code or 0, output.out + output.err

    return command


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """One warm server for all tests: it takes seconds to start, and no submission changes it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANCOURSE_TEST_SECRET", "not for students")
        patch.setattr(server_module, "Sandbox", Remembered)
        with Server() as server:
            yield server
