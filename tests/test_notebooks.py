"""Every notebook is run by nbval under the smoke profile.

The unedited student's version has to run to its end. For the solved version the saved outputs are
compared too: text, but not images, and not the styles in HTML tags (see sanitize.cfg). Cells tagged
nbval-ignore-output are not compared; they hold an assertion or an expectation.

The time limit of a cell only protects against hanging: seconds are recorded, not asserted.
"""

import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from gancourse.notebooks.runner import environment

ROOT = Path(__file__).resolve().parents[1]
STUDENT = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
SOLVED = sorted((ROOT / "solutions").glob("[0-9][0-9]_*.ipynb"))
HANGS = 900  # seconds of one cell


def nbval(path: Path, option: str, scratch: Path) -> tuple[str, float]:
    """Run nbval in its own process; returns its findings and the seconds of the cells.

    Without this project's settings, which turn warnings into errors: nbval has some.
    """
    settings = scratch / "pytest.ini"
    settings.write_text("[pytest]\n")
    begin = time.perf_counter()
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-c", settings, f"--rootdir={scratch}", path),
            *(option, "--nbval-current-env", "--nbval-sanitize-with", ROOT / "tests/sanitize.cfg"),
            *(f"--nbval-cell-timeout={HANGS}", "-q", "--color=no", "--no-header"),
            *("-rN", "-p", "no:cacheprovider", "-p", "no:jaxtyping", "-W", "ignore"),
        ],
        env=environment("smoke", scratch / "runs", scratch)
        | {"OMP_NUM_THREADS": "1", "GANCOURSE_DATA": str(scratch / "data")},  # the embedded sets
        capture_output=True,
        text=True,
    )
    seconds = time.perf_counter() - begin
    return "" if done.returncode == 0 else f"{done.stdout}\n{done.stderr}", seconds


def compared(path: Path) -> tuple[int, int]:
    """Numbers of cells of a solved notebook whose outputs are compared, and that have outputs."""
    cells = [c for c in nbformat.read(path, as_version=4).cells if c.get("outputs")]
    ignored = [c for c in cells if "nbval-ignore-output" in c.metadata.get("tags", [])]
    return len(cells) - len(ignored), len(cells)


def run(path: Path, option: str, scratch: Path, record_property) -> None:
    assert path.exists(), f"{path.relative_to(ROOT)} is missing: run gancourse build --execute"
    wrong, seconds = nbval(path, option, scratch)
    record_property("seconds", round(seconds, 1))
    assert not wrong, wrong


@pytest.mark.parametrize("path", STUDENT, ids=lambda path: path.stem)
def test_the_students_version_runs_to_its_end(path, tmp_path, record_property):
    run(path, "--nbval-lax", tmp_path, record_property)


@pytest.mark.parametrize("path", SOLVED, ids=lambda path: path.stem)
def test_the_solved_version_gives_what_it_shows(path, tmp_path, record_property):
    run(path, "--nbval", tmp_path, record_property)


def test_every_source_has_both_versions():
    sources = [path.stem for path in sorted((ROOT / "solutions").glob("[0-9][0-9]_*.py"))]
    assert sources == [p.stem for p in STUDENT] == [p.stem for p in SOLVED]


def test_at_least_half_of_the_outputs_are_compared(capsys):
    """Over all solved notebooks; the share is shown with the results."""
    counts = {path.stem: compared(path) for path in SOLVED}
    same, all = (sum(column) for column in zip(*counts.values(), strict=True))
    each = ", ".join(f"{name[:2]}: {a} of {b}" for name, (a, b) in counts.items())
    with capsys.disabled():
        print(f"\nnbval compares {same} of {all} cells with outputs, {same / all:.0%} ({each})")
    assert same >= all / 2


def notebook(path: Path, cells: list[tuple[dict, str]], *tags: str) -> Path:
    """A saved notebook of cells with the given outputs."""
    new = [nbformat.v4.new_code_cell(source, metadata={"tags": list(tags)}) for _, source in cells]
    for n, (cell, (output, _)) in enumerate(zip(new, cells, strict=True)):
        cell.execution_count = n + 1
        cell.outputs = [nbformat.v4.new_output(**output)]
    nbformat.write(nbformat.v4.new_notebook(cells=new), path)
    return path


def show(**data: str) -> str:
    return f"from IPython.display import display\ndisplay({data!r}, raw=True)"


def stream(text: str) -> dict:
    return {"output_type": "stream", "name": "stdout", "text": text}


def display(**data: str) -> dict:
    return {"output_type": "display_data", "data": data}


SAME = [
    (stream("1.50\n"), "print('1.50')"),
    (display(**{"image/png": "aaaa"}), show(**{"image/png": "bbbb"})),
    (display(**{"text/html": "<b>yes</b>"}), show(**{"text/html": "<p style='x:1'>yes</p>"})),
    (display(**{"text/html": "<script>a = '1'</script>"}), show(**{"text/html": ""})),
    (display(**{"text/plain": "<Figure size 1x1>"}), show(**{"text/plain": "<Figure size 2x2>"})),
    (display(**{"text/plain": "[<a.B at 0x7f00aa>]"}), show(**{"text/plain": "[<a.B at 0x7f0>]"})),
]
OTHER = [
    (stream("1.50\n"), "print('1.51')"),
    (display(**{"text/html": "<b>yes</b>"}), show(**{"text/html": "<b>no</b>"})),
    (display(**{"text/plain": "yes"}), show(**{"text/plain": "no"})),
    (display(**{"image/png": "aaaa"}), "print('no image')"),
]


def test_images_and_styles_are_no_differences(tmp_path):
    wrong, _ = nbval(notebook(tmp_path / "same.ipynb", SAME), "--nbval", tmp_path)
    assert not wrong, wrong


def test_differences_in_text_and_errors_are_found(tmp_path):
    path = tmp_path / "other.ipynb"
    wrong, _ = nbval(notebook(path, [*OTHER, (stream(""), "assert 1 > 2")]), "--nbval", tmp_path)
    assert wrong.count(": Cell outputs differ") == len(OTHER) and "AssertionError" in wrong


def test_tagged_cells_are_not_compared(tmp_path):
    path = notebook(tmp_path / "other.ipynb", OTHER, "nbval-ignore-output")
    assert not nbval(path, "--nbval", tmp_path)[0]
