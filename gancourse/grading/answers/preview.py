"""What would be graded, for the student: the notebook's cells run here, its answers are checked.

The same cells run as in the grader, training and demonstrations are left out, and the same cases
are put to the answers, with other numbers. There is no sandbox: it is the student's own code.
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gancourse import exercises
from gancourse.errors import CourseError
from gancourse.exercises.base import Exercise, Verdict, assess
from gancourse.grading.answers import shell as cells
from gancourse.grading.answers import submission


@dataclass(frozen=True)
class Preview:
    """Verdicts of a notebook's exercises, and the cells that raised something."""

    verdicts: tuple[Verdict, ...]
    errors: tuple[str, ...]

    @property
    def points(self) -> int:
        return sum(verdict.exercise.points for verdict in self.verdicts)

    @property
    def earned(self) -> int:
        return sum(verdict.points for verdict in self.verdicts)

    def __str__(self) -> str:
        lines = [f"{verdict}" for verdict in self.verdicts]
        lines += [f"note: {error}" for error in self.errors]
        return "\n".join([*lines, f"{self.earned} of {self.points} points"])


def preview(path: Path) -> Preview:
    """Run a notebook as the grader does, in this process, and check its answers.

    Raises
    ------
    CourseError
        If the file is no notebook of the course.
    """
    try:
        handed_in = submission.read(path)
    except submission.Unreadable as error:
        do = "Save the notebook, and name its file: gancourse check notebooks/02_minimax_game.ipynb"
        raise CourseError(error.what, error.why, do) from error
    known = exercises.of_notebook(handed_in.notebook)
    os.environ.setdefault("GANCOURSE_PROFILE", "smoke")
    os.environ["GANCOURSE_STATIC"] = "1"
    os.environ["MPLBACKEND"] = "Agg"
    os.environ["TORCHDYNAMO_DISABLE"] = "1"  # torch.compile, as in the grader
    answers: dict[str, tuple[Any, dict]] = {}  # with the notebook's names when it was checked
    kept = handed_in.kept({exercise.id for exercise in known})
    errors, lost = [], set()  # names that training, which is left out, would have made
    with _inside(path.resolve().parent), _collected(known, answers):
        from IPython.utils.io import capture_output

        shell = cells.make()
        runs = {cell.number: cell for cell in handed_in.runs}
        for cell in handed_in.cells:
            if cell.skipped or cell.number not in runs:
                lost |= cell.binds
            if cell.number not in runs:
                continue
            with capture_output():
                error = cells.run(shell, runs[cell.number].source)
            if isinstance(error, KeyboardInterrupt):
                raise error  # IPython keeps it
            mine = kept.get(error.name) if isinstance(error, NameError) else None
            if mine and mine not in answers:  # its cell failed: as if it were blank
                with capture_output():
                    shell.user_ns[error.name] = exercises.check(mine, None)
            if isinstance(error, NameError) and error.name in lost:
                lost |= cell.binds
            elif error is not None:
                text = str(error).strip().split("\n")[0]
                errors.append(f"cell {cell.number} raised {type(error).__name__}: {text}")
        seed, end, verdicts = int.from_bytes(os.urandom(4), "little"), dict(shell.user_ns), []
        for exercise in known:
            names = [name for name in handed_in.names(exercise.id) if name in end]
            found = end[names[0]] if names else None
            if found is exercise.reference and not isinstance(found, (str, int, float)):
                found = None  # a later cell imported it: no answer
            answer, then = answers.get(exercise.id, (found, end))
            cells.restore(shell, then, end)
            verdicts.append(assess(exercise, answer, seed))
        type(shell).clear_instance()
    return Preview(tuple(verdicts), tuple(errors))


@contextlib.contextmanager
def _collected(known: tuple[Exercise, ...], answers: dict[str, tuple]) -> Iterator[None]:
    """Let `check`, as the notebook imports it, keep what it is given."""
    plain = exercises.check
    references = {exercise.id: exercise.reference for exercise in known}

    def check(id: str, answer: Any) -> Any:
        if id in references and (answer is not references[id] or isinstance(answer, (str, int))):
            answers[id] = answer, dict(cells.names())
        return plain(id, answer)

    exercises.check = check
    try:
        yield
    finally:
        exercises.check = plain


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    """Work in the notebook's folder, where helpers and data of a student lie."""
    before, path = Path.cwd(), list(sys.path)
    os.chdir(folder)
    sys.path.insert(0, "")
    try:
        yield
    finally:
        os.chdir(before)
        sys.path[:] = path
