"""What `loop.train` says when a run can't go on, and what it accepts from a step."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gancourse.errors import CourseError

Pending = Mapping[str, Sequence[tuple[int, Tensor]]]
"""Losses that were not read from the device yet: by name, each with its step."""

DATA = ("low_real", "high_real", "range_real")
"""Signs of `signs.examine` that are not finite if a batch of real examples is not."""


class TrainingDiverged(CourseError):
    """A loss is not finite: which one was so first, the last finite losses, likely causes.

    Attributes
    ----------
    step : int
        The step at which the first loss was not finite.
    last : dict[str, float]
        The last finite value of each loss.
    values : dict[str, float]
        Everything that was logged at that step, for a last `Record` to `diagnosis.diagnose`.
    """

    def __init__(
        self,
        step: int,
        name: str,
        last: Mapping[str, float],
        folder: Path | None,
        data: str = "",
        values: Mapping[str, float] | None = None,
    ) -> None:
        losses = {key: value for key, value in last.items() if key.startswith("loss")} or last
        numbers = ", ".join(f"{key} {value:.4g}" for key, value in losses.items()) or "none yet"
        causes = (
            "Likely causes: a learning rate that is too high; log or sqrt of zero (work with "
            "logits: softplus(-logit) is -log(sigmoid(logit))); data outside [-1, 1]; a division "
            "by a standard deviation of zero; half precision without autocast."
        )
        cure = "Find these values in the data." if data else \
            "Halve the learning rate or print the first bad batch."  # fmt: skip
        super().__init__(
            f"{name} stopped being a finite number at step {step}. Last finite losses: {numbers}.",
            data or causes,
            f"{cure} "
            + (f"The last good state is in {folder}." if folder else "Nothing was checkpointed."),
        )
        self.step, self.last, self.values = step, dict(last), dict(values or {})


class Stopped(KeyboardInterrupt):
    """Training was interrupted by the stop button or Ctrl-C; notebooks show one line of it."""

    def _render_traceback_(self) -> list[str]:
        """What IPython prints in place of a traceback."""
        return [str(self)]


def losses_of(returned: Any) -> dict[str, Tensor]:
    """What a step returned, as detached scalars.

    Raises
    ------
    CourseError
        If it is not a dictionary of single numbers.
    """
    form = 'Return a dictionary such as {"loss_D": loss_D.detach(), "loss_G": loss_G.detach()}.'
    if not isinstance(returned, Mapping):
        kind = "nothing" if returned is None else f"a {type(returned).__name__}"
        raise CourseError(f"step() returned {kind}; train() needs losses by name.", "", form)
    losses = {}
    for name, value in returned.items():
        try:
            tensor = torch.as_tensor(value).detach()
        except (TypeError, ValueError, RuntimeError):
            tensor = None
        if tensor is None or tensor.is_complex():
            raise CourseError(
                f"step() returned {value!r} as {name!r}: that is no number.", "",
                f"{form} Keep other information elsewhere.",
            )  # fmt: skip
        if tensor.numel() != 1:
            raise CourseError(
                f"step() returned {name!r} with shape {tuple(tensor.shape)}: a loss is one number.",
                "", "Return its mean: loss.mean().detach().",
            )  # fmt: skip
        losses[str(name)] = tensor.reshape(())
    return losses


def read(pending: Pending, folder: Path | None, last: Mapping[str, float]) -> dict[str, float]:
    """Means of the pending losses: the only place where training waits for the device.

    Parameters
    ----------
    pending : Pending
        They may differ in length: a loss need not be returned by every step.
    folder : Path, optional
        Of the checkpoints, for the message.
    last : Mapping[str, float]
        Of the last record, likewise.

    Raises
    ------
    TrainingDiverged
        One of them is not finite. It names the loss that was so at the earliest step.
    """
    values = {name: _numbers(history) for name, history in pending.items()}
    bad = {
        name: next(i for i, value in enumerate(numbers) if not math.isfinite(value))
        for name, numbers in values.items()
        if not all(map(math.isfinite, numbers))
    }
    if any(name.startswith("loss") for name in bad):  # other numbers may overflow sooner
        bad = {name: i for name, i in bad.items() if name.startswith(("loss", *DATA))}
    if not bad:
        return {name: math.fsum(numbers) / len(numbers) for name, numbers in values.items()}
    steps = {name: pending[name][i][0] for name, i in bad.items()}
    step = min(steps.values())
    first = [name for name in steps if steps[name] == step]
    name = next((name for name in first if name.startswith("loss")), first[0])
    here = {
        other: number
        for other, numbers in values.items()
        for (at, _), number in zip(pending[other], numbers, strict=True)
        if at == step
    }
    before = dict(last)
    for other, numbers in values.items():
        for (at, _), number in zip(pending[other], numbers, strict=True):
            if at < step and math.isfinite(number):
                before[other] = number
    data = "The batch of real examples of this step held nan or infinite values." \
        if set(DATA) & set(first) else ""  # fmt: skip
    raise TrainingDiverged(step, name, before, folder, data, here)


def _numbers(history: Sequence[tuple[int, Tensor]]) -> list[float]:
    """Read from the device in one transfer. Double precision on the CPU: not every GPU has it."""
    values = [value.detach().float() for _, value in history]
    if len({value.device for value in values}) > 1:  # a step may return both kinds
        values = [value.cpu() for value in values]
    return torch.stack(values).cpu().double().tolist()


def not_finite(batches: Any) -> str:
    """Which examples of a `Batches` are not finite, in words; "" if none, or if it is another."""
    tensors = getattr(batches, "tensors", ())
    if not tensors or not isinstance(tensors[0], Tensor) or not tensors[0].is_floating_point():
        return ""
    bad = (~tensors[0].flatten(1).isfinite().all(dim=1)).nonzero().flatten().tolist()
    if not bad:
        return ""
    some = ", ".join(map(str, bad[:5])) + (", ..." if len(bad) > 5 else "")
    return f"{len(bad)} of the {len(tensors[0])} examples hold nan or infinite values: {some}."


def exhausted(steps: int) -> CourseError:
    """The error for an iterator that ended inside a step."""
    return CourseError(
        f"Your batches ended after {steps} steps: next() found no more.",
        "One pass over a DataLoader or a list ends with its data; a training run needs endless "
        "batches.",
        "Use batches.Batches(images, size=32, rng=rng), or a generator: "
        "def endless(): while True: yield from loader.",
    )


def is_out_of_memory(error: Exception) -> bool:
    """Whether torch ran out of memory, on a GPU or on the CPU."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return any(text in str(error) for text in ("DefaultCPUAllocator", "not enough memory"))
