"""Every hostile or broken submission gets its mark, and leaves nothing behind."""

import contextlib
import os
from pathlib import Path
from typing import ClassVar

import psutil
import pytest
from hostile import attacks, needs_a_sandbox, notebook
from hostile.attacks import Attack

from gancourse.grading.judging import judge
from gancourse.grading.sandbox import walls
from gancourse.grading.sandbox.server import Limits, Server

ROOT = Path(__file__).resolve().parents[2]
SECRET = b"of these tests"
LIMITS = Limits(
    cell=2, exercise=2, grace=1, total=30, memory=12 * 10**8, files=64 * 10**6, output=4 * 10**6
)


pytestmark = needs_a_sandbox


def files() -> set:
    """Files that a student could have changed, were there no walls."""
    places = [Path(__file__).parent / "hostile", Path.home(), ROOT / "data"]
    return {(p, p.stat().st_mtime_ns) for place in places for p in place.glob("*") if p.is_file()}


class Remembered(walls.Box):
    """A sandbox that the test can ask about when it is gone."""

    made: ClassVar[list[walls.Box]] = []

    def __enter__(self) -> walls.Box:
        self.made.append(self)
        return super().__enter__()

    def running(self) -> list[int]:
        """Processes that are still in its namespace."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(OSError):
                if os.stat(f"/proc/{process.pid}/ns/pid").st_ino == self.space:
                    found.append(process.pid)
        return found


@pytest.fixture(scope="module")
def server():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANCOURSE_TEST_SECRET", "not for students")
        patch.setattr("gancourse.grading.sandbox.server.Box", Remembered)
        with Server() as server:
            yield server


@pytest.fixture(scope="module")
def before(server, tmp_path_factory):
    """A good student's result, and the state of the machine, before all attacks."""
    result = grade(server, hand_in(tmp_path_factory.mktemp("good") / "x.ipynb", None))
    return result, files()


def hand_in(path: Path, attack: Attack | None) -> Path:
    """A student's notebook with an attack in it; a good student's without one."""
    if attack is None:
        cells = notebook.cells(value=notebook.RIGHT)
    else:
        cells = notebook.cells(attack.early, attack.value or notebook.WRONG, attack.late)
    path.write_text(notebook.text(cells), encoding="utf-8")
    return path


def grade(server, path: Path) -> judge.Result:
    return judge.grade(path, SECRET, limits=LIMITS, server=server)


def earned(result: judge.Result) -> tuple[int, ...]:
    marks = {mark.exercise: mark.earned for mark in result.marks}
    return tuple(marks[id] for id in ("2.1", "2.2", "2.5"))


@pytest.mark.parametrize("attack", attacks.ALL, ids=lambda attack: attack.name)
def test_an_attack_earns_what_its_answers_are_worth(attack, server, before, tmp_path):
    result = grade(server, hand_in(tmp_path / "x.ipynb", attack))
    assert earned(result) == attack.earned, result
    text = " ".join([*result.notes, *(mark.message for mark in result.marks)])
    if attack.flagged:
        assert result.flags or any(mark.flags for mark in result.marks)
    if attack.quiet:
        assert not result.notes, result.notes
    if attack.stopped:
        assert any(word in text for word in ("took too long", "ended", "sent", "memory")), text
    assert text.isprintable() or set(filter(lambda c: not c.isprintable(), text)) == {"\n"}
    assert len(text) < 20000
    assert judge.Result.from_json(result.to_json()) == result


def test_after_all_attacks_a_good_student_is_graded_as_before(server, before, tmp_path):
    result, state = before
    assert earned(result) == (1, 2, 1) and not result.notes and not result.flags
    assert grade(server, hand_in(tmp_path / "x.ipynb", None)).to_json() == result.to_json()
    assert files() == state
    assert not psutil.Process(server.process.pid).children(recursive=True)
    for box in Remembered.made:
        assert not box.running() and not (box.group and box.group.exists())
