"""Gradescope's harness, for tests: its folders, in a container that can't make sandboxes."""

import json
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import contained

from gancourse.grading.packages import gradescope


class Autograder:
    """A container's folders, made from the zip: the course in it is the one that runs.

    Parameters
    ----------
    folder : Path
        Where the folders are made.
    number : str
        Of the notebook.
    """

    def __init__(self, folder: Path, number: str = "02") -> None:
        folder.chmod(0o755)
        self.root, self.course, python = (folder / name for name in ("root", "course", "python"))
        for name in ("source", "submission", "results"):
            (self.root / name).mkdir(parents=True)
            (self.root / name).chmod(0o777)  # nothing depends on what the harness makes
        self.root.chmod(0o777)
        gradescope.package(number, folder / "autograder.zip")
        with zipfile.ZipFile(folder / "autograder.zip") as archive:
            archive.extractall(self.root / "source")  # without permissions, as some tools do
        (wheel,) = (self.root / "source").glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(self.course)
        (python / "bin").mkdir(parents=True)
        (python / "bin" / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        (python / "bin" / "python").chmod(0o755)
        self.folders = {self.root: "/autograder", python: "/opt/gancourse"}

    @property
    def secret(self) -> str:
        """The seed of the random inputs."""
        return json.loads((self.root / "source" / gradescope.SETTINGS).read_text())["secret"]

    def run(self, submission: Mapping[str, str | bytes], **variables: str) -> dict | None:
        """Hand in files; the results, or None where there are none. `self.done` has the output."""
        for path in (*self.root.glob("submission/**/*"), *self.root.glob("results/*")):
            if path.is_file() or path.is_symlink():
                path.unlink()
        for name, content in submission.items():
            path = self.root / "submission" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        words = [f"{name}={value}" for name, value in variables.items()]
        script = "/autograder/source/run_autograder"
        self.done: subprocess.CompletedProcess = contained.run(
            self.folders, "env", *words, "bash", script, course=self.course
        )
        results = self.root / "results" / "results.json"
        return json.loads(results.read_text()) if results.exists() else None
