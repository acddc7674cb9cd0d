"""Watch an answer while it runs: what it changes, on which device, and where it raises.

`Watched` wraps an answer and looks at all arguments before and after each call; what has changed
are its facts, observations whose names are sentences. `OnDevice` wraps an answer for a simulated
CUDA device: the observer's tensors and networks go there and come back, and it notes what would
fail.
"""

import _thread
import contextlib
import copy
import ctypes
import inspect
import linecache
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map_only

from gancourse.simulated_cuda import CUDA, CudaTensor, Device, on_cuda, to_cpu, to_cuda

CHANGED = "changed: "
"""Names of facts on side effects: what was changed."""
MIXED = ("same device", "device type for generator", "can't convert cuda", "on cuda:0")
"""Parts of what torch says where two devices are mixed."""
PACKAGE = Path(__file__).resolve().parents[1]


class Watched:
    """An answer that can be called like the original; `facts` holds what its calls changed.

    Parameters
    ----------
    answer : Callable
        A function or a class.
    reference : Callable
        The exercise's reference: its signature gives the arguments their names.
    """

    def __init__(self, answer: Callable[..., Any], reference: Any) -> None:
        self.answer, self.reference = answer, reference
        self.facts: dict[str, Tensor] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        given = named(self.reference, args, kwargs)
        before, shared = {name: look(x) for name, x in given.items()}, _shared(given)
        seed = torch.initial_seed()
        try:
            return self.answer(*args, **kwargs)
        finally:
            if torch.initial_seed() != seed:
                self._add("the seed of torch's global generator")
            for name, x in given.items():
                for aspect in changes(before[name], look(x)):
                    self._add(f"{aspect} `{name}`")
            for a, b in _shared(given) - shared:
                self._add(f"the memory of `{a}`, which is now shared with `{b}`")

    def _add(self, what: str) -> None:
        self.facts[CHANGED + what] = torch.tensor(True)


def named(reference: Any, args: tuple, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a call by the names that the reference gives them."""
    try:
        return dict(_signature(reference).bind(*args, **kwargs).arguments)
    except (TypeError, ValueError):
        return {f"argument {n}": x for n, x in enumerate(args, start=1)} | dict(kwargs)


_signature = cache(inspect.signature)


def look(x: Any) -> dict[str, Any]:
    """What an argument is now, by aspect: to be compared with what it is after a call."""
    if isinstance(x, Tensor):
        graph = (x.requires_grad, x.grad_fn is None)
        return {"the values of": _value(x), "requires_grad or the graph of": graph}
    if isinstance(x, nn.Module):
        modules, weights = list(x.modules()), list(x.parameters())
        hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
        return {
            "the weights of": [_value(p) for p in weights],
            "requires_grad of the weights of": [p.requires_grad for p in weights],
            "the buffers (batch norm's moving averages) of": [_value(b) for b in x.buffers()],
            "the mode (train or eval) of": [m.training for m in modules],
            "the hooks on layers of": [[*getattr(m, kind)] for m in modules for kind in hooks],
            "the layers of": list(map(id, modules)),
        }
    if isinstance(x, torch.Generator):
        return {"the seed of": x.initial_seed()}
    if isinstance(x, Mapping):
        return {"the entries of": [(key, look(value) or repr(value)) for key, value in x.items()]}
    if isinstance(x, (list, tuple)):
        return {"the entries of": [(id(value), look(value)) for value in x]}
    return {}


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The aspects of two looks that differ."""
    return [aspect for aspect, old in before.items() if not _equal(old, after[aspect])]


def _value(x: Tensor) -> Tensor:
    return x.detach().clone()


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor):
        if a.shape != b.shape or a.dtype != b.dtype:
            return False
        return torch.equal(a, b) or torch.equal(a.nan_to_num(), b.nan_to_num())
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_equal(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(_equal, a, b))
    return a == b


def _shared(given: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Pairs of arguments that share memory."""
    memory = {name: {t.data_ptr() for t in _tensors(x) if t.numel()} for name, x in given.items()}
    memory = {name: pointers for name, pointers in memory.items() if pointers}
    names = list(memory)
    pairs = ((a, b) for n, a in enumerate(names) for b in names[n + 1 :])
    return {(a, b) for a, b in pairs if memory[a] & memory[b]}


def _tensors(x: Any) -> list[Tensor]:
    if isinstance(x, Tensor):
        return [x]
    if isinstance(x, nn.Module):
        return [*x.parameters(), *x.buffers()]
    if not isinstance(x, (list, tuple, Mapping)):
        return []
    return [t for t in tree_leaves(x) if isinstance(t, Tensor)]


class OnDevice:
    """An answer on a simulated CUDA device: what it is given goes there, its result comes back.

    `problem` is what would be raised on a GPU, `on_cpu` whether a result was on the CPU, and
    `where` an expression for the device of what was given.
    """

    def __init__(self, answer: Callable[..., Any], reference: Any) -> None:
        self.answer, self.reference = answer, reference
        self.places: dict[type, str] = {}
        self.problem: BaseException | None = None
        self.on_cpu = False

    @property
    def where(self) -> str:
        kinds = [Tensor, torch.Generator, nn.Module]
        if "generator" in str(self.problem):
            kinds.sort(key=lambda kind: kind is not torch.Generator)
        return next((self.places[kind] for kind in kinds if kind in self.places), "x.device")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        for name, x in named(self.reference, args, kwargs).items():
            for kind in (Tensor, torch.Generator, nn.Module):
                if isinstance(x, kind):
                    of = f"next({name}.parameters())" if kind is nn.Module else name
                    self.places.setdefault(kind, f"{of}.device")
        args, kwargs = on_cuda((args, kwargs))
        with _variables_on_cuda(self.answer), self.noting(), Device() as device:
            result = self.answer(*args, **kwargs)
            if any(isinstance(x, nn.Module) for x in tree_leaves(result)):
                result = copy.deepcopy(result)  # a layer may be used again by the answer
                for layer in tree_leaves(result):
                    if isinstance(layer, nn.Module):
                        self._follow(layer)
        if not device.unsure:
            self._look(result)
        return tree_map_only(CudaTensor, to_cpu, result)

    def _look(self, result: Any) -> None:
        for x in tree_leaves(result):
            self.on_cpu |= isinstance(x, Tensor) and x.dim() > 0 and not isinstance(x, CudaTensor)

    def _follow(self, net: nn.Module) -> None:
        """Move a network that was returned, and each of its later inputs; its output comes back."""
        net.to(CUDA)
        forward = net.forward

        def moved(*inputs: Any) -> Any:
            with self.noting(), Device():
                output = forward(*tree_map_only(Tensor, to_cuda, inputs))
            self._look(output)
            return tree_map_only(CudaTensor, to_cpu, output)

        net.forward = moved

    def noting(self) -> "_Noting":
        return _Noting(self)


@contextlib.contextmanager
def _variables_on_cuda(answer: Any) -> Iterator[None]:
    """Global variables of an answer that hold the CPU: on a machine with a GPU they hold that.

    As in ``device = "cuda" if torch.cuda.is_available() else "cpu"``.
    """
    while isinstance(answer, partial) or hasattr(answer, "__wrapped__"):
        answer = answer.func if isinstance(answer, partial) else answer.__wrapped__
    names = getattr(answer, "__globals__", None) or {}
    before = {name: x for name, x in names.items() if _is_cpu(x)}
    names.update({name: "cuda" if isinstance(x, str) else CUDA for name, x in before.items()})
    try:
        yield
    finally:
        names.update(before)


def _is_cpu(x: Any) -> bool:
    return isinstance(x, (str, torch.device)) and str(x) == "cpu"


class _Noting:
    """Notes an exception that comes from mixing devices."""

    def __init__(self, run: OnDevice) -> None:
        self.run = run

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: Any, error: BaseException | None, _trace: Any) -> None:
        if error and any(part in str(error) for part in MIXED):
            self.run.problem = self.run.problem or error


class TimeLimit:
    """Within it, the main thread is interrupted after so many seconds, with a TimeoutError.

    The seconds are of processor time, so that a busy machine stops nobody; ten times as many by the
    clock are the limit for what only waits. Other threads have no limit: only the main one can be
    interrupted.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds, self.over = seconds, False
        self.ended = threading.Event()

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            with contextlib.suppress(RuntimeError):  # where no thread may be started
                threading.Thread(target=self._watch, daemon=True).start()

    def __exit__(self, _kind: Any, error: BaseException | None, _trace: Any) -> None:
        self.ended.set()
        if self.over and isinstance(error, KeyboardInterrupt):
            raise TimeoutError from error

    def _watch(self) -> None:
        used, begin = time.process_time(), time.monotonic()
        while not self.ended.wait(self.seconds / 10):
            clock = time.monotonic() - begin
            if time.process_time() - used > self.seconds or clock > 10 * self.seconds:
                self.over = True
                _interrupt_main()
                return


def _interrupt_main() -> None:
    """Raise KeyboardInterrupt in the main thread, also where SIGINT is ignored, as under nohup."""
    if callable(signal.getsignal(signal.SIGINT)):
        _thread.interrupt_main()
    else:
        main = ctypes.c_ulong(threading.main_thread().ident or 0)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(main, ctypes.py_object(KeyboardInterrupt))


def raised_at(error: BaseException) -> str:
    """The innermost line of the answer's own code in a traceback, or an empty string."""
    while error.__cause__:
        error = error.__cause__
    lines = [
        linecache.getline(frame.filename, frame.lineno or 0).strip()
        for frame in traceback.extract_tb(error.__traceback__)
        if _is_answers(frame.filename)
    ]
    return next((line for line in reversed(lines) if line), "")


def _is_answers(filename: str) -> bool:
    """Whether a file is neither the package's nor an installed library's: a notebook's cell."""
    path = Path(filename)
    return not (
        path.is_relative_to(PACKAGE)
        or "site-packages" in path.parts
        or path.is_relative_to(Path(inspect.__file__).parent)
        or filename.startswith("<frozen")
    )
