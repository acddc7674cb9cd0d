"""Keep the course installable on Colab: tests/colab.txt lists what its GPU runtime has already.

    python tools/colab.py refresh       write that list again, from the one that Colab publishes
    python tools/colab.py check FILE    does pip keep Colab's packages? FILE is the report of
                                        pip install --dry-run --report FILE .

The second one is meant for an environment with Colab's packages: pip install -r tests/colab.txt
"""

import json
import re
import sys
import urllib.request
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PUBLISHED = "https://raw.githubusercontent.com/googlecolab/backend-info/main/pip-freeze.gpu.txt"
LIST = Path(__file__).resolve().parents[1] / "tests" / "colab.txt"
HEAD = """\
# Packages of Colab's GPU runtime that the course needs, directly or not. {since}
# Written by tools/colab.py from the list that Colab publishes (googlecolab/backend-info).
"""
RUNNER = {"jupytext", "nbformat", "nbclient", "ipykernel", "ipython", "setuptools"}
"""What runs notebooks, there and in CI."""


def needed(name: str, found: set[str]) -> set[str]:
    """A package and everything that it needs here, added to `found`; extras are left out."""
    if canonicalize_name(name) not in found:
        found.add(canonicalize_name(name))
        try:
            parts = map(Requirement, requires(name) or [])
        except PackageNotFoundError:  # for another platform
            return found
        for part in parts:
            if part.marker is None or part.marker.evaluate({"extra": ""}):
                needed(part.name, found)
    return found


def refresh() -> None:
    """Write the list. Run it where the course is installed: its dependencies are asked for."""
    with urllib.request.urlopen(PUBLISHED, timeout=60) as answer:
        text, since = answer.read().decode(), answer.headers.get("Date", "")
    wanted: set[str] = set()
    for name in {"gancourse", *RUNNER}:
        needed(name, wanted)
    pins = re.findall(r"^([\w.-]+)==([\w.]+)", text, re.MULTILINE)  # without "+cu128"
    kept = [f"{name}=={pin}" for name, pin in pins if canonicalize_name(name) in wanted]
    LIST.write_text(HEAD.format(since=since) + "\n".join(kept) + "\n")
    print(f"{len(kept)} packages in {LIST.name}")


def check(report: Path) -> None:
    """End with an error if pip would install another version of what Colab has."""
    pinned = re.findall(r"^([\w.-]+)==", LIST.read_text(), re.MULTILINE)
    there = {canonicalize_name(name) for name in pinned}
    names = [part["metadata"]["name"] for part in json.loads(report.read_text())["install"]]
    replaced = sorted({canonicalize_name(name) for name in names} & there)
    print("pip would install:", ", ".join(sorted(names)))
    if replaced:
        sys.exit(f"Colab has another version of: {', '.join(replaced)}")


if __name__ == "__main__":
    commands = {("refresh",): refresh, ("check",): lambda: check(Path(sys.argv[2]))}
    commands.get(tuple(sys.argv[1:2]), lambda: sys.exit(__doc__))()
