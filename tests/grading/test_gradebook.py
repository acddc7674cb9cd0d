import csv
import dataclasses
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import fakes
import pytest
from fakes import notebook
from gancourse.grading.gradebook.owners import this_process

from gancourse.errors import CourseError
from gancourse.grading.gradebook import grade, gradebook, workers
from gancourse.grading.gradebook.collect import Submission
from gancourse.grading.gradebook.gradebook import LEASE, Gradebook
from gancourse.grading.reports import exports

SECRET = bytes(32)
MARKS = {"2.1": 1, "2.3": 0}
COMMAND = """
import sys
from pathlib import Path
sys.path[:0] = [sys.argv[2]]
import fakes
from gancourse.grading.gradebook import grade, workers
from gancourse.grading.gradebook.gradebook import Gradebook
grade.local = lambda tasks, function, count: ((t, workers.work(t, function)) for t in tasks)
grade.run(Gradebook(Path(sys.argv[1])), fakes.grade)
"""


def handed_in(count: int = 6, **special: dict) -> list[Submission]:
    """Submissions of students a, b, c ...; what is special to some of them by name."""
    names = [chr(ord("a") + n) if count <= 26 else f"s{n:03d}" for n in range(count)]
    return [
        Submission(
            name,
            "02.ipynb",
            "02",
            notebook(**{"marks": MARKS, "who": name} | special.get(name, {})),
        )
        for name in names
    ]


@pytest.fixture(autouse=True)
def in_process(request, monkeypatch):
    if "real_workers" not in request.fixturenames:
        monkeypatch.setattr(grade, "local", here)


@pytest.fixture
def real_workers(monkeypatch):
    monkeypatch.setattr(workers, "TRIES", 2)  # each death costs seconds: a new one imports torch


@pytest.fixture
def book(tmp_path) -> Gradebook:
    return Gradebook(tmp_path / "grades", secret=SECRET)


def graded(book: Gradebook, submissions: list[Submission], **options) -> dict:
    book.add(submissions)
    grade.run(book, fakes.grade, workers=2, **options)
    return {record.student: record for record in book.records()}


def here(tasks, function, count):
    """In place of `workers.local`: everything in this process, where a test can change things."""
    return ((task, workers.work(task, function)) for task in tasks)


def table(book: Gradebook) -> str:
    return exports.marks(book.records(), str)


def test_everybody_gets_marks_or_a_reason(book, real_workers):
    special = {"b": {"bad": True}, "c": {"die": True}, "d": {"die": "once"}, "e": {"bug": True}}
    found = graded(book, handed_in(6, **special))
    assert {name: one.status for name, one in found.items()} == {
        **{"a": "graded", "b": "unreadable", "c": "the grader failed"},
        **{"d": "graded", "e": "the grader failed", "f": "graded"},
    }
    assert "died 2 times" in found["c"].problem and "ZeroDivisionError" in found["e"].problem
    assert found["a"].score == 2 and not found["b"].has_score
    rows = list(csv.DictReader(io.StringIO(table(book))))
    assert [row["earned"] for row in rows if row["student"] == "b"] == [""]


def test_no_sandbox_stops_the_batch_and_loses_nothing(book):
    book.add(handed_in(4, c={"stop": True}))
    with pytest.raises(CourseError, match="No sandbox"):
        grade.run(book, fakes.grade, workers=1)
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
    assert grade.run(book, fakes.grade, workers=1, scope="2.3") == 0  # nothing was corrected
    monkeypatch.setenv("GANCOURSE_TEST_CORRECTION", "1")
    monkeypatch.setattr(grade, "version", lambda number: "corrected")
    monkeypatch.setattr(workers, "version", lambda number: "corrected")
    assert grade.run(book, fakes.grade, workers=1, scope="2.3") == 3
    found = {record.student: record for record in book.records()}
    assert [found[name].score for name in "abc"] == [4, 3.5, 4]
    assert found["c"].comments == {"2.1": "well done"}
    lines = "\n".join(book.history("b"))
    assert "2.3: 0/2" in lines and "2.3: 2/2" in lines and "1.5 points nearly" in lines
    book.mark("b", "2.3", -1, "")
    assert {record.student: record.score for record in book.records()}["b"] == 4


def test_a_later_submission_counts_and_marks_of_the_earlier_are_not_carried_over(book):
    graded(book, handed_in(2))
    book.mark("a", "02", 3, "by hand")
    assert book.records()[0].score == 3
    better = notebook(marks={"2.1": 1, "2.3": 1})
    found = graded(book, [Submission("a", "new.ipynb", "02", better)])
    assert found["a"].score == 4 and found["a"].status == "needs review"
    assert "earlier submission" in found["a"].flags[0] and found["b"].score == 2


def test_what_was_refused_is_forgotten_when_a_good_one_comes(book, monkeypatch):
    found = graded(book, [Submission("a", "x.ipynb", problem="it is a link")])
    assert found["a"].status == "refused" and not found["a"].has_score
    found = graded(book, handed_in(1))
    assert found["a"].status == "graded" and len(book.records()) == 1


def test_flags_are_for_review_and_cost_nothing(book, monkeypatch):
    found = graded(book, handed_in(2, b={"flag": "2.1"}))
    assert found["b"].status == "needs review" and found["b"].score == found["a"].score == 2


def test_lateness(book, monkeypatch):
    book.put("late", '{"percent": 10, "most": 25, "days": {"b": {"": 2}, "c": {"02": 9}}}')
    late = Submission("a", "x", "02", notebook(marks=MARKS), late=True)
    found = graded(book, [late, *handed_in(4)[1:]])
    assert [found[name].score for name in "abcd"] == [1.8, 1.6, 1.5, 2]


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


def test_jobs_of_a_dead_process_are_given_back_at_once(book):
    book.add(handed_in(2))
    book.enqueue({"02": "v"})
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    host = this_process().split(":")[0]
    assert book.claim(f"{host}:{gone.pid}:1.0") and book.claim(this_process())
    book.release()
    assert book.claim("next") is not None and book.claim("next") is None


def test_killed_at_any_moment_it_ends_as_if_nothing_had_been(tmp_path, monkeypatch):
    """A whole run, and one that is killed three times: equal tables, and no one graded twice."""
    special = {"s003": {"bad": True}, "s005": {"flag": "2.1"}}
    everybody = handed_in(30, **special)
    tables = []
    for name, kills in (("whole", 0), ("killed", 3)):
        book = Gradebook(tmp_path / name, secret=SECRET)
        book.add([_slow(one) for one in everybody])
        monkeypatch.setenv("GANCOURSE_TEST_LOG", str(tmp_path / f"{name}.log"))
        words = [sys.executable, "-c", COMMAND, str(tmp_path / name), str(Path(__file__).parent)]
        for _ in range(kills):
            before = _finished(book)
            process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
            deadline = time.time() + 60
            while _finished(book) < before + 4 and time.time() < deadline:
                time.sleep(0.02)
            process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
        assert kills == 0 or 12 <= _finished(book) < 30
        grade.run(book, fakes.grade)
        tables.append(table(book).encode())
        calls = (tmp_path / f"{name}.log").read_text().split()
        assert 30 <= len(calls) <= 30 + 2 * kills  # only what was in work when it was killed
    assert tables[0] == tables[1] and b"not graded" not in tables[0]


def _slow(one: Submission) -> Submission:
    return Submission(one.student, one.file, one.notebook, one.content[:-1] + b', "sleep": 0.05}')


def _finished(book: Gradebook) -> int:
    with book.engine.connect() as db:
        return db.exec_driver_sql(
            "select count(*) from jobs where state in ('done', 'failed', 'review')"
        ).scalar()


@pytest.mark.skipif("GANCOURSE_TEST_DATABASE" not in os.environ, reason="no PostgreSQL is named")
def test_postgresql(tmp_path):
    book = Gradebook(tmp_path, os.environ["GANCOURSE_TEST_DATABASE"], secret=SECRET)
    found = graded(book, handed_in(6, b={"bad": True}))
    assert found["a"].status == "graded" and found["b"].status == "unreadable"


def test_a_gradebook_that_can_not_be_opened_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CourseError, match="can't be opened"):
        Gradebook(tmp_path / "file")
    (tmp_path / "gradebook.sqlite").write_text("this is no database, but a long text" * 99)
    with pytest.raises(CourseError, match="can't be opened"):
        Gradebook(tmp_path)
    with pytest.raises(CourseError, match="can't be opened"):
        Gradebook(tmp_path / "x", "nonsense://nowhere")


def test_points_by_hand_for_who_was_refused(book):
    bad = [Submission("a", "x.pdf", problem="no notebook"), *handed_in(2)[1:]]
    graded(book, bad)
    book.mark("a", "02", 1, "on paper")
    graded(book, bad)  # once more, the same zip
    (one,) = [r for r in book.records() if r.student == "a"]
    assert (one.notebook, one.score, one.status) == ("02", 1, "graded")
    book.mark("a", "02", -1, "")
    (one,) = [r for r in book.records() if r.student == "a"]
    assert one.status == "refused" and not one.has_score
    assert graded(book, handed_in(1))["a"].score == 2


def test_what_is_taken_back_takes_its_comment_along(book):
    graded(book, handed_in(1))
    book.mark("a", "2.1", 0, "copied!")
    book.mark("a", "2.1", -1, "")
    assert not book.records()[0].comments and book.records()[0].score == 2
    book.mark("a", "2.1", None, "fine")
    assert book.records()[0].comments == {"2.1": "fine"}


def test_a_file_that_was_cut_off_is_kept_anew(book):
    book.add(handed_in(1))
    (file,) = book.files.iterdir()
    file.write_bytes(b"")
    assert graded(book, handed_in(1))["a"].status == "graded"


def test_what_could_not_be_read_is_tried_again(book):
    book.add(handed_in(1))
    (file,) = book.files.iterdir()
    content = file.read_bytes()
    file.write_bytes(json.dumps({"bad": True}).encode())
    grade.run(book, fakes.grade)
    assert book.records()[0].status == "unreadable"
    file.write_bytes(content)
    grade.run(book, fakes.grade)
    assert book.records()[0].status == "graded"


def test_a_grader_goes_on_while_another_collects(book, tmp_path):
    done = threading.Event()

    def slowly():
        yield handed_in(1)[0]
        assert done.wait(30)

    other = threading.Thread(target=lambda: Gradebook(book.folder).add(slowly()))
    other.start()
    time.sleep(0.2)
    began = time.monotonic()
    book.put("x", "y")
    assert time.monotonic() - began < 5
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


def test_a_refusal_goes_when_the_same_file_comes_sound_and_comes_again_when_it_is_broken(book):
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
