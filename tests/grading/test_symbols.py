"""What is compared of two answers: code, without what is easily changed."""

import pytest

from gancourse.grading.judging.symbols import all_fragments, fragments

CODE = """
import torch.nn.functional as F
def loss(real, fake):
    total = F.softplus(-real).mean() + F.softplus(fake).mean()
    return total / 2
"""
SAME = {
    "renamed": CODE.replace("real", "echt").replace("total", "x").replace("loss", "f"),
    "imported otherwise": CODE.replace("F.", "G.").replace(
        "import torch.nn.functional as F", "from torch.nn import functional as G"
    ),
    "more imports": "import numpy as np\nimport math\n" + CODE,
    "constants": CODE.replace("2", "2.0"),
    "comments": CODE.replace("\n    return", "  # mine\n    # my own\n\n    return"),
    "docstring": CODE.replace("    total", "    '''Mine.'''\n    total", 1),
    "annotations": CODE.replace("real, fake):", "real: Tensor, fake: Tensor) -> Tensor:"),
    "timed": "%%time\n" + CODE,
    "captured, with braces": "%%capture out\nx = '{total}'\n" + CODE,
    "indented": "\n".join(f"  {line}" for line in CODE.split("\n")),
    "printed": CODE.replace("    return", "    print(total.shape)\n    return"),
}


@pytest.mark.parametrize("name", SAME)
def test_what_is_easily_changed_does_not_count(name):
    code = f"x = '{{total}}'\n{CODE}" if "braces" in name else CODE
    assert fragments(SAME[name]) == fragments(code)


def test_other_code_is_other_code():
    assert fragments(CODE.replace("mean", "sum")) != fragments(CODE)


def test_lambdas_and_inner_functions_are_answers_too():
    registered = "alternatives = (lambda a, b: (a - b).square().mean().sqrt(), 1)"
    answer = "def f(x, y):\n    return (x - y).square().mean().sqrt()"
    assert set(fragments(answer)) <= all_fragments(registered)


@pytest.mark.parametrize("source", ["(" * 10_000, "\0", "", "-" * 100_000 + "1", "x" * 60_000])
def test_absurd_answers_are_left_out(source):
    assert not fragments(source) and not all_fragments(source)
