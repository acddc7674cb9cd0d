"""A warm Python that forks into a fresh sandbox for each submission, under a clock.

A `Server` has imported everything (see `inside`). For each submission `Server.session` has
bubblewrap build a sandbox (`walls`), lets a fork of the server step into it, and kills all that is
in it when the session is left, in whatever way.
"""

import contextlib
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

from gancourse.errors import CourseError
from gancourse.grading.sandbox.walls import (
    LOOK,
    Box,
    Limits,
    NoBox,
    environment,
    guarantees,
    private,
)

__all__ = ["Limits", "Server", "Session", "Stop", "guarantees"]


class Stop(Exception):
    """A session was ended from outside, or ended itself; the message says why."""


class Session:
    """One fork of the server in one sandbox: messages in and out, under a clock."""

    def __init__(self, link: socket.socket, box: "Box | NoBox", limits: Limits) -> None:
        self.link, self.box, self.limits = link, box, limits
        self.deadline = time.monotonic() + limits.grace + 30
        self.left = limits.output
        self.looked = 0.0
        link.settimeout(LOOK)

    def allow(self, seconds: float) -> None:
        """Give what runs now so much time, from now."""
        self.deadline = time.monotonic() + seconds

    def send(self, message: dict) -> None:
        from gancourse.grading.sandbox.inside import Channel

        self.link.settimeout(10)
        try:
            Channel(self.link).send(message)
        except OSError as error:
            raise Stop("it ended its own process") from error
        self.link.settimeout(LOOK)

    def __iter__(self) -> Iterator[tuple[dict, bytes]]:
        """Messages and their bytes, as a stranger sends them; `Stop` when no more will come."""
        while True:
            head, body = (int.from_bytes(self._exactly(4), "big") for _ in range(2))
            self.left -= 8 + head + body
            if self.left < 0:
                raise Stop("it sent too much")
            text, more = self._exactly(head), self._exactly(body)
            try:
                message = json.loads(text)
            except (ValueError, RecursionError) as error:
                raise Stop("it sent something that is no message") from error
            if not isinstance(message, dict):
                raise Stop("it sent something that is no message")
            yield message, more

    def _exactly(self, size: int) -> bytes:
        parts = []
        while size:
            self._look()
            try:
                part = self.link.recv(min(size, 2**20))
            except TimeoutError:
                continue
            except OSError:
                part = b""
            if not part:
                raise Stop(self._end())
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _look(self) -> None:
        now = time.monotonic()
        if now > self.deadline:
            raise Stop("it took too long")
        if now - self.looked > LOOK:
            self.looked = now
            if self.box.memory() > self.limits.memory:
                raise Stop("it used too much memory")

    def _end(self) -> str:
        for name in ("memory.events", "memory.oom_control"):
            with contextlib.suppress(OSError, ValueError):
                text = (self.box.group / name).read_text() if self.box.group else ""
                if any(int(line.split()[1]) for line in text.splitlines() if "oom_kill " in line):
                    return "it used too much memory"
        return "it ended its own process"


class Server:
    """A warm Python that forks for each submission. A context manager; one session at a time.

    Parameters
    ----------
    unsafe : bool
        Without a sandbox, under limits alone.

    Raises
    ------
    CourseError
        If there can be no sandbox here, or the server does not start.
    """

    def __init__(self, unsafe: bool = False) -> None:
        line = "UNSAFE: graded without a sandbox: network, files and processes were open to it"
        self.guarantees = (line,) if unsafe else guarantees()
        self.unsafe = unsafe
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.scratch = tempfile.TemporaryDirectory(prefix="gancourse-", ignore_cleanup_errors=True)
        code = f"from gancourse.grading.sandbox.inside import serve; serve({theirs.fileno()})"
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [sys.executable, "-c", code], pass_fds=[theirs.fileno()], cwd="/",
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.errors,
            start_new_session=True,  # Ctrl-C is for the grader, which ends this one
            env=environment() | dict.fromkeys(("IPYTHONDIR", "MPLCONFIGDIR"), self.scratch.name),
        )  # fmt: skip
        theirs.close()
        self.control.settimeout(180)
        if not self._ready():
            self.errors.seek(0)
            text = self.errors.read().decode(errors="replace").strip().split("\n")[-1]
            self.close()
            do = 'Set up again: pip install "gancourse[instructor]"'
            raise CourseError("The process that grades did not start.", text, do)

    def _ready(self) -> bytes:
        try:
            return self.control.recv(16)
        except BaseException:  # Ctrl-C while it starts
            self.close()
            raise

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the server; running it again takes seconds, so keep one for many submissions."""
        self.control.close()
        self.process.kill()
        self.process.wait()
        self.errors.close()
        self.scratch.cleanup()

    @contextlib.contextmanager
    def session(self, limits: Limits) -> Iterator[Session]:
        """A fork of this server in a fresh sandbox, which is gone when the block is left."""
        ours, theirs = socket.socketpair()
        with ours, (NoBox if self.unsafe else Box)(limits) as box:
            with theirs:
                words = {"limits": _limits(limits), "environment": private(box.job()["home"])}
                message = json.dumps(box.job() | words).encode()
                fds = [theirs.fileno()] + ([box.pidfd] if box.pidfd is not None else [])
                try:
                    socket.send_fds(self.control, [message], fds)
                    pid = int(self.control.recv(32))
                except (OSError, ValueError) as error:
                    what = "The process that grades has ended."
                    raise CourseError(what, str(error), "Run it again.") from error
            if self.unsafe:
                box.pid = pid
            yield Session(ours, box, limits)


def _limits(limits: Limits) -> dict:
    size = {"memory": limits.memory, "size": limits.files // 2, "processes": limits.processes}
    return size | {"cpu": int(limits.total) + 1}
