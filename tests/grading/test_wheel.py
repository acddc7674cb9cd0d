"""The course as a wheel: pip installs it, with all files and what it needs."""

import importlib.metadata
import os
import subprocess
import sys

import pytest

from gancourse import __version__
from gancourse.errors import CourseError
from gancourse.grading.packages import wheel


def test_the_wheel_can_be_installed(tmp_path):
    pytest.importorskip("pip")
    name, content = wheel.wheel()
    (tmp_path / name).write_bytes(content)
    words = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet"]
    subprocess.run([*words, "--target", tmp_path / "site", tmp_path / name], check=True)
    code = "import gancourse.grading.packages as p; print(p.__file__)"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    words = [sys.executable, "-c", code]
    shown = subprocess.run(words, env=environment, capture_output=True, text=True, cwd=tmp_path)
    assert shown.stdout.startswith(str(tmp_path / "site"))
    for part in ("grading/packages/files/setup.sh", "exercises/nb02/__init__.py"):
        assert (tmp_path / "site" / "gancourse" / part).is_file()
    (facts,) = (tmp_path / "site").glob("*.dist-info")
    assert f"Version: {__version__}" in (facts / "METADATA").read_text()
    assert "Requires-Dist: torch" in (facts / "METADATA").read_text()


def test_the_same_course_gives_the_same_wheel():
    assert wheel.wheel() == wheel.wheel()


def test_a_course_that_is_not_installed_is_named(monkeypatch):
    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", missing)
    with pytest.raises(CourseError, match="not installed"):
        wheel.wheel()
