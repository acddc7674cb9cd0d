"""A warm Python that forks into a fresh sandbox for each submission, under time limits.

A `Server` has imported everything (see `inside`). For each submission `Server.session` has
bubblewrap build a sandbox (`isolation`), lets a fork of the server enter it, and kills every
process in it when the session is left, in whatever way.
"""

import contextlib
import json
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

from gancourse.errors import CourseError
from gancourse.grading.sandbox import isolation, separate_user
from gancourse.grading.sandbox.isolation import POLL, Limits, NoSandbox, Sandbox
from gancourse.grading.sandbox.separate_user import SeparateUser

UNSAFE = "UNSAFE: graded without a sandbox: network, files and processes were open to it"


def guarantees(sandbox: str) -> tuple[str, ...]:
    """What a kind of sandbox guarantees here, tested now. CourseError if there is none."""
    if sandbox == "none":
        return (UNSAFE,)
    if sandbox == "bubblewrap":
        return isolation.guarantees()
    return separate_user.guarantees(alone=sandbox == "alone")


class SessionEnded(Exception):
    """A session was ended from outside, or ended itself; the message says why."""


class Session:
    """One fork of the server in one sandbox: messages in and out, under limits."""

    def __init__(self, link: socket.socket, sandbox: "Sandbox | NoSandbox", limits: Limits) -> None:
        self.link, self.sandbox, self.limits = link, sandbox, limits
        self.deadline = time.monotonic() + limits.grace + 30
        self.output_left = limits.output
        self.checked = 0.0
        self.token = secrets.token_hex(16)
        """Sent with the job; what comes without it, code of the notebook wrote into the socket."""
        link.settimeout(POLL)

    def allow(self, seconds: float) -> None:
        """Set the time limit of what runs now, from now."""
        self.deadline = time.monotonic() + seconds

    def send(self, message: dict) -> None:
        from gancourse.grading.sandbox.inside import Channel  # needs Linux

        self.link.settimeout(10)
        try:
            Channel(self.link).send(message)
        except OSError as error:
            raise SessionEnded("it ended its own process") from error
        self.link.settimeout(POLL)

    def __iter__(self) -> Iterator[tuple[dict, bytes]]:
        """Messages and their bytes, untrusted; `SessionEnded` when no more will come."""
        while True:
            head, body = (int.from_bytes(self._read(4), "big") for _ in range(2))
            self.output_left -= 8 + head + body
            if self.output_left < 0:
                raise SessionEnded("it sent too much")
            text, content = self._read(head), self._read(body)
            try:
                message = json.loads(text)
            except (ValueError, RecursionError):
                message = None
            if not isinstance(message, dict):
                raise SessionEnded("it sent something that is no message")
            yield message, content

    def _read(self, size: int) -> bytes:
        parts = []
        while size:
            self._check_limits()
            try:
                part = self.link.recv(min(size, 2**20))
            except TimeoutError:
                continue
            except OSError:
                part = b""
            if not part:
                raise SessionEnded(self._why_ended())
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _check_limits(self) -> None:
        now = time.monotonic()
        if now > self.deadline:
            raise SessionEnded("it took too long")
        if now - self.checked > POLL:
            self.checked = now
            if self.sandbox.memory() > self.limits.memory:
                raise SessionEnded("it used too much memory")

    def _why_ended(self) -> str:
        for name in ("memory.events", "memory.oom_control"):
            with contextlib.suppress(OSError, ValueError):
                text = (self.sandbox.group / name).read_text() if self.sandbox.group else ""
                if any(int(line.split()[1]) for line in text.splitlines() if "oom_kill " in line):
                    return "it used too much memory"
        return "it ended its own process"


class Server:
    """A warm Python that forks for each submission. A context manager; one session at a time.

    Parameters
    ----------
    sandbox : str
        "bubblewrap"; "container", a separate user in the container that this runs in; "alone", the
        same where that container is made for one submission; "none", under limits only.

    Raises
    ------
    CourseError
        If there can be no sandbox here, or the server does not start.
    """

    def __init__(self, sandbox: str = "bubblewrap") -> None:
        self.guarantees = guarantees(sandbox)
        self.kind = sandbox
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.scratch = tempfile.TemporaryDirectory(prefix="gancourse-", ignore_cleanup_errors=True)
        folders = dict.fromkeys(("IPYTHONDIR", "MPLCONFIGDIR"), self.scratch.name)
        code = f"from gancourse.grading.sandbox.inside import serve; serve({theirs.fileno()})"
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [sys.executable, "-c", code], pass_fds=[theirs.fileno()], cwd="/",
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.errors,
            start_new_session=True,  # Ctrl-C is for the grader, which ends this one
            env=isolation.environment() | folders,
        )  # fmt: skip
        theirs.close()
        self.control.settimeout(180)
        try:
            ready = self.control.recv(16)
        except BaseException:  # Ctrl-C while it starts
            self.close()
            raise
        if not ready:
            self.errors.seek(0)
            text = self.errors.read().decode(errors="replace").strip().split("\n")[-1]
            self.close()
            do = 'Set up again: pip install "gancourse[instructor]"'
            raise CourseError("The process that grades did not start.", text, do)

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the server. Starting another takes seconds, so keep one for many submissions."""
        self.control.close()
        self.process.kill()
        self.process.wait()
        self.errors.close()
        self.scratch.cleanup()

    def _sandbox(self, limits: Limits) -> Sandbox | NoSandbox:
        if self.kind == "bubblewrap":
            return Sandbox(limits)
        if self.kind == "none":
            return NoSandbox(limits)
        return SeparateUser(limits, alone=self.kind == "alone")

    @contextlib.contextmanager
    def session(self, limits: Limits) -> Iterator[Session]:
        """A fork of this server in a fresh sandbox, which is removed when the block is left.

        CourseError if the server has ended.
        """
        ours, theirs = socket.socketpair()
        with ours, self._sandbox(limits) as sandbox:
            with theirs:
                job = sandbox.job()
                job.setdefault("environment", {}).update(isolation.private_folders(job["home"]))
                job["limits"] = {
                    "memory": limits.memory,
                    "cpu": int(limits.total) + 1,
                    "size": limits.files // 2,
                    "processes": limits.processes,
                }
                fds = [theirs.fileno()] + ([] if sandbox.pidfd is None else [sandbox.pidfd])
                try:
                    socket.send_fds(self.control, [json.dumps(job).encode()], fds)
                    pid = int(self.control.recv(32))
                except (OSError, ValueError) as error:
                    what = "The process that grades has ended."
                    raise CourseError(what, str(error), "Run it again.") from error
            if isinstance(sandbox, NoSandbox):
                sandbox.pid = pid
            yield Session(ours, sandbox, limits)
