"""The pages to mark an exercise by hand: their text, and in headless Chromium."""

import csv
import io
import json
import re
import time

import pytest
from fakes import MARKS, notebook
from test_feedback import EVIL, Reader

from gancourse.grading.gradebook.records import StudentRecord
from gancourse.grading.judging.marking import Mark
from gancourse.grading.reports import review
from gancourse.grading.reports.exports import filled_in

RIGHT = "def f(x):\n    return x"
WRONG = "def f(x):\n    return 2 * x"


def answered(name: str, source: str, status: str = "wrong", **more) -> StudentRecord:
    slip, flags = more.pop("slip", None), more.pop("flags", ())
    more["flags"] = more.pop("notebook_flags", ())
    mark = Mark("2.3", 2, 2 * (status == "right"), status, f"said to {name}", slip, flags, source)
    return StudentRecord(name, "02", "x", "graded", marks=(mark,), **more)


def page_of(*records: StudentRecord) -> str:
    return review.exercise_page("2.3", review.groups(records)["2.3"], lambda id: EVIL, "key")


def test_equal_answers_are_one_whatever_their_comments_and_layout():
    same = [WRONG, WRONG + "  # mine", "%%time\n" + WRONG.replace("2 * x", "(2*x)"), "\n" + WRONG]
    records = [answered(f"s{n}", source, slip=0) for n, source in enumerate(same)]
    other = answered("t", WRONG.replace("2", "3"), slip=0)
    broken = [answered("u", "def f(:"), answered("v", "def f(: ")]
    found = review.groups([*records, other, *broken])["2.3"]
    assert [group.students for group in found] == [("s0", "s1", "s2", "s3"), ("t",), ("u", "v")]


def test_the_order_of_the_kinds():
    records = [
        answered("right", RIGHT, "right"),
        answered("unsolved", "", "unsolved"),
        answered("flagged", RIGHT, "right", flags=("a flag",)),
        answered("open", WRONG),
        answered("error", WRONG, "error"),
        answered("hint 1", WRONG, slip=1),
        answered("hint 0", WRONG, slip=0, flags=("a flag",)),
    ]
    found = review.groups(records)["2.3"]
    names = ["hint 0", "hint 1", "error", "open", "flagged", "unsolved", "right"]
    assert [group.students[0] for group in found] == names
    page = page_of(*records)
    headings = re.findall(r"<h2[^>]*>([^:<]+)", page)
    assert headings == [*review.KINDS.values(), "Keys"] and page.count("a flag") == 2


def test_other_points_or_comments_by_hand_are_another_group():
    marked = answered("a", WRONG, by_hand={"2.3": 1.5}, comments={"2.3": "nearly"})
    whole = answered("b", WRONG, by_hand={"02": 3.0})
    one, two = review.groups([marked, whole])["2.3"]
    assert (one.by_hand, one.comment, two.by_hand) == ("1.5", "nearly", "") and one.id != two.id
    assert review.groups([answered("c", WRONG)])["2.3"][0].id == two.id  # no names in it
    assert "count in place of these: b." in page_of(whole)
    assert "which class.html lists: c." in page_of(answered("c", WRONG, notebook_flags=("x",)))


@pytest.mark.parametrize(
    "source", ["(" * 500, "x" + ".a" * 20_000, "1" + "+1" * 20_000, "\0", "\\"]
)
def test_code_that_is_made_to_break_a_parser(source):
    assert len(review.groups([answered("a", source)])["2.3"]) == 1


def test_everything_of_a_student_is_escaped():
    evil = answered(EVIL, EVIL + "</script></textarea>", flags=(EVIL,), comments={"2.3": EVIL})
    page = page_of(evil)
    read = Reader(re.sub(r"<input([^>]*)>", r"<input\1></input>", page))
    assert not read.open and read.tags.count("script") == 1 and "img" not in read.tags
    assert not any(name.startswith("on") or name == "src" for name, _ in read.attributes)
    assert [value for name, value in read.attributes if name == "href"] == ["index.html"]
    ids = [value for name, value in read.attributes if name == "id"]
    assert len(ids) == len({*ids}) and ("lang", "en") in read.attributes
    labelled = {value for name, value in read.attributes if name == "for"}
    assert labelled == {"points-1", "comment-1"} <= {*ids}
    assert "default-src 'none'" in page and "http" not in page.replace("http-equiv", "")


def test_the_index_and_the_commands(term, run):
    assert run("grade", "submissions")[0] == 0
    status, text = run("review")
    assert status == 0 and "2 pages in grades/review" in text
    index = (term / "grades/review/index.html").read_text("utf-8")
    assert 'href="2.1.html"' in index and 'href="2.3.html"' in index
    (term / "grades/review/2.1.html").unlink()
    status, text = run("review", "2.3")
    assert status == 0 and "1 pages" in text
    assert "2.1.html" not in (term / "grades/review/index.html").read_text("utf-8")
    assert run("review", "2.99")[0] == 1


# In a browser --------------------------------------------------------------------------------
@pytest.fixture
def reviewed(term, run, chromium):
    """Five students, two with the same answer; the page of 2.3 is open."""
    answers = {"ann": WRONG, "bob": WRONG + "  # mine", "dan": EVIL, "=eve": RIGHT + "\n" + EVIL}
    for name, source in answers.items():
        (term / "submissions" / name).mkdir(exist_ok=True)
        content = notebook(marks=MARKS, who=name, answers={"2.3": source})
        (term / "submissions" / name / "02.ipynb").write_bytes(content)
    run("grade", "submissions")
    run("review")
    chromium.errors.clear()
    chromium.look(1280)
    visit(chromium, term)
    chromium.run("localStorage.clear()")
    visit(chromium, term)
    yield chromium
    assert not chromium.errors
    outside = [url for url in chromium.requests if not url.startswith(("file:", "blob:"))]
    assert not outside and chromium.run("document.title") == "Answers to 2.3"


def visit(page, term) -> None:
    page.open(term / "grades/review/2.3.html")
    page.wait("document.querySelector('article.current')")


def press(page, *keys: str) -> None:
    for key in keys:
        text = {"text": key} if len(key) == 1 else {}
        page.call("Input.dispatchKeyEvent", type="keyDown", key=key, **text)
        page.call("Input.dispatchKeyEvent", type="keyUp", key=key)


def current(page) -> list[str]:
    """Students of the current answer, its points and its comment."""
    return page.run(
        """(() => { const a = document.querySelector("article.current");
        return [[...a.querySelectorAll("li")].map((li) => li.textContent).join(" "),
            a.querySelector("input").value, a.querySelector("textarea").value]; })()"""
    )


def downloaded(page, folder) -> str:
    """What the button saves."""
    page.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
    page.run("document.getElementById('download').click()")
    end = time.monotonic() + 60  # of a browser that hangs
    while not (folder / "marks-2.3.csv").exists():  # it has its name when it is complete
        assert time.monotonic() < end, "nothing was downloaded"
        page.run("1")
    return (folder / "marks-2.3.csv").read_text("utf-8-sig")


def test_keys_set_points_and_the_table_is_accepted(term, run, reviewed):
    page = reviewed
    assert current(page)[0] == "ann bob"
    press(page, "1", "c")
    page.call("Input.insertText", text='Half of it, "nearly"')
    press(page, "Escape", "n", "ArrowRight", "p", "n", "0", "n", "n")
    assert current(page)[:2] == ["dan", "0"]
    press(page, "ArrowLeft")
    assert current(page) == ["=eve", "", ""]
    press(page, "1", "Backspace", "1")
    assert "Changed: 2, of 3 students." in page.run("document.getElementById('status').textContent")
    text = downloaded(page, term)
    assert list(csv.reader(io.StringIO(text, newline=""))) == [
        ["student", "exercise", "points", "comment"],
        ["ann", "2.3", "1", 'Half of it, "nearly"'],
        ["bob", "2.3", "1", 'Half of it, "nearly"'],
        ["'=eve", "2.3", "1", ""],
    ]  # the grader gave dan 0 points, too
    status, output = run("mark", "--from", "marks-2.3.csv")
    assert status == 0 and "3 marks saved." in output
    assert "1 points Half of it" in run("history", "bob")[1]
    assert "1 points" in run("history", "=eve")[1] and "by hand" not in run("history", "dan")[1]
    assert run("mark", "--from", "marks-2.3.csv")[1] == "0 marks saved.\n"
    run("review")
    visit(page, term)  # marked: the field has the points, and nothing is changed
    assert current(page) == ["ann bob", "1", 'Half of it, "nearly"']
    assert "Nothing changed" in page.run("document.getElementById('status').textContent")


def test_a_reload_loses_nothing(term, reviewed):
    press(reviewed, "1", "c")
    reviewed.call("Input.insertText", text="two\nlines")
    visit(reviewed, term)
    assert current(reviewed) == ["ann bob", "1", "two\nlines"]


def test_a_browser_that_stores_nothing_is_mentioned(reviewed):
    reviewed.run("Storage.prototype.setItem = () => { throw new Error('full'); }")
    press(reviewed, "1")
    text = reviewed.run("document.getElementById('status').textContent")
    assert "stores nothing here: download before you close the page" in text


def test_what_is_stored_can_be_nonsense(term, reviewed):
    key = reviewed.run("place")
    for stored in ("no json", "[]", '{"x": 1}', "null", '{"%s": [1]}'):
        answer = reviewed.run("answers[0].id")
        text = stored.replace("%s", answer)
        reviewed.run(f"localStorage.setItem({json.dumps(key)}, {json.dumps(text)})")
        visit(reviewed, term)
        assert "Nothing changed." in reviewed.run("status.textContent")
        assert "stores nothing" not in reviewed.run("status.textContent")


def test_digits_and_letters_in_a_field_are_text(reviewed):
    press(reviewed, "c", "n", "1", "?")
    assert current(reviewed)[1:] == ["", "n1?"]
    press(reviewed, "Escape")
    reviewed.run("document.querySelector('article.current input').focus()")
    press(reviewed, "0", ".", "5", "Enter", "n")
    assert current(reviewed)[0] == "=eve"
    press(reviewed, "p")
    assert current(reviewed)[1] == "0.5"


def test_wrong_points_are_shown_and_not_downloaded(reviewed):
    press(reviewed, "9")
    assert reviewed.run("document.querySelector('article.current input').ariaInvalid") == "true"
    assert "Not a number from 0 to 2: 1." in reviewed.run(
        "document.querySelector('#status').innerText"
    )
    press(reviewed, "n")
    reviewed.run("document.getElementById('download').click()")
    assert current(reviewed)[0] == "ann bob"
    assert reviewed.run("document.activeElement.tagName") == "INPUT"


def test_the_list_of_keys_and_the_focus(reviewed):
    press(reviewed, "?")
    assert reviewed.run("document.getElementById('keys').open")
    press(reviewed, "n", "1")  # not for the page below
    press(reviewed, "?")
    assert not reviewed.run("document.getElementById('keys').open")
    assert current(reviewed)[:2] == ["ann bob", ""]
    press(reviewed, "n")
    ring = "getComputedStyle(document.querySelector('article.current')).boxShadow"
    assert "0px 0px 0px 3px" in reviewed.run(ring)
    assert reviewed.run("document.activeElement.matches('article.current')")
    reviewed.run("document.querySelectorAll('article')[2].querySelector('input').focus()")
    assert current(reviewed)[0] == "dan"  # what has the focus is the current answer


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_sticks_out(reviewed, width):
    for scheme in ("light", "dark"):
        reviewed.look(width, prefers_color_scheme=scheme)
        assert reviewed.run("document.documentElement.scrollWidth") <= width
    colours = json.loads(reviewed.run("JSON.stringify(getComputedStyle(document.body).color)"))
    assert colours == "rgb(232, 234, 236)"


def test_its_table_can_be_read():
    table = 'student,exercise,points,comment\r\n\'=eve,2.3,1,"a, b"\r\n'
    (row,) = filled_in(table, [answered("=eve", WRONG)])
    assert (row.student, row.exercise, row.points, row.comment) == ("=eve", "2.3", "1", "a, b")
