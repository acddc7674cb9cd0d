import csv
import dataclasses
import io
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import fakes
import pytest
from fakes import MARKS, SECRET, handed_in, notebook

from gancourse.errors import CourseError
from gancourse.grading.gradebook import batch, gradebook, version, workers
from gancourse.grading.gradebook.collect import Submission
from gancourse.grading.gradebook.gradebook import LEASE, Gradebook, this_process
from gancourse.grading.reports import exports

KILLED = """
import os, signal, sys
from pathlib import Path
import sqlalchemy
sys.path[:0] = [sys.argv[2]]
import fakes
from gancourse.grading.gradebook import batch, workers
from gancourse.grading.gradebook.gradebook import Gradebook

def run(moment):
    book, commits = Gradebook(Path(sys.argv[1])), []
    def kill(connection):
        commits.append(1)
        if len(commits) == moment:
            os.kill(os.getpid(), signal.SIGKILL)
    sqlalchemy.event.listen(book.engine, "commit", kill)
    workers.local = fakes.here
    batch.run(book, fakes.grade)

for moment in map(int, sys.argv[3:]):
    child = os.fork()
    if not child:
        run(moment)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
"""
MOMENTS = (1, 2, 3, 4, 5, 8, 11, 14)  # commits: of release, enqueue, then claim and finish in turn


@pytest.fixture(autouse=True)
def in_process(request, monkeypatch):
    if "real_workers" not in request.fixturenames:
        monkeypatch.setattr(workers, "local", fakes.here)


@pytest.fixture
def real_workers(monkeypatch):
    monkeypatch.setattr(workers, "TRIES", 2)  # a new worker takes seconds: it imports torch


@pytest.fixture
def book(tmp_path) -> Gradebook:
    return Gradebook(tmp_path / "grades", secret=SECRET)


def graded(book: Gradebook, submissions: list[Submission], **options) -> dict:
    book.add(submissions)
    batch.run(book, fakes.grade, processes=2, **options)
    return {record.student: record for record in book.records()}


def table(book: Gradebook) -> str:
    return exports.marks(book.records(), str)


def test_every_student_gets_marks_or_a_reason(book, real_workers):
    special = {"b": {"bad": True}, "c": {"crash": True}, "d": {"crash": "once"}, "e": {"bug": True}}
    records = graded(book, handed_in(6, **special))
    assert {name: record.status for name, record in records.items()} == {
        **{"a": "graded", "b": "unreadable", "c": "the grader failed"},
        **{"d": "graded", "e": "the grader failed", "f": "graded"},
    }
    assert "crashed 2 times" in records["c"].problem and "ZeroDivisionError" in records["e"].problem
    assert records["a"].score == 2 and not records["b"].has_score
    rows = list(csv.DictReader(io.StringIO(table(book))))
    assert [row["earned"] for row in rows if row["student"] == "b"] == [""]


def test_no_sandbox_stops_the_batch_and_loses_nothing(book):
    book.add(handed_in(4, c={"stop": True}))
    with pytest.raises(CourseError, match="No sandbox"):
        batch.run(book, fakes.grade)
    statuses = {record.student: record.status for record in book.records()}
    assert statuses["c"] == "not graded yet"
    with book.engine.connect() as db:
        states = set(db.exec_driver_sql("select state from jobs").scalars())
    assert states <= {"queued", "done"}


def test_equal_work_is_done_once(book, tmp_path, monkeypatch):
    monkeypatch.setenv("GANCOURSE_TEST_LOG", str(tmp_path / "log"))
    same = [Submission(name, "x.ipynb", "02", notebook(marks=MARKS)) for name in "ab"]
    graded(book, same)
    graded(book, same)
    assert len((tmp_path / "log").read_text().split()) == 1
    assert [record.score for record in book.records()] == [2, 2]


def test_regrading_one_exercise_keeps_the_rest_and_marks_by_hand(book, monkeypatch):
    graded(book, handed_in(3))
    book.mark("b", "2.3", 1.5, "nearly")
    book.mark("c", "2.1", None, "well done")
    assert batch.run(book, fakes.grade, scope="2.3") == 0  # nothing was corrected
    monkeypatch.setenv("GANCOURSE_TEST_CORRECTION", "1")
    monkeypatch.setattr(version, "exercises_version", lambda number: "corrected")
    assert batch.run(book, fakes.grade, scope="2.3") == 3
    records = {record.student: record for record in book.records()}
    assert [records[name].score for name in "abc"] == [4, 3.5, 4]
    assert records["c"].comments == {"2.1": "well done"}
    lines = "\n".join(book.history("b"))
    assert "2.3: 0/2" in lines and "2.3: 2/2" in lines and "1.5 points nearly" in lines
    book.mark("b", "2.3", -1, "")
    assert {record.student: record.score for record in book.records()}["b"] == 4


def test_a_later_submission_counts_without_marks_by_hand_for_the_earlier(book):
    graded(book, handed_in(2))
    book.mark("a", "02", 3, "by hand")
    assert book.records()[0].score == 3
    better = notebook(marks={"2.1": 1, "2.3": 1})
    records = graded(book, [Submission("a", "new.ipynb", "02", better)])
    assert records["a"].score == 4 and records["a"].status == "needs review"
    assert "earlier submission" in records["a"].flags[0] and records["b"].score == 2


def test_a_refusal_is_forgotten_when_a_good_file_comes(book, monkeypatch):
    records = graded(book, [Submission("a", "x.ipynb", problem="it is a link")])
    assert records["a"].status == "refused" and not records["a"].has_score
    records = graded(book, handed_in(1))
    assert records["a"].status == "graded" and len(book.records()) == 1


def test_flags_are_for_review_and_cost_nothing(book, monkeypatch):
    records = graded(book, handed_in(2, b={"flag": "2.1"}))
    assert records["b"].status == "needs review" and records["b"].score == records["a"].score == 2


def test_lateness(book, monkeypatch):
    book.put("late", '{"percent": 10, "most": 25, "days": {"b": {"": 2}, "c": {"02": 9}}}')
    late = Submission("a", "x", "02", notebook(marks=MARKS), late=True)
    records = graded(book, [late, *handed_in(4)[1:]])
    assert [records[name].score for name in "abcd"] == [1.8, 1.6, 1.5, 2]


def test_a_claim_is_one_owner_s_until_its_lease_ends(book, monkeypatch):
    book.add(handed_in(1))
    book.enqueue({"02": "v"})
    job = book.claim("host:1:1")
    assert job is not None and book.claim("other:2:2") is None
    now = time.time()
    monkeypatch.setattr(gradebook.time, "time", lambda: now + gradebook.LEASE + 1)
    assert book.claim("other:2:2") == job
    result = fakes.grade(book.file(job.digest), SECRET)
    book.finish(job, "host:1:1", result)  # too late: it is no longer this owner's
    assert book.records()[0].status == "not graded yet"
    book.finish(job, "other:2:2", result)
    assert book.records()[0].status == "graded"


def test_jobs_of_a_process_that_has_ended_are_queued_again_at_once(book):
    book.add(handed_in(2))
    book.enqueue({"02": "v"})
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    host = this_process().split(":")[0]
    assert book.claim(f"{host}:{gone.pid}:1.0") and book.claim(this_process())
    book.release()
    assert book.claim("next") is not None and book.claim("next") is None


def test_killed_at_any_moment_it_ends_as_if_never_killed(tmp_path, monkeypatch):
    """Killed before a commit, again and again: equal tables, and nothing is graded twice."""
    submissions = handed_in(30, **{"s003": {"bad": True}, "s005": {"flag": "2.1"}})
    tables = []
    for name, moments in (("whole", ()), ("killed", MOMENTS)):
        book = Gradebook(tmp_path / name, secret=SECRET)
        book.add(submissions)
        monkeypatch.setenv("GANCOURSE_TEST_LOG", str(tmp_path / f"{name}.log"))
        command = [sys.executable, "-c", KILLED, str(book.folder), str(Path(__file__).parent)]
        subprocess.run([*command, *map(str, moments)], check=True, stderr=subprocess.DEVNULL)
        batch.run(book, fakes.grade)
        tables.append(table(book).encode())
        calls = (tmp_path / f"{name}.log").read_text().split()
        assert 30 <= len(calls) <= 30 + len(moments)  # only what was in progress when it was killed
    assert tables[0] == tables[1] and b"not graded" not in tables[0]


@pytest.mark.skipif("GANCOURSE_TEST_DATABASE" not in os.environ, reason="no PostgreSQL is named")
def test_postgresql(tmp_path):
    book = Gradebook(tmp_path, os.environ["GANCOURSE_TEST_DATABASE"], secret=SECRET)
    records = graded(book, handed_in(6, b={"bad": True}))
    assert records["a"].status == "graded" and records["b"].status == "unreadable"


def test_a_gradebook_that_can_not_be_opened_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CourseError, match="can't be opened"):
        Gradebook(tmp_path / "file")
    (tmp_path / "gradebook.sqlite").write_text("this is no database, but a long text" * 99)
    with pytest.raises(CourseError, match="can't be opened"):
        Gradebook(tmp_path)
    with pytest.raises(CourseError, match="can't be opened"):
        Gradebook(tmp_path / "x", "nonsense://nowhere")


def test_points_by_hand_for_a_refused_submission(book):
    bad = [Submission("a", "x.pdf", problem="no notebook"), *handed_in(2)[1:]]
    graded(book, bad)
    book.mark("a", "02", 1, "on paper")
    graded(book, bad)  # once more, the same zip
    (record,) = [r for r in book.records() if r.student == "a"]
    assert (record.notebook, record.score, record.status) == ("02", 1, "graded")
    book.mark("a", "02", -1, "")
    (record,) = [r for r in book.records() if r.student == "a"]
    assert record.status == "refused" and not record.has_score
    assert graded(book, handed_in(1))["a"].score == 2


def test_cleared_points_take_their_comment_along(book):
    graded(book, handed_in(1))
    book.mark("a", "2.1", 0, "copied!")
    book.mark("a", "2.1", -1, "")
    assert not book.records()[0].comments and book.records()[0].score == 2
    book.mark("a", "2.1", None, "fine")
    assert book.records()[0].comments == {"2.1": "fine"}


def test_a_file_that_was_cut_off_is_saved_again(book):
    book.add(handed_in(1))
    (file,) = book.files.iterdir()
    file.write_bytes(b"")
    assert graded(book, handed_in(1))["a"].status == "graded"


def test_what_could_not_be_read_is_tried_again(book):
    book.add(handed_in(1))
    (file,) = book.files.iterdir()
    content = file.read_bytes()
    file.write_bytes(json.dumps({"bad": True}).encode())
    batch.run(book, fakes.grade)
    assert book.records()[0].status == "unreadable"
    file.write_bytes(content)
    batch.run(book, fakes.grade)
    assert book.records()[0].status == "graded"


def test_a_grader_can_write_while_another_collects(book):
    """Otherwise it would wait for the database until it gives up."""
    collecting, done = threading.Event(), threading.Event()

    def slowly():
        yield handed_in(1)[0]
        collecting.set()
        done.wait()

    other = threading.Thread(target=lambda: Gradebook(book.folder).add(slowly()))
    other.start()
    try:
        collecting.wait()
        book.put("x", "y")
    finally:
        done.set()
        other.join()
    assert len(book.records()) == 1


def test_after_a_sleep_a_grader_does_not_take_its_own_jobs_again(book, monkeypatch):
    book.add(handed_in(1))
    book.enqueue({"02": "v"})
    now = time.time()
    assert book.claim("me:1:1")
    monkeypatch.setattr(time, "time", lambda: now + LEASE + 1)
    assert book.claim("me:1:1") is None and book.claim("other:2:2")


def test_a_refusal_ends_with_a_sound_file_and_returns_with_a_broken_one(book):
    bad = [Submission("a", "02.ipynb", problem="broken")]
    graded(book, bad)
    (good,) = handed_in(1)
    graded(book, [dataclasses.replace(good, student="a", file="02.ipynb")])
    assert [r.status for r in book.records()] == ["graded"]
    graded(book, bad)
    assert [r.status for r in book.records()] == ["refused", "graded"]
    book.mark("a", "03", 1, "on paper")
    assert [r.status for r in book.records()] == ["graded", "graded"]
    graded(book, [dataclasses.replace(bad[0], problem="broken in another way")])
    assert "refused" in [r.status for r in book.records()]
