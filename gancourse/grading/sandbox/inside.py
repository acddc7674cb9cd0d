"""What runs in the sandbox: a notebook's cells in order, then its answers on fresh cases.

`serve` keeps a Python that has imported everything and waits; each submission is a fork of it that
steps into a sandbox of its own (`enter`), so that nothing of one student is left for the next. The
fork talks through one socket: cells come in, then, after they ran, the seeds of the cases; what was
observed goes out as safetensors. Whatever a student's code does to this process can only change
what it sends, and that is compared outside with answers that are not in here.
"""

import contextlib
import json
import os
import random
import signal
import socket
import struct
import sys
import threading
import warnings
from functools import partial
from types import CodeType, FrameType
from typing import Any

import numpy as np
import torch
from safetensors.torch import save

from gancourse import exercises
from gancourse.exercises.base import Exercise, Failure, Observation, try_observe
from gancourse.grading.answers import shell as cells
from gancourse.grading.sandbox import enter

HEAD = struct.Struct(">II")  # bytes of JSON, bytes of tensors
PRELOAD = ("matplotlib.pyplot", "sklearn.linear_model", "skimage", "gancourse.training.loop")
WIDEST = 4 * 10**6  # values of one tensor that are sent on


class Given(int):
    """The course's number, as `check` hands it out; it does not count as an answer."""


class Stopped(BaseException):
    """A cell or an answer took too long; not an Exception, which students catch."""


class Channel:
    """Messages over a socket: a small dictionary, and bytes."""

    def __init__(self, link: socket.socket) -> None:
        self.link, self.words = link, link.makefile("rb")

    def send(self, message: dict, body: bytes = b"") -> None:
        head = json.dumps(message).encode()
        self.link.sendall(HEAD.pack(len(head), len(body)) + head + body)

    def receive(self) -> dict:
        """The next message of the grader, which sends no bytes."""
        size, _ = HEAD.unpack(self.words.read(HEAD.size))
        return json.loads(self.words.read(size))


def serve(fd: int) -> None:
    """Wait for submissions on a Unix socket; each brings a channel, and a sandbox if any."""
    sys.path[:] = [path for path in sys.path if path]
    control = socket.socket(fileno=fd)
    shell = warm()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
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
                _become(json.loads(message), *fds)
                work(Channel(socket.socket(fileno=3)), shell)
            finally:
                os._exit(1)
        for one in fds:
            os.close(one)


def warm() -> Any:
    """Import what notebooks import, take each lazy first step, and make the shell."""
    from importlib import import_module
    from pkgutil import iter_modules

    warnings.simplefilter("ignore")
    own = (f"gancourse.exercises.{m.name}" for m in iter_modules(exercises.__path__))
    for name in (*PRELOAD, *own):
        with contextlib.suppress(ImportError):
            import_module(name)
    torch.set_num_threads(1)
    weight = torch.ones(1, requires_grad=True)
    weight.sum().backward()
    torch.optim.SGD([weight], lr=1.0).step()
    return cells.make()


def _become(job: dict, channel: int, pidfd: int | None = None) -> None:
    """Turn a fork into a stranger: no files but its channel (3), in the sandbox, with limits."""
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
        enter.join(1001, job["namespaces"])
        os.close(1001)
    enter.adopt()
    if os.fork():  # its child is the first one that is in the namespace of processes
        os.close(3)
        with contextlib.suppress(ChildProcessError):
            while True:
                os.wait()  # for it, and for whatever it leaves behind
        os._exit(0)
    os.setsid()
    os.chdir(job["home"])
    os.environ.update(job["environment"])
    enter.limit(**job["limits"])
    if pidfd is not None:
        enter.renounce(job["user"])


def work(channel: Channel, shell: Any) -> None:
    """Run the cells of a submission, then put its answers to the cases of secret seeds."""
    job = channel.receive()
    sys.path.insert(0, "")  # as in a notebook: a student's own helper.py lies in the working folder
    known = {e.id: e for e in exercises.of_notebook(job["notebook"]) if e.id in job["exercises"]}
    answers: dict[str, Any] = {}
    spaces: dict[str, dict] = {}  # the notebook's names when an answer was checked
    wrong: set[str] = set()
    plain_check = exercises.check

    def check(id: str, answer: Any) -> Any:
        """What the notebook calls; the answer is kept for later."""
        exercise = known.get(id) if isinstance(id, str) else None
        if exercise is None or isinstance(answer, Given):
            return plain_check(id, answer)
        own = exercise.reference
        if id not in answers or answer is not own or isinstance(own, (str, int)):
            answers[id], spaces[id] = answer, dict(shell.user_ns)  # before it is tried
        back = plain_check(id, answer)
        if back is not answer:
            wrong.add(id)
            return Given(back) if type(back) is int else back
        return back

    exercises.check = check
    signal.signal(signal.SIGALRM, _stop)
    me = os.getpid()
    for number, source in job["cells"]:
        channel.send({"at": f"cell {number}"})
        error = _run(shell, source, job["cell_seconds"])
        if os.getpid() != me:
            os._exit(0)  # a copy that the cell made by fork
        if error is not None:
            name = error.name if isinstance(error, NameError) else None
            text = str(error).strip().split("\n")[0][:300]
            channel.send({"error": [number, type(error).__name__, text, name]})
            if (mine := job["kept"].get(name)) and mine not in answers:  # its cell failed: blank
                shell.user_ns[name] = check(mine, None)
    channel.send({"at": "cases"})
    seeds = channel.receive()["seeds"]
    end = dict(shell.user_ns)
    for id, exercise in known.items():
        if id not in answers:
            names = [name for name in job["names"].get(id, ()) if name in end]
            found = end[names[0]] if names else None
            # a later cell may have imported the course's own under that name: no answer
            own = found is exercise.reference and not isinstance(found, (str, int, float))
            answers[id] = None if own else found
        cells.restore(shell, spaces.get(id, end), end)
        channel.send({"at": f"exercise {id}"})
        _observe(channel, shell.user_ns, exercise, answers[id], seeds[id], id in wrong, job)
        if os.getpid() != me:
            os._exit(0)
    channel.send({"at": "end"})
    os._exit(0)  # no atexit, no finalizers, no waiting for threads


def _run(shell: Any, source: str, seconds: float) -> BaseException | None:
    """Run one cell; the exception that it raised, if any."""
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
        error = cells.run(shell, source)
    except BaseException as raised:
        error = raised
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
    return error


def _stop(*_: Any) -> None:
    raise Stopped("took too long")


def _observe(
    channel: Channel,
    space: dict,
    exercise: Exercise,
    answer: Any,
    seed: int,
    wrong: bool,
    job: dict,
) -> None:
    """Put one answer to its cases and send what was seen."""
    _reset(seed)
    codes, called = _codes(exercise.reference), []

    def profile(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_code in codes:
            caller = frame.f_back
            while caller and caller.f_globals is not space:
                caller = caller.f_back
            alone = threading.current_thread() is not threading.main_thread()
            called.append(caller is not None or alone)

    try:
        cases = exercise.cases(torch.Generator().manual_seed(seed))
        signal.setitimer(signal.ITIMER_REAL, job["exercise_seconds"], 1.0)
        sys.setprofile(profile)
        threading.setprofile(profile)
        seen = [try_observe(exercise, answer, case) for case in cases]
    except Stopped:
        seen = [Failure("Stopped", f"stopped after {job['exercise_seconds']:g} s")]
    except BaseException as error:  # a generator that exits, an answer that breaks torch
        seen = [Failure(type(error).__name__, str(error))]
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
        signal.setitimer(signal.ITIMER_REAL, 0)
    parts, tensors = [], {}
    for i, one in enumerate(seen):
        part, more = _pack(i, one)
        parts.append(part)
        tensors |= more
    hints = []
    number = isinstance(exercise.reference, (int, float))
    own = answer is exercise.reference and not isinstance(answer, (str, int, float))
    with contextlib.suppress(Exception):
        own = own or bool(_codes(answer) & codes)  # it, in a wrapper, or read from its file
    if own or any(called):
        hints.append("calls")
    if number and wrong and isinstance(answer, (int, float)) and answer == exercise.reference:
        hints.append("given")
    channel.send({"id": exercise.id, "seen": parts, "hints": hints}, save(tensors))


def _pack(i: int, seen: Observation | Failure) -> tuple[dict, dict[str, torch.Tensor]]:
    """One observation as names, and tensors that safetensors can store."""
    if not isinstance(seen, Failure):
        try:
            wide = next((n for n, v in seen.items() if v.numel() > WIDEST), None)
            if wide is None:
                tensors = {f"{i}.{j}": v.contiguous().clone() for j, v in enumerate(seen.values())}
                save(tensors)
                return {"names": [str(name)[:200] for name in seen]}, tensors
            text = f"The {wide} is far too large: its shape is {tuple(seen[wide].shape)}."
        except Exception as error:
            text = f"The result can't be stored as plain numbers ({type(error).__name__})."
        seen = Failure("AnswerError", text)
    return {"kind": str(seen.kind)[:100], "text": str(seen.text)[:1000]}, {}


def _codes(reference: Any) -> set[CodeType]:
    """The code of a reference: of a function, of what a decorator or partial holds, of methods."""
    while isinstance(reference, partial) or hasattr(reference, "__wrapped__"):
        reference = getattr(reference, "__wrapped__", None) or reference.func
    parts = vars(reference).values() if isinstance(reference, type) else [reference]
    return {part.__code__ for part in parts if hasattr(part, "__code__")}


def _reset(seed: int) -> None:
    """Undo what a notebook may have left behind for good reasons, and seed what it may draw on."""
    torch.set_default_dtype(torch.float32)
    torch.set_default_device(None)
    torch.set_grad_enabled(True)
    torch.use_deterministic_algorithms(False)
    torch.set_num_threads(1)
    warnings.resetwarnings()
    warnings.simplefilter("ignore")
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)
