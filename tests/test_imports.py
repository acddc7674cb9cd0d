"""The architecture: who may import whom, and how large anything may be."""

import ast
import io
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted((ROOT / "gancourse").rglob("*.py"))
CORE = {
    *("shapes", "env", "datasets", "nets", "attacks", "objectives", "steps", "checkpoint", "loop"),
    *("metrics", "probes", "figures", "widgets", "tricks", "arena", "evaluation"),
    *("vitals", "diagnosis", "sabotage"),
}
MAY_IMPORT = {  # beside `shapes`, `env` and modules of the same folder
    "steps": {"objectives"},
    "loop": {"steps", "checkpoint"},
    "tricks": {"objectives"},
    "arena": {"steps", "tricks"},
    "diagnosis": {"loop"},
    "sabotage": {"steps", "objectives", "nets"},
    "widgets": {"figures"},
    "exercises": CORE,
    "instructor": {"exercises"},
    "cli": CORE | {"exercises", "instructor", "doctor"},
}
INSTRUCTOR = {  # its folders: beside their own modules
    "notebooks": set(),
    "sandbox": set(),
    "judging": {"sandbox"},
    "grading": {"judging", "sandbox"},
    "reports": {"judging", "grading"},
}
ONLY_IN = {  # packages that one place of the course knows
    "ipywidgets": {"widgets"},
    "typer": {"cli"},
    "jupytext": {"instructor"},
    "nbformat": {"instructor", "cli"},
    "nbclient": {"instructor"},
    "sqlalchemy": {"instructor"},
    "jinja2": {"instructor"},
    "distributed": {"instructor"},
}
LINES = {"core": 4300, "instructor": 3250}
SILENT = {
    *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT),
    tokenize.ENDMARKER,
}
named = pytest.mark.parametrize("path", FILES, ids=[str(f.relative_to(ROOT)) for f in FILES])


def part(path: Path) -> str:
    """The module or folder of the package that a file belongs to."""
    return path.relative_to(ROOT / "gancourse").parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """Whole names of everything that a file imports, also inside its functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@named
def test_data_flows_one_way(path: Path):
    here = part(path)
    parts = {name.split(".")[1] for name in imports(path) if name.startswith("gancourse.")}
    allowed = {"shapes", "env", "__version__", here} | MAY_IMPORT.get(here, set())
    assert parts <= allowed, f"{here} may not import {sorted(parts - allowed)}"


@named
def test_grading_is_built_in_layers(path: Path):
    here = path.relative_to(ROOT / "gancourse").parts[:2]
    theirs = {name.split(".")[2] for name in imports(path) if name.startswith("gancourse.instr")}
    if here[0] == "instructor" and theirs:
        assert theirs <= {here[1]} | INSTRUCTOR[here[1]], f"{here[1]} may not import that"


@named
def test_packages_stay_where_they_belong(path: Path):
    for name in imports(path):
        assert part(path) in ONLY_IN.get(name.split(".")[0], {part(path)}), name
        assert name != "__future__.annotations", "it defeats the shapes in annotations"


@named
def test_no_file_is_longer_than_300_lines(path: Path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300


def code_lines(path: Path) -> int:
    """Lines that hold code: docstrings, comments and blank lines are for the reader."""
    text = path.read_text(encoding="utf-8")
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in SILENT:
            lines |= set(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        for here in node.body if isinstance(getattr(node, "body", None), list) else []:
            if isinstance(here, ast.Expr) and isinstance(here.value, ast.Constant):
                lines -= set(range(here.lineno, (here.end_lineno or here.lineno) + 1))
    return len(lines)


def test_the_package_stays_small():
    """The exercises of a notebook are course material; the command belongs to neither part."""
    registry = {"exercises/__init__.py", "exercises/base.py"}
    lines = dict.fromkeys(LINES, 0)
    for path in FILES:
        shared = str(path.relative_to(ROOT / "gancourse").as_posix()) in registry
        name = "core" if shared or part(path) in CORE else part(path)
        if name in lines:
            lines[name] += code_lines(path)
    assert all(lines[name] <= LINES[name] for name in LINES), lines


def test_importing_the_package_does_no_work():
    code = "import gancourse, gancourse.cli, sys; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr
