"""The model card: what a stranger should know before using a network (Mitchell et al., 2019)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gancourse import __version__

NOT_STATED = "not stated"

USE = """\
## Use

`index.html` runs the generator in a browser, without the internet. In Python:

```python
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("generator.onnx")
rng = np.random.default_rng(0)
z = {draw}
images = session.run(None, {{"z": z.astype("float32")}})[0]  # (8, {shape}), in [-1, 1]
```
"""

DRAW = {
    "normal": "rng.normal(size=(8, {n}))",
    "uniform": "rng.uniform(-1, 1, size=(8, {n}))",
    "sphere": "rng.normal(size=(8, {n}))\nz *= {n}**0.5 / np.linalg.norm(z, axis=1, keepdims=True)",
}
"""How latent vectors are drawn, by the names of `env.noise`."""


@dataclass(frozen=True)
class ModelCard:
    """What is known about a network and its training; a field left out says "not stated".

    The sections are a selection of those of Mitchell et al. (2019), "Model cards for model
    reporting", arXiv 1810.03993.
    """

    name: str = ""
    """What the model is called. `export` fills it in."""
    description: str = ""
    """One or two sentences for readers who know nothing about it."""
    data: str = ""
    """The training images: what they are and where they come from."""
    images: int | None = None
    """Number of training images."""
    licence: str = ""
    """Licence of the training images, with the credit that it asks for."""
    architecture: str = ""
    """Class and configuration. `export` fills it in."""
    parameters: int | None = None
    """Number of the generator's parameters. `export` fills it in."""
    steps: int | None = None
    """Training steps."""
    seconds: float | None = None
    """Training time."""
    seeds: int | Sequence[int] | None = None
    """Of the training."""
    metrics: Mapping[str, float | str] = field(default_factory=dict)
    """Name and value, measured on this network: {"KID x 1000": 12.3}."""
    limits: str = ""
    """What it does badly, and what it should not be used for."""
    version: str = __version__
    """Version of the course."""

    def facts(self) -> list[tuple[str, str]]:
        """Name and value of every field but name and description, as text, in reading order."""
        seeds = [self.seeds] if isinstance(self.seeds, int) else self.seeds or []
        metrics = [f"{name}: {_number(value)}" for name, value in self.metrics.items()]
        rows = [
            ("Training data", self.data),
            ("Training images", _number(self.images)),
            ("Licence of the data", self.licence),
            ("Architecture", self.architecture),
            ("Parameters", _number(self.parameters)),
            ("Training steps", _number(self.steps)),
            ("Training time", "" if self.seconds is None else f"{_number(self.seconds)} s"),
            ("Seeds", ", ".join(map(str, seeds))),
            ("Metrics", "; ".join(metrics)),
            ("Limits", self.limits),
            ("Course version", f"gancourse {self.version}" if self.version else ""),
        ]
        return [(name, " ".join(str(value).split()) or NOT_STATED) for name, value in rows]


def markdown(card: ModelCard, noise_dim: int, shape: Sequence[int], noise: str = "normal") -> str:
    """The text of MODEL_CARD.md.

    Parameters
    ----------
    card : ModelCard
        The facts.
    noise_dim : int
        Length of a latent vector.
    shape : Sequence[int]
        Channels, height and width of an image.
    noise : str
        Distribution of the latent vectors, as in `env.noise`.
    """
    rows = [f"| {name} | {_escaped(value)} |" for name, value in card.facts()]
    parts = [
        f"# {_escaped(card.name or NOT_STATED)}",
        _escaped(card.description) or "A generator of images, trained as part of a GAN.",
        "\n".join(["| | |", "|---|---|", *rows]),
        USE.format(draw=DRAW[noise].format(n=noise_dim), shape=", ".join(map(str, shape))),
    ]
    return "\n\n".join(parts)


def _number(value: float | str | None) -> str:
    """12345 as "12,345" and 0.123456 as "0.1235"; text as it is."""
    if value is None or isinstance(value, str):
        return value or ""
    return f"{value:,}" if isinstance(value, int) else f"{float(value):,.4g}"


def _escaped(text: str) -> str:
    """Text on one line that Markdown shows as it is: no HTML, no column of a table."""
    for old, new in (("&", "&amp;"), ("<", "&lt;"), ("|", "\\|")):
        text = text.replace(old, new)
    return " ".join(text.split())
