"""The training loop: it counts steps, records losses, shows progress, and checkpoints.

It does not depend on what a step does: ``step()`` is a function of the notebook that uses its
networks, optimizers, batches and noise.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import tqdm

from gancourse.env import static
from gancourse.errors import CourseError
from gancourse.training import checkpoint
from gancourse.training.player import expand


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


class TrainingDiverged(CourseError):
    """A loss is not finite. The message gives the step, the last finite losses, likely causes."""

    def __init__(
        self, step: int, name: str, last: Mapping[str, float], folder: Path | None
    ) -> None:
        numbers = ", ".join(f"{key} {value:.4g}" for key, value in last.items()) or "none yet"
        super().__init__(
            f"{name} stopped being a finite number at step {step}. Last finite losses: {numbers}.",
            "Likely causes: a learning rate that is too high; log or sqrt of zero (work with "
            "logits: softplus(-logit) is -log(sigmoid(logit))); data outside [-1, 1]; a division "
            "by a standard deviation of zero; half precision without autocast.",
            "Halve the learning rate or print the first bad batch. "
            + (f"The last good state is in {folder}." if folder else "Nothing was checkpointed."),
        )
        self.step, self.last = step, dict(last)


def train(
    step: Callable[[], Mapping[str, Tensor]],
    steps: int,
    keep: Mapping[str, Any],
    folder: Path | None = None,
    *,
    record_every: int = 50,
    checkpoint_seconds: float = 10.0,
    batches: Any = None,
    fresh: bool = False,
    title: str = "training",
) -> Iterator[Record]:
    """Take ``steps`` steps and yield a `Record` every few of them; the caller plots and prints.

    After an interruption or a lost kernel, run the cell again: training resumes from the last
    checkpoint with the same numbers as an uninterrupted run. Earlier records are yielded first.

    Parameters
    ----------
    step : callable
        Takes one step and returns its losses as detached scalar tensors. They are read once per
        record: reading each would make a GPU wait.
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
    fresh : bool
        Start over even if there is a checkpoint. The old one is set aside, not deleted.

    Raises
    ------
    TrainingDiverged
        A loss is nan or infinite.
    ValueError
        `steps` or `record_every` is below 1.
    CourseError
        Memory ran out: the message names the batch size that fits. Or another kernel trains in
        `folder`. Or its checkpoint does not match `keep`.
    """
    if steps < 1 or record_every < 1:
        raise ValueError(f"steps and record_every must be at least 1, got {steps}, {record_every}")
    keep = expand(keep)
    with checkpoint.alone(folder):
        run = _Run(keep, folder, fresh, steps, title)
        yield from [replace(record, resumed=True) for record in run.records]
        pending: dict[str, list[Tensor]] = {}
        began, saved = time.perf_counter() - run.seconds, time.perf_counter()
        with tqdm(total=steps, initial=run.step, desc=title, unit="step", disable=static()) as bar:
            while run.step < steps:
                try:
                    losses = step()
                except (torch.OutOfMemoryError, RuntimeError) as error:
                    if not _is_out_of_memory(error):
                        raise
                    raise _out_of_memory(step, batches, run) from error
                run.step += 1
                bar.update()
                for name, value in losses.items():
                    pending.setdefault(name, []).append(torch.as_tensor(value))
                if run.step % record_every and run.step < steps:
                    continue
                run.seconds = time.perf_counter() - began
                means = _read(pending, run)
                pending.clear()
                bar.set_postfix({name: f"{value:.3f}" for name, value in means.items()})
                run.records.append(Record(run.step, run.seconds, means))
                if run.step == steps or time.perf_counter() - saved >= checkpoint_seconds:
                    run.save()
                    saved = time.perf_counter()
                try:
                    yield run.records[-1]
                except GeneratorExit:  # the caller left its loop: no work is lost
                    run.save()
                    raise


class _Run:
    """The progress of a run, and its checkpoints."""

    def __init__(
        self, keep: Mapping[str, Any], folder: Path | None, fresh: bool, steps: int, title: str
    ) -> None:
        self.keep, self.folder, self.title, self.steps = keep, folder, title, steps
        self.step, self.seconds, self.records = 0, 0.0, list[Record]()
        self.mark = checkpoint.fingerprint(keep)
        self.saved, self.warned = 0, False
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
        self.saved = self.step

    def save(self) -> None:
        """Write a checkpoint; if that fails, print a notice the first and the last time."""
        if self.folder is None:
            return
        content = {
            "mark": self.mark, "step": self.step, "seconds": self.seconds,
            "records": [asdict(record) for record in self.records],
            "state": checkpoint.state_of(self.keep),
        }  # fmt: skip
        try:
            checkpoint.write(self.folder, content)
        except OSError as error:
            if not self.warned or self.step == self.steps:
                print(f"{self.title}: step {self.step} could not be saved in {self.folder}: "
                      f"{error.strerror or error}. Training continues; if this kernel ends, all "
                      f"after step {self.saved} is lost. Free some space, or choose another "
                      "folder with GANCOURSE_RUNS.")  # fmt: skip
            self.warned = True
            return
        if self.warned:
            print(f"{self.title}: step {self.step} could be saved again.")
        self.saved, self.warned = self.step, False


def _read(pending: Mapping[str, list[Tensor]], run: _Run) -> dict[str, float]:
    """Means of the pending losses: the only place where training waits for the device."""
    values = {name: torch.stack(list_).double().cpu() for name, list_ in pending.items()}
    for name, history in values.items():
        bad = (~history.isfinite()).nonzero()
        if len(bad):
            i = int(bad[0])
            last = {key: float(h[i - 1]) for key, h in values.items()} if i else (
                run.records[-1].losses if run.records else {}
            )  # fmt: skip
            raise TrainingDiverged(run.step - len(history) + i + 1, name, last, run.folder)
    return {name: history.mean().item() for name, history in values.items()}


def _is_out_of_memory(error: Exception) -> bool:
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return any(text in str(error) for text in ("DefaultCPUAllocator", "not enough memory"))


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
            if not _is_out_of_memory(error):
                raise
            trial //= 2
    batches.size = size
    found = checkpoint.read(run.folder) if run.folder else None
    if found:
        run.load(found)
    if not fits:
        return CourseError(what, "Not even a batch of one fits.", "Use a narrower network.")
    return CourseError(what, f"A batch of {fits} fits (tried).", f"Set the batch size to {fits}.")
