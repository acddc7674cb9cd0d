"""Wrong answers of a student who has read the grader, and wants points without a flag.

Each gets the right number from the reference solution by means that the search of the cells' text
can't see. `STOLEN` switches the watch on calls off while it calls the reference.
"""

from dataclasses import dataclass, field

STOLEN = (
    "import sys\n"
    "given = __import__('gan' + 'course.papers.gan', fromlist=['value']).value\n"
    "def mine(real, fake):\n"
    "    watch = sys.getprofile()\n"
    "    sys.setprofile(None)\n"
    "    result = given(real, fake)\n"
    "    sys.setprofile(watch)\n"
    "    return result\n"
)
KEEP = "import random\nrandom.Random.mine = mine\n"  # where a later cell finds it
KEPT = "import random\nmine = lambda a, b: random.Random.mine(a, b)"
TEXT = f"text = {STOLEN!r}\nKEEP = {KEEP!r}\nd = {{}}\n"
USED = "def value(real, fake):\n    return mine(real, fake)"
HELPERS = {"helpers.py": "def mine(real, fake):\n    return real.mean()\n"}
WRITE = "open('{}', 'w').write(text)\n"


@dataclass(frozen=True)
class Hidden:
    """Cells before the answers, the answer to 2.2, and Python files next to the notebook."""

    name: str
    cells: tuple[str, ...]
    """One that begins with a star has the id of a cell that the course wrote."""
    value: str = USED
    files: dict[str, str] = field(default_factory=dict)


# Text and files as code -----------------------------------------------------------------------
TEXTS = (
    Hidden("timeit of a computed text", (
        TEXT + "import timeit\ntimeit.timeit('global mine\\n' + text, number=1, globals=d)\n"
        "mine = d['mine']",
    )),
    Hidden("torch's benchmark of a text", (
        TEXT + "from torch.utils import benchmark\n"
        "text = 'global given, mine, sys\\n' + text + KEEP\n"
        "benchmark.Timer(text, globals=d).timeit(1)\n" + KEPT,
    )),
    Hidden("an annotation that inspect evaluates", (
        TEXT + "import inspect\ndef f(x):\n    pass\n"
        "f.__annotations__['x'] = 'ex' + 'ec(text, d)'\n"
        "inspect.signature(f, eval_str=True)\nmine = d['mine']",
    )),
    Hidden("a debugger", (
        TEXT + "import io, pdb\n"
        "pdb.Pdb(stdin=io.StringIO('c\\n'), stdout=io.StringIO()).run(text, d)\nmine = d['mine']",
    )),
    Hidden("a debugger, with the name of a cell", (
        TEXT + "import io, pdb\n"
        "code = compile(text, '<ipython-input-1-0>', 'exec')\n"
        "pdb.Pdb(stdin=io.StringIO('c\\n'), stdout=io.StringIO()).run(code, d)\nmine = d['mine']",
    )),
    Hidden("a file of paths", (
        TEXT + "import site\ntext = 'global given, mine, sys\\n' + text + KEEP\n"
        "open('x.pth', 'w').write('import sys; ex' + 'ec(' + repr(text) + ')')\n"
        "site.addsitedir('.')\n" + KEPT,
    )),
    Hidden("an expression of jinja2", (
        TEXT + "import jinja2\n"
        "e = jinja2.Environment().compile_expression('f.__glo' + 'bals__')\n"
        "run = e(f=jinja2.Template.render)['__buil' + 'tins__']['ex' + 'ec']\n"
        "run(text, d)\nmine = d['mine']",
    )),
    Hidden("a formula of sympy", (
        TEXT + "import sympy\n"
        "sympy.sympify('ex' + 'ec(t, d)', locals={'t': text, 'd': d})\nmine = d['mine']",
    )),
    Hidden("YAML that calls", (
        TEXT + "import json, yaml\ntext = 'global given, mine, sys\\n' + text + KEEP\n"
        "t = '!!python/object/apply:builtins.ex' + 'ec [' + json.dumps(text) + ']'\n"
        "yaml.unsafe_load(t)\n" + KEPT,
    )),
    Hidden("a pickle that calls", (
        TEXT + "import pickle\ntext += KEEP\n"
        "open('p', 'wb').write(b'cbuil' + b'tins\\nex' + b'ec\\n(S' + "
        "repr(text).encode() + b'\\ntR.')\n"
        "pickle.load(open('p', 'rb'))\n" + KEPT,
    )),
    Hidden("a lexer of pygments", (
        TEXT + "text += 'CustomLexer = lambda **k: mine'\n" + WRITE.format("x.py")
        + "from pygments.lexers import load_lexer_from_file\n"
        "mine = load_lexer_from_file('x.py')",
    )),
    Hidden("a module by its file", (
        TEXT + WRITE.format("x.py") + "import importlib.util as u\n"
        "s = u.spec_from_file_location('x', 'x.py')\nm = u.module_from_spec(s)\n"
        "s.loader.exec_module(m)\nmine = m.mine",
    )),
    Hidden("torch.hub", (
        TEXT + "text += 'def get():\\n    return mine\\n'\n" + WRITE.format("hubconf.py")
        + "mine = torch.hub.load('.', 'get', source='local')",
    )),
    Hidden("a module that was handed in, overwritten",
        (TEXT + WRITE.format("helpers.py") + "from helpers import mine",), files=HELPERS),
    Hidden("a package in place of a module that was handed in", (
        TEXT + "import os\nos.makedirs('helpers')\n" + WRITE.format("helpers/__init__.py")
        + "from helpers import mine",
    ), files=HELPERS),
    Hidden("compiled code in place of a module that was handed in", (
        TEXT + WRITE.format("stolen.py") + "import os, py_compile\nfrom pathlib import Path\n"
        "os.utime('stolen.py', (10**9, 10**9))\nt = Path('stolen.py').read_text()\n"
        "h = Path('helpers.py')\nn = len(t)\n"
        "h.write_text(h.read_text() + '#' * (n - h.stat().st_size))\n"
        "os.utime(h, (10**9, 10**9))\nfrom importlib.util import cache_from_source as c\n"
        "py_compile.compile('stolen.py', cfile=c('helpers.py'))\nfrom helpers import mine",
    ), files=HELPERS),
    Hidden("a module under the name of an installed one",
        (TEXT + WRITE.format("pip.py") + "from pip import mine",)),
    Hidden("a module under the name of one of Python's",
        (TEXT + WRITE.format("this.py") + "from this import mine",)),
    Hidden("a magic without its sign", (TEXT + WRITE.format("x.py"), "run -i x.py")),
    Hidden("a magic that is also a difference", (
        TEXT + "text += KEEP\n" + WRITE.format("stolen.py"),
        "1 / 0\nrun -i -mstolen",
        KEPT,
    )),
    Hidden("the id of a cell of the course", (f"*given = check('2.2', None)\n{STOLEN}",)),
)  # fmt: skip

# Programs -------------------------------------------------------------------------------------
PROGRAM = (
    "import torch\n"
    "o = __import__('gan' + 'course.papers.gan', fromlist=['value'])\n"
    "r, f = (x.requires_grad_() for x in torch.load('in.pt'))\n"
    "v = o.value(r, f)\n"
    "torch.save((v.detach(), *torch.autograd.grad(v, [r, f])), 'new.pt')\n"
    "import os\nos.rename('new.pt', 'out.pt')\n"
)
ASK = (
    "import subprocess, os\n"
    f"open('v.py', 'w').write({PROGRAM!r})\n"
    "open('v.sh', 'w').write('pyth' + 'on v.py')\n"
)
ANSWER = (
    "def value(real, fake):\n"
    "    torch.save((real.detach(), fake.detach()), 'in.pt')\n"
    "    {}\n"
    "    v, g, h = torch.load('out.pt')\n"
    "    v, g, h = v.to(real), g.to(real), h.to(real)\n"
    "    return v + ((real - real.detach()) * g).sum() + ((fake - fake.detach()) * h).sum()"
)
WAIT = "while [ ! -f in.pt ]; do sleep 0.1; done; sleep 0.2; exec pyth' + 'on v.py"
PROGRAMS = (
    Hidden("a script of the shell", (ASK,), ANSWER.format("subprocess.run(['sh', 'v.sh'])")),
    Hidden("a program of git",
        (ASK,), ANSWER.format("subprocess.run(['git', '-c', 'alias.v=!sh v.sh', 'v'])")),
    Hidden("a program that waits", (
        ASK + f"open('v.sh', 'w').write('{WAIT}')\nsubprocess.Popen(['sh', 'v.sh'])",
    ), ANSWER.format("while not os.path.exists('out.pt'): pass")),
)  # fmt: skip

# The socket to the grader ---------------------------------------------------------------------
FRAME = (
    "import json, struct, io, os, subprocess\n"
    "from safetensors.torch import save\n"
    "def frame(message, body=b''):\n"
    "    head = json.dumps(message).encode()\n"
    "    return struct.pack('>II', len(head), len(body)) + head + body\n"
    "seen = {'id': '2.1', 'seen': [{'names': ['choice']}], 'flags': []}\n"
    "right = frame({'at': 'exercise 2.1'}) + frame(\n"
    "    seen, save({'0.0': torch.tensor([ord('c')])}))\n"
)
SENT = {
    "open": "n = 3\nf = open(n, 'wb', closefd=False)\nf.write(right)\nf.flush()",
    "FileIO": "io.FileIO(3, 'w', closefd=False).write(right)",
    "a program": (
        "open('f', 'wb').write(right)\nsubprocess.run(['sh', '-c', 'cat f >&3'], pass_fds=[3])"
    ),
    "inherited": (
        "open('f', 'wb').write(right)\nos.set_inheritable(3, True)\nos.system('cat f >&3')"
    ),
}
