"""Measured tables that the package ships, each written by a script in ``benchmarks``."""

import json
from collections.abc import Mapping
from importlib.resources import files
from statistics import fmean, stdev
from typing import Any


def load_table(name: str) -> dict[str, Any]:
    """A table by its name.

    ring, tricks_ring, digits, conditional, lapgan, text_variants, stacked, own_data or diagnosis.
    Each was made by the command in its notebook's text, or names it itself.
    """
    return json.loads((files(__name__) / f"{name}.json").read_text("utf-8"))


def over_seeds(row: Mapping[str, Any], key: str) -> list[float]:
    """A number of each run of a row of ``load_table("stacked")`` or ``load_table("own_data")``."""
    return [run[key] for run in row["seeds"].values()]


def seed_table(table: Mapping[str, Any], *keys: str) -> str:
    """The command of such a table, and a line per row: mean ± standard deviation over its seeds.

    Parameters
    ----------
    table : Mapping[str, Any]
        From `load_table`; it has "command", and "rows" with their "seeds".
    *keys : str
        Which numbers of a run to show.

    Raises
    ------
    KeyError
        The runs have no such number.
    """
    lines = [table["command"]]
    for name, row in table["rows"].items():
        parts = [
            f"{name:23}",
            *(f"{row[key]:4} {key}" for key in ("steps", "seconds") if key in row),
        ]
        for key in keys:
            values = over_seeds(row, key)
            digits = 0 if fmean(values) >= 100 else 3
            error = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
            parts.append(f"{key} {fmean(values):.{digits}f}{error}")
        lines.append(
            "  ".join([*parts, f"({len(row['seeds'])} seed{'s' * (len(row['seeds']) > 1)})"])
        )
    return "\n".join(lines)
