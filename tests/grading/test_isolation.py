"""The sandbox itself: what it promises is tried; nothing of it is left."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from hostile import needs_a_sandbox

from gancourse import doctor
from gancourse.errors import CourseError
from gancourse.grading.sandbox import enter, walls


@pytest.fixture(autouse=True)
def fresh():
    walls.guarantees.cache_clear()
    yield
    walls.guarantees.cache_clear()


@needs_a_sandbox
def test_the_guarantees_were_tried():
    held = walls.guarantees()
    for word in ("network", "user", "read-only", "processes", "memory"):
        assert any(word in line for line in held)
    finding = doctor.grading(walls.guarantees)
    assert finding.status == "well" and "no network" in finding.text


@needs_a_sandbox
@pytest.mark.parametrize("wall", ["--unshare-net", "--unshare-pid", "--unshare-ipc"])
def test_a_hole_in_the_walls_is_noticed(wall, monkeypatch):
    """A wall is left out: then there is no sandbox, though bubblewrap is content."""
    command = walls.Box._command
    holed = lambda self, info: [w for w in command(self, info) if w not in (wall, "--as-pid-1")]  # noqa: E731
    monkeypatch.setattr(walls.Box, "_command", holed)
    joined = "it shares" if os.getuid() == 0 else r"it shares|setns"  # there it may not even join
    with pytest.raises(CourseError, match=joined):
        walls.guarantees()


@needs_a_sandbox
def test_a_sandbox_leaves_nothing():
    with walls.Box(walls.Limits()) as box:
        assert psutil.pid_exists(box.pid)
        assert not box.group or box.group.is_dir()
    assert not psutil.pid_exists(box.pid) and not (box.group and box.group.exists())


@needs_a_sandbox
def test_a_grader_that_is_killed_takes_its_sandbox_with_it():
    code = "from gancourse.grading.sandbox.walls import Box, Limits\n" \
        "with Box(Limits()) as box:\n    print(box.pid, flush=True)\n    input()"  # fmt: skip
    grader = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with grader.stdin, grader.stdout:
        pid = int(grader.stdout.readline())
        assert psutil.pid_exists(pid)
        grader.kill()
        grader.wait()
        psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=5)
    assert not psutil.pid_exists(pid)
    with walls.Box(walls.Limits()) as box:  # the next one sweeps up
        left = [p for p in box.group.parent.glob("gancourse-*")] if box.group else []
        assert all(psutil.pid_exists(int(path.name[10:])) for path in left)


def test_where_there_is_none_it_is_said_why_and_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CourseError) as error:
        walls.guarantees()
    assert "bwrap" in error.value.why and "apt install bubblewrap" in error.value.do
    finding = doctor.grading(walls.guarantees)
    assert finding.status == "note" and "apt" in finding.mend
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(CourseError, match="Linux"):
        walls.guarantees()


@needs_a_sandbox
def test_a_bubblewrap_that_fails_is_quoted(monkeypatch, tmp_path):
    fake = tmp_path / "bwrap"
    fake.write_text(
        "#!/bin/sh\necho 'bwrap: No permissions to create a new namespace' >&2\nexit 1\n"
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(CourseError, match="No permissions to create"):
        walls.guarantees()


@pytest.mark.skipif(not enter.can_filter(), reason="system calls of this machine are not known")
def test_the_forbidden_system_calls_have_the_kernels_numbers():
    """The machine's own header is the oracle; where it is missing, the calls themselves are."""
    headers = list(Path("/usr/include").glob("**/asm/unistd_64.h"))
    if not headers or enter.MACHINES.get("x86_64") is None:
        pytest.skip("no kernel headers here")
    numbers = {}
    for line in headers[0].read_text().splitlines():
        words = line.split()
        if words[:1] == ["#define"] and len(words) == 3 and words[1].startswith("__NR_"):
            numbers[words[1][5:]] = words[2]
    for name, (number, _) in enter.FORBIDDEN.items():
        if name in numbers:
            assert int(numbers[name]) == number, name
    assert int(numbers["clone"]) == enter.CLONE[0] and int(numbers["clone3"]) == enter.CLONE3


def test_the_module_can_be_imported_where_there_is_no_linux():
    name = "gancourse.grading.sandbox.enter"
    code = f"import sys; sys.modules[{name!r}] = None; import gancourse.grading.sandbox.walls"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_grader_beside_this_one_that_tidies_up_costs_no_time():
    """It takes the control group of a sandbox that has just ended for one that was left."""
    with walls.Box(walls.Limits()) as box:
        if not box.group:
            pytest.skip("no control groups here")
        os.kill(box.pid, signal.SIGKILL)
        box.process.wait()
        while box.group.exists():
            with contextlib.suppress(OSError):
                box.group.rmdir()
        start = time.monotonic()
    assert time.monotonic() - start < 0.5
