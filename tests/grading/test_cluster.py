"""Grading on a real Dask cluster on this machine, one of whose workers is killed."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import fakes
import pytest
from fakes import MARKS, SECRET, handed_in

from gancourse.errors import CourseError
from gancourse.grading.gradebook import batch, workers
from gancourse.grading.gradebook.gradebook import Gradebook

distributed = pytest.importorskip("distributed")


@pytest.mark.filterwarnings("default")  # those of the cluster are not ours
def test_a_worker_killed_while_it_grades(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), *sys.path]))
    victim = tmp_path / "victim"
    book = Gradebook(tmp_path / "grades", secret=SECRET)
    special = {"c": {"bad": True}, "b": {"pid": str(victim), "sleep": 2}}
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**options, silence_logs=50) as cluster:
        killer = threading.Thread(target=kill, args=(victim,))
        killer.start()
        book.add(handed_in(8, **special))
        batch.run(book, fakes.grade, scheduler=cluster.scheduler_address)
        killer.join()
    assert not victim.exists()  # it was killed, and its work was done again
    records = {record.student: record for record in book.records()}
    assert {name: record.status for name, record in records.items()} == {
        name: "unreadable" if name == "c" else "graded" for name in "abcdefgh"
    }
    assert records["b"].score == 2 * sum(MARKS.values())


def kill(file: Path) -> None:
    """Kill the process whose number appears in a file, once."""
    deadline = time.time() + 600
    while not (file.exists() and file.read_text()) and time.time() < deadline:
        time.sleep(0.05)
    os.kill(int(file.read_text()), signal.SIGKILL)
    file.unlink()


def test_no_scheduler_is_one_clear_error(tmp_path, monkeypatch):
    book = Gradebook(tmp_path / "grades", secret=SECRET)
    book.add(handed_in(1))
    monkeypatch.setattr(workers, "CONNECT", 0.1)
    for address in ("tcp://127.0.0.1:9", "nonsense"):
        with pytest.raises(CourseError, match="No Dask scheduler answers"):
            batch.run(book, fakes.grade, scheduler=address)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(CourseError, match=r"gancourse\[cluster\]"):
        batch.run(book, fakes.grade, scheduler="tcp://127.0.0.1:9")
    assert book.records()[0].status == "not graded yet"
