"""A sandbox around a student's process, made by bubblewrap and the kernel; `server` watches it.

`guarantees` tests each guarantee on this machine.
"""

import contextlib
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

import gancourse
from gancourse import env
from gancourse.errors import CourseError
from gancourse.grading.answers.collector import ENVIRONMENT

HOME = "/home/student"
USER = 2 * 10**9  # plus a process's number: a user of its own for each sandbox, where root grades
SLEEP = "env --ignore-signal=CHLD sleep 1000000"  # as the first process, it leaves no zombies
POLL = 0.05  # seconds between two checks of the time and the memory
GROUP = "gancourse-"  # begins the name of a control group
INSTALL = "Debian, Ubuntu: sudo apt install bubblewrap   Fedora: sudo dnf install bubblewrap"
TRIALS = """
import ctypes, mmap, os, socket, sys
from gancourse.grading.sandbox import linux
pidfd, kinds, user, file = int(sys.argv[1]), sys.argv[2].split(), int(sys.argv[3]), sys.argv[4]
outside = {kind: os.stat(f"/proc/self/ns/{kind}").st_ino for kind in kinds}
linux.join_namespaces(pidfd, kinds)
if child := os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
for kind in kinds:
    assert os.stat(f"/proc/self/ns/{kind}").st_ino != outside[kind], f"it shares: {kind}"
linux.drop_privileges(user or None)

def refused(act, *args):
    try:
        act(*args)
    except OSError:
        return True

assert os.getuid() != 0 and refused(os.setuid, 0), "it is root"
assert refused(socket.create_connection, ("192.0.2.1", 80), 1), "it has a network"
assert refused(open, file, "a") and refused(open, "/usr/x", "w"), "it can write to files"
assert os.getpid() < 100 and refused(os.kill, int(sys.argv[5]), 0), "it sees other processes"
open("/tmp/x", "w").close(); open("/home/student/x", "w").close()
if linux.can_filter():
    assert ctypes.CDLL(None).unshare(0x10000000) == -1, "it can make namespaces"
    assert refused(mmap.mmap, -1, 4096), "it can have memory that no limit counts"
assert refused(open, "/proc/1/mem", "r+b"), "it can change the first process"
"""


@dataclass(frozen=True)
class Limits:
    """What one submission may use; times in seconds, sizes in bytes."""

    cell: float = 60.0
    exercise: float = 60.0
    """For all cases of one exercise."""
    grace: float = 5.0
    """Between interrupting a cell or an exercise and killing its process."""
    total: float = 600.0
    memory: int = 4 * 10**9
    output: int = 32 * 10**6
    """Of what comes out of the sandbox."""
    files: int = 256 * 10**6
    """Of the private home and tmp together."""
    processes: int = 64


@functools.cache
def guarantees() -> tuple[str, ...]:
    """What a sandbox guarantees here, each tested now. CourseError if there is no sandbox."""
    if sys.platform != "linux":
        raise _no_sandbox("It needs Linux.")
    if shutil.which("bwrap") is None:
        raise _no_sandbox("bubblewrap (the command bwrap) is not installed.")
    from gancourse.grading.sandbox import linux  # can't be imported elsewhere

    with Sandbox(Limits()) as sandbox:
        user, pid = str(sandbox.user or 0), str(os.getpid())
        arguments = [str(sandbox.pidfd), " ".join(sandbox.namespaces), user, __file__, pid]
        trial = subprocess.run(
            [sys.executable, "-c", TRIALS, *arguments],
            pass_fds=[sandbox.pidfd], capture_output=True, text=True, cwd="/", env=environment(),
        )  # fmt: skip
        memory = "by the kernel (control group)" if sandbox.group else f"by a check every {POLL} s"
    if trial.returncode:
        raise _no_sandbox(trial.stderr.strip().split("\n")[-1])
    return (
        "a user without rights, one per sandbox" if sandbox.user else "a user without rights",
        "no network",
        "files of the machine read-only, only Python, the course and its data; own home and tmp",
        "own processes: all of them are killed at the end, and others can't be seen",
        *(["no new namespaces, no memory that no limit counts"] if linux.can_filter() else []),
        f"memory limited {memory}; time, processes, file sizes and output limited",
    )


def _no_sandbox(why: str) -> CourseError:
    return CourseError(
        "Submissions can't be graded safely here: there is no sandbox.",
        why,
        f"{INSTALL}   In a container: allow user namespaces, or --sandbox container "
        "(docs/INSTRUCTORS.md, In a container).",
    )


class Sandbox:
    """One sandbox made by bubblewrap, with a process in it that only sleeps."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.namespaces = ["mnt", "pid", "net", "ipc", "uts"]
        self.root = os.getuid() == 0
        if not self.root:
            self.namespaces.append("user")

    def __enter__(self) -> "Sandbox":
        info, info_in = os.pipe()
        try:
            self.process = subprocess.Popen(
                [*self._command(info_in), "sh", "-c", f"echo ready; exec {SLEEP}"],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                pass_fds=[info_in], env={"PATH": "/usr/bin:/bin"}, cwd="/", start_new_session=True,
            )  # fmt: skip
        finally:
            os.close(info_in)
        with open(info) as file, self.process.stdout as out, self.process.stderr as errors:
            ready = out.readline()  # before it, bubblewrap is still building
            if not ready:
                text = errors.read().decode(errors="replace").strip()
                self.process.wait()
                raise _no_sandbox(f"bubblewrap: {text or 'no message'}")
            self.pid = json.load(file)["child-pid"]
        self.pidfd = os.pidfd_open(self.pid)
        self.user = USER + self.pid if self.root else None
        self.group = _control_group(self.pid, self.limits.memory)
        self.pid_namespace = os.stat(f"/proc/{self.pid}/ns/pid").st_ino
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)  # the first of its processes
        self.process.wait()
        os.close(self.pidfd)
        if self.group:
            for _ in range(100):  # until the kernel has reaped the last one
                try:
                    return self.group.rmdir()
                except FileNotFoundError:
                    return  # another worker took it for one that was left behind
                except OSError:
                    time.sleep(0.01)

    def memory(self) -> int:
        """Bytes that its processes use now, where no control group counts them."""
        total = 0
        for pid in psutil.pids() if not self.group else ():
            with contextlib.suppress(OSError, psutil.Error):
                if os.stat(f"/proc/{pid}/ns/pid").st_ino == self.pid_namespace:
                    usage = psutil.Process(pid).memory_info()
                    total += usage.rss - usage.shared
        return total

    def job(self) -> dict:
        """What the fork that enters needs to know."""
        groups = [str(self.group / "cgroup.procs")] if self.group else []
        return {"namespaces": self.namespaces, "user": self.user, "groups": groups, "home": HOME}

    def _command(self, info: int) -> list[str]:
        tmpfs = ["--size", str(self.limits.files // 2), "--perms", "1777", "--tmpfs"]
        places = readable_places()
        above = {p for place in (*places, Path(HOME), Path("/etc/x")) for p in place.parents}
        mounts = ["--perms", "755", "--dir", str(Path(HOME).parent), *tmpfs, "/tmp", *tmpfs, HOME]
        # after them: a course that lies below /tmp is bound into the sandbox's own /tmp
        mounts += [w for p in sorted(above)[1:] for w in ("--perms", "755", "--dir", str(p))]
        mounts += [word for place in places for word in ("--ro-bind", str(place), str(place))]
        unshare = ["--as-pid-1", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"]
        if not self.root:
            # the sleeping process has the student's user: one right more, and it can't be inspected
            unshare += ["--unshare-user", "--uid", "1000", "--gid", "1000", "--cap-add", "CAP_KILL"]
        etc = ("/etc/ld.so.cache", "/etc/localtime")
        mounts += [word for file in etc for word in ("--ro-bind-try", file, file)]
        last = f"--proc /proc --dev /dev --remount-ro / --chdir {HOME} --info-fd {info}".split()
        dev = [*tmpfs, "/dev/shm", "--ro-bind", "/dev/null", "/dev/zero", "--remount-ro", "/dev"]
        start = [shutil.which("bwrap") or "bwrap", "--die-with-parent", "--new-session"]
        return [*start, *unshare, "--hostname", "sandbox", *mounts, *last[:4], *dev, *last[4:]]


class NoSandbox:
    """In place of a sandbox, for --unsafe-no-sandbox: a folder, and limits."""

    pidfd = group = None
    pid = 0  # of the fork, once it is made

    def __init__(self, limits: Limits) -> None:
        self.home = tempfile.mkdtemp(prefix="gancourse-")

    def __enter__(self) -> "NoSandbox":
        return self

    def __exit__(self, *_: object) -> None:
        for _ in range(1000):
            if not self._processes():
                break
            self._kill()
            time.sleep(0.01)  # orphans go to the first process, which reaps them
        shutil.rmtree(self.home, ignore_errors=True)

    def _kill(self) -> None:
        for process in self._processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    def _processes(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.NoSuchProcess):
            return psutil.Process(self.pid).children(recursive=True) if self.pid else []
        return []

    def memory(self) -> int:
        total = 0
        for process in self._processes():
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
        return total

    def job(self) -> dict:
        return {"namespaces": [], "user": None, "groups": [], "home": self.home}


def readable_places() -> list[Path]:
    """What a submission may read: the system's programs, Python, the course and its data."""
    places = [Path("/usr"), Path(sys.base_prefix), Path(sys.prefix), env.data_dir().resolve()]
    places.append(Path(gancourse.__file__).resolve().parent)
    for place in map(Path, ("/bin", "/sbin", "/lib", "/lib64", "/lib32")):
        places += [place] if place.is_dir() else []
    return [place for place in dict.fromkeys(places) if place.exists()]


def environment() -> dict[str, str]:
    """The variables of the server and of every submission; none of the grader's own."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {
        **private_folders(HOME),
        **ENVIRONMENT,
        **threads,
        **{"LANG": "C.UTF-8", "USER": "student", "PYTHONHASHSEED": "0"},
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "PYTHONPATH": str(Path(gancourse.__file__).resolve().parents[1]),  # needs no installation
        "GANCOURSE_DATA": str(env.data_dir().resolve()),
    }


def private_folders(home: str) -> dict[str, str]:
    """The variables that name a student's own folders."""
    return {"HOME": home, "GANCOURSE_RUNS": f"{home}/runs"}


def _control_group(pid: int, memory: int) -> Path | None:
    """A new control group for a process, where this user may make one (version 2, or 1)."""
    root = Path("/sys/fs/cgroup")
    with contextlib.suppress(OSError):
        lines = Path("/proc/self/cgroup").read_text().splitlines()
        groups = [root / line[4:].lstrip("/") for line in lines if line.startswith("0::/")]
        places = [(folder, "memory.max") for folder in (root, *(path.parent for path in groups))]
        for place, file in [*places, (root / "memory", "memory.limit_in_bytes")]:
            folder = place / f"{GROUP}{pid}"
            for left in place.glob(f"{GROUP}*"):  # by a grader that was killed
                if not Path("/proc", left.name.removeprefix(GROUP)).exists():
                    with contextlib.suppress(OSError):
                        left.rmdir()
            with contextlib.suppress(OSError):
                folder.mkdir()
                try:
                    if (folder / file).exists():
                        (folder / file).write_text(str(memory))
                        for swap in ("memory.swap.max", "memory.swappiness"):  # none, 2 and 1
                            if (folder / swap).exists():
                                (folder / swap).write_text("0")
                        (folder / "cgroup.procs").write_text(str(pid))
                        return folder
                except OSError:
                    pass
                folder.rmdir()
    return None
