from datetime import datetime, timezone
from html.parser import HTMLParser

from test_exports import record

from gancourse import exercises
from gancourse.grading.gradebook.records import StudentRecord
from gancourse.grading.judging.marking import Mark
from gancourse.grading.judging.similarity import SimilarAnswers, SimilarGroup
from gancourse.grading.reports import feedback, overview

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


class Reader(HTMLParser):
    """Tags and their attributes, and whether every tag is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags, self.attributes, self.open = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def is_sound(page: str) -> None:
    """Well formed, in one file, without scripts, and usable with a screen reader."""
    read = Reader(page)
    assert not read.open and not {"script", "img", "iframe", "link"} & set(read.tags)
    assert not any(name in ("src", "href") or name.startswith("on") for name, _ in read.attributes)
    assert ("lang", "en") in read.attributes and "main" in read.tags and "title" in read.tags
    assert read.tags.count("h1") == 1


def test_a_page_has_everything_and_runs_nothing():
    mark = Mark("2.3", 2, 0, "wrong", f"expected 1, got 2. {EVIL}", 0, ("secret flag",), EVIL)
    evil = StudentRecord(
        EVIL, "02", EVIL, "needs review", marks=(mark,), notes=(EVIL,), flags=("other flag",),
        by_hand={"2.3": 1.5}, comments={"2.3": "nearly", "02": EVIL}, days_late=1, penalty=10.0,
    )  # fmt: skip
    page = feedback.student_page([evil], lambda id: "Best D")
    is_sound(page)
    assert "2.3 Best D: 1.5 of 2 points (wrong; points given by hand)" in page
    assert (
        "1.35 of 2 points" in page
        and "a deduction of 0.15 (10 % of the score) for 1 day late" in page
    )
    assert "nearly" in page and "expected 1, got 2." in page and "flag" not in page


def test_a_student_without_a_mark_reads_why():
    page = feedback.student_page([StudentRecord("a", "", "x", "refused", "it is a link")], str)
    is_sound(page)
    assert "Not graded: refused" in page and "it is a link" in page and "not a mark of 0" in page


def test_files_are_safe_and_one_for_each_student(tmp_path):
    names = ["../../etc/passwd", "Ann", "ann", "a/b", "a_b", "José", "x" * 300, "..", "con "]
    written, _ = feedback.write_all(tmp_path / "f", [record(name, 2) for name in names], str)
    paths = {path.name.casefold() for path in written.values()}
    assert len(paths) == len(names) == len(list((tmp_path / "f").iterdir()))
    assert all(path.parent == tmp_path / "f" and len(path.name) < 120 for path in written.values())


def classroom() -> list[StudentRecord]:
    def mark(status: str, slip: int | None = None, id: str = "2.3") -> Mark:
        return Mark(
            id, 2, 2 * (status == "right"), status, "", slip, ("a flag",) if slip == 1 else ()
        )

    verdicts = [("right", None), ("wrong", 0), ("wrong", 0), ("wrong", 1), ("unsolved", None)]
    easy = mark("right", id="2.1")
    marked = [
        StudentRecord(f"s{n}", "02", "x", "graded", marks=(easy, mark(*verdict)))
        for n, verdict in enumerate(verdicts)
    ]
    return [*marked, StudentRecord("s9", "02", "x", "unreadable", "broken")]


def test_what_to_teach_again():
    (summary,) = overview.summarize(classroom())
    hardest = summary.exercises[0]
    assert (hardest.exercise, hardest.right, hardest.wrong, hardest.unsolved) == (
        "2.3",
        0.2,
        0.6,
        0.2,
    )
    assert [(slip.exercise, slip.count) for slip in summary.slips] == [("2.3", 2), ("2.3", 1)]
    assert summary.slips[0].hint == exercises.find("2.3").hints[0]
    assert summary.scores == (4, 2, 2, 2, 2) and dict(summary.others) == {"unreadable": 1}
    assert sum(n for _, n in summary.histogram) == 5
    text = overview.as_text(summary)
    assert "2.3" in text and "1 unreadable" in text and summary.slips[0].hint in text


def test_the_page_of_the_class():
    summaries = overview.summarize(classroom())
    members = ("a", EVIL, *"bcdef")
    groups = [SimilarGroup(members, (SimilarAnswers("2.3", 0.9, dict.fromkeys(members, EVIL)),))]
    page = overview.class_page(summaries, classroom(), groups, [("02", "a", EVIL)])
    is_sound(page)
    assert "a flag" in page and "unreadable: broken" in page and "90 %" in page
    assert "And 3 more." in page and "Notebook 02: a, " in page
    is_sound(overview.class_page([], []))


def test_a_whole_class_with_full_marks_is_in_the_last_bar():
    worth = sum(exercise.points for exercise in exercises.of_notebook("02"))
    best = StudentRecord("a", "02", "x", "graded", by_hand={"02": worth})
    (summary,) = overview.summarize([best])
    assert summary.histogram[-1] == ("90 to 100", 1)


def test_a_name_of_many_bytes(tmp_path):
    names = ["\U0001d4d9" * 70, "\U0001d4d9" * 100]
    assert len(feedback.write_all(tmp_path, [record(name, 2) for name in names], str)[0]) == 2


def test_a_page_shows_its_time_and_is_written_again_only_if_something_changed(tmp_path):
    folder, before = tmp_path / "feedback", [record("ann", 2), record("bob", 0)]
    assert feedback.outdated(folder, before, str) == []  # none was written yet
    assert feedback.write_all(folder, before, str)[1] == 2
    assert feedback.outdated(folder, before, str) == []
    path = folder / "ann.html"
    is_sound(path.read_text("utf-8"))
    some_time = datetime(2026, 2, 3, 4, 5, tzinfo=timezone.utc)
    path.write_text(feedback.student_page(before[:1], str, some_time), encoding="utf-8")
    assert 'datetime="2026-02-03T04:05+00:00">3 February 2026, 04:05 UTC<' in path.read_text()
    marked = [before[0], record("bob", 0, by_hand={"2.1": 1.0}), record("zoe", 2)]
    assert feedback.outdated(folder, marked, str) == ["bob", "zoe"]
    assert feedback.write_all(folder, marked, str)[1] == 2
    assert "3 February" in path.read_text()  # as it was
    late = [record("ann", 2, days_late=1, penalty=10.0), *marked[1:]]
    assert feedback.outdated(folder, late, str) == ["ann"]
    page = overview.class_page([], [], outdated=["ann"])
    is_sound(page)
    assert "older than the marks, for 1 student: ann." in page
