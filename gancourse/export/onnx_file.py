"""A generator as an ONNX file, which programs without PyTorch can run."""

import importlib.util
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import BytesIO, StringIO
from pathlib import Path

import numpy as np
import torch
from torch import nn

from gancourse.errors import CourseError
from gancourse.export.generators import generate
from gancourse.shapes import Latent

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
"""The package's extra "export"."""
OPSET = 18
"""Version of ONNX's operators: the oldest that the exporter of `torch.export` writes itself."""
TOLERANCE = 1e-5
"""Largest difference from torch, of images in [-1, 1]."""
HALF_LEVEL = 1 / 255
"""Half the distance between two of the 256 levels of a pixel, in [-1, 1]."""
SMALL = 64
"""Tensors with fewer numbers keep their precision in `half`."""


def require_packages() -> None:
    """CourseError that names what to install, where a package is missing."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise CourseError(
            f"Exporting a generator needs {', '.join(missing)}, not installed here.",
            'It belongs to "export", an extra of the package.',
            f"Install it: pip install {' '.join(missing)}  (in the course's folder: make lab)",
        )


def to_onnx(net: nn.Module, noise_dim: int) -> bytes:
    """The bytes of an ONNX file: input ``z`` (batch, noise_dim), output ``images``, float32.

    PyTorch has two exporters. The one built on `torch.export` has been its default since 2.9;
    before that it needs versions of onnxscript that differ from one release of torch to the next,
    so the older one, built on TorchScript, is used there.

    Parameters
    ----------
    net : nn.Module
        The generator, on the CPU, in eval mode.
    noise_dim : int
        Length of a latent vector.

    Raises
    ------
    CourseError
        The exporter can't translate the network, or a package is missing.
    """
    require_packages()
    z = torch.zeros(2, noise_dim)
    names = {"input_names": ["z"], "output_names": ["images"], "opset_version": OPSET}
    version = tuple(int(part) for part in torch.__version__.split(".")[:2])
    try:
        with _quiet():
            if version >= (2, 9):
                shapes = ({0: torch.export.Dim("batch")},)
                program = torch.onnx.export(
                    net, (z,), dynamo=True, dynamic_shapes=shapes, verbose=False, **names
                )
                return without_comments(program.model_proto.SerializeToString())
            file = BytesIO()
            axes = {"z": {0: "batch"}, "images": {0: "batch"}}
            torch.onnx.export(net, (z,), file, dynamo=False, dynamic_axes=axes, **names)
            return without_comments(file.getvalue())
    except Exception as error:  # whatever the exporter raises about a student's own layers
        reason = str(error).strip().splitlines() or [""]
        raise CourseError(
            f"PyTorch can't write this {type(net).__name__} as ONNX.",
            f"{type(error).__name__}: {reason[0]}",
            "Use layers of torch.nn, and no if or loop that depends on values or the batch size.",
        ) from error


def without_comments(model: bytes) -> bytes:
    """The model without comments: the exporter notes lines of code, with the paths of files."""
    import onnx

    loaded = onnx.load_from_string(model)
    graph = loaded.graph
    for part in (loaded, graph, *graph.node, *graph.initializer, *graph.input, *graph.output):
        part.doc_string = ""
        if hasattr(part, "metadata_props"):
            del part.metadata_props[:]
    del graph.value_info[:]
    return loaded.SerializeToString()


def difference(model: bytes | Path, net: nn.Module, z: Latent) -> float:
    """Largest difference between the images of an ONNX file (or its bytes) and of the network.

    Both get each of the latent vectors alone, and all together. Where images leave [-1, 1] the
    difference is divided by their largest absolute value.
    """
    run = session(model)
    largest = 0.0
    for batch in (z[:1], z):
        images = generate(net, batch)
        other = torch.from_numpy(run(batch))
        if other.shape != images.shape:
            return float("inf")
        scale = max(1.0, float(images.abs().max()))
        apart = (images - other).abs().nan_to_num(nan=float("inf"))
        largest = max(largest, float(apart.max()) / scale)
    return largest


def check(path: Path, net: nn.Module, z: Latent) -> float:
    """`difference` of a written file, at most `TOLERANCE`; CourseError if it is larger."""
    found = difference(path, net, z)
    if not found <= TOLERANCE:
        raise CourseError(
            f"The ONNX file's images differ from PyTorch's by {found:.1g}; {TOLERANCE:.0e} is "
            "allowed.",
            "Some layer behaves differently there, perhaps one that depends on the batch size.",
            "Export a smaller part of the network to find the layer, and replace it.",
        )
    return found


def session(model: bytes | Path) -> Callable:
    """A function from latent vectors to images (NumPy), which runs an ONNX file on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors only
    source = model if isinstance(model, bytes) else str(model)
    loaded = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    return lambda z: loaded.run(["images"], {"z": z.float().cpu().numpy()})[0]


def compact(model: bytes, net: nn.Module, z: Latent) -> bytes:
    """The model at half its size, if no pixel of its images visibly changes; else as it is."""
    smaller = half(model)
    return smaller if difference(smaller, net, z) <= HALF_LEVEL else model


def half(model: bytes) -> bytes:
    """The model with its weights stored in float16; it converts them and computes in float32."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    loaded = onnx.load_from_string(model)
    casts, weights = [], []
    for tensor in loaded.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or values.size < SMALL:
            weights.append(tensor)
            continue
        stored = f"{tensor.name}.half"
        with np.errstate(over="ignore"):  # too large a weight becomes infinite: `compact` notices
            weights.append(numpy_helper.from_array(values.astype("float16"), stored))
        casts.append(helper.make_node("Cast", [stored], [tensor.name], to=TensorProto.FLOAT))
    del loaded.graph.initializer[:]
    loaded.graph.initializer.extend(weights)
    nodes = list(loaded.graph.node)
    del loaded.graph.node[:]
    loaded.graph.node.extend([*casts, *nodes])
    return loaded.SerializeToString()


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's warnings, log and progress, which are about its own insides."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
