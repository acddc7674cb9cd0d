"""Honest notebooks that are odd in ways in which students' are, for a class that is graded at once.

`CLASS` has, for each student, a change of a solved notebook 02, and the exercises that an honest
judge gives no points. Nothing in them is worth a flag, except where it says so.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from handmade import code, text

Cells = list[dict]
Change = Callable[[Cells], Cells]


@dataclass(frozen=True)
class Odd:
    """One student's notebook: what is changed in the solved one, in this order."""

    answers: Mapping[str, str] = field(default_factory=dict)
    """Exercise -> the source of its cell."""
    top: tuple[str, ...] = ()
    """Cells below the imports."""
    end: tuple[str, ...] = ()
    below: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Id of a cell -> cells below it."""
    change: Change = lambda cells: cells
    save: Callable[[Cells], bytes] = lambda cells: text(cells).encode()
    name: str = "02_minimax_game.ipynb"
    files: Mapping[str, str] = field(default_factory=dict)
    lost: frozenset[str] = frozenset()
    flagged: bool = False
    previewed: bool = True
    """Not where a cell changes the process that runs it: `check` runs in that of the tests."""

    def notebook(self, solved: Cells) -> bytes:
        """The file that is handed in."""
        cells = []
        for number, cell in enumerate(solved):
            id = str(cell.get("id"))
            new = self.answers.get(id.removeprefix("exercise-").replace("-", "."))
            cells.append({**cell, "source": new} if new and id.startswith("exercise-") else cell)
            cells += map(code, (*self.below.get(id, ()), *(self.top if number == 2 else ())))
        return self.save(self.change([*cells, *map(code, self.end)]))


def value(sum: str) -> str:
    return f"def value(real, fake):\n    return {sum}\n"


def sources(change: Callable[[str], str]) -> Change:
    """With the source of all code cells changed."""
    return lambda cells: [
        {**c, "source": change(c["source"])} if c["cell_type"] == "code" else c for c in cells
    ]


def training(new: str) -> Change:
    """With another source in the cells of training."""
    return lambda cells: [
        {**c, "source": f"{new}\n{c['source']}"} if "training" in str(c["metadata"]) else c
        for c in cells
    ]


def kinds(role: str, kind: str) -> Change:
    """With cells of a role turned into another kind."""
    return lambda cells: [
        {**c, "cell_type": kind} if str(c.get("id")).startswith(role) else c for c in cells
    ]


def with_metadata(cells: Cells) -> Cells:
    """As VS Code, Kaggle, Deepnote and nbgrader leave them, without outputs."""
    more = {"vscode": {"languageId": "python"}, "_uuid": "8f", "nbgrader": {"locked": True}}
    more |= {"jupyter": {"source_hidden": True}, "trusted": True, "deepnote_cell_type": "code"}
    kept = ("cell_type", "source")
    return [
        {k: c[k] for k in kept} | {"metadata": more, "id": f"W{n}sZmlsZQ%3D"}
        for n, c in enumerate(cells)
    ]


def with_outputs(cells: Cells) -> Cells:
    error = {"output_type": "error", "ename": "E", "evalue": "x", "traceback": ["\x1b[0m"]}
    image = {"output_type": "display_data", "metadata": {}, "data": {"image/png": "A" * 10**6}}
    return [
        {**c, "outputs": [error, image, {"output_type": "new"}], "execution_count": 99 - n}
        for n, c in enumerate(cells)
    ]


def in_one_cell(cells: Cells) -> Cells:
    """The course's own import of a reference is in the same cell as the exercise's check."""
    kept = [c for c in cells if c["cell_type"] == "code" and "training" not in str(c["metadata"])]
    return [code("\n\n".join(c["source"] for c in kept))]


def retyped(cells: Cells) -> Cells:
    """Exercises and checks are at the end, in cells of their own."""
    own = [c for c in cells if str(c.get("id")).startswith(("exercise-", "check-"))]
    rest = [c for c in cells if c not in own and "import gan_step" not in c["source"]]
    return [*rest, *(code(c["source"]) for c in own)]


HELPERS = """import torch
from torch.nn import functional as F

def log_d(logits):
    return F.logsigmoid(logits)
"""
HELPED = {"2.2": value("log_d(real).mean() + log_d(-fake).mean()")}
OWN = {"answers": HELPED, "files": {"helpers.py": HELPERS}}
COVERAGE = """def mode_coverage(points, centres, radius, least=1):
    near = torch.cdist(points, centres) <= radius
    return {}
"""
STEP = """class Step:
    def __init__(self):
        self.history = []
    def turn(self, G, D, opt_D, x, sample_z):
        with torch.no_grad():
            fakes = G(sample_z(len(x)))
        descend(opt_D, loss := discriminator_loss(D(x), D(fakes)))
        return loss
    def __call__(self, G, D, opt_G, opt_D, batches, sample_z, k=1):
        for _ in range(k):
            x = next(batches)
            loss_D = self.turn(G, D, opt_D, x, sample_z)
        descend(opt_G, loss_G := generator_loss(D(G(sample_z(len(x))))))
        self.history.append((loss_D.item(), loss_G.item()))
        return {"loss_D": loss_D.detach(), "loss_G": loss_G.detach()}

gan_step = Step()
"""
TIMED = """import functools, time
def timed(f):
    @functools.wraps(f)
    def wrapper(*args, **kwargs):
        start = time.perf_counter()
        print(f"{f.__name__}: {time.perf_counter() - start:.1f} s")
        return f(*args, **kwargs)
    return wrapper
"""
RIGHT, SIGN = (
    value(f"{sign}F.logsigmoid(real).mean() + {sign}F.logsigmoid(-fake).mean()")
    for sign in ("", "S * ")
)
LOSS = "def generator_loss(fake):\n    return F.softplus(-fake).mean()\n"
WRONG = value("F.logsigmoid(real).mean() + F.logsigmoid(fake).mean()")
TUPLE = "int((near.sum(0) >= least).sum()), near.any(1).float().mean().item()"
CONFLICT = "<<<<<<< HEAD\n{}\n=======\n{}\n>>>>>>> main"
CHECK = 'value = check("2.2", value)'

CLASS: dict[str, Odd] = {
    # helpers and modules
    "helpers_below": Odd(HELPED, end=(HELPERS, CHECK)),
    "helpers_star": Odd(top=("from helpers import *",), **OWN),
    "helpers_run": Odd(top=("%run helpers.py",), **OWN),
    "helpers_run_in_names": Odd(top=("%run -i helpers",), **OWN),
    "helpers_again": Odd(top=("import helpers, importlib\nimportlib.reload(helpers)\n"
                              "from helpers import *",), **OWN),
    "helpers_tried": Odd(top=("try:\n    from helpers import *\nexcept ImportError:\n"
                              "    !cp /content/drive/MyDrive/helpers.py .",), **OWN),
    "helpers_of_drive": Odd(top=("from google.colab import drive\ndrive.mount('/content/drive')\n"
                                 "%cd /content/drive/MyDrive\nfrom helpers import *",), **OWN),
    "answer_in_module": Odd({"2.2": "import m\nvalue = m.value"},
                            files={"m.py": f"from torch.nn import functional as F\n{RIGHT}"}),
    "module_of_windows": Odd(HELPED, ("from helpers import log_d",),
                             files={"helpers.py": "\ufeff" + HELPERS.replace("\n", "\r\n")}),
    # forms of answers
    "classes": Odd({"2.6": STEP, "2.2": "class V(nn.Module):\n    def forward(self, real, fake):\n"
                    "        return -F.softplus(-real).mean() - F.softplus(fake).mean()\n"
                    "value = V()"}),
    "lambdas": Odd({"2.2": "value = lambda r, f: F.logsigmoid(r).mean() + F.logsigmoid(-f).mean()",
                    "2.3": "optimal_discriminator = lambda p, q: 1 / (1 + q / p)"}),
    "partials": Odd({"2.5": "from functools import partial\ndef bce(logits, label):\n    return "
                     "F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))\n"
                     "generator_loss = partial(bce, label=1.0)"}),
    "methods": Odd({"2.2": "value = GAN.value", "2.3": "optimal_discriminator = GAN().best"},
                   ("class GAN:\n    @staticmethod\n    def value(real, fake):\n        return "
                    "F.logsigmoid(real).mean() + F.logsigmoid(-fake).mean()\n"
                    "    def best(self, p, q):\n        return p / (p + q)",)),
    "dispatch": Odd({"2.5": "from functools import singledispatch\n@singledispatch\n"
                     "def generator_loss(fake):\n    raise TypeError(type(fake))\n"
                     "@generator_loss.register\ndef _(fake: Tensor):\n"
                     "    return F.softplus(-fake).mean()"}),
    "decorated": Odd({"2.2": f"@timed\n{RIGHT}", "2.5": f"@timed\n{LOSS}"}, (TIMED,)),
    "compiled": Odd({"2.5": f"@torch.compile\n{LOSS}"}),
    "scripted": Odd({"2.2": f"@torch.jit.script\n{RIGHT}"}, flagged=True),
    "starred": Odd({"2.2": "def value(*logits):\n    real, fake = logits\n    return "
                    "F.logsigmoid(real).mean() + F.logsigmoid(-fake).mean()"}),
    "tensors": Odd({"2.8": COVERAGE.format(
        "(near.sum(0) >= least).sum(), near.any(1).float().mean()")}),
    "named_tuple": Odd({"2.8": "from typing import NamedTuple\nclass R(NamedTuple):\n"
                        "    modes: int\n    share: float\n" + COVERAGE.format(f"R({TUPLE})")}),
    "more_arguments": Odd({"2.8": COVERAGE.format(TUPLE).replace("least=1", "least=1, **more")}),
    "other_arguments": Odd({"2.2": RIGHT.replace("real", "настоящие").replace("fake", "假的")}),
    "vmapped": Odd({"2.9": "def r1_penalty(D, x):\n"
                    "    one = torch.func.grad(lambda v: D(v[None])[0])\n"
                    "    return torch.func.vmap(one)(x).flatten(1).square().sum(1).mean()"}),
    "of_new_python": Odd(end=("print(f'{'a'}')\ndef g[T](x: T) -> T:\n    return x",)),
    "future": Odd({"2.2": "from __future__ import annotations\n"
                   + RIGHT.replace("real,", "real: X,")}),
    "guarded": Odd({"2.5": "if __name__ == '__main__':\n    " + LOSS.replace("    ", "        ")}),
    "letters": Odd({"2.1": "answer = ' C '"}),
    # constants, files, state
    "constant_of_training": Odd({"2.2": SIGN}, change=training("S = 1")),
    "constant_of_file": Odd({"2.2": SIGN}, ("import json\njson.dump(1, open('s.json', 'w'))",
                                            "S = json.load(open('s.json'))")),
    "constant_awaited": Odd({"2.2": f"import asyncio\nS = await asyncio.sleep(0, 1)\n{SIGN}"}),
    "float64": Odd(top=("torch.set_default_dtype(torch.float64)",)),
    "seeds": Odd(change=sources(lambda s: f"import torch\ntorch.manual_seed(0)\n{s}")),
    "device": Odd({"2.9": "def r1_penalty(D, x):\n    x = x.detach().to(device).requires_grad_()\n"
                   "    g = torch.autograd.grad(D(x).sum(), x, create_graph=True)[0]\n"
                   "    return g.square().flatten(1).sum(dim=1).mean()"},
                  ("device = 'cuda' if torch.cuda.is_available() else 'cpu'\n"
                   "torch.autograd.set_detect_anomaly(True)",)),
    "gradients_off_at_end": Odd(end=("torch.set_grad_enabled(False)",)),
    "defaults_at_end": Odd(end=("torch.set_default_device('meta')", "%cd /")),
    "strict_at_end": Odd(end=("import sys, warnings\nsys.setrecursionlimit(120)\n"
                              "warnings.simplefilter('error')",), previewed=False),
    "no_output": Odd(top=("import sys\nsys.stdout = open('log.txt', 'w')",), previewed=False),
    "shadowed": Odd(end=("sum = list = 0\nnn = math = 'x'\nfig, F = 1, 2",)),
    "stars": Odd(top=("from math import *\nfrom numpy import *", "from torch.nn.functional import *"
                      "\nimport torch.nn.functional as F")),
    "printing": Odd({"2.2": RIGHT.replace("    ", "    for i in range(3000):\n"
                                          "        print('now', i)\n    ")}),
    # magics
    "magics": Odd(top=("%autosave 60\n%load_ext nb_black\n!nvidia-smi\nx = !ls -l\nx[0]\n"
                       "import seaborn as sns, einops\nnn.Linear?\n%env A=1\n%precision 3",)),
    "profiled": Odd(top=("%load_ext line_profiler\n%lprun -f len len('x')",)),
    "shells": Odd(top=("%%bash\nls", "%%sh\necho 1", "%%script false\nx", "%%html\n<b>x</b>")),
    "unknown_magic": Odd(top=("%%bigquery df\nselect 1",), flagged=True),
    "shown": Odd({"2.5": f"3\n{LOSS}\ndisplay(generator_loss(torch.zeros(3)))"},
                 ("get_ipython().system('ls')\nIn, Out",)),
    # broken cells
    "syntax": Odd(top=("def f(:", "print 'x'", "x = (1 +"), end=("def value(real,", "ring_game(")),
    "exits": Odd(top=("return", "exit()", "raise SystemExit", "raise KeyboardInterrupt")),
    "asking": Odd({"2.3": "input()\ndef optimal_discriminator(p, q):\n    return p / (p + q)"},
                  ("name = input('Name: ')", "import getpass\ngetpass.getpass()")),
    "endless_training": Odd(change=training("1 / 0\nwhile True:\n    pass")),
    "raising": Odd({"2.2": f"1 / 0\nno_such_name\n{RIGHT}\nassert value(1, 2) == 5"}),
    "conflict": Odd({"2.5": CONFLICT.format(LOSS, LOSS)}, lost=frozenset({"2.5"})),
    "conflict_elsewhere": Odd(top=(CONFLICT.format("lr = 3", "lr = 4"),)),
    # attempts
    "second_attempt": Odd({"2.2": WRONG}, below={"check-2-2": (RIGHT, CHECK)}),
    "second_attempt_there": Odd({"2.2": f"{WRONG}\n\n{RIGHT}"}),
    "own_name": Odd({"2.2": RIGHT.replace("value", "mine")},
                    below={"exercise-2-2": ('value = check("2.2", mine)',)}),
    "deleted_later": Odd(below={"check-2-1": ("del answer",)}),
    "reset": Odd(below={"check-2-9": ("%reset -f", "import math", "value = 3")}),
    "blank": Odd({"2.9": "def r1_penalty(D, x):\n    pass"}, lost=frozenset({"2.9"})),
    # cells and files
    "twice": Odd(change=lambda cells: [c for cell in cells for c in (cell, cell)]),
    "one_cell": Odd(change=in_one_cell),
    "retyped": Odd(change=retyped),
    "raw_checks": Odd(change=kinds("check-", "raw")),
    "raw_answer": Odd(change=kinds("exercise-2-9", "raw"), lost=frozenset({"2.9"})),
    "metadata": Odd(change=with_metadata),
    "outputs": Odd(change=with_outputs, name="Kopie von 02 (1).ipynb"),
    "windows": Odd(change=sources(lambda s: s.replace("\n", "  \r\n"))),
    "bom": Odd(save=lambda cells: b"\xef\xbb\xbf" + text(cells).encode()),
    "old_format": Odd(save=lambda cells: text(cells, nbformat_minor=0).encode()),
    "pretty": Odd(save=lambda cells: json.dumps(json.loads(text(cells)), indent=4)
                  .replace("\n", "\r\n").encode()),
    "Юлия_李": Odd(name="02 博弈 \N{GAME DIE}.IPYNB"),
    "named_txt": Odd(name="02_minimax_game.ipynb.txt"),
    "beside_others": Odd(files={"._02_minimax_game.ipynb": "\0", ".DS_Store": "\0", "t.py": "x",
                                ".ipynb_checkpoints/02-checkpoint.ipynb": "{}"}),
}  # fmt: skip
