"""Everything that the course wants to know from a GPU, in one command and in a few minutes.

    python benchmarks/gpu.py --minutes 9 --out DIR     on a machine with a GPU; needs no network
    python benchmarks/gpu.py --dry-run --out DIR       anywhere: does every part of it run?

In order of value: the tests that are skipped on a CPU; the speed of every training step; the
notebooks with the `gpu` profile, with their figures and images. Each part writes its result into
DIR when it ends. A second call goes on with what is missing, so nothing is measured twice. A part
that does not fit into the time that is left is stopped, and its log is kept.
"""

import argparse
import base64
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ("03", "05", "09", "08", "07", "06")
LEAST = 20  # seconds that a part needs at least


def parts(out: Path, dry: bool) -> dict[str, list[str]]:
    """Name -> command of each part."""
    python = sys.executable
    tests = [python, "-m", "pytest", "-q", "tests/test_on_gpu.py", "-p", "no:cacheprovider"]
    speed = [python, "benchmarks/gpu_steps.py", "--json", str(out / "steps.json")]
    run = [python, "-c", "from gancourse.cli import main; main()", "run"]
    if dry:
        notebook = [*run, "00", "--profile", "smoke", "--out", str(out / "00")]
        return {
            "tests": tests,
            "steps": [*speed, "--small", "--seconds", "0.01"],
            "00": notebook,
        }
    notebooks = {n: [*run, n, "--profile", "gpu", "--out", str(out / n)] for n in NOTEBOOKS}
    return {"tests": tests, "steps": speed, **notebooks}


def take_images(folder: Path) -> int:
    """Write every image that a notebook in a folder shows as a PNG beside it; returns how many."""
    count = 0
    for path in folder.glob("*.ipynb"):
        for n, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"]):
            for output in cell.get("outputs", []):
                if image := output.get("data", {}).get("image/png"):
                    data = base64.b64decode("".join(image))
                    (folder / f"cell{n:03}_{count:02}.png").write_bytes(data)
                    count += 1
    return count


def run(name: str, command: list[str], out: Path, seconds: float) -> dict:
    """Run one part in its own process; returns what is known of it."""
    began = time.monotonic()
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    with (out / f"{name}.log").open("w") as log:
        try:
            done = subprocess.run(
                command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, timeout=seconds,
                env={**os.environ, "PYTHONPATH": paths},
            )  # fmt: skip
            status = f"status {done.returncode}"
        except subprocess.TimeoutExpired:
            status = "stopped: no time left"
    result = {"status": status, "seconds": round(time.monotonic() - began, 1)}
    if (out / name).is_dir():
        result["images"] = take_images(out / name)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--dry-run", action="store_true")
    arguments = parser.parse_args()
    if not arguments.dry_run and not torch.cuda.is_available():
        sys.exit("There is no GPU here. To see whether this script works: --dry-run")
    end = time.monotonic() + 60 * arguments.minutes
    out = arguments.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    path = out / "parts.json"
    found = json.loads(path.read_text()) if path.exists() else {}
    found["device"] = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    for name, command in parts(out, arguments.dry_run).items():
        left = end - time.monotonic()
        if found.get(name, {}).get("status") == "status 0":
            print(f"{name}: done before")
        elif left < LEAST:
            print(f"{name}: no time left; call this again to go on")
        else:
            found[name] = run(name, command, out, left)
            path.write_text(json.dumps(found, indent=1) + "\n")
            print(f"{name}: {found[name]}", flush=True)


if __name__ == "__main__":
    main()
