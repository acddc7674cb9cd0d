"""A letter is judged again by another key without running the notebook."""

import dataclasses

import pytest
import torch
from fakes import SECRET

from gancourse import exercises
from gancourse.exercises import questions
from gancourse.exercises.base import Failure, observe_value
from gancourse.exercises.nb02 import ex01_classifier_limits as key_file
from gancourse.grading.answers import notebook_file
from gancourse.grading.gradebook import batch, version
from gancourse.grading.gradebook.collect import Submission
from gancourse.grading.gradebook.gradebook import Gradebook
from gancourse.grading.judging import letters, marking

EXERCISE = exercises.find("2.1")
NUMBER = questions.number("1.1", "x", minutes=1, answer=2.0, wrong={3.0: "no"})


def seen(answer) -> list:
    return [observe_value(answer, EXERCISE.draw(0)[0])]


@pytest.mark.parametrize("answer", ["c", "(C)", "a", "zz", "", "é\U0001f600"])
def test_the_verdict_is_that_of_a_run(answer):
    stored = letters.store(EXERCISE, seen(answer))
    again, run = letters.judge(EXERCISE, stored), exercises.verdict("2.1", answer)
    assert (again.status, again.message, again.slip) == (run.status, run.message, run.slip)


def test_what_was_no_letter_is_stored_too():
    for failure in (Failure("unsolved", ""), Failure("AnswerError", "The result should be")):
        stored = letters.store(EXERCISE, [failure])
        expected = "unsolved" if failure.kind == "unsolved" else "wrong"
        assert letters.judge(EXERCISE, stored).status == expected


@pytest.mark.parametrize(
    "strange",
    [
        [],
        seen("c") * 2,
        [{"choice": torch.zeros(1000, dtype=torch.int64)}],
        [{"choice": torch.tensor(1.5)}],
        [{"choice": torch.zeros(2, 2, dtype=torch.int64)}],
        [{"value": torch.tensor(1.0)}],
        [{"choice": torch.tensor([99]), "more": torch.tensor([99])}],
    ],
)
def test_what_a_letter_never_gives_is_not_stored(strange):
    assert letters.store(EXERCISE, strange) == ""


def test_a_number_is_not_stored_and_a_new_way_to_observe_runs_again(monkeypatch):
    assert letters.store(NUMBER, [observe_value(2.0, NUMBER.draw(0)[0])]) == ""
    stored = letters.store(EXERCISE, seen("c"))
    assert letters.judge(NUMBER, stored) is None and letters.judge(EXERCISE, "") is None
    monkeypatch.setattr(letters, "_observer", lambda: "another")
    assert letters.judge(EXERCISE, stored) is None


def grade(path, secret, *, sandbox="bubblewrap") -> marking.Result:
    """Marks for the letter in the file; a second run of a notebook is an error."""
    text = path.read_text()
    assert not path.with_suffix(".run").exists(), "it ran again"
    path.with_suffix(".run").touch()
    file = notebook_file.NotebookFile(text.encode(), "02", ())
    log = marking._Log(seen={"2.1": seen(text)})
    return marking.Result("02", (marking._mark(file, EXERCISE, 0, log, ("a flag",)),))


def test_another_key_changes_the_marks_without_a_run(tmp_path, monkeypatch):
    book = Gradebook(tmp_path / "grades", secret=SECRET)
    monkeypatch.setattr(batch.workers, "local", lambda tasks, grade, n: here(tasks, grade))
    book.add(Submission(name, "x", "02", name.encode()) for name in ("a", "c", "d"))
    assert batch.run(book, grade) == 3
    assert [record.score for record in book.records()] == [0, 1, 0]
    wrong = {"c": "This was the key by mistake.", "b": "b", "d": "d"}
    corrected = questions.choice("2.1", "x", minutes=1, answer="a", wrong=wrong, points=2)
    monkeypatch.setattr(key_file, "EXERCISE", corrected)
    monkeypatch.setattr(version, "exercises_version", lambda number: "corrected")
    assert batch.run(book, grade, scope="2.1") == 3
    marks = [record.marks[0] for record in book.records()]
    assert [(mark.earned, mark.status) for mark in marks] == [
        (2, "right"),
        (0, "wrong"),
        (0, "wrong"),
    ]
    assert "by mistake" in marks[1].message and marks[1].flags == ("a flag",)
    assert batch.run(book, grade, scope="2.1") == 0
    monkeypatch.setattr(version, "exercises_version", lambda number: "third")
    monkeypatch.setattr(key_file, "EXERCISE", EXERCISE)
    assert batch.run(book, grade, scope="2.1") == 3  # and from the mark that was corrected
    assert [record.score for record in book.records()] == [0, 1, 0]
    assert "2.1: 2/2" in "\n".join(book.history("a"))


def here(tasks, grade):
    return ((task, batch.workers.work(task, grade)) for task in tasks)


def test_marks_from_before_letters_were_stored_run_again(tmp_path, monkeypatch):
    book = Gradebook(tmp_path / "grades", secret=SECRET)
    monkeypatch.setattr(batch.workers, "local", lambda tasks, grade, n: here(tasks, grade))
    book.add([Submission("a", "x", "02", b"a")])

    def old(path, secret, *, sandbox="bubblewrap"):
        (mark,) = grade(path, secret).marks
        path.with_suffix(".run").unlink()
        return marking.Result("02", (dataclasses.replace(mark, observed=""),))

    batch.run(book, old)
    monkeypatch.setattr(version, "exercises_version", lambda number: "corrected")
    assert batch.run(book, grade, scope="2.1") == 1
    assert list(book.files.glob("*.run"))
