"""What would be graded, for the student: the notebook runs here, and its answers are checked.

The grader runs the same cells, and the same code collects the answers; only the random inputs
differ. There is no sandbox: it is the student's own code.
"""

import contextlib
import json
import os
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from gancourse import env, exercises
from gancourse.errors import CourseError
from gancourse.exercises import rubric
from gancourse.exercises.verdicts import Verdict
from gancourse.grading.answers import collector, notebook_file


@dataclass(frozen=True)
class Preview:
    """Verdicts on a notebook's exercises, and what happened to its cells."""

    verdicts: tuple[Verdict, ...]
    notes: tuple[str, ...]
    notebook: str = ""

    @property
    def points(self) -> int:
        return sum(verdict.exercise.points for verdict in self.verdicts)

    @property
    def earned(self) -> int:
        return sum(verdict.points for verdict in self.verdicts)

    def __str__(self) -> str:
        lines = [f"{verdict}" for verdict in self.verdicts]
        lines += [f"note: {note}" for note in self.notes]
        by_hand = sum(line.points for line in rubric.of_notebook(self.notebook))
        more = f"; {by_hand} more are given by hand, for the report" if by_hand else ""
        return "\n".join([*lines, f"{self.earned} of {self.points} points{more}"])

    def to_json(self) -> str:
        """The same as data: the points, and for each exercise its status and message."""
        lines = [
            {"id": v.exercise.id, "title": v.exercise.title, "points": v.exercise.points}
            | {"earned": v.points, "status": v.status, "message": v.message}
            for v in self.verdicts
        ]
        facts = {"notebook": self.notebook, "points": self.points, "earned": self.earned}
        return json.dumps(facts | {"exercises": lines, "notes": list(self.notes)}, indent=1)


def preview(path: Path) -> Preview:
    """Run a notebook as the grader does, in this process, and check its answers.

    Raises
    ------
    CourseError
        If the file is no notebook of the course.
    """
    try:
        file = notebook_file.read(path, with_modules=True)
    except notebook_file.Unreadable as error:
        do = "Save the notebook, and name its file: gancourse check notebooks/02_minimax_game.ipynb"
        raise CourseError(error.what, error.why, do) from error
    job = file.job([exercise.id for exercise in exercises.of_notebook(file.notebook)])
    seed = int.from_bytes(os.urandom(4), "little")
    errors, verdicts = {}, []
    with _grader_settings(path.resolve().parent), _interrupts() as interrupts:
        from IPython.utils.io import capture_output

        shell = collector.make_shell()
        with collector.Collector(shell, job) as cells:
            for number, source in job["cells"]:
                with capture_output():
                    error = cells.run(number, source)
                if interrupts:
                    raise KeyboardInterrupt  # IPython catches it
                errors |= {number: error} if error else {}
            for exercise in cells.exercises.values():
                with capture_output():
                    seen = collector.observe(exercise, cells.answer(exercise), seed)
                verdicts.append(collector.verdict(exercise, seed, seen))
        type(shell).clear_instance()
    own = ", ".join(file.modules)
    must = [f"hand these in, too, because the notebook imports them: {own}"] if own else []
    notes = (*file.notes, *must, *collector.notes(file, errors))
    return Preview(tuple(verdicts), notes, file.notebook)


@contextlib.contextmanager
def _interrupts() -> Iterator[list[int]]:
    """Each Ctrl-C of the user; a cell may raise a KeyboardInterrupt itself."""
    pressed: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        pressed.append(number)
        signal.default_int_handler(number, frame)

    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, interrupt)
    try:
        yield pressed
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _grader_settings(folder: Path) -> Iterator[None]:
    """Settings and folders as in the sandbox: an empty working folder."""
    before = Path.cwd(), list(sys.path), dict(os.environ)
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as private,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        os.chdir(folder)
        data = env.data_dir().resolve()
        os.environ |= {**collector.ENVIRONMENT, "GANCOURSE_DATA": str(data)}
        os.environ["GANCOURSE_RUNS"] = f"{private}/runs"
        os.chdir(private)
        sys.path.insert(0, "")
        try:
            yield
        finally:
            os.chdir(before[0])
            sys.path[:] = before[1]
            os.environ.clear()
            os.environ.update(before[2])
