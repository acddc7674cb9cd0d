"""What is read from an untrusted file, and what is refused."""

import json
import os
from pathlib import Path

import handmade
import pytest
from handmade import code, course_cell, text

from gancourse.errors import CourseError
from gancourse.exercises import of_notebook
from gancourse.grading.answers import contents
from gancourse.grading.answers.notebook_file import Unreadable, parse, read

ROOT = Path(__file__).resolve().parents[2]
GOOD = text(handmade.cells())
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
    "too large": b" " * (contents.LARGEST + 1),
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
    file = parse(text([cell, *handmade.cells(), cell]).encode("utf-8", "surrogatepass"))
    assert file.notebook == "02" and file.answer("2.1") == handmade.CHOICE
    assert {"answer", "value"} <= {name for c in file.cells_to_run for name in c.binds}
    json.dumps(file.job(["2.1"]), ensure_ascii=False).encode()


def test_a_byte_order_mark_is_no_fault():
    assert parse(b"\xef\xbb\xbf" + GOOD.encode()).notebook == "02"


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda p: p.stem)
def test_every_notebook_is_recognized_and_its_exercises_found(path):
    file = read(path)
    assert file.notebook == path.name[:2]
    ids = [exercise.id for exercise in of_notebook(file.notebook)]
    for id in ids:
        assert "NotImplementedError" in file.answer(id) or "..." in file.answer(id)
        assert file.names(id)
    document = json.loads(path.read_text(encoding="utf-8"))
    for cell in document["cells"]:  # as Colab saves it: ids only in the metadata
        cell["metadata"]["id"] = cell.pop("id")
    document |= {"nbformat_minor": 0, "metadata": {"colab": {"provenance": []}}}
    colab = parse(json.dumps(document).encode())
    assert colab.cells == file.cells and colab.notebook == file.notebook
    for cell in document["cells"]:  # ids and tags are lost
        cell["metadata"] = {}
    bare = parse(json.dumps(document).encode())
    assert bare.notebook == file.notebook
    assert [bare.answer(id) for id in ids] == [file.answer(id) for id in ids]


def test_only_what_answers_use_is_run():
    cells = [
        course_cell("import torch\nfrom gancourse.exercises import check"),
        course_cell("half = 0.5"),
        course_cell("def helper(x):\n    return x * half"),
        course_cell("shown = helper(3)"),
        *handmade.exercise("2.2", "def value(real, fake):\n    return helper(real)"),
        code("mine = 1"),
        {**course_cell("changed = 1"), "source": "changed = 2"},
        code("model = train()", tags=["training"]),
        course_cell("print(model)"),
    ]
    file = parse(text(cells).encode())
    assert [cell.number for cell in file.cells_to_run] == [1, 2, 3, 5, 6, 7, 8]
    assert [cell.number for cell in file.answer_cells] == [1, 2, 3, 5, 6]


def test_of_copies_the_last_counts_and_a_split_answer_is_found():
    first, check = handmade.exercise("2.2", handmade.WRONG)
    second = handmade.exercise("2.2", handmade.RIGHT)[0]
    assert parse(text([first, second, check]).encode()).answer("2.2") == handmade.RIGHT
    alone = [code("x = 1"), code(handmade.RIGHT + '\nvalue = check("2.2", value)')]
    assert parse(text(alone).encode()).answer("2.2") == alone[1]["source"]


NEWER = "lazy import torch"  # Python 3.15


@pytest.mark.parametrize(
    "version, cell, noted",
    [
        ("3.99.1", NEWER, True),
        ("3.99", NEWER, True),
        ("3.99.1", "x = 1", False),
        ("3.99.1", "%%bash\necho a b", False),
        ("3.4.10", NEWER, False),
        ("3.999999999; <b>", NEWER, False),
        (["3.99"], NEWER, False),
        (None, NEWER, False),
        ("\N{ARABIC-INDIC DIGIT THREE}.99", NEWER, False),
    ],
)
def test_cells_of_a_newer_python_are_noted(version, cell, noted):
    metadata = {"language_info": {"version": version}}
    file = parse(text([*handmade.cells(), code(cell)], metadata=metadata).encode())
    lines = [note for note in file.notes if "Python 3.99" in note]
    assert bool(lines) == bool(file.notes) == noted
    assert not noted or (f"cell {len(file.cells)}:" in lines[0] and "grade it with" in lines[0])


@pytest.mark.parametrize("metadata", [None, [], "x", {"language_info": []}])
def test_metadata_of_any_kind_is_read(metadata):
    assert parse(text(handmade.cells(), metadata=metadata).encode()).notes == ()
