"""Which tensors come from a generator: marks that follow every torch function.

`signs.examine` uses it to tell real examples from fakes by their origin, in whatever order a step
calls D.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

REAL, FAKE, MIXED = "real", "fake", "mixed"
CONCATENATE = {"cat", "concat", "concatenate", "vstack", "stack", "hstack"}
KINDS = (Tensor, tuple, list)
BY_ROWS = CONCATENATE - {"stack", "hstack"}
REORDER = {
    *("__getitem__", "index_select", "gather", "take_along_dim", "flip", "roll", "sort", "chunk"),
    *("split", "unbind"),
}

Rows = tuple[tuple[int, str], ...]
"""A batch in parts: numbers of examples, each with its origin, in order."""


class Origins(TorchFunctionMode):
    """While it is active, what is computed from a marked tensor is marked too.

    A view, a detached copy, an augmented fake is a fake. A concatenation of batches keeps the rows
    of each. What is computed from both kinds, such as an interpolation, is mixed. The marks don't
    keep tensors alive, and stay between activations: a pool may return fakes of earlier steps.
    """

    def __init__(self) -> None:
        super().__init__()
        self.marks = WeakTensorKeyDictionary()
        self.backward_passes = 0

    def mark(self, what: Any, origin: str) -> None:
        """Set the origin of every tensor in a network's input or output."""
        for x in tensors(what):
            if x.dim():
                self.marks[x] = ((len(x), origin),)

    def rows(self, x: Tensor) -> Rows:
        """The origin of each row; a tensor without a mark counts as real."""
        return self.marks.get(x, ((len(x) if x.dim() else 1, REAL),))

    def __torch_function__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        self.backward_passes += name == "backward"
        result = func(*args, **kwargs)
        changed = name == "__setitem__" or (name.endswith("_") and not name.endswith("__"))
        if not changed and (isinstance(result, torch.Size) or not isinstance(result, KINDS)):
            return result
        given = args[0] if name in CONCATENATE and args else (*args, *kwargs.values())
        marked = [x for x in given if isinstance(x, Tensor) and x in self.marks]
        if marked:
            for x in [args[0]] if changed else tensors(result):
                if isinstance(x, Tensor) and x.dim():
                    self.marks[x] = self._of(x, name, marked, args, kwargs)
        return result

    def _of(self, x: Tensor, name: str, marked: list[Tensor], args: tuple, kwargs: dict) -> Rows:
        """The origin of a result."""
        dim = kwargs.get("dim", kwargs.get("axis", args[1] if len(args) > 1 else 0))
        if name in BY_ROWS and dim in (0, -x.dim()):
            parts = [self.rows(part) for part in kwargs.get("tensors", args[0] if args else ())]
            return _merged(tuple(row for rows in parts for row in rows))
        kinds = {kind for source in marked for _, kind in self.marks[source]}
        if len(kinds) == 1:
            return ((len(x), kinds.pop()),)
        joint = {self.marks[source] for source in marked}
        rows = _chosen(joint.pop(), name, args) if len(joint) == 1 else ()
        return rows if sum(n for n, _ in rows) == len(x) else ((len(x), MIXED),)


def _chosen(rows: Rows, name: str, args: tuple) -> Rows:
    """The rows of a joint batch after a function; () if they can't be followed."""
    if name not in REORDER:
        return rows
    if name == "__getitem__":
        index = args[1][0] if isinstance(args[1], tuple) and args[1] else args[1]
    elif name == "index_select" and len(args) == 3 and isinstance(args[1], int) and not args[1]:
        index = args[2]
    else:
        return ()
    if isinstance(index, Tensor) and index.dim() == 1:
        index = index.tolist() if index.dtype != torch.bool else index.nonzero()[:, 0].tolist()
    kinds = [kind for n, kind in rows for _ in range(n)]
    if isinstance(index, slice):
        return _merged(tuple((1, kind) for kind in kinds[index]))
    if isinstance(index, list) and all(isinstance(i, int) for i in index):
        return _merged(tuple((1, kinds[i]) for i in index))
    return ()


def _merged(rows: Rows) -> Rows:
    """Neighbours of one origin as one part."""
    merged: list[tuple[int, str]] = []
    for n, kind in rows:
        if merged and merged[-1][1] == kind:
            n += merged.pop()[0]
        merged.append((n, kind))
    return tuple(merged)


def tensors(what: Any) -> Iterator[Tensor]:
    """All tensors in nested lists, tuples and dictionaries."""
    if isinstance(what, Tensor):
        yield what
    elif isinstance(what, (list, tuple)):
        for part in what:
            yield from tensors(part)
    elif isinstance(what, dict):
        yield from tensors(list(what.values()))
