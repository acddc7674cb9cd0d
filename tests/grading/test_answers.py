"""`gancourse check` and `gancourse grade` agree on the answers in odd notebooks too."""

import os
import sys
from pathlib import Path

import pytest
from handmade import CHOICE, LOSS, RIGHT, SETUP, WRONG, code, course_cell, exercise, text
from sandboxed import needs_a_sandbox

from gancourse.exercises import find
from gancourse.grading.answers import collector
from gancourse.grading.answers.notebook_file import read
from gancourse.grading.answers.preview import preview
from gancourse.grading.judging import marking

START = code(SETUP)
VALUE, LOSS_CELLS = exercise("2.2", RIGHT), exercise("2.5", LOSS)
CHECK = VALUE[1]
HELPER = "def helper(x):\n    return F.logsigmoid(-x).mean()"
WITH_HELPER = "def value(real, fake):\n    return F.logsigmoid(real).mean() + helper(fake)"
RIGHT_NUMBER, WRONG_NUMBER = 'n = check("4.4", 3)', 'n = check("4.4", 9)'
BLOCK = """from torch import nn
class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        layers = []
        for n in range(2):
            layers += [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width)]
            layers += [nn.ReLU()] if n == 0 else []
        self.layers = nn.Sequential(*layers)
    def forward(self, x):
        return x + self.layers(x)"""
REFERENCE = "from gancourse.papers.gan import value"

ODD = {  # name: cells, and the verdicts that are not "unsolved"
    "a stub, untouched": (
        [*exercise("2.2", 'def value(real, fake):\n    raise NotImplementedError("Exercise 2.2")')],
        {},
    ),
    "an empty choice": ([*exercise("2.1", "answer = ...")], {}),
    "the letter of a choice": ([*exercise("2.1", CHOICE)], {"2.1": "right"}),
    "a letter with more around it": ([*exercise("2.1", 'answer = " (B). "')], {"2.1": "wrong"}),
    "a number in a letter's place": ([*exercise("2.1", "answer = 3")], {"2.1": "wrong"}),
    "the reference, imported and checked": (
        [code(REFERENCE), code('value = check("2.2", value)')],
        {},
    ),
    "the reference, imported in the answer's place": ([*exercise("2.2", REFERENCE)], {}),
    "the reference, imported after the answer": (
        [*VALUE, code(REFERENCE), code('check("2.2", value)')],
        {"2.2": "right"},
    ),
    "the reference, imported later, without a check": (
        [VALUE[0], code(REFERENCE)],
        {"2.2": "right"},
    ),
    "the reference, handed out and checked again": (
        [*exercise("2.2", WRONG), code('value = check("2.2", value)')],
        {"2.2": "wrong"},
    ),
    "a number right, then wrong": ([code(RIGHT_NUMBER), code(WRONG_NUMBER)], {"4.4": "wrong"}),
    "a number wrong, then right": ([code(WRONG_NUMBER), code(RIGHT_NUMBER)], {"4.4": "right"}),
    "a number handed out and checked again": (
        [code(WRONG_NUMBER), code('n = check("4.4", n)')],
        {"4.4": "wrong"},
    ),
    "a fraction handed out and checked again": (
        [*exercise("1.1", "number = 0.5"), code('check("1.1", number)')],
        {"1.1": "wrong"},
    ),
    "a number handed out, never answered": ([code('n = check("4.4", n)'), code("n")], {}),
    "an earlier name, where the answer's cell is stopped before it": (
        [code("found = 1"), code(f"raise BaseException\nfound = 2\n{RIGHT}", "exercise-2-2")],
        {},
    ),
    "an answer without its check": ([VALUE[0]], {"2.2": "right"}),
    "a number without its check": ([code("number = 6.0863", "exercise-1-1")], {"1.1": "right"}),
    "an answer with a magic, without its check": (
        [code("%%time\n" + RIGHT, "exercise-2-2")],
        {"2.2": "right"},
    ),
    "an answer of no exercise's cell": ([code(RIGHT), *LOSS_CELLS], {"2.5": "right"}),
    "two copies of a cell": ([*exercise("2.2", WRONG), *VALUE], {"2.2": "right"}),
    "two copies of a cell, the later one wrong": (
        [*VALUE, *exercise("2.2", WRONG)],
        {"2.2": "wrong"},
    ),
    "two copies, one check": (
        [code(WRONG, "exercise-2-2"), VALUE[0], CHECK],
        {"2.2": "right"},
    ),
    "a check in a loop": (
        [code(RIGHT), code("for f in (len, value):\n    check('2.2', f)")],
        {"2.2": "right"},
    ),
    "a check in a function": (
        [code(RIGHT), code("def test(f):\n    return check('2.2', f)"), code("test(value)")],
        {"2.2": "right"},
    ),
    "a check of a name in a variable": (
        [code(RIGHT), code("id = '2.2'\ncheck(id, value)  # check('2.2', value)")],
        {"2.2": "right"},
    ),
    "a check before the answer": ([CHECK, VALUE[0]], {"2.2": "right"}),
    "a check before the answer, and no answer": ([CHECK, code("print(value)")], {}),
    "a renamed answer": (
        [code(RIGHT.replace("value", "mine")), code('value = check("2.2", mine)')],
        {"2.2": "right"},
    ),
    "a renamed check": (
        [code("import gancourse.exercises as ex"), code(RIGHT), code('ex.check("2.2", value)')],
        {"2.2": "right"},
    ),
    "an answer changed later": ([*VALUE, code("value = None")], {"2.2": "right"}),
    "%%time": (
        [code("%%time\n" + RIGHT), code('%%time\nvalue = check("2.2", value)')],
        {"2.2": "right"},
    ),
    "%matplotlib inline": (
        [code("%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1])"), *VALUE],
        {"2.2": "right"},
    ),
    "an unknown magic": ([code("%nonsense\n%%more"), *VALUE], {"2.2": "right"}),
    "a missing colon": (
        [*exercise("2.2", RIGHT.replace(":", "")), *LOSS_CELLS],
        {"2.5": "right"},
    ),
    "a missing colon, and the reference is used": (
        [
            *exercise("2.2", RIGHT.replace(":", "")),
            *exercise("2.5", LOSS + "\nvalue(torch.ones(2), torch.ones(2))"),
        ],
        {"2.5": "right"},
    ),
    "a missing colon, and the name is deleted": (
        [*exercise("2.2", RIGHT.replace(":", "")), code("del value"), code("value"), *LOSS_CELLS],
        {"2.5": "right"},
    ),
    "an answer that is deleted": ([*VALUE, code("del value"), code("value")], {"2.2": "right"}),
    "a wrong dedent elsewhere": (
        [code("def f(x):\n    if x:\n        return 1\n      return 2"), *VALUE],
        {"2.2": "right"},
    ),
    "Colab's drive before the imports": (
        [code(f"from google.colab import drive\ndrive.mount('/content/drive')\n{SETUP}"), *VALUE],
        {"2.2": "right"},
    ),
    "a cell that fails before the answer": (
        [code("import nonsense\n1 / 0"), *VALUE],
        {"2.2": "right"},
    ),
    "an answer below a statement that fails": (
        [*exercise("2.2", "1 / 0\n" + RIGHT)],
        {"2.2": "right"},
    ),
    "a student's own helper cell": (
        [code(HELPER), *exercise("2.2", WITH_HELPER)],
        {"2.2": "right"},
    ),
    "a helper that is overwritten later": (
        [code(HELPER), *exercise("2.2", WITH_HELPER), code("helper = sum = 3")],
        {"2.2": "right"},
    ),
    "a helper that is defined later": (
        [*exercise("2.2", WITH_HELPER), code(HELPER)],
        {"2.2": "right"},
    ),
    "a helper that is missing": ([*exercise("2.2", WITH_HELPER)], {"2.2": "wrong"}),
    "a helper in a file next to the notebook": (
        [code("from my_helper import helper"), *exercise("2.2", WITH_HELPER)],
        {"2.2": "right"},
    ),
    "a helper in a file that a cell writes": (
        [
            code("%%writefile written.py\nfrom torch.nn import functional as F\n" + HELPER),
            code("from written import helper"),
            *exercise("2.2", WITH_HELPER),
        ],
        {"2.2": "right"},
    ),
    "training, which is skipped": (
        [course_cell("while True: pass\nmodel = 1", ["training"]), code("print(model)"), *VALUE],
        {"2.2": "right"},
    ),
    "a helper in a training cell": (
        [code(f"while True: pass\n{HELPER}", tags=["training"]), *exercise("2.2", WITH_HELPER)],
        {"2.2": "right"},
    ),
    "a helper below a form feed in a training cell": (
        [code(f"t = 'a\x0cb'\n{HELPER}", tags=["training"]), *exercise("2.2", WITH_HELPER)],
        {"2.2": "right"},
    ),
    "an answer merged into a training cell": (
        [code(RIGHT, tags=["training"]), CHECK],
        {"2.2": "right"},
    ),
    "a constant, an alias and a short function in a training cell": (
        [
            code(
                "EPS = -0.0\nL, (a, b) = F.logsigmoid, (1, 2 * 0.5)\n"
                "m: object = lambda x: x.mean()\nwhile True: pass\nG = train()",
                tags=["training"],
            ),
            *exercise("2.2", "def value(x, y):\n    return m(L(x)) + m(L(-y)) * a * b + EPS"),
        ],
        {"2.2": "right"},
    ),
    "two answers of one name, without their checks": (
        [code('answer = "c"', "exercise-2-1"), code('answer = "x"', "exercise-2-7")],
        {"2.1": "right", "2.7": "wrong"},
    ),
    "an answer that another cell improves, without its check": (
        [code(WRONG, "exercise-2-2"), code(RIGHT), code("value(torch.ones(2), torch.ones(2))")],
        {"2.2": "right"},
    ),
    "a name that the course uses again, without its check": (
        [VALUE[0], course_cell("for i in range(2):\n    value = i")],
        {"2.2": "right"},
    ),
    "an answer imported from the student's own file, without its check": (
        [code("from my_value import value", "exercise-2-2")],
        {"2.2": "right"},
    ),
    "answers that can't be looked at, without a check": (
        [
            code(
                "class Odd:\n    @property\n    def __class__(self):\n        raise KeyError\n"
                "    __signature__ = __class__\n    def __call__(self, *x):\n        return 1\n"
                f"odd = Odd()\n{RIGHT}",
                "exercise-2-2",
            )
        ],
        {"2.2": "right"},
    ),
    "an answer that needs training": (
        [
            code("weight = float(input())", tags=["training"]),
            *exercise("2.2", WITH_HELPER.replace("helper(fake)", "weight")),
        ],
        {"2.2": "wrong"},
    ),
    "a class": ([code(BLOCK), code('Block = check("9.1", Block)')], {"9.1": "right"}),
    "a class without its check": ([code(BLOCK, "exercise-9-1")], {"9.1": "right"}),
    "torch.compile": ([*exercise("2.2", "@torch.compile\n" + RIGHT)], {"2.2": "right"}),
    "what torch was set to": (
        [code("torch.set_default_dtype(torch.float64)\ntorch.set_grad_enabled(False)"), *VALUE],
        {"2.2": "right"},
    ),
    "warnings as errors": (
        [
            code("import warnings\nwarnings.simplefilter('error')"),
            *exercise("2.2", RIGHT.replace("return", "warnings.warn('x'); return")),
        ],
        {"2.2": "right"},
    ),
    "an answer that can't be compared": (
        [
            *exercise(
                "2.2", "def value(real, fake):\n    return torch.zeros(2).to(torch.complex64)"
            ),
            *exercise("2.5", "class E(BaseException): pass\ndef generator_loss(f):\n    raise E"),
        ],
        {"2.2": "wrong", "2.5": "wrong"},
    ),
}  # fmt: skip


@needs_a_sandbox
@pytest.mark.parametrize("name", ODD)
def test_check_and_grade_agree(name, server, tmp_path):
    cells, expected = ODD[name]
    path = tmp_path / "renamed (1).ipynb"
    path.write_text(text([START, *cells]), encoding="utf-8")
    (tmp_path / "my_helper.py").write_text(f"import torch.nn.functional as F\n{HELPER}")
    (tmp_path / "my_value.py").write_text(f"import torch.nn.functional as F\n{RIGHT}")
    before = Path.cwd(), list(sys.path), dict(os.environ)
    checked = preview(path)
    saved = tmp_path / "saved.ipynb"
    saved.write_bytes(read(path, with_modules=True).content)
    graded = marking.grade(saved, b"secret", server=server)
    assert (Path.cwd(), sys.path, dict(os.environ)) == before
    assert {v.exercise.id: v.status for v in checked.verdicts if v.status != "unsolved"} == expected
    assert {m.exercise: m.status for m in graded.marks if m.status != "unsolved"} == expected
    assert [v.exercise.id for v in checked.verdicts] == [m.exercise for m in graded.marks]
    assert tuple(note for note in checked.notes if "hand these in" not in note) == graded.notes


def test_what_ended_a_cell_is_reported():
    shell = collector.make_shell()
    error = collector.run_cell(shell, "import google.colab.nothing\nraise KeyboardInterrupt")
    assert isinstance(error, KeyboardInterrupt)
    error = collector.run_cell(shell, "1 / 0\nseen = 1\nraise ValueError")
    assert isinstance(error, ZeroDivisionError) and shell.user_ns["seen"] == 1
    type(shell).clear_instance()


PRESSED = "import signal\nsignal.raise_signal(signal.SIGINT)"


def test_ctrl_c_ends_the_students_check(tmp_path):
    path = tmp_path / "x.ipynb"
    own = code("raise KeyboardInterrupt")  # it ends its cell
    path.write_text(text([START, own, *VALUE]), encoding="utf-8")
    assert "raised KeyboardInterrupt" in str(preview(path))
    path.write_text(text([START, *VALUE, code(PRESSED)]), encoding="utf-8")
    with pytest.raises(KeyboardInterrupt):
        preview(path)


def test_observations_of_fewer_cases_are_not_right():
    exercise = find("2.2")
    seen = collector.observe(exercise, exercise.reference, seed=1)
    assert len(seen) > 1 and collector.verdict(exercise, 1, seen).status == "right"
    for part in (seen[:1], [*seen, seen[0]]):
        assert collector.verdict(exercise, 1, part).status == "wrong"
    assert collector.verdict(exercise, 1, []).status == "unsolved"


def test_notes_are_about_the_students_cells(tmp_path):
    cells = [
        START,
        course_cell("model = train()", ["training"]),
        course_cell("print(model)"),
        code("print(model.size)"),
        code("1 / 0"),
    ]
    path = tmp_path / "x.ipynb"
    path.write_text(text([*cells, *VALUE]), encoding="utf-8")
    assert preview(path).notes == (
        "cell 5 raised ZeroDivisionError: division by zero",
        "cells 4 need what did not run; training (cells 2) is not run here",
    )


def test_a_class_of_errors_without_a_text():
    class Silent(Exception):
        def __str__(self) -> str:
            raise self

    assert collector.text_of(Silent()) == ""
