"""Every hostile or broken submission gets its mark, and leaves nothing behind."""

import contextlib
import os
from pathlib import Path

import attacks
import handmade
import psutil
import pytest
from attacks import Attack
from sandboxed import Remembered, needs_a_sandbox, with_patience

from gancourse.grading.judging import marking
from gancourse.grading.sandbox.isolation import Limits, Sandbox

HERE = Path(__file__).parent
SECRET = b"of these tests"
LIMITS = Limits(
    cell=1, exercise=1, grace=0.5, total=30, memory=12 * 10**8, files=64 * 10**6, output=4 * 10**6
)
PLANTED = (".ipython/profile_default/startup/x.py", ".local/lib/python3/usercustomize.py")

pytestmark = needs_a_sandbox


def files() -> set:
    """Files that a student could have changed, if there were no sandbox."""
    paths = [*HERE.glob("*.py"), *(Path.home() / name for name in PLANTED)]
    return {(path, path.stat().st_mtime_ns) for path in paths if path.exists()}


def still_running(sandbox: Sandbox) -> list[int]:
    """Processes that are left in a sandbox's namespace.

    A later namespace, of a test in another process, may have its number; then another process is
    the first in it.
    """
    pids, first = [], set()
    for process in psutil.process_iter():
        with contextlib.suppress(OSError):
            if os.stat(f"/proc/{process.pid}/ns/pid").st_ino == sandbox.pid_namespace:
                pids.append(process.pid)
                status = Path(f"/proc/{process.pid}/status").read_text()
                numbers = next(x for x in status.splitlines() if x.startswith("NSpid:")).split()
                first |= {process.pid} if numbers[-1] == "1" else set()
    return pids if not first or sandbox.pid in first else []


@pytest.fixture(scope="module")
def before(server, tmp_path_factory):
    """A good student's result, and the state of the machine, before all attacks."""
    return grade(server, hand_in(tmp_path_factory.mktemp("good") / "x.ipynb", None)), files()


def hand_in(path: Path, attack: Attack | None) -> Path:
    """A student's notebook with an attack in it; a good student's without one."""
    if attack is None:
        cells = handmade.cells(value=handmade.RIGHT)
    else:
        cells = handmade.cells(attack.early, attack.value or handmade.WRONG, attack.late)
    path.write_text(handmade.text(cells), encoding="utf-8")
    return path


def grade(server, path: Path, limits: Limits = LIMITS) -> marking.Result:
    return marking.grade(path, SECRET, limits=limits, server=server)


def earned(result: marking.Result) -> tuple[int, ...]:
    marks = {mark.exercise: mark.earned for mark in result.marks}
    return tuple(marks[id] for id in ("2.1", "2.2", "2.5"))


def problems(result: marking.Result, attack: Attack) -> list[str]:
    """In which ways a result is not as the attack says."""
    text = " ".join([*result.notes, *(mark.message for mark in result.marks)])
    stops = ("took too long", "ended", "sent", "memory")
    holds = {
        f"earned {earned(result)}": earned(result) == attack.earned,
        "no flag": result.flagged or not attack.flagged,
        "a note": not attack.quiet or not result.notes,
        "not stopped": not attack.stopped or any(word in text for word in stops),
    }
    return [problem for problem, fine in holds.items() if not fine]


@pytest.mark.parametrize("attack", attacks.ALL, ids=lambda attack: attack.name)
def test_an_attack_earns_what_its_answers_are_worth(attack, server, before, tmp_path):
    path = hand_in(tmp_path / "x.ipynb", attack)
    result = with_patience(
        lambda limits: grade(server, path, limits), LIMITS, lambda r: not problems(r, attack)
    )
    assert not problems(result, attack), result
    text = " ".join([*result.notes, *(mark.message for mark in result.marks)])
    assert text.isprintable() or set(filter(lambda c: not c.isprintable(), text)) == {"\n"}
    assert len(text) < 20000
    assert marking.Result.from_json(result.to_json()) == result


def test_after_attacks_a_good_student_is_graded_as_before(server, before, tmp_path):
    result, state = before
    assert earned(result) == (1, 2, 1) and not result.notes and not result.flags
    assert grade(server, hand_in(tmp_path / "x.ipynb", None)).to_json() == result.to_json()
    assert files() == state
    assert not psutil.Process(server.process.pid).children(recursive=True)
    for sandbox in Remembered.made:
        assert not still_running(sandbox)
        assert not (sandbox.group and sandbox.group.exists())
