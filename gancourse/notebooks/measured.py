"""Measured figures, stored in ``benchmarks/measured.json`` for the headers and README's table."""

import json
from pathlib import Path

from gancourse.errors import CourseError


def record(root: Path, profile: str, report: dict) -> str:
    """Store the report of a run; a run that failed, or on the wrong device, is refused.

    Parameters
    ----------
    root : Path
        The course's folder.
    profile : str
        'cpu' or 'gpu': the key in the file.
    report : dict
        As in ``report.json``: "machine", and "notebooks": name -> entry.

    Returns
    -------
    str
        A message. Figures of one profile come from one machine: those of another are dropped.

    Raises
    ------
    CourseError
        If a notebook failed or ran on another device; nothing is stored.
    """
    entries = report["notebooks"]
    device = {"cpu": "cpu", "gpu": "cuda"}.get(profile)
    if device is None or any(entry.get("device") != device for entry in entries.values()):
        raise CourseError(
            f"Nothing was recorded: profile {profile} was not measured on {device or 'a machine'}.",
            "Seconds of a smoke test, or of another device, would mislead readers.",
        )
    if failed := [name for name, entry in entries.items() if "error" in entry]:
        raise CourseError(f"Nothing was recorded: {', '.join(failed)} failed.")
    path = root / "benchmarks" / "measured.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    before = known.get(profile, {})
    same = before.get("machine") == report["machine"]
    notebooks = dict(sorted({**(before.get("notebooks", {}) if same else {}), **entries}.items()))
    known[profile] = {
        "command": f"gancourse run {' '.join(n[:2] for n in notebooks)} --profile {profile}",
        "machine": report["machine"],
        "notebooks": notebooks,
    }
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    dropped = sorted(set(before.get("notebooks", {})) - set(notebooks))
    more = f"; dropped, as measured on another machine: {', '.join(dropped)}" if dropped else ""
    return f"recorded in benchmarks/{path.name}{more}. Now run: gancourse build"
