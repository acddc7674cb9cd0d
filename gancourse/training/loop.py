"""The training loop: it counts steps, records losses, shows progress, and checkpoints.

It does not depend on what a step does: ``step()`` is a function of the notebook that uses its
networks, optimizers, batches and noise.
"""

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gancourse.errors import CourseError
from gancourse.progress import Progress
from gancourse.training import checkpoint, guards
from gancourse.training.guards import Stopped, TrainingDiverged
from gancourse.training.player import expand

__all__ = ["Record", "Stopped", "TrainingDiverged", "train"]


@dataclass(frozen=True)
class Record:
    """What happened since the previous record."""

    step: int
    """Steps done so far."""
    seconds: float
    """Seconds of training so far, including those before an interruption."""
    losses: dict[str, float]
    """Mean of each loss since the last record, in nats unless the step says otherwise."""
    resumed: bool = False
    """Made before an interruption, and yielded again."""


def train(
    step: Callable[[], Mapping[str, Tensor]],
    steps: int,
    keep: Mapping[str, Any],
    folder: Path | None = None,
    *,
    record_every: int = 50,
    checkpoint_seconds: float = 10.0,
    batches: Any = None,
    best_by: str | None = None,
    fresh: bool = False,
    title: str = "training",
) -> Iterator[Record]:
    """Take ``steps`` steps and yield a `Record` every few of them; the caller plots and prints.

    After an interruption or a lost kernel, run the cell again: training resumes from the last
    checkpoint with the same numbers as an uninterrupted run. Earlier records are yielded first.

    Parameters
    ----------
    step : callable
        Takes one step and returns its losses by name, as scalar tensors or floats. They are
        detached, and read once per record: reading each would make a GPU wait.
    steps : int
        Steps in all, including those before an interruption.
    keep : mapping
        By name, everything that has a state: players, networks, optimizers, schedules, generators.
        What is not listed here is reset after an interruption.
    folder : Path, optional
        Where checkpoints go: ``env.run_dir("03_dcgan")``. None: none are made. Where nothing can be
        written, a notice says so and training continues.
    record_every : int
        Steps between records. Checkpoints are made at records.
    checkpoint_seconds : float
        At least this long between checkpoints: the most work a killed kernel can lose.
    batches : Batches, optional
        Has a ``size``: when memory runs out, smaller sizes are tried, to report which fits.
    best_by : str, optional
        Keep the state of the record with the lowest value of this number, "distance" for instance
        (`signs.examine` logs it); `checkpoint.restore_best` loads it.
    fresh : bool
        Start over even if there is a checkpoint. The old one is set aside, not deleted.

    Raises
    ------
    TrainingDiverged
        A loss is nan or infinite.
    ValueError
        `steps` or `record_every` is below 1.
    CourseError
        A step returned something else than losses, or its batches ended. Memory ran out: the
        message names the batch size that fits. Another kernel trains in `folder`. Its checkpoint
        does not match `keep`, or there is no number `best_by`.
    Stopped
        The run was interrupted. Before this, and before an error of a step is passed on, the last
        completed step is saved.
    """
    if steps < 1 or record_every < 1:
        raise ValueError(f"steps and record_every must be at least 1, got {steps}, {record_every}")
    keep = expand(keep)
    with checkpoint.alone(folder):
        run = _Run(keep, folder, fresh, steps, title)
        yield from [replace(record, resumed=True) for record in run.records]
        try:
            yield from _loop(step, run, record_every, checkpoint_seconds, batches, best_by)
        except GeneratorExit:  # the caller left its loop: no work is lost
            run.save()
            raise
        except KeyboardInterrupt:  # on a GPU mostly where losses are read: there the loop waits
            run.save_remembered()
            raise Stopped(run.farewell()) from None


def _loop(
    step: Callable[[], Any],
    run: "_Run",
    record_every: int,
    checkpoint_seconds: float,
    batches: Any,
    best_by: str | None,
) -> Iterator[Record]:
    """The steps that are left; arguments as for `train`."""
    begin, saved = time.perf_counter() - run.seconds, time.perf_counter()
    bar = Progress(total=run.steps, initial=run.step, desc=run.title, unit="step")
    with bar:
        while run.step < run.steps:
            losses = _take(step, run, batches)
            run.step += 1
            bar.update()
            for name, value in losses.items():
                run.pending.setdefault(name, []).append((run.step, value))
            run.seconds = time.perf_counter() - begin
            if run.step % record_every and run.step < run.steps:
                run.remember()
                continue
            means = _read(run, batches)
            run.pending = {}  # a new one: what is remembered may need the old one
            shown = {name: f"{v:.3f}" for name, v in means.items() if name.startswith("loss")}
            bar.set_postfix(shown, refresh=False)
            run.records.append(Record(run.step, run.seconds, means))
            if best_by:
                run.keep_best(best_by)
            if run.step == run.steps or time.perf_counter() - saved >= checkpoint_seconds:
                run.save()
                saved = time.perf_counter()
            else:
                run.remember()
            yield run.records[-1]


def _take(step: Callable[[], Any], run: "_Run", batches: Any) -> dict[str, Tensor]:
    """One step. Before an error is passed on, the last completed step is saved."""
    try:
        return guards.losses_of(step())
    except Exception as error:
        if guards.is_out_of_memory(error):
            raise _out_of_memory(step, batches, run) from error
        if run.pending:
            _read(run, batches)  # losses that were not finite came first
        run.save_remembered()
        if isinstance(error, StopIteration):
            raise guards.exhausted(run.step) from None
        raise


def _read(run: "_Run", batches: Any) -> dict[str, float]:
    """Means since the last record. Where a loss is not finite, the data are searched too."""
    last = run.records[-1].losses if run.records else {}
    try:
        return guards.read(run.pending, run.folder, last)
    except TrainingDiverged as error:
        if data := guards.not_finite(batches):
            name = str(error).split(maxsplit=1)[0]
            raise TrainingDiverged(
                error.step, name, error.last, run.folder, data, error.values
            ) from None
        raise


class _Run:
    """The progress of a run, and its checkpoints."""

    def __init__(
        self, keep: Mapping[str, Any], folder: Path | None, fresh: bool, steps: int, title: str
    ) -> None:
        self.keep, self.folder, self.title, self.steps = keep, folder, title, steps
        self.step, self.seconds, self.records = 0, 0.0, list[Record]()
        self.pending: dict[str, list[tuple[int, Tensor]]] = {}
        self.mark = checkpoint.fingerprint(keep)
        self.saved, self.warned = 0, False
        self.memory: tuple[int, float, Any, guards.Pending] | None = None
        self.memory_seconds, self.began = 0.0, time.perf_counter()
        found = checkpoint.read(folder) if folder else None
        if folder and found and (fresh or found["mark"] != self.mark or found["step"] > steps):
            why = "as asked" if fresh else \
                "the checkpoint found is of other networks, settings, seeds or device"  # fmt: skip
            try:
                kept = f"it was kept as {checkpoint.set_aside(folder).name}"
            except OSError as error:
                kept = f"it stays, and this run is not saved: {error.strerror or error}"
                self.folder = None
            print(f"{title}: starts from step 0 ({why}; {kept}).")
        elif folder and found:
            self.load(found)
            done = "already finished" if self.step >= steps else "resumes"
            print(f"{title}: {done} at step {self.step:,} of {steps:,}, from {folder.name}/. "
                  "fresh=True starts over.")  # fmt: skip
            return
        self.save()

    def load(self, found: Mapping[str, Any]) -> None:
        try:
            checkpoint.restore(self.keep, found["state"])
        except (RuntimeError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise CourseError(
                f"The checkpoint of step {found['step']} in {self.folder} does not fit.",
                f"torch: {error}. It may be from another version of torch or of the course.",
                "Run the cells again that create the networks, then this one with fresh=True: it "
                "starts over and keeps the checkpoint. Or install the version that wrote it.",
            ) from error
        self.step, self.seconds = found["step"], found["seconds"]
        self.records = [Record(**record) for record in found["records"]]
        self.pending = {
            name: [(step, torch.tensor(value)) for step, value in history]
            for name, history in found.get("pending", {}).items()
        }
        self.saved = self.step

    def remember(self) -> None:
        """Copy the state, to be saved if the next step fails; at most 3 % of the time goes there.

        A step that fails half-way has already changed a part of the state.
        """
        now = time.perf_counter()
        if self.folder is None or self.memory_seconds > 0.5 + 0.03 * (now - self.began):
            return
        try:
            state = checkpoint.copy_of(self.keep)
            self.memory = (self.step, self.seconds, state, self.pending)
        except (torch.OutOfMemoryError, MemoryError):
            self.memory, self.memory_seconds = None, math.inf
        self.memory_seconds += time.perf_counter() - now

    def save_remembered(self) -> None:
        """Write the state of the last completed step that was remembered, if it is newer."""
        if self.memory and self.memory[0] > self.saved:
            self.write(*self.memory)

    def farewell(self) -> str:
        """What to say when training is interrupted."""
        at = f"{self.title} stopped at step {self.step:,} of {self.steps:,}"
        if self.folder is None:
            return f"{at}. It has no folder for checkpoints: run again, it starts from step 0."
        return (
            f"{at}; the last checkpoint is step {self.saved:,}. Run the cell again to resume there."
        )

    def save(self) -> None:
        """Write a checkpoint of the present state."""
        self.write(self.step, self.seconds, checkpoint.state_of(self.keep), self.pending)

    def write(self, step: int, seconds: float, state: Any, pending: guards.Pending) -> None:
        """Write a checkpoint; if that fails, print a notice the first and the last time."""
        if self.folder is None:
            return
        content = {
            "mark": self.mark, "step": step, "seconds": seconds,
            "records": [asdict(r) for r in self.records if r.step <= step],
            "pending": {
                name: [(n, value.item()) for n, value in history if n <= step]
                for name, history in pending.items()
            },
            "state": state,
        }  # fmt: skip
        try:
            checkpoint.write(self.folder, content)
        except OSError as error:
            if not self.warned or step == self.steps:
                print(f"{self.title}: step {step} could not be saved in {self.folder}: "
                      f"{error.strerror or error}. Training continues; if this kernel ends, all "
                      f"after step {self.saved} is lost. Free some space, or choose another "
                      "folder with GANCOURSE_RUNS.")  # fmt: skip
            self.warned = True
            return
        if self.warned:
            print(f"{self.title}: step {step} could be saved again.")
        self.saved, self.warned = step, False

    def keep_best(self, by: str) -> None:
        """Store the state of the last record in a file of its own if its number is the lowest."""
        values = [r.losses[by] for r in self.records if by in r.losses]
        if not values:
            known = ", ".join(self.records[-1].losses)
            raise CourseError(
                f"There is no number {by!r} among those logged.", f"There is: {known}."
            )
        if self.folder and self.records[-1].losses.get(by) == min(values):
            state = {"step": self.step, by: min(values), "state": checkpoint.state_of(self.keep)}
            with contextlib.suppress(OSError):  # save() reports a full disk
                checkpoint.write(self.folder, state, checkpoint.BEST)


def _out_of_memory(step: Callable[[], Any], batches: Any, run: _Run) -> CourseError:
    """Try smaller batches, restore the last checkpoint, and report which size fits."""
    size = getattr(batches, "size", None)
    what = f"Memory ran out at step {run.step + 1}" + (f" with batches of {size}." if size else ".")
    if not size:
        return CourseError(what, "", "Use smaller batches, or a narrower network.")
    fits, trial = 0, size // 2
    while trial and not fits:
        batches.size = trial
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        try:
            step()
            fits = trial
        except (torch.OutOfMemoryError, RuntimeError) as error:
            if not guards.is_out_of_memory(error):
                raise
            trial //= 2
    batches.size = size
    found = checkpoint.read(run.folder) if run.folder else None
    if found:
        run.load(found)
    if not fits:
        return CourseError(what, "Not even a batch of one fits.", "Use a narrower network.")
    return CourseError(what, f"A batch of {fits} fits (tried).", f"Set the batch size to {fits}.")
