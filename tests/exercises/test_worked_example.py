"""The example in CONTRIBUTING.md does what the text around it says."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from gancourse.exercises.base import Exercise
from gancourse.exercises.verdicts import assess

ROOT = Path(__file__).resolve().parents[2]


def module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = loaded
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture(scope="module")
def example(tmp_path_factory) -> Exercise:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    (code,) = re.findall(r'```python\n("""Exercise 9\.9.*?)```', text, re.DOTALL)
    file = tmp_path_factory.mktemp("example") / "ex09_hinge_loss.py"
    file.write_text(code)
    return module(file).EXERCISE


def test_right_answers_pass_and_slips_get_their_hints(example):
    for seed in range(50):
        for answer in (example.reference, *example.alternatives):
            assert assess(example, answer, seed).points == 2
        for n, slip in example.wrong_answers:
            assert assess(example, slip, seed).slip == n


def test_no_fault_passes(example):
    fairness = module(ROOT / "benchmarks" / "fairness.py")
    fairness.TRAINED.add(example.id)
    assert fairness.accepted(example, seed=0) == []
