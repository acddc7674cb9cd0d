"""One HTML page that holds a generator and everything that runs it in a browser, offline.

The page's own parts are in ``page/``; ``latent.js`` is the component, which other sites can use.
``runtime/`` has ONNX Runtime Web, see the README there.
"""

import gzip
import json
import re
from base64 import b64encode
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from string import Template

from PIL.Image import Image

from gancourse.export.card import NOT_STATED, ModelCard
from gancourse.export.directions import Directions
from gancourse.export.pictures import png

RUNTIME = "ort-wasm-simd-threaded.wasm.gz"
SCRIPT = "ort.wasm.bundle.min.mjs.gz"
VERSION = "1.23.2"
"""Of ONNX Runtime Web."""


def page(
    card: ModelCard,
    network: bytes,
    directions: Directions,
    samples: Image,
    *,
    noise_dim: int,
    noise: str,
    shape: Sequence[int],
    count: int,
) -> str:
    """The text of index.html. Text that comes from the caller is escaped: none of it becomes HTML.

    Parameters
    ----------
    card : ModelCard
        Its name is the title.
    network : bytes
        The generator as ONNX, see `onnx_file.to_onnx`.
    directions : Directions
        One slider each.
    samples : Image
        Shown below the generator, and in its place where the browser can't run it.
    noise_dim : int
        Length of a latent vector.
    noise : str
        Its distribution, as in `env.noise`.
    shape : Sequence[int]
        Channels, height and width of a generated image.
    count : int
        Number of samples in `samples`.
    """
    facts = {
        "noiseDim": noise_dim,
        "noise": noise,
        "directions": [[round(x, 5) for x in row] for row in directions.vectors.tolist()],
        "shares": [round(x, 4) for x in directions.shares.tolist()],
    }
    size = f"{shape[2]} x {shape[1]} pixels"
    about = card.description or (
        f"A neural network draws each image from {noise_dim} random numbers. Ask for a new sample, "
        "or move the sliders to change it."
    )
    rows = [f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in card.facts()]
    compressed = gzip.compress(network, 9, mtime=0)
    return Template(_text("page/template.html")).substitute(
        title=escape(card.name or NOT_STATED),
        description=escape(about),
        style=_text("page/page.css") + _text("page/latent.css"),
        sheet=b64encode(png(samples)).decode(),
        alt=f"{count} generated images of {size}, in rows",
        width=samples.width,
        height=samples.height,
        count=count,
        facts="\n".join(rows),
        version=VERSION,
        licence=escape(_text("runtime/LICENSE")),
        runtime=b64encode(_bytes(f"runtime/{RUNTIME}")).decode(),
        network=b64encode(compressed).decode(),
        json=json.dumps(facts).replace("<", "\\u003c"),
        ort=_module(gzip.decompress(_bytes(f"runtime/{SCRIPT}")).decode()),
        script=_text("page/latent.js") + _text("page/start.js"),
    )


def _module(source: str) -> str:
    """ONNX Runtime Web's source, adapted to a page; it stores itself as ``globalThis.ort``.

    Scripts in a page can't import each other without an address. Nor has the page an address that
    files could be found by: from a file, Firefox has "null" for its origin, and an error follows.
    With the bytes of the WebAssembly part given, no address is needed.
    """
    source = re.sub(r"^//# sourceMappingURL=.*$", "", source, flags=re.MULTILINE)
    source = re.sub(r'(new URL\("[^"]+",)import\.meta\.url', r'\1"https://unused.invalid"', source)
    source = source.replace("import.meta.url", '""')
    name = re.search(r"(\w+) as default", source)
    return f"{source.rstrip()}\nglobalThis.ort = {name[1] if name else 'undefined'};"


def _bytes(name: str) -> bytes:
    return (files("gancourse.export") / name).read_bytes()


def _text(name: str) -> str:
    return _bytes(name).decode()
