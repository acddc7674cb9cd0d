"""Signs, while an answer is observed, that the reference solution was called, or could be unseen.

They are for the instructor, and can be forged or removed by code in the same process; most of what
can do that is flagged by what the notebook's code says (`judging.flags`).
"""

import contextlib
import gc
import os
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any

from gancourse.exercises.base import Exercise

CELL = "<ipython-input-"  # begins the name of the file that a cell is to Python
OBJECTS = 3000  # that are looked through for a reference in an answer
# files of which the frames of threads are that Python, the course's `check` and tqdm start
PROCESSES = {  # audit events of Python
    *("subprocess.Popen", "os.system", "os.posix_spawn", "os.spawn", "os.exec", "os.fork"),
    *("os.forkpty", "pty.spawn"),
}
OWN_THREADS = ("threading.py", "gancourse/exercises/watch.py", "tqdm/_monitor.py")


class Watch:
    """What happened while one answer was observed."""

    def __init__(self, exercise: Exercise, names: dict, own: tuple[str, ...]) -> None:
        self.exercise, self.names, self.own = exercise, names, own
        self.calls: list[bool] = []
        """Calls of the reference: whether each came from the notebook, or another thread."""
        self.unseen: list[str] = []
        """Why calls may not have been seen: "threads", "processes", "profiler"."""

    def flags(self, answer: Any, corrected: bool) -> list[str]:
        """What to flag: "calls" of the reference; "given", a number that `check` handed out."""
        flags, reference = list(dict.fromkeys(self.unseen)), self.exercise.reference
        holds = False
        with contextlib.suppress(Exception):
            holds = _holds(answer, _codes(reference), self.names, self.own)
        if holds or any(self.calls):
            flags.append("calls")
        numbers = isinstance(reference, (int, float)) and isinstance(answer, (int, float))
        if numbers and corrected and answer == reference:
            flags.append("given")
        return flags


_watches: list[Watch] = []


def _started(event: str = "", _: Any = None) -> None:
    if not event or event in PROCESSES:
        for watch in _watches:
            watch.unseen.append("processes")


os.register_at_fork(before=_started)  # both for as long as the process lives
sys.addaudithook(_started)


@contextlib.contextmanager
def watched(
    exercise: Exercise, names: dict, folder: str, modules: Iterable[str] = ()
) -> Iterator[Watch]:
    """Watch the calls of an exercise's reference while its answer is observed.

    Parameters
    ----------
    exercise : Exercise
        Whose answer it is.
    names : dict
        The notebook's global names: functions with them are the student's own.
    folder : str
        Where the student's own modules lie.
    modules : Iterable[str]
        Files there that were handed in: like cells, they are searched for copies as text.
    """
    own = (CELL, *(os.path.join(folder, file) for file in modules))
    watch = Watch(exercise, names, own)
    prints = set(map(_fingerprint, _codes(exercise.reference)))
    known: dict[CodeType, bool] = {}  # whether a code is a reference's, or a copy of it in a file

    def is_students(frame: FrameType) -> bool:
        return frame.f_globals is names or frame.f_code.co_filename.startswith(folder)

    def profile(frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event == "call" and code not in known:
            known[code] = _fingerprint(code) in prints and not code.co_filename.startswith(own)
        if event == "call" and known[code]:
            caller = frame.f_back
            while caller and not is_students(caller):
                caller = caller.f_back
            in_thread = threading.current_thread() is not threading.main_thread()
            watch.calls.append(caller is not None or in_thread)

    if callable(exercise.reference) and _other_threads():
        watch.unseen.append("threads")
    if callable(exercise.reference) and _other_processes():
        watch.unseen.append("processes")
    _watches.append(watch)
    sys.setprofile(profile)
    threading.setprofile(profile)
    try:
        yield watch
    finally:
        if sys.getprofile() is not profile:
            watch.unseen.append("profiler")
        sys.setprofile(None)
        threading.setprofile(None)
        _watches.remove(watch)


def _other_threads() -> bool:
    """Whether a thread is running that the notebook started before the answer is observed."""
    for thread, top in sys._current_frames().items():
        files, frame = set(), top
        while frame and thread != threading.get_ident():
            files.add(frame.f_code.co_filename)
            frame = frame.f_back
        if not all(file.endswith(OWN_THREADS) for file in files):
            return True
    return any(isinstance(thread, threading.Timer) for thread in threading.enumerate())


def _other_processes() -> bool:
    """Whether a process runs that the notebook started; without a parent, the first one has it."""
    parents = {os.getpid(), os.getppid() or 1}
    found: list[str] = []
    with contextlib.suppress(OSError):
        found = [*filter(str.isdecimal, os.listdir("/proc"))]
    for pid in found:
        with contextlib.suppress(OSError, ValueError, IndexError):
            stat = Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()
            if int(pid) != os.getpid() and int(stat[1]) in parents and stat[0] not in "ZX":
                return True
    return False


def _holds(answer: Any, codes: set[CodeType], names: dict, own: tuple[str, ...]) -> bool:
    """Whether an answer is the reference, or has it within: in a wrapper, a partial, a method."""
    prints = set(map(_fingerprint, codes))
    seen, pending = {id(names)}, deque([answer])
    while pending and len(seen) < OBJECTS:
        thing = pending.popleft()
        if isinstance(thing, CodeType):
            if _fingerprint(thing) in prints and not thing.co_filename.startswith(own):
                return True
            continue
        if id(thing) in seen or isinstance(thing, (ModuleType, str, int, float)):
            continue
        seen.add(id(thing))
        parts = gc.get_referents(thing)
        if isinstance(thing, FunctionType):  # not what else its module has
            parts = [part for part in parts if part is not thing.__globals__]
        pending += parts
    return False


def _fingerprint(code: CodeType) -> tuple:
    """What a copy of code has too, under another name and in another file."""
    inner = tuple(_fingerprint(part) for part in code.co_consts if isinstance(part, CodeType))
    return code.co_code, code.co_names, code.co_argcount, inner


def _codes(reference: Any) -> set[CodeType]:
    """The code of a reference: of a function, of what a decorator or partial wraps, of methods."""
    while isinstance(reference, partial) or hasattr(reference, "__wrapped__"):
        reference = getattr(reference, "__wrapped__", None) or reference.func
    parts = vars(reference).values() if isinstance(reference, type) else [reference]
    return {part.__code__ for part in parts if hasattr(part, "__code__")}
