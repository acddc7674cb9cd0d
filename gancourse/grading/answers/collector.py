"""Running a notebook's cells, and collecting the answers in them: for students and instructors.

`gancourse check` (`preview`) and `gancourse grade` (`sandbox.inside`) both use this, so they agree
on what an answer is: what the exercise's `check` was given last; where nothing was, the name that
its cell defines. The reference solution, imported or handed out by `check`, is not an answer.
"""

import ast
import builtins
import inspect
import numbers
import random
import sys
import traceback
import warnings
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from gancourse import exercises
from gancourse.exercises.base import Exercise, Failure, Observation
from gancourse.exercises.verdicts import Verdict, compare, observe_all
from gancourse.grading.answers import modules
from gancourse.grading.answers.notebook_file import NotebookFile

ENVIRONMENT = {
    "GANCOURSE_PROFILE": "smoke",
    "GANCOURSE_DEVICE": "cpu",
    "GANCOURSE_STATIC": "1",
    "MPLBACKEND": "Agg",
    "TORCHDYNAMO_DISABLE": "1",  # torch.compile takes a minute and a compiler, for equal numbers
}


class CellError(NamedTuple):
    """What a cell raised."""

    kind: str
    """The exception's class."""
    text: str
    name: str = ""
    """The unknown name of a NameError."""


class Collector:
    """Runs the cells of a notebook one by one, and stores what `check` is given.

    A context manager: within it, `gancourse.exercises.check` is replaced by `Collector.check`, and
    the student's own modules are in the working folder.

    Parameters
    ----------
    shell : InteractiveShell
        Made by `make_shell`; holds the notebook's names.
    job : Mapping
        `NotebookFile.job`. Answers to its "exercises" are stored; the caller runs its "cells".
    """

    def __init__(self, shell: Any, job: Mapping[str, Any]) -> None:
        self.shell, self.job = shell, job
        notebook = exercises.of_notebook(job["notebook"])
        self.exercises = {e.id: e for e in notebook if e.id in job["exercises"]}
        self.corrected: set[str] = set()
        """Exercises whose `check` has handed out the reference."""
        self._answers: dict[str, tuple[Any, dict[str, Any]]] = {}
        self._defined: dict[str, tuple[Any, dict[str, Any]]] = {}
        """Without a check: what an exercise's cell defined, and the names then."""
        self._check = exercises.check

    def __enter__(self) -> "Collector":
        modules.write(self.job["modules"], Path())
        exercises.check = self.check
        return self

    def __exit__(self, *_: object) -> None:
        exercises.check = self._check
        for name in self.job["modules"]:
            sys.modules.pop(name.removesuffix(".py"), None)

    def check(self, id: str, answer: Any) -> Any:
        """Store an answer and call `exercises.check`: the notebook's `check`."""
        exercise = self.exercises.get(id) if isinstance(id, str) else None
        if exercise and not exercises.is_reference(exercise, answer):
            # before it is checked, which may never end
            self._answers[id] = answer, dict(self.shell.user_ns)
        return self._continue_with(id, answer)

    def _continue_with(self, id: str, answer: Any) -> Any:
        value = self._check(id, answer)
        if value is answer:
            return value
        self.corrected.add(id)
        return value

    def run(self, number: int, source: str) -> CellError | None:
        """Run one cell. If it needs an answer whose cell failed, that answer counts as blank."""
        before = dict(self.shell.user_ns)
        error = run_cell(self.shell, source)
        if "matplotlib.pyplot" in sys.modules:
            sys.modules["matplotlib.pyplot"].close("all")
        name = str(error.name) if isinstance(error, NameError) else ""
        id = self.job["checked"].get(name)
        if id and id not in self._answers:
            self.shell.user_ns[name] = self._continue_with(id, None)
        for id, exercise in self.exercises.items():
            if number in self.job["definitions"][id] and id not in self._answers:
                self._keep_definition(exercise, before)
        return None if error is None else CellError(type(error).__name__, text_of(error), name)

    def _keep_definition(self, exercise: Exercise, before: Mapping[str, Any]) -> None:
        """Store an answer that no check was given: later cells may use its name for others.

        A cell that was stopped may not have come to a name that was there `before`.
        """
        names, reference = self.shell.user_ns, exercise.reference
        bound = {name: names[name] for name in self.job["names"][exercise.id] if name in names}
        values = [
            value
            for name, value in bound.items()
            if value is not before.get(name) or _unlike(value, reference) < 2
        ]
        value = min(values, key=lambda value: _unlike(value, reference), default=None)
        kept = self._defined.get(exercise.id)
        if not exercises.is_reference(exercise, value) and (kept is None or kept[0] is not value):
            self._defined[exercise.id] = value, dict(names)

    def answer(self, exercise: Exercise) -> Any:
        """An exercise's answer, or None, after all cells ran.

        The notebook's names are brought back to what they were when it was checked: later cells may
        have used a helper's name, or `sum`, for other things.
        """
        defined = self._defined.get(exercise.id, (None, self._final_names))
        answer, names = self._answers.get(exercise.id, defined)
        # an answer may use what was defined only later
        later = {n: v for n, v in self._final_names.items() if not hasattr(builtins, n)}
        self.shell.user_ns.clear()
        self.shell.user_ns.update(later | names)
        return answer

    @cached_property
    def _final_names(self) -> dict[str, Any]:
        return dict(self.shell.user_ns)


def _unlike(value: Any, reference: Any) -> int:
    """How far an object is from being such an answer: 0 of its kind, with its parameters; 1; 2."""
    kinds = str, numbers.Number, type, Callable
    kind = next((kind for kind in kinds if isinstance(reference, kind)), object)
    try:
        if not isinstance(value, kind) or (kind is Callable and isinstance(value, type)):
            return 2
        if kind not in (type, Callable):
            return 0
        expected = inspect.signature(reference).parameters
        return int([*inspect.signature(value).parameters] != [*expected])
    except Exception:  # an object may be made to raise here
        return 1


def observe(exercise: Exercise, answer: Any, seed: int) -> list[Observation | Failure]:
    """Run an answer on the cases of a seed; what the notebook changed in torch is reset first."""
    try:
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
        return observe_all(exercise, answer, exercise.draw(seed))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # an answer that breaks torch, or one that took too long
        return [Failure(type(error).__name__, text_of(error))]


def verdict(exercise: Exercise, seed: int, seen: list[Observation | Failure]) -> Verdict:
    """Compare what `observe` returned for an answer with the reference, on the same cases."""
    cases = exercise.draw(seed)
    if seen and len(seen) != len(cases) and not isinstance(seen[-1], Failure):  # it was not stopped
        return Verdict(exercise, "wrong", "your answer was not observed on every case.")
    try:
        result = compare(exercise, cases[: len(seen)], seen[: len(cases)])
    except Exception as error:  # numbers of a kind that can't be compared
        text = f"your answer could not be compared ({type(error).__name__})."
        return Verdict(exercise, "wrong", text)
    if result.status == "right" and len(seen) != len(cases):
        return Verdict(exercise, "wrong", "your answer was not observed on every case.")
    return result


def notes(
    file: NotebookFile, errors: Mapping[int, CellError], stopped: Mapping[str, str] | None = None
) -> list[str]:
    """What happened to cells, in order; those that only need a result of training are one note.

    Parameters
    ----------
    file : NotebookFile
        The notebook.
    errors : Mapping[int, CellError]
        What was raised, by the cell's number.
    stopped : Mapping[str, str] | None
        Cells that were left out ("cell 7"), and why.
    """
    lines, missing, dependent, skipped = [], set(), [], []
    for cell in file.cells:
        error, reason = errors.get(cell.number), (stopped or {}).get(f"cell {cell.number}")
        if cell.skipped:
            skipped.append(str(cell.number))
        elif reason:
            lines.append(f"cell {cell.number} was left out: {reason}")
        elif error and skipped and cell.unchanged:
            pass  # one of the course's own cells, which shows a result of training
        elif error and error.name in missing:
            dependent.append(str(cell.number))
        elif error and error.kind == "OutOfTime":
            lines.append(f"cell {cell.number} was stopped: it took too long")
        elif error:
            lines.append(f"cell {cell.number} raised {error.kind}: {error.text}")
        if cell.skipped or reason or error:
            missing |= cell.binds
    if dependent:
        training = f"; training (cells {', '.join(skipped)}) is not run here" if skipped else ""
        lines.append(f"cells {', '.join(dependent)} need what did not run{training}")
    return lines


def make_shell() -> Any:
    """An IPython shell that keeps no history, shows no traceback and opens no window."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    settings = Config()
    settings.HistoryManager.enabled = False
    settings.InteractiveShell.cache_size = 0
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance(config=settings)
    for name in ("showtraceback", "showsyntaxerror", "showindentationerror"):
        setattr(shell, name, lambda *args, **kwargs: None)  # there is no reader
    shell.enable_matplotlib = lambda gui=None: (None, "agg")  # %matplotlib inline, widget, ...
    return shell


def run_cell(shell: Any, source: str) -> BaseException | None:
    """Run one cell; the first exception that it raised, if any.

    After a statement that raised, the statements that follow are run too: a notebook from Colab
    begins with modules that are not here, and its imports may be in the same cell.
    """
    result = shell.run_cell(source, silent=True)
    error = result.error_in_exec
    first = error or result.error_before_exec
    while isinstance(error, Exception) and (source := _rest_of_cell(shell, source, error)):
        error = shell.run_cell(source, silent=True).error_in_exec
    return first if error is None or isinstance(error, Exception) else error


def _rest_of_cell(shell: Any, source: str, error: BaseException) -> str:
    """What follows the statement that raised; empty where nothing does."""
    source = shell.transform_cell(source)
    frames = traceback.walk_tb(error.__traceback__)
    at = next((line for frame, line in frames if frame.f_globals is shell.user_ns), None)
    nodes = ast.parse(source).body if at else []
    starts = (min(n.lineno for n in (o, *getattr(o, "decorator_list", ()))) for o in nodes)
    first = next((line for line in starts if at and line > at), 0)
    return "\n".join(source.split("\n")[first - 1 :]) if first else ""


def text_of(error: BaseException) -> str:
    """The first line of an exception's message; its class may be made to raise here."""
    try:
        return str(error).strip().split("\n")[0][:300]
    except Exception:
        return ""
