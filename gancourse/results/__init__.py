"""Measured tables that the package ships, each written by a script in ``benchmarks``."""

import json
from importlib.resources import files
from typing import Any


def load_table(name: str) -> dict[str, Any]:
    """A table by its name.

    ring, tricks_ring, digits, conditional, lapgan, text_variants, stacked, own_data or diagnosis.
    Each was made by the command in its notebook's text, or names it itself.
    """
    return json.loads((files(__name__) / f"{name}.json").read_text("utf-8"))
