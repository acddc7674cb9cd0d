"""A CUDA device in name only: code that mixes devices fails on it as it does on a real one.

No GPU is needed. The CPU computes and autograd works as usual, but a `CudaTensor` says that it is
on ``cuda:0``, and what CUDA refuses is refused: an operation on tensors of both devices (unless the
one on the CPU is a single number), a random draw with a generator of the other device, ``numpy()``.

    with Device():
        result = answer(*on_cuda(args))

Not simulated: speed, memory, streams, ``torch.cuda``'s own functions, and precision (TF32).
"""

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map_only

CUDA = torch.device("cuda:0")
MAY_MIX = {"_has_compatible_shallow_copy_type", "copy_", "__set__", "__get__", "type_as"}
"""What CUDA does with tensors of both devices."""
READS = {
    *("item", "tolist", "numpy", "__array__", "__bool__", "__int__", "__float__", "__index__"),
    *("__contains__", "nonzero", "masked_select", "unique", "equal", "allclose"),
}
"""For these a program waits until the GPU has computed everything so far."""
MIXED = (
    "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!"
)


def _wrapped() -> bool:
    """Whether torch.func's transforms are at work: their tensors don't say where they are."""
    return torch._C._functorch.peek_interpreter_stack() is not None


def _check_index(x: Tensor, index: Any, value: Any = None) -> None:
    """Refuse what CUDA refuses in x[index] and in x[index] = value.

    A tensor as an index may be on the CPU, but not on the GPU if x is on the CPU; with one, value
    and x share a device. With slices and numbers, values are copied between devices.
    """
    indices = [i for i in tree_leaves(index) if isinstance(i, Tensor) and i.dim() > 0]
    if not isinstance(x, CudaTensor) and any(isinstance(i, CudaTensor) for i in indices):
        raise RuntimeError(
            "indices should be either on cpu or on the same device as the indexed tensor (cpu)"
        )
    if indices and isinstance(value, Tensor) and value.dim() > 0:
        if isinstance(x, CudaTensor) != isinstance(value, CudaTensor):
            raise RuntimeError(MIXED)


class CudaTensor(Tensor):
    """A tensor that says it is on ``cuda:0``."""

    device = property(lambda self: CUDA)
    is_cuda = property(lambda self: True)
    is_cpu = property(lambda self: False)
    grad = property(
        lambda self: (
            None if Tensor.grad.__get__(self) is None else to_cuda(Tensor.grad.__get__(self))
        ),
        lambda self, value: Tensor.grad.__set__(self, value),
        lambda self: Tensor.grad.__delete__(self),
    )

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        name = getattr(func, "__name__", "")
        if name in ("__getitem__", "__setitem__"):
            _check_index(*args)
        elif name not in MAY_MIX and not _wrapped():
            tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
            if any(not isinstance(x, CudaTensor) and x.dim() > 0 for x in tensors):
                raise RuntimeError(MIXED)
        return super().__torch_function__(func, types, args, kwargs or {})

    def numpy(self, *args: Any, **kwargs: Any) -> None:
        raise TypeError(
            "can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() to copy the tensor "
            "to host memory first."
        )

    __array__ = numpy

    def __format__(self, spec: str) -> str:
        return format(self.item() if self.dim() == 0 else to_cpu(self), spec)

    def __deepcopy__(self, memo: dict) -> Tensor:
        if id(self) not in memo:
            new = to_cuda(to_cpu(self.detach()).clone())
            is_parameter = isinstance(self, nn.Parameter)
            memo[id(self)] = nn.Parameter(new) if is_parameter else new
            memo[id(self)].requires_grad_(self.requires_grad)
        return memo[id(self)]


class CudaGenerator(torch.Generator):
    """A generator that says it is on ``cuda:0``."""

    device = property(lambda self: CUDA)


def to_cuda(x: Tensor) -> Tensor:
    """The same tensor, on the simulated device; gradients pass."""
    return x if isinstance(x, CudaTensor) else x.as_subclass(CudaTensor)


def to_cpu(x: Tensor) -> Tensor:
    """The same tensor, on the CPU; gradients pass."""
    return _ToCpu.apply(x) if isinstance(x, CudaTensor) else x


class _ToCpu(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        with torch._C.DisableTorchFunctionSubclass():
            return x.as_subclass(Tensor).clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient


def on_cuda(value: Any) -> Any:
    """A copy on the simulated device: of tensors, networks, generators, and containers of them.

    Networks that share layers still share them, an optimizer has the copies of its weights, and a
    function or an iterator takes and gives tensors of the device.
    """
    networks = [x for x in tree_leaves(value) if isinstance(x, nn.Module)]
    memo: dict[int, Any] = {}
    with Device():
        copies = copy.deepcopy(networks, memo)
        new = {id(m): memo[id(m)] for net in networks for m in net.modules()}
        for net, other in zip(networks, copies, strict=True):
            other.to(CUDA)
            new |= dict(zip(map(id, net.parameters()), other.parameters(), strict=True))
    return _moved(value, new)


def _moved(x: Any, new: Mapping[int, Any]) -> Any:
    """A copy of `x` on the device; `new` has the copies of networks, layers and weights."""
    if id(x) in new:
        return new[id(x)]
    if isinstance(x, Tensor):
        return to_cuda(x.detach().clone()).requires_grad_(x.requires_grad)
    if isinstance(x, torch.Generator):
        generator = CudaGenerator()
        generator.set_state(x.get_state())
        return generator
    if isinstance(x, torch.optim.Optimizer):
        optimizer = copy.copy(x)
        optimizer.param_groups = [
            {**group, "params": [new.get(id(p), p) for p in group["params"]]}
            for group in x.param_groups
        ]
        return optimizer
    if isinstance(x, Iterator):
        return (tree_map_only(Tensor, to_cuda, part) for part in x)
    if isinstance(x, Mapping):
        return {key: _moved(part, new) for key, part in x.items()}
    if type(x) in (list, tuple):
        return type(x)(_moved(part, new) for part in x)
    return _called_on_cpu(x) if callable(x) and not isinstance(x, type) else x


def _called_on_cpu(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of CPU tensors, to be called with tensors of the simulated device."""

    def call(*args: Any, **kwargs: Any) -> Any:
        args, kwargs = tree_map_only(CudaTensor, to_cpu, (args, kwargs))
        return tree_map_only(Tensor, to_cuda, function(*args, **kwargs))

    return call


class Device(TorchFunctionMode):
    """Within it, ``device="cuda"``, ``.to("cuda")`` and ``.cuda()`` give simulated tensors.

    Parameters
    ----------
    float64 : bool
        Whether the device computes in double precision. CUDA does, Apple's MPS refuses.

    Attributes
    ----------
    unsure : bool
        Whether torch.func's transforms (vmap, grad) were used: nobody knows the device of what they
        return.
    reads : list[str]
        Functions that read values from the device, in the order of the calls. On a GPU each of them
        waits until all that was asked for is computed, so a training step should have none.
    """

    unsure = False

    def __init__(self, float64: bool = True) -> None:
        super().__init__()
        self.float64 = float64
        self.reads: list[str] = []

    def __enter__(self):
        self.overwrite = torch.__future__.get_overwrite_module_params_on_conversion()
        torch.__future__.set_overwrite_module_params_on_conversion(True)
        return super().__enter__()

    def __exit__(self, *error: Any):
        torch.__future__.set_overwrite_module_params_on_conversion(self.overwrite)
        return super().__exit__(*error)

    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = self._run(func, args, kwargs)
        if not self.float64 and isinstance(result, CudaTensor) and result.dtype == torch.float64:
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype: use float32 instead.")
        return result

    def _run(self, func: Any, args: tuple, kwargs: Mapping[str, Any] | None) -> Any:
        kwargs, name = dict(kwargs or {}), getattr(func, "__name__", "")
        self.unsure |= _wrapped()
        if _reads(name, args, kwargs):
            self.reads.append(name)
        if name in ("to", "cpu", "cuda") and isinstance(args[0], Tensor):
            return _move(func, name, *args, **kwargs)
        tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        device = kwargs.get("device")
        kind = (
            torch.device(device).type
            if device is not None
            else ("cuda" if any(isinstance(x, CudaTensor) for x in tensors) else "cpu")
        )
        rng = next((x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Generator)), None)
        if rng is not None and rng.device.type != kind:
            raise RuntimeError(
                f"Expected a {kind!r} device type for generator but found {rng.device.type!r}"
            )
        if device is None:
            return func(*args, **kwargs)
        kwargs["device"] = "cpu"
        result = func(*tree_map_only(CudaTensor, to_cpu, args), **kwargs)
        if kind != "cuda" or not isinstance(result, Tensor):
            return result
        needs = result.requires_grad and result.is_leaf
        return to_cuda(result.detach() if needs else result).requires_grad_(result.requires_grad)


def _reads(name: str, args: tuple, kwargs: Mapping[str, Any]) -> bool:
    """Whether a function makes the program wait for a value of the device."""
    if name in READS:
        return any(isinstance(x, CudaTensor) for x in tree_leaves((args, kwargs)))
    if name in ("__getitem__", "__setitem__"):  # by a mask: how many are true?
        index = [x for x in tree_leaves(args[1]) if isinstance(x, CudaTensor)]
        return any(x.dtype == torch.bool for x in index)
    if name == "copy_":
        return not isinstance(args[0], CudaTensor) and isinstance(args[1], CudaTensor)
    if name in ("to", "cpu") and isinstance(args[0], CudaTensor):
        place = args[1] if len(args) > 1 else kwargs.get("device", "cpu" if name == "cpu" else None)
        return isinstance(place, (str, torch.device)) and torch.device(place).type == "cpu"
    return False


def _move(func: Any, name: str, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """`x.to(...)`, `x.cpu()`, `x.cuda()`: first to the device, then to the dtype."""
    place = {"cpu": "cpu", "cuda": CUDA}.get(name, kwargs.get("device"))
    dtype = kwargs.get("dtype")
    for value in args if name == "to" else ():
        if isinstance(value, torch.dtype):
            dtype = value
        elif isinstance(value, Tensor):
            place, dtype = value.device, value.dtype
        elif isinstance(value, (str, torch.device)) or type(value) is int:
            place = value
    if place is not None:
        x = to_cuda(x) if torch.device(place).type == "cuda" else to_cpu(x)
    options = {
        key: kwargs[key] for key in ("copy", "memory_format") if key in kwargs and name == "to"
    }
    return x if dtype is None and not options else func(x, dtype=dtype or x.dtype, **options)
