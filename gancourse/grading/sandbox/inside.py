"""What runs in the sandbox: a notebook's cells in order, then its answers on fresh cases.

`serve` keeps a Python that has imported everything and waits. For each submission it forks, and the
fork enters a sandbox of its own (`linux`), so that nothing of one student is left for the next. The
fork talks through one socket: the cells come in; after they ran, so do the seeds of the cases; and
what was observed goes out as safetensors. Whatever a student's code does to this process can only
change what it sends, and that is compared outside with references that are computed there.
"""

import contextlib
import json
import os
import signal
import socket
import struct
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from importlib import import_module
from pkgutil import walk_packages
from typing import Any

import torch
from safetensors.torch import save

from gancourse import exercises
from gancourse.exercises.base import Failure, Observation
from gancourse.grading.answers.collector import CellError, Collector, make_shell, observe, text_of
from gancourse.grading.sandbox import landlock, linux
from gancourse.grading.sandbox.unread import report_unread
from gancourse.grading.sandbox.watching import watched

HEAD = struct.Struct(">II")  # bytes of JSON, bytes of tensors
PRELOAD = ("matplotlib.pyplot", "sklearn.linear_model", "skimage", "gancourse.training.loop")
LARGEST = 4 * 10**6  # values of one tensor that are sent on


class OutOfTime(BaseException):
    """A cell or an answer took too long; not an Exception, which students catch."""


class Channel:
    """Messages over a socket: a small dictionary, and bytes."""

    def __init__(self, link: socket.socket) -> None:
        self.link, self.input = link, link.makefile("rb")
        self.token = ""
        """Of the session; the grader ignores messages without it."""

    def send(self, message: dict, body: bytes = b"") -> None:
        head = json.dumps({**message, "token": self.token} if self.token else message).encode()
        self.link.sendall(HEAD.pack(len(head), len(body)) + head + body)

    def receive(self) -> dict:
        """The next message of the grader, which sends no bytes."""
        size, _ = HEAD.unpack(self.input.read(HEAD.size))
        return json.loads(self.input.read(size))


def serve(fd: int) -> None:
    """Wait for submissions on a Unix socket; each comes with a channel and, if any, a sandbox."""
    sys.path[:] = [path for path in sys.path if path]
    control = socket.socket(fileno=fd)
    shell = warm()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the forks are not waited for
    control.send(b"ready")
    while True:
        message, fds, _, _ = socket.recv_fds(control, 2**16, 2)
        if not message:
            os._exit(0)
        child = os.fork()
        if child:
            control.send(str(child).encode())
        else:
            try:
                _isolate(json.loads(message), *fds)
                work(Channel(socket.socket(fileno=3)), shell)
            finally:
                os._exit(1)
        for received in fds:
            os.close(received)


def warm() -> Any:
    """Import what notebooks import, take each lazy first step, and make the shell."""
    warnings.simplefilter("ignore")
    names = (m.name for m in walk_packages(exercises.__path__, "gancourse.exercises."))
    for name in (*PRELOAD, *names):
        with contextlib.suppress(ImportError):
            import_module(name)
    torch.set_num_threads(1)
    weight = torch.ones(1, requires_grad=True)
    weight.sum().backward()
    torch.optim.SGD([weight], lr=1.0).step()
    return make_shell()


def _isolate(job: dict, channel: int, pidfd: int | None = None) -> None:
    """Isolate a forked process: no files but its channel (3), in the sandbox, with limits."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    os.dup2(channel, 1000)
    if pidfd is not None:
        os.dup2(pidfd, 1001)
    os.closerange(3, 1000)
    os.closerange(1001 + (pidfd is not None), 65536)
    os.dup2(1000, 3, inheritable=False)
    os.close(1000)
    for file in job["groups"]:
        with open(file, "w") as group:
            group.write("0")  # this process
    if pidfd is not None:
        linux.join_namespaces(1001, job["namespaces"])
        os.close(1001)
    linux.become_subreaper()
    if os.fork():  # its child is the first process in the PID namespace
        os.close(3)
        with contextlib.suppress(ChildProcessError):
            while True:
                os.wait()  # for it, and for whatever it leaves behind
        os._exit(0)
    os.setsid()
    os.chdir(job["home"])
    os.environ.update(job["environment"])
    tempfile.tempdir = None  # what was found before is not for this user
    linux.limit_resources(**job["limits"])
    if job.get("readable"):
        landlock.restrict_files(job["readable"], job["writable"])
    if pidfd is not None:
        linux.drop_privileges(job["user"])
    elif job["user"] is not None:
        linux.drop_privileges(job["user"], linux.LOCAL)


def work(channel: Channel, shell: Any) -> None:
    """Run the cells of a submission, then its answers on the cases of secret seeds."""
    job = channel.receive()
    channel.token = job.pop("token")
    sys.path.insert(0, "")  # as in a notebook, which may have written a module of its own
    signal.signal(signal.SIGALRM, _interrupt)
    this_process, folder = os.getpid(), os.getcwd()
    report_unread(job["cells"], job["modules"], lambda what: channel.send({"unread": what}))
    with Collector(shell, job) as collector:
        for number, source in job["cells"]:
            channel.send({"at": f"cell {number}"})
            error = _run(collector, number, source, job["cell_seconds"])
            if os.getpid() != this_process:
                os._exit(0)  # a copy that the cell made by fork
            if error:
                channel.send({"error": [number, *error]})
    _stop_scripts(shell)
    for id, exercise in collector.exercises.items():
        answer = collector.answer(exercise)
        channel.send({"at": f"exercise {id}"})
        seed = channel.receive()["seed"]  # not before: no answer knows the cases of a later one
        with watched(exercise, shell.user_ns, folder, job.get("modules", ())) as watch:
            with _time_limit(job["exercise_seconds"]):
                seen = observe(exercise, answer, seed)
        flags = watch.flags(answer, id in collector.corrected)
        parts, tensors = [], {}
        for i, observation in enumerate(seen):
            part, own_tensors = _pack(i, observation)
            parts.append(part)
            tensors |= own_tensors
        channel.send({"id": id, "seen": parts, "flags": flags}, save(tensors))
        if os.getpid() != this_process:
            os._exit(0)
    channel.send({"at": "end"})
    os._exit(0)  # no atexit, no finalizers, no waiting for threads


def _run(collector: Collector, number: int, source: str, seconds: float) -> CellError | None:
    try:
        with _time_limit(seconds):
            return collector.run(number, source)
    except BaseException as error:
        return CellError(type(error).__name__, text_of(error))


def _stop_scripts(shell: Any) -> None:
    """End the thread that IPython starts for `%%bash`, and that would otherwise never end."""
    with contextlib.suppress(BaseException), _time_limit(1.0):
        loop = shell.magics_manager.registry["ScriptMagics"].event_loop
        while loop and loop.is_running():
            loop.call_soon_threadsafe(loop.stop)
            time.sleep(0.01)


@contextlib.contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Raise `OutOfTime` after so many seconds, and again each second: a student may catch it."""
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _interrupt(*_: Any) -> None:
    raise OutOfTime("took too long")


def _pack(i: int, seen: Observation | Failure) -> tuple[dict, dict[str, torch.Tensor]]:
    """One observation as names, and tensors that safetensors can store."""
    if not isinstance(seen, Failure):
        try:
            large = next((name for name, value in seen.items() if value.numel() > LARGEST), None)
            if large is None:
                tensors = {f"{i}.{j}": v.contiguous().clone() for j, v in enumerate(seen.values())}
                save(tensors)
                return {"names": [str(name)[:300] for name in seen]}, tensors
            text = f"The {large} is far too large: its shape is {tuple(seen[large].shape)}."
        except Exception as error:
            text = f"The result can't be stored as plain numbers ({type(error).__name__})."
        seen = Failure("AnswerError", text)
    return {name: str(getattr(seen, name))[:1000] for name in ("kind", "text", "line")}, {}
