"""The sandbox itself: its guarantees are tried, and nothing of it is left behind."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from sandboxed import needs_a_sandbox

from gancourse import doctor
from gancourse.errors import CourseError
from gancourse.grading.sandbox import isolation, linux


@pytest.fixture(autouse=True)
def fresh():
    isolation.guarantees.cache_clear()
    yield
    isolation.guarantees.cache_clear()


@needs_a_sandbox
def test_the_guarantees_were_tried():
    lines = isolation.guarantees()
    for word in ("network", "user", "read-only", "processes", "memory"):
        assert any(word in line for line in lines)
    assert "no network" in str(doctor.grading(isolation.guarantees))


@needs_a_sandbox
@pytest.mark.parametrize("option", ["--unshare-net", "--unshare-pid", "--unshare-ipc"])
def test_a_missing_isolation_is_noticed(option, monkeypatch):
    """One of bubblewrap's options is left out: then there is no sandbox, though it starts."""
    command = isolation.Sandbox._command
    left_out = (option, "--as-pid-1")
    shorter = lambda self, info: [w for w in command(self, info) if w not in left_out]  # noqa: E731
    monkeypatch.setattr(isolation.Sandbox, "_command", shorter)
    joined = "it shares" if os.getuid() == 0 else r"it shares|setns"  # there it may not even join
    with pytest.raises(CourseError, match=joined):
        isolation.guarantees()


@needs_a_sandbox
def test_a_sandbox_leaves_nothing():
    with isolation.Sandbox(isolation.Limits()) as sandbox:
        assert psutil.pid_exists(sandbox.pid)
        assert not sandbox.group or sandbox.group.is_dir()
    assert not psutil.pid_exists(sandbox.pid)
    assert not (sandbox.group and sandbox.group.exists())


@needs_a_sandbox
def test_a_grader_that_is_killed_takes_its_sandbox_with_it():
    code = "from gancourse.grading.sandbox.isolation import Limits, Sandbox\n" \
        "with Sandbox(Limits()) as box:\n    print(box.pid, flush=True)\n    input()"  # fmt: skip
    grader = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with grader.stdin, grader.stdout:
        pid = int(grader.stdout.readline())
        assert psutil.pid_exists(pid)
        grader.kill()
        grader.wait()
        psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [])
    with isolation.Sandbox(isolation.Limits()) as sandbox:  # the next one removes what is left
        group = sandbox.group
        assert not group or not group.with_name(f"{isolation.GROUP}{pid}").exists()


def test_where_there_is_none_the_error_says_why_and_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CourseError) as error:
        isolation.guarantees()
    assert "bwrap" in error.value.why and "apt install bubblewrap" in error.value.do
    assert "apt install bubblewrap" in str(doctor.grading(isolation.guarantees))
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(CourseError, match="Linux"):
        isolation.guarantees()


@needs_a_sandbox
def test_a_bubblewrap_that_fails_is_quoted(monkeypatch, tmp_path):
    fake = tmp_path / "bwrap"
    fake.write_text(
        "#!/bin/sh\necho 'bwrap: No permissions to create a new namespace' >&2\nexit 1\n"
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(CourseError, match="No permissions to create"):
        isolation.guarantees()


@pytest.mark.skipif(not linux.can_filter(), reason="system calls of this machine are not known")
def test_the_forbidden_system_calls_have_the_kernels_numbers():
    """The machine's own header is the oracle; where it is missing, the calls themselves are."""
    headers = list(Path("/usr/include").glob("**/asm/unistd_64.h"))
    if not headers or linux.MACHINES.get("x86_64") is None:
        pytest.skip("no kernel headers here")
    numbers = {}
    for line in headers[0].read_text().splitlines():
        words = line.split()
        if words[:1] == ["#define"] and len(words) == 3 and words[1].startswith("__NR_"):
            numbers[words[1][5:]] = words[2]
    for name, (number, _) in linux.FORBIDDEN.items():
        if name in numbers:
            assert int(numbers[name]) == number, name
    assert int(numbers["clone"]) == linux.CLONE[0] and int(numbers["clone3"]) == linux.CLONE3


def test_the_module_can_be_imported_where_there_is_no_linux():
    name = "gancourse.grading.sandbox.linux"
    code = f"import sys; sys.modules[{name!r}] = None; import gancourse.grading.sandbox.isolation"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@needs_a_sandbox
def test_a_control_group_that_another_grader_removed_is_not_waited_for(monkeypatch):
    """It takes the group of a sandbox that has just ended for one that was left behind."""
    with isolation.Sandbox(isolation.Limits()) as sandbox:
        if not sandbox.group:
            pytest.skip("no control groups here")
        os.kill(sandbox.pid, signal.SIGKILL)
        sandbox.process.wait()
        while sandbox.group.exists():
            with contextlib.suppress(OSError):
                sandbox.group.rmdir()
        monkeypatch.setattr(isolation.time, "sleep", lambda seconds: pytest.fail("it waits"))
