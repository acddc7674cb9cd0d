"""The architecture: which part may import which, and how long a file may be."""

import ast
import io
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted((ROOT / "gancourse").rglob("*.py"))
BASE = {"shapes", "env", "errors", "progress"}
CORE = BASE | {"papers", "datasets", "metrics", "figures", "widgets", "training", "classifiers"}
MAY_IMPORT = {  # besides `BASE` and modules of the same folder
    "training": {"papers", "datasets"},
    "classifiers": {"papers", "training", "datasets"},
    "widgets": {"figures", "slider"},
    "export": {"papers", "training", "figures", "metrics", "results"},
    "exercises": CORE | {"simulated_cuda"},
    "notebooks": {"exercises", "figures"},
    "grading": {"exercises"},
    "doctor": {"datasets"},
    "cli": CORE | {"exercises", "export", "notebooks", "grading", "doctor"},
}
LAYERS = {  # folders whose files may import only what comes earlier
    "papers": (
        *("blocks", "adversarial", "gan", "dcgan", "dcgan_probes", "cgan", "lapgan"),
        *("text2image", "srgan", "srgan_photos", "cyclegan", "tricks", "diffaugment", "r3gan"),
        "dirac",
    ),
    "grading": ("answers", "sandbox", "judging", "gradebook", "reports", "packages"),
}
ONLY_IN = {  # packages that one part of the course uses
    "ipywidgets": {"widgets", "slider"},
    "anywidget": {"slider"},
    "typer": {"cli"},
    "onnx": {"export"},
    "onnxruntime": {"export"},
    "jupytext": {"notebooks"},
    "nbformat": {"notebooks", "cli"},
    "nbclient": {"notebooks"},
    "sqlalchemy": {"grading"},
    "jinja2": {"grading"},
    "distributed": {"grading"},
    "yaml": {"grading"},
}
FILE, FUNCTION = 250, 60  # lines of code
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
def test_imports_go_one_way(path: Path):
    here = part(path)
    parts = {name.split(".")[1] for name in imports(path) if name.startswith("gancourse.")}
    allowed = {*BASE, "__version__", here} | MAY_IMPORT.get(here, set())
    assert parts <= allowed, f"{here} may not import {sorted(parts - allowed)}"


@named
def test_layers_import_only_what_comes_earlier(path: Path):
    here = path.relative_to(ROOT / "gancourse").with_suffix("").parts
    if here[0] not in LAYERS or len(here) < 2 or here[1] == "__init__":
        return
    order, names = LAYERS[here[0]], [name.split(".") for name in imports(path)]
    theirs = {name[2] for name in names if name[:2] == ["gancourse", here[0]]}
    assert theirs <= set(order[: order.index(here[1]) + 1]), f"{here[1]} may not import that"


@named
def test_packages_stay_where_they_belong(path: Path):
    for name in imports(path):
        assert part(path) in ONLY_IN.get(name.split(".")[0], {part(path)}), name
        assert name != "__future__.annotations", "it defeats the shapes in annotations"


def code_lines(text: str) -> set[int]:
    """Lines that hold code: docstrings, comments and blank lines are for the reader."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in SILENT:
            lines |= set(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        for here in node.body if isinstance(getattr(node, "body", None), list) else []:
            if isinstance(here, ast.Expr) and isinstance(here.value, ast.Constant):
                lines -= set(range(here.lineno, (here.end_lineno or here.lineno) + 1))
    return lines


@named
def test_files_and_functions_stay_short(path: Path):
    text = path.read_text(encoding="utf-8")
    lines = code_lines(text)
    assert len(lines) <= FILE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            count = len(lines & set(range(node.lineno, node.end_lineno + 1)))
            assert count <= FUNCTION, f"{node.name} has {count} lines of code"


def test_importing_the_package_does_no_work():
    code = "import gancourse, gancourse.cli, sys; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr
