"""Marks are from another version only where code that they depend on has changed."""

import pytest
from fakes import lay

from gancourse.grading.gradebook import version
from gancourse.grading.gradebook.version import exercises_version

EXERCISE = '''"""An exercise."""

from gancourse.exercises.base import Exercise
from gancourse.papers import gan

EXERCISE = Exercise(reference=gan.loss, rtol=1e-4)
"""Its tolerance is small."""


def observe(answer):
    """Run it."""
    import gancourse.exercises.observe

    return answer(1)  # once
'''
PACKAGE = {
    "exercises/__init__.py": "",
    "exercises/base.py": "class Exercise:\n    points = 1\n",
    "exercises/observe.py": "once = True\n",
    "exercises/nb01/ex01_loss.py": EXERCISE,
    "exercises/nb02/ex01_other.py": "points = 2\n",
    "papers/gan.py": "from gancourse.papers.blocks import layer\n\nloss = layer + 1\n",
    "papers/blocks.py": "layer = 1\n",
    "papers/cyclegan.py": "layer = 2\n",
    "grading/marking.py": "attempts = 8\n",
}
FIRST = "exercises/nb01/ex01_loss.py"


@pytest.mark.parametrize(
    "file, old, new, changes",
    [
        (FIRST, "An exercise", "The exercise", False),
        (FIRST, "Run it.", "Run it once.", False),
        (FIRST, "Its tolerance is small.", "Its tolerance.", False),
        (FIRST, "  # once", "", False),
        (FIRST, "\n\n\n", "\n\n\n\n", False),
        (FIRST, "rtol=1e-4", "rtol=1e-3", True),
        (FIRST, "answer(1)", "answer(True)", True),
        (FIRST, "return answer", "return not answer", True),
        ("exercises/base.py", "points = 1", "points = None", True),
        ("exercises/observe.py", "True", "False", True),
        ("papers/gan.py", "+ 1", "- 1", True),
        ("papers/blocks.py", "1", "1.0", True),
        ("papers/blocks.py", "1", "(1)", False),
        ("papers/cyclegan.py", "2", "3", False),
        ("exercises/nb02/ex01_other.py", "2", "3", False),
        ("grading/marking.py", "8", "9", False),
    ],
)
def test_code_counts_and_text_does_not(tmp_path, file, old, new, changes):
    folders = [
        lay(tmp_path / name / "gancourse", {path: text.encode() for path, text in files.items()})
        for name, files in (
            ("before", PACKAGE),
            ("after", PACKAGE | {file: PACKAGE[file].replace(old, new)}),
        )
    ]
    assert PACKAGE[file].count(old) == 1
    before, after = (exercises_version("01", folder) for folder in folders)
    assert (before != after) == changes and len(before) == 64


def test_each_notebook_has_its_own_version():
    assert exercises_version("02") != exercises_version("03")
    assert exercises_version("02") == exercises_version("02", version.PACKAGE)
