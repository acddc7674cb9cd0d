"""A student's own Python files next to the notebook."""

from pathlib import Path

import pytest
from handmade import SETUP, code, exercise, text
from sandboxed import needs_a_sandbox

from gancourse.exercises import of_notebook
from gancourse.grading.answers import modules, notebook_file
from gancourse.grading.answers.modules import imported, own_name
from gancourse.grading.answers.notebook_file import parse, read
from gancourse.grading.answers.preview import preview
from gancourse.grading.gradebook.collect import collect
from gancourse.grading.judging import marking
from gancourse.grading.judging.flags import find_flags

HELPERS = "from more import f\nimport torch.nn.functional as F\ndef helper(x):\n    return f(-x)"
MORE = "import torch.nn.functional as F\ndef f(x):\n    return F.logsigmoid(x).mean()"
VALUE = "def value(real, fake):\n    return F.logsigmoid(real).mean() + helper(fake)"
CELLS = [code(SETUP), code("from helpers import helper"), *exercise("2.2", VALUE)]
FROM_COURSE = "from gancourse.papers.gan import value as v"
CHEAT = f"{FROM_COURSE}\ndef value(real, fake):\n    return v(real, fake)"
HIDDEN = "import importlib\nv = vars(importlib.import_module('gancourse' + '.papers.gan'))['value']"


def reads(**texts: str) -> dict:
    return {f"{name}.py": lambda text=text: text.encode() for name, text in texts.items()}


@pytest.mark.parametrize(
    "source",
    [
        "import helpers", "import torch, helpers as h", "from helpers import a", "%run helpers.py",
        "%run -i helpers", "%time import helpers",
        "x = 1; import helpers", "try:\n    import helpers\nexcept ImportError: pass",
        "import importlib\nh = importlib.import_module('helpers')", "!cat helpers.py",
        "from helpers import (\n    a,\n)", "if x:\n\tfrom helpers import *",
    ],
)  # fmt: skip
def test_what_code_imports_is_found(source):
    texts, notes = imported([source], reads(helpers="import more", more="x = 1", other="y"))
    assert texts == {"helpers.py": "import more", "more.py": "x = 1"} and not notes


@pytest.mark.parametrize(
    "source", ["helpers = 1", "# a file of helpers", "x.helpers()", "", "'samples from helpers'"]
)
def test_what_code_does_not_import_is_not_taken(source):
    assert imported([source], reads(helpers="x = 1")) == ({}, [])


def test_names_of_files():
    assert own_name("helpers-1.py") == own_name("helpers (2).py") == "helpers.py"
    for name in ("my helpers.py", "1.py", "../x.py", "x/y.py", "json.py", "gancourse.py", "x.pyc"):
        assert own_name(name) == ""
    texts, _ = imported(["import h"], {"h.py": lambda: b"old", "h-1.py": lambda: b"new"})
    assert texts == {"h.py": "new"}


def test_too_many_too_large_and_broken_ones_are_left_out_with_a_note():
    many = {f"m{n}": "x" for n in range(25)}
    texts, notes = imported([f"import {', '.join(many)}"], reads(**many))
    assert len(texts) == modules.MOST and len(notes) == 5 and "more than 20 files" in notes[0]
    odd = {**reads(a="x", b="y" * 10**6), "c.py": lambda: b"\xff"}
    texts, notes = imported(["import a, b, c"], odd)
    assert list(texts) == ["a.py"] and len(notes) == 2 and "c.py can't be read" in notes[1]


def test_they_are_part_of_what_is_saved_and_of_the_digest(tmp_path):
    content = text(CELLS).encode()
    plain, with_one = parse(content), parse(content, "x", reads(helpers="a = 1"))
    assert plain.modules == {} and with_one.modules == {"helpers.py": "a = 1"}
    assert parse(with_one.content).modules == with_one.modules
    assert parse(with_one.content).digest == with_one.digest != plain.digest
    assert parse(content, "x", reads(helpers="a = 2")).digest != with_one.digest
    (tmp_path / "x.ipynb").write_bytes(content)
    (tmp_path / "helpers.py").symlink_to("/etc/passwd")
    assert read(tmp_path / "x.ipynb", with_modules=True).modules == {}


@pytest.mark.parametrize("stored", [7, [], {"gancourse": 7}, {"gancourse": {"modules": [1]}}])
def test_odd_metadata(stored):
    assert parse(text(CELLS, metadata=stored).encode()).modules == {}


def test_no_name_leads_out_of_the_folder(tmp_path):
    (tmp_path / "in").mkdir()
    modules.write({"../x.py": "a", "/tmp/x.py": "a", "a/b.py": "a", "h.py": "a"}, tmp_path / "in")
    assert [path.name for path in tmp_path.rglob("*.py")] == ["h.py"]
    names = {"../x.py": "import x", "h.py": "b = 1"}
    stored = {"gancourse": {"modules": names}}
    cells = [*CELLS, code("import h, x")]
    assert parse(text(cells, metadata=stored).encode()).modules == {"h.py": "b = 1"}


@needs_a_sandbox
def test_check_and_grade_agree_on_an_answer_that_uses_them(server, tmp_path):
    place = tmp_path / "class"
    folder = place / "ann"
    folder.mkdir(parents=True)
    (folder / "x.ipynb").write_text(text(CELLS), encoding="utf-8")
    (folder / "helpers.py").write_text(HELPERS)
    (folder / "more.py").write_text(MORE)
    before = sorted(folder.iterdir())
    checked = preview(folder / "x.ipynb")
    assert checked.earned == 2 and sorted(folder.iterdir()) == before
    assert "hand these in, too" in checked.notes[0] and "helpers.py, more.py" in checked.notes[0]
    (submission,) = collect(place, notebook_file.parse)
    saved = tmp_path / "saved.ipynb"
    saved.write_bytes(submission.content)
    graded = marking.grade(saved, b"secret", server=server)
    assert sum(mark.earned for mark in graded.marks) == 2 and not graded.notes
    (folder / "helpers.py").unlink()
    (submission,) = collect(place, notebook_file.parse)
    saved.write_bytes(submission.content)
    graded = marking.grade(saved, b"secret", server=server)
    assert sum(mark.earned for mark in graded.marks) == 0
    assert "No module named 'helpers'" in graded.notes[0]


def flags(helpers: str) -> str:
    cells = [code(SETUP), *exercise("2.2", "from helpers import value")]
    file = parse(text(cells).encode(), "x", reads(helpers=helpers))
    return str(find_flags(file, of_notebook("02")))


def test_they_are_searched_for_the_reference_like_cells():
    assert "uses the reference solution: helpers.py" in flags(CHEAT)
    assert "helpers.py, `sys._getframe`" in flags("import sys\nsys._getframe(1)")
    assert flags(VALUE) == "{}"


@needs_a_sandbox
def test_calls_of_the_reference_in_them_are_observed(server, tmp_path):
    hidden = CHEAT.replace(FROM_COURSE, HIDDEN)
    cells = [code(SETUP), *exercise("2.2", "from helpers import value")]
    path = Path(tmp_path / "x.ipynb")
    path.write_bytes(parse(text(cells).encode(), "x", reads(helpers=hidden)).content)
    mark = next(m for m in marking.grade(path, b"s", server=server).marks if m.exercise == "2.2")
    assert mark.earned == 2
    assert "the reference solution was called while the answer was observed" in mark.flags


@needs_a_sandbox
def test_a_line_in_them_that_everybody_writes_alike_is_no_copy(server, tmp_path):
    cells = [code(SETUP), *exercise("2.3", "from helpers import optimal as optimal_discriminator")]
    helpers = "def optimal(p, q):\n    return p / (p + q)"
    path = Path(tmp_path / "x.ipynb")
    path.write_bytes(parse(text(cells).encode(), "x", reads(helpers=helpers)).content)
    mark = next(m for m in marking.grade(path, b"s", server=server).marks if m.exercise == "2.3")
    assert mark.earned == mark.points and not mark.flags
