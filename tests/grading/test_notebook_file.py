"""What is read of an untrusted file, and what is refused."""

import json
import os
from pathlib import Path

import pytest
from gancourse.grading.answers.submission import Unreadable, parse, read
from hostile import notebook
from hostile.notebook import code, text

from gancourse.errors import CourseError
from gancourse.grading.answers import submission

ROOT = Path(__file__).resolve().parents[2]
GOOD = notebook.text(notebook.cells())
BROKEN = {
    "empty": b"",
    "no JSON": b"hello",
    "cut off": GOOD.encode()[:-20],
    "not UTF-8": b'{"cells": ["\xff"]}',
    "UTF-16": GOOD.encode("utf-16"),
    "a list": b"[]",
    "a number": b"1e999",
    "deep lists": b"[" * 10**6,
    "deep objects": b'{"cells":' * 10**5,
    "a long number": b'{"cells": ' + b"9" * 10**6 + b"}",
    "no cells": b'{"metadata": {}}',
    "cells are no list": b'{"cells": {"a": 1}}',
    "nbformat 3": b'{"worksheets": [{"cells": []}], "nbformat": 3}',
    "no exercise": text([code("print(1)")]).encode(),
    "of another course": text([code("check('97.1', x)")]).encode(),
    "too large": b" " * (submission.LARGEST + 1),
    "too many cells": text([code("check('2.1', 1)")] * 2500).encode(),
    "too much code": text([code("check('2.1', 1)\n" + "x = 1\n" * 200_000)]).encode(),
    "NaN": b"NaN",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_is_no_submission_is_refused_in_words(name, tmp_path):
    path = tmp_path / "x.ipynb"
    path.write_bytes(BROKEN[name])
    with pytest.raises(Unreadable) as error:
        read(path)
    assert error.value.what.startswith("x.ipynb") and error.value.why and error.value.do
    assert isinstance(error.value, CourseError) and len(str(error.value)) < 1000


def test_links_folders_and_devices_are_not_read(tmp_path):
    (tmp_path / "there.ipynb").write_text(GOOD)
    (tmp_path / "link.ipynb").symlink_to(tmp_path / "there.ipynb")
    (tmp_path / "folder.ipynb").mkdir()
    os.mkfifo(tmp_path / "pipe.ipynb")
    for name in ("link", "folder", "pipe", "missing"):
        with pytest.raises(Unreadable):
            read(tmp_path / f"{name}.ipynb")


ODD = [
    "text", 7, None, [], {}, {"cell_type": "code"}, {"cell_type": "code", "source": 7},
    {"cell_type": "code", "source": ["a", 7]}, {"cell_type": "code", "source": None},
    {"cell_type": "code", "source": "x = 1", "metadata": [], "id": 7},
    {"cell_type": "code", "source": "x = 1", "metadata": {"tags": "training", "id": {}}},
    {"cell_type": "code", "source": "x = 1", "metadata": {"tags": [{}, 7]}},
    {"cell_type": "code", "source": "x = '\ud800'"}, {"cell_type": "code", "source": "x\0y"},
    {"cell_type": "code", "source": "(" * 5000}, {"cell_type": "code", "source": "-" * 90000 + "1"},
    {"cell_type": "markdown", "source": "<script>alert(1)</script>"},
]  # fmt: skip


@pytest.mark.parametrize("cell", ODD, ids=lambda cell: repr(cell)[:50])
def test_an_odd_cell_costs_the_others_nothing(cell):
    found = parse(text([cell, *notebook.cells(), cell]).encode("utf-8", "surrogatepass"))
    assert found.notebook == "02" and found.answer("2.1") == notebook.CHOICE
    assert {"answer", "value"} <= {name for c in found.runs for name in c.binds}
    for one in found.cells:
        one.source.encode()


def test_a_byte_order_mark_is_no_fault():
    assert parse(b"\xef\xbb\xbf" + GOOD.encode()).notebook == "02"


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda p: p.stem)
def test_every_notebook_is_recognised_and_its_exercises_found(path):
    from gancourse.exercises import of_notebook

    found = read(path)
    assert found.notebook == path.name[:2]
    for exercise in of_notebook(found.notebook):
        assert "NotImplementedError" in found.answer(exercise.id) or "..." in found.answer(
            exercise.id
        )
        assert found.names(exercise.id)
    known = json.loads(path.read_text(encoding="utf-8"))
    for cell in known["cells"]:  # what Colab makes of it: no ids but in the metadata
        cell["metadata"]["id"] = cell.pop("id")
    known |= {"nbformat_minor": 0, "metadata": {"colab": {"provenance": []}}}
    colab = parse(json.dumps(known).encode())
    assert colab.cells == found.cells and colab.notebook == found.notebook
    for cell in known["cells"]:  # and what is left where ids and tags were lost
        cell["metadata"] = {}
    bare = parse(json.dumps(known).encode())
    assert bare.notebook == found.notebook
    for exercise in of_notebook(found.notebook):
        assert bare.answer(exercise.id) == found.answer(exercise.id)


def test_only_what_answers_use_is_run():
    from hashlib import sha256

    def own(source):  # a cell that the course wrote
        return code(source, sha256(f"code\n{source}".encode()).hexdigest()[:10])

    cells = [
        own("import torch\nfrom gancourse.exercises import check"),
        own("half = 0.5"),
        own("def helper(x):\n    return x * half"),
        own("shown = helper(3)"),
        *notebook.exercise("2.2", "def value(real, fake):\n    return helper(real)"),
        code("mine = 1"),
        {**own("changed = 1"), "source": "changed = 2"},
        code("model = train()", tags=["training"]),
        own("print(model)"),
    ]
    assert [cell.number for cell in parse(text(cells).encode()).runs] == [1, 2, 3, 5, 6, 7, 8]


def test_of_copies_the_last_counts_and_a_split_answer_is_found():
    first, check = notebook.exercise("2.2", notebook.WRONG)
    second = notebook.exercise("2.2", notebook.RIGHT)[0]
    assert parse(text([first, second, check]).encode()).answer("2.2") == notebook.RIGHT
    alone = [code("x = 1"), code(notebook.RIGHT + '\nvalue = check("2.2", value)')]
    assert parse(text(alone).encode()).answer("2.2") == alone[1]["source"]
