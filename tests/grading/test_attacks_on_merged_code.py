"""Wrong answers of students who have read the grader: they earn nothing, or the instructor sees it.

And files that are made to damage what others get: their mark, their page, the grader's time.
"""

import zipfile
from pathlib import Path

import attacks
import fakes
import handmade
import hidden_code
import pytest
import torch
from handmade import code, course_cell
from hidden_code import Hidden
from sandboxed import needs_a_sandbox

from gancourse.errors import CourseError
from gancourse.exercises import find, of_notebook
from gancourse.exercises.verdicts import assess, compare
from gancourse.grading.answers import notebook_file
from gancourse.grading.gradebook.collect import collect
from gancourse.grading.judging import marking
from gancourse.grading.judging.dependencies import code_behind
from gancourse.grading.judging.flags import find_flags
from gancourse.grading.judging.similarity import similar_groups, with_behind
from gancourse.grading.packages import gradescope
from gancourse.grading.reports import exports, feedback

SECRET = b"of these tests"
FREE = handmade.RIGHT


def notebook(cells, value: str = FREE, choice: str = handmade.CHOICE) -> str:
    """A student's notebook 02 with more cells before the answers."""
    made = [course_cell(c[1:]) if c.startswith("*") else code(c) for c in cells]
    answers = [*handmade.exercise("2.1", choice), *handmade.exercise("2.2", value)]
    return handmade.text([code(handmade.SETUP), *made, *answers])


def grade(server, path: Path, text: str, files=None) -> marking.Result:
    """Graded as `gancourse grade` does it: with the Python files next to it."""
    path.write_text(text, encoding="utf-8")
    for name, content in (files or {}).items():
        (path.parent / name).write_text(content, encoding="utf-8")
    path.write_bytes(notebook_file.read(path, with_modules=True).content)
    return marking.grade(path, SECRET, server=server)


def earned(result: marking.Result, id: str) -> int:
    return next(mark.earned for mark in result.marks if mark.exercise == id)


def flags(cells, value: str = FREE) -> dict:
    return find_flags(notebook_file.parse(notebook(cells, value).encode()), of_notebook("02"))


# Hidden code ----------------------------------------------------------------------------------
@needs_a_sandbox
@pytest.mark.parametrize("hidden", hidden_code.TEXTS, ids=lambda hidden: hidden.name)
def test_code_that_nobody_could_read_is_flagged(hidden: Hidden, server, tmp_path):
    text = notebook(hidden.cells, hidden.value)
    result = grade(server, tmp_path / "x.ipynb", text, hidden.files)
    assert earned(result, "2.2") == 2 and result.flagged, result  # flags cost no points


HONEST = {
    "a module that a cell writes": (
        ["%%writefile own.py\nimport torch\ndef half(x):\n    return x / 2", "from own import half"]
    ),
    "texts that libraries make": [
        "from dataclasses import dataclass\nfrom collections import namedtuple\n"
        "P = namedtuple('P', 'x y')\n@dataclass(frozen=True)\nclass C:\n    x: int = 1\nC(2)",
        "import timeit\ntimeit.timeit(lambda: 1, number=2)\n%timeit -n1 -r1 sum([1])",
    ],
    "programs that have ended": ["!ls\nimport subprocess\nsubprocess.run(['ls'])"],
    "a module that was handed in": ["import helpers\n%run -i helpers.py"],
}


@needs_a_sandbox
@pytest.mark.parametrize("name", HONEST)
def test_code_that_can_be_read_is_not(name, server, tmp_path):
    result = grade(server, tmp_path / "x.ipynb", notebook(HONEST[name]), hidden_code.HELPERS)
    assert earned(result, "2.2") == 2
    assert not [flag for flag in result.flags if "runs code" in flag or "process" in flag[:9]]
    assert not any(mark.flags for mark in result.marks)


@needs_a_sandbox
@pytest.mark.parametrize("way", hidden_code.SENT)
def test_what_a_notebook_writes_into_the_socket_earns_nothing(way, server, tmp_path):
    cell = hidden_code.FRAME + hidden_code.SENT[way]
    result = grade(server, tmp_path / "x.ipynb", notebook([cell], choice="answer = 'a'"))
    assert (earned(result, "2.1"), earned(result, "2.2")) == (0, 2), result


@needs_a_sandbox
@pytest.mark.parametrize(
    ("early", "run"),
    [
        ("import subprocess", "subprocess.run(['sh', '-c', 'true'])"),
        ("import subprocess", "subprocess.run(['git', '-c', 'alias.v=!true', 'v'])"),
        ("import os", "os.system('true')"),
        ("import os", "os.posix_spawn('/bin/true', ['true'], {})"),
        ("import subprocess\nsubprocess.Popen(['sh', '-c', 'sleep 50'])", "pass"),
        ("import subprocess\nsubprocess.run(['sh', '-c', 'sleep 50 & sleep 50 &'])", "pass"),
    ],
)
def test_a_program_that_runs_while_an_answer_is_observed_is_flagged(early, run, server, tmp_path):
    value = attacks.answer(f"{run}\n{FREE.splitlines()[1].strip()}")
    result = grade(server, tmp_path / "x.ipynb", notebook([early], value))
    mark = next(mark for mark in result.marks if mark.exercise == "2.2")
    assert mark.earned == 2 and any("process" in flag for flag in mark.flags)


@pytest.mark.parametrize(
    "cell",
    [
        "for a in 'abcd':\n    !gancourse check m.ipynb --json p.json",
        "!gancourse check m.ipynb | tee p.txt",
        "import subprocess\nsubprocess.run(['gancourse', 'check', 'm.ipynb'], capture_output=True)",
        "import subprocess\nt = subprocess.check_output('gancourse check m.ipynb', shell=True)",
        "!git -c alias.v='!python v.py' v",
        "!git diff --no-index --output=x /dev/null ../gancourse/papers/gan.py",
        "!git clone -u 'python v.py' x y",
        "import importlib.util as u\nu.spec_from_file_location('x', 'gancourse/papers/gan.py')",
    ],
)
def test_the_courses_own_command_tries_no_letters_unseen(cell):
    assert any(flags([cell]).values())


@pytest.mark.parametrize(
    "cell",
    [
        "!gancourse check 02_minimax_game.ipynb",
        "!git clone --depth 1 https://github.com/x/gancourse.git",
        "!git add . && git commit -m 'done'",
    ],
)
def test_honest_commands_are_not_flagged(cell):
    assert not any(flags([cell]).values())


# Raw results and parts ------------------------------------------------------------------------
def rolled(x, eps, rng):
    """One fixed pattern of signs, shifted."""
    pattern = torch.randn(x.numel(), generator=torch.Generator().manual_seed(1)).sign().to(x)
    shift = int(torch.randint(2880, (1,), generator=rng, device=rng.device))
    return (x + eps * pattern.roll(shift).reshape(x.shape)).clamp(-1, 1)


def turned(x, eps, rng):
    """One fixed pattern of signs, times one sign."""
    pattern = torch.randn(x.shape, generator=torch.Generator().manual_seed(1)).sign().to(x)
    sign = torch.randint(2, (1,), generator=rng, device=rng.device) * 2 - 1
    return (x + eps * pattern * sign).clamp(-1, 1)


def counted(labels, classes, rng):
    """The steps 1, 2, 3, ... in a circle, from a random one on."""
    start = torch.randint(10**6, (1,), generator=rng, device=rng.device)
    steps = (torch.arange(len(labels), device=labels.device) + start) % (classes - 1)
    return (labels + 1 + steps) % classes


@pytest.mark.parametrize(("id", "answer"), [("1.2", rolled), ("1.2", turned), ("5.5", counted)])
def test_one_random_number_is_not_one_for_each_value(id, answer):
    assert not any(assess(find(id), answer, seed).points for seed in range(4))


@pytest.mark.parametrize("id", ["1.2", "5.5", "7.9"])
def test_what_is_sent_replaces_nothing_that_is_concluded(id):
    exercise = find(id)
    cases = exercise.draw(1)
    wanted = compare(exercise, cases, [{}] * len(cases))
    assert wanted.points == 0
    inputs = [torch.as_tensor(case.args[0]) for case in cases]
    names = ("first", "second", "again", "other", "new")
    seen = [{f"raw: {name}": x for name in names} for x in inputs]
    true = [
        {} if case.device else exercise.conclude(one, case)
        for case, one in zip(cases, seen, strict=True)
    ]
    forged = [
        {**one, **{n: torch.tensor(False) if n.startswith("!") else x for n, x in t.items()}}
        for one, t in zip(seen, true, strict=True)
    ]
    assert compare(exercise, cases, forged).points == 0


NOTHING = {
    "none": lambda *a, **k: None,
    "zero": lambda *a, **k: torch.zeros(()),
    "first": lambda *a, **k: a[0] if a else None,
    "arguments": lambda *a, **k: a,
    "two": lambda *a, **k: (torch.zeros(()), torch.zeros(())),
    "network": lambda *a, **k: torch.nn.Identity(),
}


@pytest.mark.parametrize("name", NOTHING)
def test_no_part_is_earned_by_an_answer_that_does_nothing(name):
    for number in ("01", "02", "07"):
        for exercise in of_notebook(number):
            if exercise.parts:
                assert assess(exercise, NOTHING[name], 3).points == 0, exercise.id


# What others get ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "name",
    [
        "7-8 - Mallory - Nov 30, 2026 1015 PM - 02_x.ipynb",
        "mallory_1_assignsubmission_file_02_x.ipynb",
        "submission_metadata.yml.ipynb",
        "hw_mallory_attempt_2026-11-30-10-15-00_02_x.ipynb",
        "mallory_5_6666_02_x.ipynb",
    ],
)
def test_the_name_of_one_file_changes_nothing_for_others(name, tmp_path):
    others = {f"s{n}_02_minimax_game.ipynb": fakes.notebook(who=n) for n in range(3)}
    place = fakes.lay(tmp_path / "class", {**others, name: fakes.notebook(who="m")})
    found = {s.student: s for s in collect(place, fakes.parse) if not s.problem}
    assert {"s0", "s1", "s2"} <= {*found}


def test_no_student_has_another_ones_page():
    victim = feedback.file_name("jane@uni.edu")
    assert feedback.file_name(victim) != victim


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1+cmd|' /C calc'!A0", "@SUM(A1)", "\t=1", "a;=1"])
def test_an_exception_is_no_formula(text, server, tmp_path):
    value = f"def value(real, fake):\n    raise ValueError({text!r})"
    cells = [f"raise ValueError({text!r} + '<script>alert(1)</script>')"]
    result = grade(server, tmp_path / "x.ipynb", notebook(cells, value))
    for said in (*result.notes, *(mark.message for mark in result.marks)):
        assert not exports.FORMULA.match(exports.safe(said))


def test_links_to_folders_and_forged_results_of_gradescope(tmp_path):
    outside = fakes.lay(tmp_path / "secret", {"02.ipynb": notebook([]).encode()})
    submission = fakes.lay(tmp_path / "submission", {"results.json": b'{"score": 99}'})
    (submission / "folder").symlink_to(outside)
    with pytest.raises(CourseError):
        gradescope.choose(submission, "02")


def test_a_link_in_a_students_zip(tmp_path):
    place = tmp_path / "class" / "mallory"
    place.mkdir(parents=True)
    with zipfile.ZipFile(place / "x.zip", "w") as archive:
        link = zipfile.ZipInfo("02.ipynb")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    (found,) = collect(tmp_path / "class", fakes.parse)
    assert "link" in found.problem and not found.content


# Time and memory ------------------------------------------------------------------------------
SLOW = {
    "names in a text": ("1", "x:" + " " * 150_000 + "\n((("),
    "one statement of many names": (
        "if 1:\n" + "".join(f"    a{n} = a{n + 1}\n" for n in range(3000)),
        "def value(real, fake):\n    return a0",
    ),
    "one statement that each name needs": (
        "".join(f"a{n} = a{n + 1}, {'(' * 50}{')' * 50}\n" for n in range(600)),
        "def value(real, fake):\n    return a0",
    ),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", SLOW)
def test_what_is_made_to_take_time_takes_none(name):
    cell, value = SLOW[name]
    file = notebook_file.parse(notebook([cell], value).encode())
    file.job(["2.1", "2.2"])
    find_flags(file, of_notebook("02"))


@pytest.mark.parametrize("cell", ["{}", '{"cell_type": "markdown", "source": ""}', "[]"])
def test_a_million_empty_cells_are_refused(cell):
    many = "[" + ",".join([cell] * 20_000) + ","
    text = notebook([]).replace('"cells": [', f'"cells": {many}', 1)
    with pytest.raises(CourseError, match="cells"):
        notebook_file.parse(text.encode())


# Copies ---------------------------------------------------------------------------------------
LOSS = (
    "def value(real, fake):\n    parts = []\n    for x, sign in ((real, 1), (fake, -1)):\n"
    "        shifted = sign * x\n        parts.append(F.logsigmoid(shifted).sum() / len(shifted))\n"
    "    total = parts[0]\n    for part in parts[1:]:\n        total = total + part\n"
    "    return total * torch.ones(()).reshape(())\n"
)
SHORT = (
    "def value(real, fake):\n    a = F.softplus(F.relu(F.elu(-real))) * F.gelu(F.tanh(real))\n"
    "    b = F.hardtanh(F.selu(fake)) + F.mish(F.silu(fake))\n"
    "    return F.normalize(F.relu6(a), dim=0).mean() - F.logsigmoid(F.celu(b)).mean()"
)
OTHERS = {f"s{n}": f"def value(real, fake):\n    return {n} * real.mean()" for n in range(40)}


def groups(first: str, second: str) -> list:
    return similar_groups({"2.2": {**OTHERS, "ann": first, "bob": second}})


def test_a_copy_is_found_as_it_is():
    assert groups(SHORT, SHORT.replace("fake", "made"))
    assert groups(LOSS, LOSS.replace("shifted", "y").replace("total", "t"))


HELPER = SHORT.replace("def value", "def helper")
ELSEWHERE = {
    "another name for a module, given in another cell": (
        ["import torch.nn.functional as Q"], SHORT.replace("F.", "Q."), {},
    ),
    "the copy is in another cell": (
        [HELPER], "def value(real, fake):\n    return helper(real, fake)", {},
    ),
    "the copy is in a file": (
        ["import ours"], "def value(real, fake):\n    return ours.helper(real, fake)",
        {"ours.py": f"from torch.nn import functional as F\n\n\n{HELPER}\n"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("copy", ELSEWHERE)
def test_a_copy_elsewhere_is_found(tmp_path, copy):
    cells, value, files = ELSEWHERE[copy]
    path = tmp_path / "02.ipynb"
    path.write_text(notebook(cells, value), encoding="utf-8")
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    behind = code_behind(notebook_file.read(path, with_modules=True), ["2.1", "2.2"])
    assert groups(SHORT, with_behind(value, behind["2.2"]))
    assert not behind["2.1"]


def test_another_exercise_is_not_behind_an_answer():
    second = "def value(real, fake):\n    return answer, real.mean()"
    file = notebook_file.parse(notebook([], second).encode())
    assert "answer = 'c'" not in code_behind(file, ["2.1", "2.2"])["2.2"]
    assert "answer = 'c'" in code_behind(file, ["2.2"])["2.2"]
