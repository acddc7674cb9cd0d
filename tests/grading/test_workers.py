"""The warm grader of a worker, with a real sandbox."""

import fakes
from handmade import code, text
from sandboxed import needs_a_sandbox

from gancourse.grading.gradebook import batch, workers
from gancourse.grading.gradebook.collect import Submission
from gancourse.grading.gradebook.gradebook import Gradebook


@needs_a_sandbox
def test_a_server_that_ends_is_started_again(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "local", fakes.here)
    book = Gradebook(tmp_path / "grades", secret=fakes.SECRET)
    cells = {
        "ann": 'check("2.1", "c")',
        "bob": 'check("2.1", "a")',
        "eve": "import os; os._exit(0)",
    }
    try:
        for name, cell in cells.items():
            sources = ("from gancourse.exercises import check", cell, 'check("2.7", "b")')
            content = text([code(source) for source in sources]).encode()
            book.add([Submission(name, "x.ipynb", "02", content)])
            assert batch.run(book) == 1
            if name == "ann":
                workers._server("bubblewrap").process.kill()
                workers._server("bubblewrap").process.wait()
        records = {record.student: record for record in book.records()}
    finally:
        workers.end_server()
    assert [records[name].score for name in cells] == [2, 1, 1]
    assert records["bob"].marks[0].slip == 0 and records["ann"].guarantees
    assert records["ann"].status == records["bob"].status == "graded"
