"""The arithmetic of a notebook's training, counted for any profile without doing it.

Counted are multiplications and additions in products of matrices and in convolutions, forward and
backward, by the formulas of torch's ``FlopCounterMode``. Not counted are elementwise operations,
normalization, activation functions, pooling, resizing, optimizers and ``torch.linalg``: they take
time, but little arithmetic. (The mode itself fails in some notebooks: it tracks modules, which
``torch.autograd.grad`` does not allow. So only its formulas are used here.) Not counted either is
what is no training: measurements, figures, attacks of fewer than `LONG` steps.

The sizes of batches and networks are those of the profile, but most of the work is left out:

- Only cells that train are run, and cells that define what these use.
- Only two steps of each ``train(...)``, and of each long loop over a range, are taken. The first
  counts for every eighth step, at which the R1 penalty is applied; the second for all others.
- Large products are counted but not computed: their results are noise. Formulas need only shapes.
- Data sets and measurements are small, and nothing is downloaded or saved.
"""

import ast
import contextlib
import io
import re
import symtable
import warnings
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jaxtyping
import matplotlib.pyplot as plt
import pytest
import torch
from nbformat import NotebookNode
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only
from torch.utils.flop_counter import flop_registry

from gancourse import exercises, figures
from gancourse.classifiers import pretrained
from gancourse.datasets import captions, emoji, galaxies, two_domains
from gancourse.metrics import images as image_metrics
from gancourse.metrics import samples
from gancourse.notebooks import build
from gancourse.papers import adversarial, dcgan_probes
from gancourse.training import guards, loop, trick_runs

ROOT = Path(__file__).resolve().parents[1]
CYCLE = 8
"""The R1 penalty is applied at one step in so many, from the first."""
LONG = 32
"""Loops over a range of at most so many numbers run in full, and are no training."""
LARGE = 20_000
"""A product of a tensor with so many elements is not computed."""
SIZES = {
    "03": {"N"},
    "04": {"Z", "flower_set", "unseen", "fresh"},
    "05": {"M", "SIDE", "usable"},
    "06": {"N", "train_set"},
    "09": {"count, tests"},
}
"""By notebook: what no step depends on. It has the size that it has in the smoke profile."""
NOISE = torch.randn(4099, generator=torch.Generator().manual_seed(0))
IDLE = re.compile(r"DATA_SET|MY_IMAGES|diagnose\(")
"""In cells tagged as training that train nothing, or only on images that the reader names."""


class Counter(TorchDispatchMode):
    """Within it, products are counted while a step runs, and large ones are not computed."""

    def __init__(self, large: int = LARGE) -> None:
        super().__init__()
        self.large = large
        self.flop = self.steps = self.depth = 0
        self.noise, self.begin = NOISE, 0

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
        """Noise of this shape, without a copy: all share a storage, but not where they begin."""
        if len(self.noise) < x.numel() + 99:
            self.noise = NOISE.repeat(x.numel() // len(NOISE) + 2)
        self.begin = (self.begin + 1) % 99
        place = self.noise.untyped_storage(), self.begin, x.shape, x.stride()
        return torch.empty(0).set_(*place).to(x.dtype)

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


TAKE, LOOP = loop._take, loop._loop
IN_BATCHES, CAPTIONS = samples.in_batches, captions.load


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
    cells = [cell for cell in cells if cell.cell_type == "code"]
    return count_cells(cells, profile, Counter(), SIZES.get(source.stem[:2], set()))


def count_cells(
    cells: Sequence[NotebookNode], profile: str, counter: Counter, small: Set[str] = frozenset()
) -> list[Row]:
    """The same, of code cells. Cells that are tagged as training are listed in any case."""
    rows, needed = [], training(cells)
    with (
        pytest.MonkeyPatch.context() as patch,
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        prepare(patch, profile, counter)
        names = {"__name__": "__main__", "range": counter.range}
        for i in needed:
            flop, steps = counter.flop, counter.steps
            tree = smaller(cells[i].source, small)
            code = compile(tree, f"cell {i + 1}", "exec", optimize=1)  # without assertions
            with counter:
                exec(code, names)
            plt.close("all")
            tagged = "training" in build.tags(cells[i]) and not IDLE.search(cells[i].source)
            if counter.steps > steps or tagged:
                title = cells[i].source.splitlines()[0]
                rows.append(Row(i + 1, title, counter.steps - steps, counter.flop - flop))
    return rows


def prepare(patch: pytest.MonkeyPatch, profile: str, counter: Counter) -> None:
    """Set the profile, and replace the functions of the package that would take long."""
    patch.chdir(ROOT / "solutions")
    settings = {"PROFILE": profile, "DEVICE": "cpu", "PRECISION": "fp32", "STATIC": "1"}
    for name, value in settings.items():
        patch.setenv(f"GANCOURSE_{name}", value)
    patch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # shapes of notebooks' own values
    patch.setattr(loop, "_take", counter.take)
    patch.setattr(loop, "_loop", few_records)
    patch.setattr(loop, "_read", lambda run, batches: last(run.pending))
    for save in ("remember", "write"):
        patch.setattr(loop._Run, save, lambda *args: None)
    for show in ("show", "show_live"):
        patch.setattr(figures, show, lambda *args, **options: None)
    for module, metric in (dcgan_probes, "linear_probe"), (image_metrics, "perceptual_distance"):
        patch.setattr(module, metric, lambda *args: torch.tensor(0.5))
    patch.setattr(samples, "in_batches", on_a_few)
    patch.setattr(captions, "load", few_captions)
    for module in (adversarial, trick_runs):
        patch.setattr(module, "range", counter.range, raising=False)
    patch.setattr(exercises, "check", lambda id, answer: answer)
    patch.setattr(pretrained, "torchvision_classifier", untrained)
    patch.setattr(two_domains, "horse2zebra", horses_and_zebras)
    patch.setattr(galaxies, "_objects", lambda *_: torch.randint(64, 800, (400, 2)))
    patch.setattr(emoji, "_images", lambda codes, size, *_: images(len(codes), size).numpy())


def few_records(step: Callable, run: Any, record_every: int, *more: Any) -> Iterator[loop.Record]:
    """In place of `loop._loop`: notebooks draw something at each record."""
    return LOOP(step, run, max(record_every, run.steps // 10), *more)


def last(losses: guards.Pending) -> dict[str, float]:
    """In place of their means."""
    return {name: float(values[-1][1]) for name, values in losses.items()}


def on_a_few(net: nn.Module, inputs: Tensor, size: int = 0) -> Tensor:
    """In place of `samples.in_batches`: outputs for the first inputs, repeated."""
    part = IN_BATCHES(net, inputs[:20])
    repeats = [-(-len(inputs) // len(part)), *[1] * (part.dim() - 1)]
    return part.repeat(repeats)[: len(inputs)]


def few_captions(count: int, *args: Any, **options: Any) -> captions.CaptionedFlowers:
    """In place of `captions.load`."""
    return CAPTIONS(min(count, 120), *args, **options)


def images(count: int, size: int) -> Tensor:
    """In place of images that are rendered or downloaded."""
    return torch.randint(256, (count, 3, size, size), dtype=torch.uint8)


def horses_and_zebras(size: int) -> two_domains.Domains:
    parts = (images(16, size) for _ in range(4))
    return two_domains.Domains(*parts, ("horse", "zebra"), False)


def untrained(name: str) -> pretrained.Classifier:
    """A network of torchvision, without the weights that would be downloaded."""
    from torchvision import models

    return pretrained.Classifier(models.get_model(name, weights=None), pretrained.class_names())


def smaller(source: str, names: Set[str]) -> ast.Module:
    """A cell's code in which the values of these names have the size of the smoke profile."""
    tree = ast.parse(source)
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).strip("()") in names:
            node.value = Smoke().visit(node.value)
    return tree


class Smoke(ast.NodeTransformer):
    """Takes the smoke profile's value from every ``env.budget``."""

    def visit_Call(self, node: ast.Call) -> ast.expr:
        if ast.unparse(node.func) == "env.budget":
            return next(option.value for option in node.keywords if option.arg == "smoke")
        return self.generic_visit(node)


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
    top = symtable.symtable(source, "cell", "exec")
    symbols = top.get_symbols()
    made = {s.get_name() for s in symbols if s.is_assigned() or s.is_imported()}
    functions = {part.get_name(): outer_names(part) for part in top.get_children()}
    used = {s.get_name() for s in symbols if s.is_referenced()}.union(*functions.values())
    return made, used, functions


def outer_names(table: symtable.SymbolTable) -> set[str]:
    """Names that a function uses and does not bind, with those of functions inside it."""
    names = {s.get_name() for s in table.get_symbols() if s.is_global() and s.is_referenced()}
    return names.union(*(outer_names(part) for part in table.get_children()))
