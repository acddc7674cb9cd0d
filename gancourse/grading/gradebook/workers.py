"""Workers: processes on this machine, or a Dask cluster. They get notebooks and return text."""

import functools
import itertools
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from gancourse.errors import CourseError
from gancourse.grading.answers.notebook_file import Unreadable
from gancourse.grading.gradebook import capacity, version
from gancourse.grading.gradebook.gradebook import Job
from gancourse.grading.judging import marking
from gancourse.grading.judging.marking import Result
from gancourse.grading.sandbox.server import Server

Grade = Callable[..., Result]
TIMEOUT = 1800.0  # seconds after which a worker is given up; the sandbox's own limits are lower
TRIES = 3
CONNECT = 10.0  # seconds to wait for a Dask scheduler
ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class Task:
    """What a worker needs to grade one submission."""

    job: Job
    version: str
    secret: bytes
    sandbox: str
    path: Path
    content: bytes | None = None
    """The notebook itself, for a worker that can't open `path`."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of a task: "done" with a result, or "failed", "review", "stop" with an error."""

    state: str
    text: str


def work(task: Task, grade: Grade) -> Outcome:
    """Grade one submission; errors are returned as data."""
    remote = task.content is not None
    if remote and task.version != version.exercises_version(task.job.notebook):
        return Outcome("stop", "A worker has another version of the course than this command.")
    try:
        if not remote:
            return Outcome("done", grade(task.path, task.secret, sandbox=task.sandbox).to_json())
        with tempfile.TemporaryDirectory(prefix="gancourse-") as folder:
            path = Path(folder) / task.path.name
            path.write_bytes(task.content)
            return Outcome("done", grade(path, task.secret, sandbox=task.sandbox).to_json())
    except Unreadable as error:
        return Outcome("failed", " ".join(str(error).split()))
    except CourseError as error:
        return Outcome("stop", str(error))
    except Exception as error:  # a defect of the grader: the batch continues, for a human to review
        return Outcome("review", f"the grader raised {type(error).__name__}: {error}")


def warm_grade(path: Path, secret: bytes, *, sandbox: str = "bubblewrap") -> Result:
    """`marking.grade` with a server that this process keeps warm, and restarts where it ended."""
    with ONE_AT_A_TIME:  # a worker of Dask may have several threads
        try:
            return marking.grade(path, secret, server=_server(sandbox))
        except Unreadable:
            raise
        except CourseError:
            end_server(sandbox)
            return marking.grade(path, secret, server=_server(sandbox))


def end_server(sandbox: str = "bubblewrap") -> None:
    """End the server of this process, if it has one; the next submission starts another."""
    if _server.cache_info().currsize:
        _server(sandbox).close()
        _server.cache_clear()


@functools.cache
def _server(sandbox: str) -> Server:
    return Server(sandbox)


def local(
    tasks: Iterator[Task], grade: Grade, processes: int, timeout: float = TIMEOUT
) -> Iterator[tuple[Task, Outcome] | None]:
    """Grade in processes on this machine; None about once a second while nothing is ready.

    A worker that crashes is replaced, and its task tried again; the third time it is given up.
    """
    busy: dict[Connection, tuple[BaseProcess, Task, float]] = {}
    idle: list[tuple[Connection, BaseProcess]] = []
    numbers: dict[Connection, int] = {}
    crashes: Counter[str] = Counter()
    again: list[Task] = []
    try:
        while True:
            while len(busy) < processes and (task := again.pop() if again else next(tasks, None)):
                if not idle:
                    number = min({*range(processes)} - {*numbers.values()})
                    cores = capacity.share(capacity.cores(), number, processes)
                    idle.append(_worker(grade, cores))
                    numbers[idle[0][0]] = number
                pipe, process = idle.pop()
                try:
                    pipe.send(task)
                except OSError:  # it ended while it was idle
                    del numbers[pipe]
                    again.append(task)
                    continue
                busy[pipe] = (process, task, time.monotonic())
            if not busy:
                return
            ready = wait(list(busy), timeout=1.0)
            late = [p for p, (*_, since) in busy.items() if time.monotonic() - since > timeout]
            for pipe in {*ready, *late}:
                process, task, _ = busy.pop(pipe)
                try:
                    outcome = pipe.recv() if pipe in ready else None
                except (EOFError, OSError):
                    outcome = None
                if outcome is not None:
                    idle.append((pipe, process))
                    yield task, outcome
                    continue
                _end(pipe, process)
                del numbers[pipe]
                crashes[task.job.key] += 1
                if crashes[task.job.key] < TRIES and pipe in ready:
                    again.append(task)
                    continue
                what = f"crashed {TRIES} times" if pipe in ready else f"took over {timeout:.0f} s"
                yield task, Outcome("review", f"the grader {what} on this submission")
            if not ready:
                yield None
    finally:
        for pipe, process in [*idle, *((pipe, entry[0]) for pipe, entry in busy.items())]:
            _end(pipe, process)


def _worker(grade: Grade, cores: set[int]) -> tuple[Connection, BaseProcess]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, grade, cores), daemon=False)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the command only,
    process.start()  # also while the worker is still starting: it inherits this
    signal.signal(signal.SIGINT, before)
    theirs.close()  # only the worker has that end: if it ends, ours says so, and vice versa
    return ours, process


def _serve(pipe: Connection, grade: Grade, cores: set[int]) -> None:
    if hasattr(os, "sched_setaffinity"):  # so that a busy submission slows no other one down
        os.sched_setaffinity(0, cores)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the command; it ends its workers
    signal.signal(signal.SIGTERM, _leave)
    while True:
        try:
            pipe.send(work(pipe.recv(), grade))
        except (EOFError, OSError):  # the command has ended, or was killed
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it is leaving already
            return


def _leave(*_: object) -> None:
    """Exit normally, so that this process's sandbox and files are removed."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit()


def _end(pipe: Connection, process: BaseProcess) -> None:
    pipe.close()
    process.terminate()
    process.join(5)
    if process.is_alive():
        process.kill()
        process.join()


def cluster(
    tasks: Iterator[Task], grade: Grade, address: str
) -> Iterator[tuple[Task, Outcome] | None]:
    """Grade on a Dask cluster, which retries where a worker crashes; CourseError without one."""
    try:
        import distributed
    except ModuleNotFoundError as error:
        do = 'Install it here and on the workers: pip install "gancourse[cluster]"'
        raise CourseError("--scheduler needs Dask, which is not installed.", "", do) from error
    try:
        client = distributed.Client(address, timeout=CONNECT)
    except (OSError, ValueError) as error:
        raise CourseError(
            f"No Dask scheduler answers at {address}.",
            f"{type(error).__name__}: {error}",
            "Start one (dask scheduler), and workers of one thread (dask worker --nthreads 1).",
        ) from error
    futures: dict = {}
    with client:
        while True:
            slots = 2 * max(1, sum(client.nthreads().values()))
            for task in itertools.islice(tasks, max(0, slots - len(futures))):
                task = replace(task, content=task.path.read_bytes())
                futures[client.submit(work, task, grade, pure=False)] = task
            if not futures:
                return
            try:
                ready = distributed.wait(list(futures), 1.0, "FIRST_COMPLETED").done
            except (TimeoutError, distributed.TimeoutError):
                ready = set()
                yield None
            for future in ready:
                task = futures.pop(future)
                if future.status == "cancelled":
                    raise CourseError(f"The Dask cluster at {address} closed.", "", "Run it again.")
                if future.status == "finished":
                    yield task, future.result()
                else:
                    what = f"crashed on this submission ({type(future.exception()).__name__})"
                    yield task, Outcome("review", f"the grader {what}")
