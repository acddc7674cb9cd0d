"""A user of its own for each submission, in a container that can't make sandboxes.

Containers often forbid the namespaces that bubblewrap needs. There the container protects the
machine, and this protects the grader and other submissions: a user without rights, no sockets of
the internet, files limited by Landlock, every process killed at the end. The grader must be root,
which it is in a container unless told otherwise.
"""

import contextlib
import functools
import json
import os
import secrets
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil

from gancourse.errors import CourseError
from gancourse.grading.sandbox import isolation
from gancourse.grading.sandbox.isolation import POLL, Limits, NoSandbox, environment

USERS = range(20_000, 60_000)  # numbers that no user has, and that every container may use
SHARED = ("/tmp", "/var/tmp", "/dev/shm", "/run/lock")  # where every user may write
DEVICES = ("null", "zero", "full", "random", "urandom", "shm")
STAMP = "CONTAINER: no sandbox of its own, a user without rights in the container of the grader"
TRIALS = """
import ctypes, json, os, socket, sys
from gancourse.grading.sandbox import landlock, linux
job, places, file, private, public, pid = *map(json.loads, sys.argv[1:3]), *sys.argv[3:]
if job["readable"]:
    landlock.restrict_files(job["readable"], job["writable"])
linux.drop_privileges(job["user"], linux.LOCAL)

def refused(act, *args):
    try:
        act(*args)
    except OSError:
        return True

assert os.getuid() == job["user"] and refused(os.setuid, 0), "it is root"
kinds = socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK, socket.AF_PACKET
assert all(refused(socket.socket, kind) for kind in kinds), "it has a network"
assert refused(open, file, "a") and refused(open, "/usr/x", "w"), "it can write to files"
assert refused(open, private), "it can read the grader's files"
assert refused(os.kill, int(pid), 0), "it can end the grader"
assert refused(open, f"/proc/{pid}/environ") and refused(open, f"/proc/{pid}/mem"), "it can inspect"
if job["readable"] and "/tmp" not in job["writable"]:
    assert refused(open, public), "it can read other submissions"
    assert refused(open, "/tmp/x", "w"), "it can leave files"
for place in places:
    assert not refused(os.listdir, place), f"every user must be able to read {place}"
assert ctypes.CDLL(None).unshare(0x10000000) == -1, "it can make namespaces"
open(job["home"] + "/x", "w").close()
"""


class SeparateUser(NoSandbox):
    """In place of a sandbox: a folder, limits, and a user that owns nothing else.

    Parameters
    ----------
    limits : Limits
        What the submission may use.
    alone : bool
        The container is made for one submission.
    """

    def __init__(self, limits: Limits, alone: bool = False) -> None:
        self.alone = alone
        while True:
            self.user = secrets.choice(USERS)
            home = Path(tempfile.gettempdir(), f"gancourse-{self.user}")
            with contextlib.suppress(FileExistsError):
                home.mkdir(0o700)  # a number is taken as long as its folder is there
                if not (any(self._own()) or any(self._files())):
                    break
                home.rmdir()
        self.home = str(home)
        os.chown(home, self.user, self.user)

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        for path in self._files():
            with contextlib.suppress(OSError):
                shutil.rmtree(path) if stat.S_ISDIR(path.lstat().st_mode) else path.unlink()
        if self._processes():
            raise CourseError("A submission's processes could not be ended.", "", "Run it again.")

    def _kill(self) -> None:
        """Kill all that run as this user, in one call, so that none is missed while it forks."""
        options = {"user": self.user, "group": self.user, "extra_groups": []}
        with contextlib.suppress(subprocess.TimeoutExpired):  # they may stop it
            subprocess.run(["/bin/sh", "-c", "kill -s KILL -- -1"], cwd="/", timeout=5, **options)
        super()._kill()

    def _processes(self) -> list[psutil.Process]:
        return [*super()._processes(), *self._own()]

    def _own(self) -> Iterator[psutil.Process]:
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.uids().real == self.user:
                    yield process

    def _files(self) -> Iterator[Path]:
        """What this user has left where every user may write."""
        for folder in map(Path, SHARED):
            for path in [*folder.iterdir()] if folder.is_dir() else ():
                with contextlib.suppress(OSError):
                    if path.lstat().st_uid == self.user:
                        yield path

    def memory(self) -> int:
        total = 0
        for process in self._own():
            with contextlib.suppress(psutil.Error):
                usage = process.memory_info()
                total += usage.rss - usage.shared
        return total

    def job(self) -> dict:
        from gancourse.grading.sandbox import landlock

        job = super().job() | {"user": self.user, "readable": [], "writable": []}
        job["environment"] = {"TMPDIR": self.home}
        if landlock.version():
            etc = ["/etc/ld.so.cache", "/etc/localtime", "/proc"]
            job["readable"] = [*map(str, isolation.readable_places()), *etc]
            job["writable"] = [self.home, *(f"/dev/{name}" for name in DEVICES)]
            job["writable"] += ["/tmp"] if self.alone else []
        return job


@functools.cache
def guarantees(alone: bool = False) -> tuple[str, ...]:
    """What a separate user guarantees here, each tested now.

    Parameters
    ----------
    alone : bool
        The container is made for one submission, and has no file of another.

    Raises
    ------
    CourseError
        If one of the guarantees is missing.
    """
    if sys.platform != "linux" or os.getuid() != 0:
        raise _missing("It needs Linux, and the rights of root within the container.")
    from gancourse.grading.sandbox import landlock, linux  # can't be imported elsewhere

    if not linux.can_filter():
        raise _missing("System calls can't be filtered on this kind of processor.")
    if not (alone or landlock.version()):
        raise _missing("The kernel has no Landlock (Linux 5.13): other submissions can be read.")
    with SeparateUser(Limits(), alone) as sandbox, tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        private, public = Path(folder, "private"), Path(folder, "public")
        private.touch(0o600)
        public.touch(0o644)
        places = json.dumps([*map(str, isolation.readable_places())])
        words = [json.dumps(sandbox.job()), places, __file__, private, public, str(os.getpid())]
        trial = subprocess.run(
            [sys.executable, "-c", TRIALS, *words],
            capture_output=True, text=True, cwd="/", env=environment(),
        )  # fmt: skip
    if trial.returncode:
        raise _missing(trial.stderr.strip().split("\n")[-1])
    files = "only Python, the course and its data can be read; own home"
    return (
        STAMP,
        "a user without rights, one per submission",
        "no network: no sockets of the internet",
        f"files: {files if landlock.version() else 'none of the grader, none can be changed'}",
        "processes: all of them are killed at the end; others can be seen, not signalled",
        "no new namespaces, no memory that no limit counts",
        f"memory limited by a check every {POLL} s; time, processes, file sizes and output limited",
    )


def _missing(why: str) -> CourseError:
    what = "Submissions can't be graded safely in this container."
    return CourseError(what, why, "docs/INSTRUCTORS.md, In a container, has the options of docker.")
