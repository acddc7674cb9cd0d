"""The warm grader of a worker, with a real sandbox; the cores that a worker may use."""

import os

import fakes
import handmade
import pytest
from handmade import code, text
from sandboxed import needs_a_sandbox

from gancourse.grading.gradebook import batch, capacity, workers
from gancourse.grading.gradebook.collect import Submission
from gancourse.grading.gradebook.gradebook import Gradebook
from gancourse.grading.judging import marking


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


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores can't be chosen here")
@pytest.mark.parametrize("processes", [1, 2])
def test_each_worker_is_bound_to_its_share_of_the_cores(tmp_path, processes):
    book = Gradebook(tmp_path / "grades", secret=fakes.SECRET)
    book.add(fakes.handed_in(6))
    assert batch.run(book, fakes.cores, processes=processes) == 6
    seen = {record.notes[0] for record in book.records()}
    all_cores = capacity.cores()
    shares = [capacity.share(all_cores, n, processes) for n in range(processes)]
    assert seen <= {str(sorted(share)) for share in shares} and capacity.cores() == all_cores


@needs_a_sandbox
def test_a_submission_can_not_leave_its_cores(server, tmp_path):
    early = "import os\nos.sched_setaffinity(0, range(os.cpu_count()))"
    (tmp_path / "x.ipynb").write_text(text(handmade.cells(early)))
    result = marking.grade(tmp_path / "x.ipynb", b"secret", server=server)
    assert "cell 2 raised PermissionError" in result.notes[0]
