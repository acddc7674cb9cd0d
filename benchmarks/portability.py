"""How often each expectation of a notebook holds on other machines, in other runs.

    python benchmarks/portability.py [NN ...] [--variations 20] [--first 0] [--jobs 1] [--json FILE]

GAN training is chaotic: another processor, number of threads, precision or seed gives another run.
Every notebook is run with the cpu profile in so many variations: other seeds, or the recorded seeds
with initial weights perturbed by 1e-6 relative; 1 or 2 threads; fp32 or bf16; with the processor's
own vector instructions or with AVX2 only, as on an older one. For each expectation (`env.expect`)
the table says how often it held, for each figure (`env.report`) its lowest, median and highest
value. The file is written after each run; runs that are in it with the same code are skipped.

Notebooks of one variation share their runs/ folder, so that 04, 05 and 10 use the networks of 03 as
in the course, where 03 is among those asked for.
"""

import argparse
import ast
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "gancourse"
FILE = ROOT / "benchmarks" / "portability.json"
WITHOUT_EFFECT = {"exercises", "figures.py", "widgets.py"}  # parts that no outcome depends on
AVX2 = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}


@dataclass(frozen=True)
class Variation:
    """How a run differs from the recorded one."""

    number: int
    seeds: int
    """Added to every seed of the notebook; 0: the recorded ones."""
    perturbed: float
    """Relative size of random changes of all weights at the start."""
    threads: int
    precision: str
    avx2: bool

    @classmethod
    def of(cls, n: int) -> "Variation":
        """The n-th: every fourth keeps the recorded seeds."""
        same = n % 4 == 0
        precision = ("fp32", "bf16")[n // 2 % 2]
        avx2 = n % 5 == 4 and precision == "fp32"
        return cls(n, 0 if same else 1000 * n, 1e-6, 2 if n % 5 == 1 else 1, precision, avx2)

    def environment(self, runs: Path, report: Path) -> dict[str, str]:
        """Variables of the process that runs a notebook."""
        return {
            **os.environ, **(AVX2 if self.avx2 else {}),
            "GANCOURSE_PROFILE": "cpu", "GANCOURSE_DEVICE": "cpu", "GANCOURSE_STATIC": "1",
            "GANCOURSE_PRECISION": self.precision,
            "OMP_NUM_THREADS": str(self.threads), "OMP_WAIT_POLICY": "PASSIVE",
            "GANCOURSE_RUNS": str(runs), "GANCOURSE_REPORT": str(report),
            "MPLBACKEND": "Agg", "PYTHONPATH": str(ROOT),
        }  # fmt: skip


def play(source: Path, variation: Variation) -> None:
    """Run the cells of a solved notebook in this process."""
    import torch

    from gancourse import env
    from gancourse.notebooks import build

    plain_rng, plain_init = env.rng, torch.optim.Optimizer.__init__
    noise = torch.Generator().manual_seed(variation.number)

    def rng(seed: int, on: torch.device | str | None = None) -> torch.Generator:
        return plain_rng(seed + variation.seeds, on)

    def init(self: torch.optim.Optimizer, *args: object, **kwargs: object) -> None:
        plain_init(self, *args, **kwargs)
        with torch.no_grad():
            for p in (p for group in self.param_groups for p in group["params"]):
                factor = 1 + variation.perturbed * torch.randn(p.shape, generator=noise)
                p.mul_(factor.to(p))

    env.rng, torch.optim.Optimizer.__init__ = rng, init
    os.chdir(source.parent)
    names: dict = {"__name__": "__main__"}
    for cell in build.solved(build.Course.at(ROOT), source).cells:
        if cell.cell_type == "code":
            exec(
                compile(cell.source, f"{source.stem}, {cell.source.splitlines()[0]}", "exec"), names
            )


def run(source: Path, variation: Variation, runs: Path) -> dict:
    """One notebook in a process of its own; its report, with an "error" where it stopped."""
    command = [sys.executable, __file__, "--play", source.stem, "--first", str(variation.number)]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        done = subprocess.run(
            command, env=variation.environment(runs, report), capture_output=True, text=True
        )
        result = json.loads(report.read_text()) if report.exists() else {}
    if done.returncode:
        result["error"] = done.stderr.strip().split("\n")[-1][:300]
    return {"variation": asdict(variation), **result}


def version(source: Path) -> str:
    """A digest of the code that decides a run's outcome, without comments and docstrings."""
    trees = []
    for path in [source, *sorted(imported(source))]:
        tree = ast.parse(path.read_text("utf-8"))
        for node in ast.walk(tree):
            body = getattr(node, "body", None)
            if isinstance(body, list):
                node.body = [n for n in body if not _is_text(n)]
        trees.append(ast.dump(tree))
    return hashlib.sha256("".join(trees).encode()).hexdigest()[:12]


def imported(source: Path) -> set[Path]:
    """The files of the package that a notebook imports, directly or through others."""
    reached, pending = set[Path](), [source]
    while pending:
        for node in ast.walk(ast.parse(pending.pop().read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            else:
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            files = {ROOT.joinpath(*name.split(".")).with_suffix(".py") for name in names}
            new = {p for p in files - reached if p.exists() and p.is_relative_to(PACKAGE)}
            new = {p for p in new if p.relative_to(PACKAGE).parts[0] not in WITHOUT_EFFECT}
            reached |= new
            pending += new
    return reached


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def table(name: str, entries: list[dict]) -> str:
    """What is printed for a notebook."""
    lines = [f"{name}: {len(entries)} runs"]
    for entry in entries:
        if "error" in entry:
            lines.append(f"  stopped in variation {entry['variation']['number']}: {entry['error']}")
    for what in dict.fromkeys(key for e in entries for key in e.get("expectations", {})):
        held = {e["variation"]["number"]: e["expectations"].get(what) for e in entries
                if "expectations" in e}  # fmt: skip
        asked = {n: value for n, value in held.items() if value is not None}
        missed = [n for n, value in asked.items() if not value]
        where = f"   (not in {', '.join(map(str, missed))})" if missed else ""
        lines.append(f"  {len(asked) - len(missed):3} of {len(asked):3}  {what}{where}")
    for figure in dict.fromkeys(key for e in entries for key in e.get("figures", {})):
        values = [e["figures"][figure] for e in entries if figure in e.get("figures", {})]
        low, middle, high = min(values), statistics.median(values), max(values)
        lines.append(f"           {figure}: {low:.4g}  {middle:.4g}  {high:.4g}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("notebooks", nargs="*", metavar="NN")
    parser.add_argument("--variations", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="number of the first variation")
    parser.add_argument("--jobs", type=int, default=1, help="variations at the same time")
    parser.add_argument("--json", type=Path, default=FILE)
    parser.add_argument("--show", action="store_true", help="print what the file holds")
    parser.add_argument("--play", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.play:
        play(ROOT / "solutions" / f"{args.play}.py", Variation.of(args.first))
        return
    sources = sorted((ROOT / "solutions").glob("[0-9][0-9]_*.py"))
    sources = [s for s in sources if not args.notebooks or s.stem[:2] in args.notebooks]
    known = json.loads(args.json.read_text()) if args.json.exists() else {}
    for source in sources:
        old = known.setdefault(source.stem, {"code": "", "runs": []})
        if not args.show and old["code"] != version(source):
            old.update(code=version(source), runs=[])
    lock = threading.Lock()

    def vary(n: int) -> None:
        """All notebooks in one variation, in order, but those that the file holds."""
        with tempfile.TemporaryDirectory() as runs:
            for source in sources:
                done = known[source.stem]["runs"]
                if any(entry["variation"]["number"] == n for entry in done):
                    continue
                entry = run(source, Variation.of(n), Path(runs))
                with lock:
                    done.append(entry)
                    args.json.write_text(json.dumps(known, indent=1) + "\n")
                print(f"{source.stem}, variation {n}: {entry.get('error', 'done')}", flush=True)

    if not args.show:
        with ThreadPoolExecutor(args.jobs) as pool:
            list(pool.map(vary, range(args.first, args.first + args.variations)))
    print("\n\n".join(table(s.stem, known[s.stem]["runs"]) for s in sources if s.stem in known))


if __name__ == "__main__":
    main()
