"""The arithmetic of a notebook's training, counted for any profile without doing it.

Counted are the formulas of torch's ``FlopCounterMode``: products of matrices and convolutions, each
multiplication and each addition as one operation, forward and backward. Not counted are elementwise
operations, normalization, activation functions, optimizers, pooling, resizing and ``torch.linalg``:
they take time, but little arithmetic. (The mode itself also tracks modules, and this fails where a
notebook calls ``torch.autograd.grad``; so only its formulas are used.)

The notebook runs with the sizes of the profile, but most of the work is left out:

- Only cells that train run, and the cells that define what these use.
- Of every ``train(...)`` and of every long loop only the first `CYCLE` steps are taken. They are
  counted as often as the loop would repeat them.
- Large products are counted but not computed: noise takes the place of their results. The formulas
  depend on shapes only.
- Drawn data sets are small, and nothing is downloaded or saved.
"""

import re
import symtable
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest
import torch
from nbformat import NotebookNode
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only
from torch.utils.flop_counter import flop_registry

from gancourse import exercises
from gancourse.classifiers import pretrained
from gancourse.datasets import captions, emoji, flowers, two_domains
from gancourse.metrics import samples
from gancourse.notebooks import build
from gancourse.papers import adversarial, dcgan_probes
from gancourse.training import loop

ROOT = Path(__file__).resolve().parents[1]
CYCLE = 8
"""Steps repeat after so many: the R1 penalty is applied at every eighth."""
LONG = 24
"""Shorter loops over a range run in full, and are not counted as training."""
LARGE = 20_000
"""Products of tensors with so many elements are not computed."""
IMAGES = 4000
"""The size of drawn data sets, which changes no step."""
OPTIONAL = re.compile("DATA_SET|MY_IMAGES")
"""In cells that train on images of the reader's, if some are named."""


class Counter(TorchDispatchMode):
    """Within it, products are counted while a step runs, and large ones are not computed."""

    def __init__(self, large: int = LARGE) -> None:
        super().__init__()
        self.large = large
        self.flop = self.steps = self.depth = 0
        self.noise = torch.randn(4099, generator=torch.Generator().manual_seed(0))

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        formula = flop_registry.get(func._overloadpacket)
        if formula is None:
            return func(*args, **kwargs)
        small = max(x.numel() for x in args if isinstance(x, Tensor)) < self.large
        inputs = args if small else tree_map_only(Tensor, lambda x: x.to("meta"), args)
        result = func(*inputs, **kwargs)
        self.flop += formula(*args, **kwargs, out_val=result) if self.depth else 0
        return result if small else tree_map_only(Tensor, self._like, result)

    def _like(self, x: Tensor) -> Tensor:
        repeated = self.noise.repeat(-(-x.numel() // len(self.noise)))[: x.numel()]
        return repeated.as_strided(x.shape, x.stride()).to(x.dtype)

    def take(self, step: Callable[[], Any], run: Any, batches: Any) -> Any:
        """In place of `loop._take`: one step of a run, taken or only counted."""
        if run.step < 2:
            before, self.depth = self.flop, self.depth + 1
            run.losses = TAKE(step, run, batches)
            self.depth -= 1
            run.taken = [*vars(run).get("taken", []), self.flop - before]
        else:
            self.flop += run.taken[run.step % CYCLE > 0]
        self.steps += 1
        return run.losses

    def range(self, *limits: int) -> Sequence[int] | Iterator[int]:
        """In place of `range`."""
        numbers = range(*limits)
        return self._some(numbers) if len(numbers) > LONG else numbers

    def _some(self, numbers: range) -> Iterator[int]:
        """The first two numbers, if the loop's body has products; else all."""
        taken = []
        for number in numbers[:2]:
            before, self.depth = self.flop, self.depth + 1
            yield number
            self.depth -= 1
            taken.append(self.flop - before)
        if not any(taken):
            yield from numbers[2:]
            return
        self.flop += taken[1] * (len(numbers) - 2)
        self.steps += len(numbers)


TAKE, LOOP, IN_BATCHES = loop._take, loop._loop, samples.in_batches


@dataclass(frozen=True)
class Row:
    """What one cell trains."""

    cell: int
    """Among the code cells, from 1."""
    title: str
    steps: int
    flop: int


def count(source: Path, profile: str) -> list[Row]:
    """The cells of a notebook that train, with their steps and floating-point operations."""
    cells = build.solved(build.Course.at(ROOT), source).cells
    return count_cells([cell for cell in cells if cell.cell_type == "code"], profile, Counter())


def count_cells(cells: Sequence[NotebookNode], profile: str, counter: Counter) -> list[Row]:
    """The same, of code cells. Cells that are tagged as training are listed in any case."""
    rows, needed = [], training(cells)
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        prepare(patch, profile, counter)
        names = {"__name__": "__main__", "range": counter.range}
        for i in needed:
            flop, steps = counter.flop, counter.steps
            code = compile(cells[i].source, f"cell {i + 1}", "exec", optimize=1)  # no assertions
            with counter:
                exec(code, names)
            plt.close("all")
            tagged = "training" in build.tags(cells[i]) and not OPTIONAL.search(cells[i].source)
            if counter.steps > steps or tagged:
                title = cells[i].source.splitlines()[0]
                rows.append(Row(i + 1, title, counter.steps - steps, counter.flop - flop))
    return rows


def prepare(patch: pytest.MonkeyPatch, profile: str, counter: Counter) -> None:
    """The environment of a notebook, and the functions of the package that would take long."""
    patch.chdir(ROOT / "solutions")
    for name, value in {
        "PROFILE": profile,
        "DEVICE": "cpu",
        "PRECISION": "fp32",
        "STATIC": "1",
    }.items():
        patch.setenv(f"GANCOURSE_{name}", value)
    patch.setattr(loop, "_take", counter.take)
    patch.setattr(loop, "_loop", few_records)
    for save in ("remember", "write"):
        patch.setattr(loop._Run, save, lambda *args: None)
    patch.setattr(samples, "in_batches", on_a_few)
    patch.setattr(dcgan_probes, "linear_probe", lambda *args: 0.5)  # of scikit-learn
    patch.setattr(adversarial, "range", counter.range, raising=False)
    patch.setattr(exercises, "check", lambda id, answer: answer)
    patch.setattr(pretrained, "torchvision_classifier", untrained)
    patch.setattr(two_domains, "horse2zebra", horses_and_zebras)
    patch.setattr(flowers, "draw", lambda looks, size, dusk=False: images(len(looks), size))
    patch.setattr(flowers, "load", fewer(flowers.load))
    patch.setattr(captions, "load", fewer(captions.load))
    patch.setattr(emoji, "load", every_eighth(emoji.load))


def few_records(step: Callable, run: Any, record_every: int, *more: Any) -> Iterator[loop.Record]:
    """In place of `loop._loop`: notebooks draw something at each record."""
    return LOOP(step, run, max(record_every, run.steps // 10), *more)


def on_a_few(net: nn.Module, inputs: Tensor, size: int = 0) -> Tensor:
    """In place of `samples.in_batches`: outputs for the first inputs, repeated."""
    part = IN_BATCHES(net, inputs[:20])
    times = -(-len(inputs) // len(part))
    return part.repeat(times, *[1] * (part.dim() - 1))[: len(inputs)]


def fewer(load: Callable) -> Callable:
    """A loader that draws at most `IMAGES` images."""
    return lambda count, *args, **options: load(min(count, IMAGES), *args, **options)


def every_eighth(load: Callable) -> Callable:
    """A loader of emoji that returns an eighth of them."""

    def loaded(*args: Any, **options: Any) -> emoji.Emoji:
        whole = load(*args, **options)
        columns = {name: part[::8] for name, part in vars(whole).items() if name != "design"}
        return replace(whole, **columns)

    return loaded


def images(count: int, size: int) -> Tensor:
    return torch.randint(256, (count, 3, size, size), dtype=torch.uint8)


def horses_and_zebras(size: int) -> two_domains.Domains:
    """In place of the download."""
    return two_domains.Domains(*(images(16, size) for _ in range(4)), ("horse", "zebra"), False)


def untrained(name: str) -> pretrained.Classifier:
    """A network of torchvision, without the weights that would be downloaded."""
    from torchvision import models

    return pretrained.Classifier(models.get_model(name, weights=None), pretrained.class_names())


def training(cells: Sequence[NotebookNode]) -> list[int]:
    """Which cells train, or make what these use; without checks of exercises.

    A cell trains if it is tagged so, or if it uses `train`, `descend`, or a function that does.
    """
    trainers, roots = {"train", "descend"}, set()
    uses = [names_in(cell.source) for cell in cells]
    for i, (_, used, functions) in enumerate(uses):
        trainers |= {name for name, inside in functions.items() if inside & trainers}
        if used & trainers or "training" in build.tags(cells[i]):
            roots.add(i)
    chosen, wanted = [], set()
    for i, (made, used, _) in reversed([*enumerate(uses)]):
        if not build.CHECK.search(cells[i].source) and (i in roots or made & wanted):
            chosen.append(i)
            wanted = wanted - made | (used - made)
    return chosen[::-1]


def names_in(source: str) -> tuple[set[str], set[str], dict[str, set[str]]]:
    """Names that a cell binds, names that it uses, and names that each of its functions uses."""
    top = symtable.symtable(re.sub(r"^%.*$", "", source, flags=re.M), "cell", "exec")
    symbols = top.get_symbols()
    made = {s.get_name() for s in symbols if s.is_assigned() or s.is_imported()}
    functions = {part.get_name(): outer_names(part) for part in top.get_children()}
    used = {s.get_name() for s in symbols if s.is_referenced()}.union(*functions.values())
    return made, used, functions


def outer_names(table: symtable.SymbolTable) -> set[str]:
    """Names that a function uses and does not bind, with those of functions inside it."""
    names = {s.get_name() for s in table.get_symbols() if s.is_global() and s.is_referenced()}
    return names.union(*(outer_names(part) for part in table.get_children()))
