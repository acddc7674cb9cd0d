"""Measured tables that the package ships, each written by a script in ``benchmarks``."""

import json
from importlib.resources import files
from typing import Any


def load_table(name: str) -> dict[str, Any]:
    """A table of `gancourse/results`, made by the script of its name in `benchmarks`."""
    return json.loads((files(__name__) / f"{name}.json").read_text("utf-8"))
