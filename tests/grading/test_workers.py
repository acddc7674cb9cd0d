"""The warm grader of a worker, for real: a small notebook in the sandbox that this machine has."""

import json

import pytest
from test_gradebook import SECRET, here

from gancourse.errors import CourseError
from gancourse.grading.gradebook import grade, workers
from gancourse.grading.gradebook.collect import Submission
from gancourse.grading.gradebook.gradebook import Gradebook
from gancourse.grading.sandbox import walls


def written(*cells: str) -> bytes:
    code = [{"cell_type": "code", "source": source, "metadata": {}} for source in cells]
    return json.dumps({"cells": code, "nbformat": 4, "nbformat_minor": 5, "metadata": {}}).encode()


@pytest.mark.timeout(180)
def test_a_server_that_ends_is_started_again(tmp_path, monkeypatch):
    try:
        walls.guarantees()
    except CourseError as error:
        pytest.skip(f"no sandbox here: {error.why}")
    monkeypatch.setattr(grade, "local", here)
    book = Gradebook(tmp_path / "grades", secret=SECRET)
    start = "from gancourse.exercises import check"
    cells = {
        "ann": 'check("2.1", "c")',
        "bob": 'check("2.1", "a")',
        "eve": "import os; os._exit(0)",
    }
    try:
        for name, cell in cells.items():
            content = written(start, cell, 'check("2.7", "b")')
            book.add([Submission(name, "x.ipynb", "02", content)])
            assert grade.run(book) == 1
            if name == "ann":
                workers._server(False).process.kill()
                workers._server(False).process.wait()
        found = {one.student: one for one in book.records()}
    finally:
        workers.end_server()
    assert [found[name].score for name in cells] == [2, 1, 1]
    assert found["bob"].marks[0].slip == 0 and found["ann"].guarantees
    assert found["ann"].status == found["bob"].status == "graded"


def test_a_version_belongs_to_a_notebook_and_stays():
    assert workers.version("02") != workers.version("03")
    again = workers.version.__wrapped__
    assert again("02") == workers.version("02") and len(workers.version("02")) == 64
