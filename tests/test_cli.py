import importlib
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import nbformat
import pytest

from gancourse import __version__, cli, doctor
from gancourse.datasets import downloads
from gancourse.errors import CourseError

ROOT = Path(__file__).resolve().parents[1]


def command(*words: str, cwd: Path = ROOT, **variables: str) -> subprocess.CompletedProcess:
    """Run `gancourse` as a user does."""
    return subprocess.run(
        [sys.executable, "-c", "from gancourse.cli import main; main()", *words],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        capture_output=True,
        text=True,
    )


def called(monkeypatch, *words: str) -> int:
    """Run `gancourse` in this process; its exit status."""
    monkeypatch.setattr(sys, "argv", ["gancourse", *words])
    with pytest.raises(SystemExit) as left:
        cli.main()
    return left.value.code or 0


def test_version_and_help_are_quick():
    begin = time.perf_counter()
    version, help = command("--version"), command("--help")
    assert time.perf_counter() - begin < 4  # torch alone takes 2 s to import
    assert version.stdout.strip() == f"gancourse {__version__}" and version.returncode == 0
    for word in ("build", "run", "doctor", "fetch"):
        assert word in help.stdout
    assert help.returncode == 0


@pytest.mark.parametrize(
    "words, message",
    [
        (["nonsense"], "No such command"),
        (["run", "--profile", "huge"], "huge"),
        (["build", "77"], "There is no notebook 77"),
        (["build", "--check", "--execute"], "writes nothing"),
        (["run", "--student", "--record"], "no --student"),
        (["run", "--out", "."], "another folder"),
        (["fetch", "nothing"], "Known:"),
    ],
)
def test_wrong_use_is_status_2_and_says_why(small_course, monkeypatch, capsys, words, message):
    monkeypatch.chdir(small_course)
    assert called(monkeypatch, *words) == 2
    assert message in capsys.readouterr().err.replace("\n", " ")


def test_expected_failures_are_printed_plainly(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert called(monkeypatch, "build") == 1
    text = capsys.readouterr().err
    assert "is not the course's folder" in text and "Traceback" not in text


def test_a_missing_extra_is_one_clear_message(small_course, monkeypatch, capsys):
    monkeypatch.chdir(small_course)
    for name in [n for n in sys.modules if n.startswith("gancourse.notebooks")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "jupytext", None)
    assert called(monkeypatch, "build") == 1
    text = capsys.readouterr().err
    assert 'pip install "gancourse[lab]"' in text and "jupytext" in text


def test_fetch_prints_where_the_set_lies(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(downloads.KNOWN, "tiny", None)
    monkeypatch.setattr(downloads, "fetch", lambda name: tmp_path / name)
    assert called(monkeypatch, "fetch", "tiny") == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "tiny")


def test_a_failed_download_is_status_1(monkeypatch, capsys):
    def fail(name: str):
        raise CourseError("No mirror answered.", "why", "what to do")

    monkeypatch.setitem(downloads.KNOWN, "tiny", None)
    monkeypatch.setattr(downloads, "fetch", fail)
    assert called(monkeypatch, "fetch", "tiny") == 1
    assert capsys.readouterr().err == "No mirror answered.\nwhy\nwhat to do\n"


def none(cells, registry) -> list[str]:
    """Replaces the check of exercises: the registry has none of the small course's."""
    return []


def test_build_and_run_from_source_to_report(small_course, monkeypatch, capsys):
    """Build, execute, check, run, record, build again, check."""
    monkeypatch.chdir(small_course)
    monkeypatch.setattr(importlib.import_module("gancourse.notebooks.lint"), "_exercises", none)
    assert called(monkeypatch, "build") == 0
    assert "to be executed" in capsys.readouterr().out
    assert called(monkeypatch, "build", "--check") == 1
    assert "missing" in capsys.readouterr().out
    assert called(monkeypatch, "build", "--execute") == 0
    assert called(monkeypatch, "build", "--check") == 0
    saved = nbformat.read("solutions/90_small.ipynb", as_version=4)
    code = [cell for cell in saved.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == [1, 2, 3, 4, 5, 6]
    assert code[4].outputs[0].text == "answer = 21\n"

    assert called(monkeypatch, "run", "90", "--out", "out", "--record") == 0
    report = json.loads(Path("out/report.json").read_text())
    entry = report["notebooks"]["90_small"]
    assert entry["figures"] == {"answer": 21.0} and entry["profile"] == "cpu"
    assert nbformat.read("out/90_small.ipynb", as_version=4).cells[1].outputs
    assert called(monkeypatch, "build", "--check") == 1  # the measured seconds are new
    assert called(monkeypatch, "build") == 0
    assert called(monkeypatch, "build", "--check") == 0
    assert f"{entry['seconds']:.0f} s and" in Path("notebooks/90_small.ipynb").read_text()
    assert f"| {entry['seconds']:.0f} s |" in Path("README.md").read_text()


@pytest.mark.parametrize(
    "old, new", [("    # END", "    # The END"), ("    # BEGIN", "    # Begin")]
)
def test_a_wrong_marker_shows_no_student_the_answer(small_course, monkeypatch, capsys, old, new):
    monkeypatch.chdir(small_course)
    source = Path("solutions/90_small.py")
    source.write_text(source.read_text().replace(f"{old} SOLUTION", f"{new} SOLUTION"))
    assert called(monkeypatch, "build") == 1
    text = capsys.readouterr().out
    assert "SOLUTION" in text and "written" not in text.split("README")[0]
    assert not list(Path("notebooks").glob("90*"))


def test_one_failing_notebook_does_not_stop_the_others(small_course, monkeypatch, capsys):
    monkeypatch.chdir(small_course)
    good = Path("solutions/90_small.py").read_text()
    Path("solutions/89_bad.py").write_text(good.replace("answer=21.0)", "answer=1 / 0)"))
    assert called(monkeypatch, "run", "--profile", "smoke", "--student", "--out", "out") == 1
    text = capsys.readouterr().out
    assert "89_bad: cell 5 of 6: ZeroDivisionError: division by zero" in text
    assert "90_small: ok" in text
    report = json.loads(Path("out/report.json").read_text())["notebooks"]
    assert "ZeroDivisionError" in report["89_bad"]["error"] and "error" not in report["90_small"]
    assert Path("out/89_bad.ipynb").exists()


def test_an_expectation_that_fails_is_listed_and_no_error(small_course, monkeypatch, capsys):
    """Status 0 with a list; --strict is for maintainers."""
    monkeypatch.chdir(small_course)
    source = Path("solutions/90_small.py")
    more = """answer=21.0)
env.expect("the answer is 21", True, "It was not.")
env.expect("the answer is 22", False, "It was 21 this time.")"""
    source.write_text(source.read_text().replace("answer=21.0)", more))
    for strict, status in (([], 0), (["--strict"], 1)):
        assert called(monkeypatch, "run", "--out", "out", *strict) == status
        text = capsys.readouterr().out
        assert "90_small: ok" in text and "did not hold: the answer is 22" in text
        assert "is 21" not in text
    entry = json.loads(Path("out/report.json").read_text())["notebooks"]["90_small"]
    assert entry["expectations"] == {"the answer is 21": True, "the answer is 22": False}
    assert entry["figures"] == {"answer": 21.0} and "error" not in entry


def test_doctor_finds_nothing_wrong_here():
    done = command("doctor", "--json")
    findings = json.loads(done.stdout)
    wrong = [f for f in findings if f["status"] == "wrong"]
    assert done.returncode == 0 and not wrong, wrong
    topics = {finding["topic"] for finding in findings}
    assert {"python", "packages", "device", "precision", "profile", "weights"} <= topics
    assert {"data", "runs/", "data/", "network"} <= topics


def test_doctor_names_what_is_wrong_and_the_fix(monkeypatch, capsys):
    monkeypatch.setenv("GANCOURSE_RUNS", "/proc/nowhere")
    monkeypatch.setenv("GANCOURSE_PROFILE", "huge")
    monkeypatch.setattr(doctor, "WEIGHTS", "no_such_package")
    monkeypatch.setattr(doctor, "_network", lambda *_: doctor.Status("network", "note", "none"))
    assert called(monkeypatch, "doctor") == 1
    text = capsys.readouterr().out
    assert "wrong  runs/" in text and "GANCOURSE_RUNS=" in text
    assert "GANCOURSE_PROFILE='huge' is unknown" in text and "unset GANCOURSE_PROFILE" in text
    assert "wrong  weights" in text and "pip install --force-reinstall" in text


def test_a_package_that_is_too_old_is_wrong(monkeypatch):
    monkeypatch.setattr("importlib.metadata.requires", lambda name: ["torch>=99", "nonesuch>=1"])
    text = "\n".join(map(str, doctor._packages()))
    assert "but the course needs >=99" in text and 'pip install "torch>=99"' in text
    assert "nonesuch is missing" in text


def test_a_network_that_never_answers_does_not_hang(monkeypatch):
    over = threading.Event()
    monkeypatch.setattr("urllib.request.urlopen", lambda *a, **k: over.wait(600))
    finding = doctor._network("https://example.org", 0.2)
    over.set()
    assert finding.status == "note" and "no answer" in finding.text
