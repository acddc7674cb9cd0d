"""Signs that an answer is a reference solution are flagged, and honest code is not."""

import inspect
import json
from pathlib import Path

import disguises
import honest
import pytest
from handmade import RIGHT, SETUP, WRONG, cells, code, exercise, text
from sandboxed import needs_a_sandbox

from gancourse.exercises import of_notebook
from gancourse.grading.answers.notebook_file import parse
from gancourse.grading.judging import marking
from gancourse.grading.judging.flags import find_flags
from gancourse.papers import gan

ROOT = Path(__file__).resolve().parents[2]


def flags(*cells: dict) -> dict[str, tuple[str, ...]]:
    return find_flags(parse(text([code(SETUP + ", verdict"), *cells]).encode()), of_notebook("02"))


@pytest.mark.parametrize(
    "source",
    [
        "from gancourse.papers.gan import value",
        "from gancourse.papers.gan import value as mine\nvalue = mine",
        "import gancourse.papers.gan as o\nvalue = o.value",
        "import gancourse.papers.gan\nvalue = lambda r, f: gancourse.papers.gan.value(r, f)",
        "from gancourse.papers import gan\ndef value(real, fake):\n"
        "    return gan.value(real, fake)",
    ],
)
def test_use_of_the_reference_flags_its_exercise(source):
    assert "uses the reference solution" in flags(*exercise("2.2", source))["2.2"][0]
    first, *rest = source.split("\n")
    apart = flags(code(first), *exercise("2.2", "\n".join(rest) or "value = value"))
    assert "2.2" in apart or "value as mine" not in first


@pytest.mark.parametrize(
    "source",
    [
        "import gancourse.papers.gan as o\nvalue = getattr(o, 'val' + 'ue')",
        "import importlib\nvalue = importlib.import_module('gancourse.papers.gan')",
        "from gancourse.exercises import find\nvalue = find('2.2').reference",
        "import gancourse.exercises.base as b\nb.compare = None",
        "import sys\nsys.setprofile(None)",
        "import builtins\nbuiltins.all = any",
        "import ctypes",
        "torch.isclose = None",
        "eval('1')",
        "x = y.alternatives",
    ],
)
def test_the_means_to_reach_behind_flag_the_notebook(source):
    assert flags(code(source), *exercise("2.1", "answer = 1"))[""]


@pytest.mark.parametrize(
    "source",
    [
        WRONG,
        RIGHT,
        "import math, os, sys, gc, inspect\nprint(os.getcwd(), sys.version)",
        "from gancourse import env\nfrom gancourse.datasets import toy\nenv.start()",
        "from gancourse.papers.gan import descend\nloss = torch.ones(3)\nloss.requires_grad = True",
        "class A:\n    pass\na = A()\na.value = 3\nobserve = a.value",
        "import re\nre.compile('x')",
        "%matplotlib inline\nx = '''\n%y\n'''",
        "not python at all",
    ],
)
def test_honest_code_is_not_flagged(source):
    assert not flags(code(source), *exercise("2.2", RIGHT))


@pytest.mark.parametrize("source", honest.CELLS, ids=range(len(honest.CELLS)))
def test_what_students_and_users_of_colab_write_is_not_flagged(source):
    assert not flags(code(source), *exercise("2.2", RIGHT))
    assert not flags(*exercise("2.2", f"{source}\n{RIGHT}"))


def test_the_course_itself_is_honest_when_all_of_it_is_edited():
    for path in sorted((ROOT / "solutions").glob("*.ipynb")):
        document = json.loads(path.read_text(encoding="utf-8"))
        for cell in document["cells"]:
            del cell["id"]
        file = parse(json.dumps(document).encode())
        assert "" not in find_flags(file, of_notebook(file.notebook)), path


@pytest.mark.parametrize("name", [*disguises.EARNING, *disguises.OTHERS])
def test_a_disguise_is_flagged(name):
    early, value = (disguises.EARNING | disguises.OTHERS)[name]
    assert flags(*([code(early)] if early else []), *exercise("2.2", value or WRONG))


def test_a_cell_that_cannot_be_searched_is_flagged_itself():
    found = flags(code("!a\n" * 200), *exercise("2.2", RIGHT))
    assert found == {"": ("cell 2 can't be read as Python, so it was not searched",)}


def test_tries_in_several_cells_are_counted_together():
    cells = [code(f'verdict("2.1", "{letter}")') for letter in "abc"]
    start = exercise("2.2", RIGHT)[1]
    assert not flags(start, *cells[:2])
    assert flags(start, *cells)[""] == ("tries answers to 2.1 one after another: cell 5",)
    assert not flags(start, *(code(f'verdict("2.2", lambda r, f: {n})') for n in range(5)))


def test_a_copy_is_recognized_under_other_names():
    source = inspect.getsource(gan.gan_step)
    for old, new in (("fake", "made"), ("loss_", "cost_"), ("batches", "source")):
        source = source.replace(old, new)
    copied = flags(code(source, "exercise-2-6"))
    assert copied["2.6"] == ("its code is the reference's, except for names",)
    for answer in of_notebook("02")[5].alternatives:
        try:
            honest = inspect.getsource(answer)
        except (OSError, TypeError):
            continue
        assert "2.6" not in flags(code(honest, "exercise-2-6"))


CALLS = {  # of the reference, disguised
    "in a thread": "import threading\nimport gancourse.papers.gan as o\n"
    "def value(real, fake):\n    out = []\n"
    "    t = threading.Thread(target=lambda: out.append(o.__dict__['val' + 'ue'](real, fake)))\n"
    "    t.start(); t.join()\n    return out[0]",
    "in a partial": "import functools, gancourse.papers.gan as o\n"
    "value = functools.partial(o.__dict__['value'])",
    "in torch's wrapper": "import operator, gancourse.papers.gan as o\n"
    "value = torch.enable_grad()(operator.attrgetter('value')(o))",
    "by a frame": "def value(real, fake):\n    try:\n        1 / 0\n"
    "    except ZeroDivisionError as e:\n"
    "        f = e.__traceback__.tb_frame\n"
    "    while 'calls' not in f.f_locals:\n        f = f.f_back\n"
    "    out = f.f_locals['exercise'].__dict__['reference'](real, fake)\n"
    "    f.f_locals['calls'].clear()\n    return out",
}


@needs_a_sandbox
@pytest.mark.parametrize("name", [*CALLS, *disguises.EARNING, *disguises.WATCHED])
def test_a_disguised_call_of_the_reference_is_flagged(name, server, tmp_path):
    made = disguises.EARNING | disguises.WATCHED
    early, value = made.get(name) or ("", CALLS[name])
    path = tmp_path / "x.ipynb"
    path.write_text(text(cells(early, value or WRONG)), encoding="utf-8")
    result = marking.grade(path, b"secret", server=server)
    assert result.flagged


@needs_a_sandbox
@pytest.mark.parametrize("name", disguises.HONEST)
def test_honest_answers_raise_no_suspicion_when_they_run(name, server, tmp_path):
    path = tmp_path / "x.ipynb"
    path.write_text(text(cells(*disguises.HONEST[name])), encoding="utf-8")
    result = marking.grade(path, b"secret", server=server)
    assert {mark.exercise: mark.earned for mark in result.marks}["2.2"] == 2
    assert not result.flagged, result


@pytest.mark.timeout(100)  # it takes milliseconds
def test_long_paths_take_no_time():
    """Six kilobytes that once kept the grader, outside the sandbox, busy for minutes."""
    source = (
        "import gancourse as g\ng"
        + ".a" * 900
        + "\n"
        + "".join(f'check("2.{i}", 0)\n' for i in range(1, 9))
    )
    flags(code(source, "exercise-2-2"))


ABSURD = (
    "import torch\nx = torch" + ".a" * 900,
    "import torch\ntorch" + ".a" * 900 + " = 1",
    "x = 1\nx" + ".__class__" * 900 + " = 1",
    "check('2.1', " + "-" * 900 + "1)",
    "import torch\n" + "f(" * 90 + "torch" + ")" * 90,
    "x = " + "[" * 90 + "check" + "]" * 90,
    "y = " + "+".join(["x"] * 900),
    "import torch as a0\n" + "\n".join(f"a{n} = a{n - 1}" for n in range(1, 900)),
    "x = 1\n" * 12_000,
    "import torch\ntorch" + ".a()" * 300,
    "f" + "()" * 500,
    "import importlib\nimportlib.import_module('').x\nfrom . import y\nfrom .. import *",
    "getattr()\nopen()\nverdict()\ncheck('2.1')\nget_ipython().system()\ntype()\nvars()",
    "import subprocess, os\nsubprocess.run()\nsubprocess.run([])\nos.system(*x)\nos.popen(cmd=1)",
    "verdict('2.1', 'a')\n" * 2000,
    "x = '" + "{" * 3000 + "'\n!echo " + "{" * 3000,
    "!echo " + "{x" * 300 + "}" * 300,
    "s = '" + "gancourse/" * 5000 + "'",
    "!" + "cp * ? [ " * 2000,
)


@pytest.mark.timeout(100)  # it takes milliseconds
@pytest.mark.parametrize("source", ABSURD, ids=range(len(ABSURD)))
def test_absurd_code_takes_no_time_and_breaks_nothing(source):
    flags(code(source), *exercise("2.2", f"{source}\n{RIGHT}"))
