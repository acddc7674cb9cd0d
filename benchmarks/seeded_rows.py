"""Tables with a row per setting and a run per seed, as `stacked.py` and `own_data.py` write them.

A run in the file with the same settings is kept: stop and resume at any time; after ``--minutes``
no further run is started.
"""

import argparse
import json
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import torch

from gancourse import env

Run = Callable[..., dict[str, Any]]


def parser(what: str, file: Path, rows: Sequence[str]) -> argparse.ArgumentParser:
    """The options of such a script."""
    options = argparse.ArgumentParser(description=what)
    options.add_argument("--seeds", type=int, default=5)
    options.add_argument("--jobs", type=int, default=2, help="runs at a time, one thread each")
    options.add_argument("--minutes", type=float, default=60)
    options.add_argument("--file", type=Path, default=file)
    options.add_argument("--only", nargs="*", default=list(rows), choices=list(rows))
    return options


def fill(
    args: argparse.Namespace, rows: Mapping[str, dict], run: Run, more: Sequence, head: dict
) -> None:
    """Make the runs that the table lacks.

    Parameters
    ----------
    args : argparse.Namespace
        From `parser`.
    rows : Mapping[str, dict]
        Name of a row -> what the table says of it besides its runs.
    run : Callable
        ``run(name, seed, *more)`` returns the numbers of a run; called in other processes.
    more : Sequence
        Further arguments of `run`.
    head : dict
        "command", "settings" and what else the table begins with.
    """
    head["settings"] |= {
        "precision": env.precision(), "torch": torch.__version__.split("+")[0],
        "machine": platform.machine(),
    }  # fmt: skip
    table = json.loads(args.file.read_text("utf-8")) if args.file.exists() else {}
    found = table.get("rows", {}) if table.get("settings") == head["settings"] else {}
    end = time.monotonic() + 60 * args.minutes
    todo = [
        (name, seed) for seed in range(args.seeds) for name in args.only
        if str(seed) not in found.get(name, {}).get("seeds", {})
    ]  # fmt: skip
    with ProcessPoolExecutor(args.jobs) as pool:
        waiting = {pool.submit(_unless_late, end, run, *job, *more): job for job in todo}
        for done in as_completed(waiting):
            name, seed = waiting[done]
            if (numbers := done.result()) is None:
                continue
            runs = found.get(name, {}).get("seeds", {}) | {str(seed): numbers}
            found[name] = rows[name] | {"seeds": dict(sorted(runs.items()))}
            ordered = {key: found[key] for key in rows if key in found}
            args.file.write_text(json.dumps(head | {"rows": ordered}, indent=1) + "\n", "utf-8")
            print(name, seed, numbers, flush=True)


def _unless_late(end: float, run: Run, *args: Any) -> dict[str, Any] | None:
    torch.set_num_threads(1)
    return run(*args) if time.monotonic() < end else None
