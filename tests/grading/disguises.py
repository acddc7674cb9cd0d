"""Attempts to use the course's own solutions, or to tamper with the process, without a flag.

Name: a cell before the answers, and an answer to 2.2 (empty: a wrong one).
"""

EARNING = {  # full marks for 2.2
    "help line hides observer": (
        "torch?\n"
        "import gancourse.grading.answers.collector as c\n"
        "from gancourse.exercises.verdicts import try_observe as look\n"
        "c.observe_all = lambda e, a, cases: [look(e, e.reference, x) for x in cases]",
        "",
    ),
    "shell line hides": (
        "x = !ls\n"
        "import gancourse.grading.answers.collector as c\n"
        "from gancourse.exercises.verdicts import try_observe as look\n"
        "c.observe_all = lambda e, a, cases: [look(e, e.reference, x) for x in cases]",
        "",
    ),
    "indent hides": (
        "  import gancourse.grading.answers.collector as c\n"
        "  from gancourse.exercises.verdicts import try_observe as look\n"
        "  c.observe_all = lambda e, a, cases: [look(e, e.reference, x) for x in cases]",
        "",
    ),
    "copy by shutil": (
        "import shutil, sys, os\n"
        "import gancourse.shapes as s\n"
        "d = os.path.dirname(os.path.dirname(torch.__file__))\n"
        "import gancourse\n"
        "shutil.copy(os.path.join(os.path.dirname(gancourse.__file__), "
        "'papers', 'gan.py'), 'gan2.py')\n"
        "t = open('gan2.py').read().replace('mean', 'mean').replace('\"\"\"', "
        "\"'''\")\n"
        "open('gan2.py','w').write('\\n\\n' + t)",
        "import gan2\ndef value(real, fake):\n    return gan2.value(real, fake)",
    ),
    "copy by glob computed": (
        "import glob, sys\n"
        "for p in sys.path:\n"
        "    for f in glob.glob(p + '/gan*/papers/gan.py'):\n"
        "        t = open(f).read()\n"
        "open('gan2.py','w').write('\\n\\n' + t)",
        "import gan2\ndef value(real, fake):\n    return gan2.value(real, fake)",
    ),
    "sys.path into package": (
        "import sys, glob\nfor p in list(sys.path):\n    sys.path += glob.glob(p + '/gan*/papers')",
        "import gan as gan2\ndef value(real, fake):\n    return gan2.value(real, fake)",
    ),
    "codetype": (
        "import types\n"
        "given = check('2.2', None)\n"
        "f = types.FunctionType(given.__code__.replace(co_name='x'), given.__globals__)",
        "def value(real, fake):\n    return f(real, fake)",
    ),
    "_thread": (
        "import gancourse.papers.gan as o\nimport _thread, time",
        "def value(real, fake):\n"
        "    out = []\n"
        "    _thread.start_new_thread(lambda: out.append(o.value(real, fake)), ())\n"
        "    while not out: time.sleep(0.001)\n"
        "    return out[0]",
    ),
    "jit trace": (
        "g = torch.jit.trace(check('2.2', None), (torch.randn(3, "
        "requires_grad=True), torch.randn(4, requires_grad=True)))",
        "def value(real, fake):\n    return g(real, fake)",
    ),
    "time magic": (
        "%time from gancourse.papers.gan import value as mine",
        "def value(real, fake):\n    return mine(real, fake)",
    ),
    "capture magic": (
        "%%capture\nfrom gancourse.papers.gan import value as mine",
        "def value(real, fake):\n    return mine(real, fake)",
    ),
    "star": (
        "from gancourse.papers.gan import *\nmine = value",
        "def value(real, fake):\n    return mine(real, fake)",
    ),
    "FLUFL": (
        "from __future__ import barry_as_FLUFL",
        "1 <> 2\n"
        "import gancourse.papers.gan as o\n"
        "def value(real, fake):\n"
        "    return o.value(real, fake)",
    ),
    "rebound": (
        "import gancourse.papers.gan as o\n",
        "if 0: o = 1\ndef value(real, fake):\n    return o.value(real, fake)",
    ),
    "module in list": (
        "import gancourse.papers.gan as o\nfor m in [o]:\n    mine = vars(m)['val' + 'ue']",
        "def value(real, fake):\n    return mine(real, fake)",
    ),
    "module as argument": (
        "import gancourse.papers.gan as o\nmine = (lambda m: m.__dict__['val' + 'ue'])(o)",
        "def value(real, fake):\n    return mine(real, fake)",
    ),
    "walk_stack": (
        "import traceback",
        "def value(real, fake):\n"
        "    for f, _ in traceback.walk_stack(None):\n"
        "        if 'exercise' in getattr(f, 'f_' + 'locals'):\n"
        "            return getattr(f, 'f_' + "
        "'locals')['exercise'].__dict__['refer' + 'ence'](real, fake)",
    ),
    "traceback frame": (
        "",
        "def value(real, fake):\n"
        "    try:\n"
        "        1 / 0\n"
        "    except Exception as e:\n"
        "        f = getattr(e.__traceback__, 'tb_' + 'frame')\n"
        "    g = lambda f, n: getattr(f, 'f_' + n)\n"
        "    while 'exercise' not in g(f, 'locals'):\n"
        "        f = g(f, 'back')\n"
        "    return vars(g(f, 'locals')['exercise'])['refer' + 'ence'](real, fake)",
    ),
    "import_module computed": (
        "import importlib\no = importlib.import_module('gan' + 'course.papers.gan')",
        "def value(real, fake):\n    return o.value(real, fake)",
    ),
    "writefile": (
        "%%writefile mine.py\nfrom gancourse.papers.gan import value",
        "import mine\ndef value(real, fake):\n    return mine.value(real, fake)",
    ),
    "attrgetter": (
        "import operator, gancourse.papers\n"
        "mine = operator.attrgetter('g' + 'an.value')(gancourse.papers)",
        "def value(real, fake):\n    return mine(real, fake)",
    ),
    "pickle load file": (
        "import pickle, io\n"
        "mine = pickle.load(io.BytesIO(b'cgan' + b'course.papers.gan\\nvalue\\n.'))",
        "def value(real, fake):\n    return mine(real, fake)",
    ),
    "alias magic": (
        "%alias_magic t time\n%t import gancourse.papers.gan as o",
        "def value(real, fake):\n    return o.value(real, fake)",
    ),
    "helper cell": (
        "import gancourse.papers.gan as o\nhelper = lambda r, f: o.value(r, f)",
        "def value(real, fake):\n    return helper(real, fake)",
    ),
    "lambda default": (
        "import gancourse.papers.gan as o\nhelper = lambda r, f, m=o: m.value(r, f)",
        "def value(real, fake):\n    return helper(real, fake)",
    ),
    "class attr": (
        "import gancourse.papers.gan as o\nclass A:\n    m = o\n",
        "def value(real, fake):\n    return A.m.value(real, fake)",
    ),
    "walrus": (
        "(p := __import__('gancourse.papers.gan'))\nmine = p.papers.gan.value",
        "def value(real, fake):\n    return mine(real, fake)",
    ),
    "with": (
        "from contextlib import nullcontext\n"
        "import gancourse.papers.gan as o\n"
        "with nullcontext(o) as m:\n"
        "    mine = m.value",
        "def value(real, fake):\n    return mine(real, fake)",
    ),
    "dict lookup": (
        "import gancourse.papers.gan as o\nd = {'m': o}\nmine = d['m'].value",
        "def value(real, fake):\n    return mine(real, fake)",
    ),
}
OTHERS = {
    "typing hints": (
        "import typing\ndef f(x: 'setattr(torch, 1, 2)'): pass\ntyping.get_type_hints(f)",
        "",
    ),
    "doctest": (
        "import doctest\n"
        "def f():\n"
        "    '''\n"
        "    >>> import sys; sys.setprofile(None)\n"
        "    '''\n"
        "doctest.run_docstring_examples(f, {})",
        "",
    ),
    "timeit string": (
        "import timeit\ntimeit.timeit('import sys; sys.setprofile(None)', number=1)",
        "",
    ),
    "cProfile string": (
        "import cProfile\ncProfile.run('import sys; sys.setprofile(None)')",
        "",
    ),
    "load_ext": (
        "print('def load_ipython_extension(ip): ip.ex(1)', file=open('ext9.py', 'w'))\n"
        "%load_ext ext9",
        "",
    ),
    "unicode name": (
        "import sys\nsys.\N{FULLWIDTH LATIN SMALL LETTER S}etprofile(None)",
        "",
    ),
    "unicode ipython": (
        "import sys\n\N{MATHEMATICAL BOLD SMALL G}et_ipython()"
        ".run_line_magic('time', 'sys.setprofile(None)')",
        "",
    ),
    "exit hooks": (
        "import atexit",
        "",
    ),
    "tries in cells": (
        "from gancourse.exercises import verdict\n"
        "verdict('2.1','a')\n"
        "verdict('2.1','b')\n"
        "verdict('2.1','c')",
        "",
    ),
    "tries by while": (
        "from gancourse.exercises import verdict\n"
        "i = 96\n"
        "while True:\n"
        "    i += 1\n"
        "    if verdict('2.1', chr(i)).points: break",
        "",
    ),
    "tries by check": (
        "for l in 'abcde':\n    check('2.1', l)",
        "",
    ),
    "frame by exc": (
        "import sys",
        "def value(real, fake):\n"
        "    try: 1/0\n"
        "    except Exception: f = sys.exc_info()[2]\n"
        "    return f.tb_frame.f_back.f_locals['exercise'].reference(real, fake)",
    ),
    "getattr builtins": (
        "b = getattr(print, '__self__')\ngetattr(b, 'ex' + 'ec')('x = 1')",
        "",
    ),
    "self of print": (
        "b = print.__self__\nb.eval('1')",
        "",
    ),
    "type name": (
        "T = type('T', (), {})\nT.x = 1\ncls = (1).__class__.__base__.__subclasses__()",
        "",
    ),
    "copy by bash": (
        "%%bash\ncp -r $(dirname $(which python))/../../gancourse/papers/gan.py gan2.py",
        "",
    ),
    "code replaced": (
        "import gancourse.papers.gan as o\n"
        "import types\n"
        "f = lambda r, k: 0\n"
        "f.__code__ = o.value.__code__.replace(co_name='mine')",
        "def value(real, fake):\n    return f(real, fake)",
    ),
    "from torch import fx": (
        "from torch import fx\ngiven = fx.symbolic_trace(check('2.2', None))",
        "def value(real, fake):\n    return given(real, fake)",
    ),
    "multiprocessing": (
        "import gancourse.papers.gan as o\n"
        "import multiprocessing as mp\n"
        "p = mp.get_context('fork')",
        "def value(real, fake):\n"
        "    q = p.Queue()\n"
        "    t = p.Process(target=lambda: q.put(o.value(real.detach(), "
        "fake.detach()).item())); t.start()\n"
        "    return torch.tensor(q.get()) + 0 * real.sum() + 0 * fake.sum()",
    ),
    "verdict loop": (
        "from gancourse.exercises import verdict\n"
        "for letter in 'abcd':\n"
        "    if verdict('2.1', letter).status == 'right':\n"
        "        answer = letter",
        "",
    ),
    "verdict map": (
        "from gancourse.exercises import verdict\n"
        "right = [*filter(lambda a: verdict('2.1', a).status == 'right', 'abcd')]",
        "",
    ),
    "verdict passed": (
        "from gancourse.exercises import verdict\n"
        "from functools import partial\n"
        "right = [*map(partial(verdict, '2.1'), 'abcd')]",
        "",
    ),
    "braces": (
        "!echo {__import__('sys').setprofile(None)}",
        "",
    ),
    "config": (
        "%config InlineBackend.x = __import__('sys').setprofile",
        "",
    ),
    "failing rebind": (
        "import sys as s",
        "s = 1 / 0\ns.setprofile(None)",
    ),
    "alias": (
        "import sys\ns = sys\nt = s\nt.setprofile(None)",
        "",
    ),
    "match": (
        "match check:\n    case object(__globals__=g):\n        mine = g",
        "",
    ),
    "torch.sys": (
        "torch.sys.setprofile(None)",
        "",
    ),
    "__import__ computed": (
        "o = __import__('gan' + 'course.papers.gan').papers.gan",
        "def value(real, fake):\n    return o.value(real, fake)",
    ),
    "subprocess python": (
        "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'import gan' 'course'])",
        "",
    ),
    "os.popen": (
        "import os\nos.popen('cp -r /*/*/gan* .')",
        "",
    ),
    "script magic": (
        "%%script python\nimport shutil",
        "",
    ),
    "run magic": (
        "%run mine.py",
        "",
    ),
    "register magic": (
        "from IPython.core.magic import register_line_magic\n"
        "@register_line_magic\n"
        "def foo(line):\n"
        "    get_ipython().ex(line)",
        "%foo import gancourse.papers.gan as o\n",
    ),
    "hook": (
        "shell = get_ipython()\nshell.events.register('pre_run_cell', print)",
        "",
    ),
    "transformer": (
        "ip = get_ipython()\nip.input_transformers_post.append(lambda l: l)",
        "",
    ),
    "type()": (
        "T = type(torch.ones(1))\nT.detach = lambda s: s",
        "",
    ),
    "setattr Tensor": (
        "setattr(torch.Tensor, 'detach', lambda s: s)",
        "",
    ),
    "for target": (
        "for torch.isclose in [torch.ones_like]: pass",
        "",
    ),
    "mock": (
        "from unittest import mock\nmock.patch('torch.isclose').start()",
        "",
    ),
    "dict setitem": (
        "torch.__dict__['isclose'] = None",
        "",
    ),
    "pickle": (
        "import pickle\nmine = pickle.loads(b'cgan' + b'course.papers.gan\\nvalue\\n.')",
        "def value(real, fake):\n    return mine(real, fake)",
    ),
    "pickle Unpickler": (
        "import pickle, io\n"
        "mine = pickle.Unpickler(io.BytesIO(b'cgan' + "
        "b'course.papers.gan\\nvalue\\n.')).load()",
        "def value(real, fake):\n    return mine(real, fake)",
    ),
    "np.load": (
        "import numpy as np, io\nmine = np.load(io.BytesIO(b'...'), allow_pickle=True)",
        "",
    ),
    "subclass": (
        "import torch\nfor c in object.__subclasses__():\n    pass",
        "",
    ),
    "ctor shell": (
        "from IPython.core.interactiveshell import InteractiveShell as I\nI().run_cell('1')",
        "",
    ),
    "globals builtins": (
        "b = globals()['__bui' + 'ltins__']",
        "",
    ),
    "globals items": (
        "for k, v in list(globals().items()): pass",
        "",
    ),
    "__class__ patch": (
        "x = torch.ones(1)\nx.__class__.detach = None",
        "",
    ),
    "deep magics": (
        "%%time\n%%time\n%%time\n%%time\n%%time\n%%time\n%%time\n%%time\nimport sys",
        "",
    ),
    "many magics": ("!a\n" * 200, ""),
    "macro": (
        "%macro x 1-2",
        "",
    ),
    "reload": (
        "import importlib, gancourse.papers.gan as o\nimportlib.reload(o)",
        "",
    ),
    "cli": (
        "import gancourse.cli",
        "",
    ),
    "out of cli": (
        "out = !gancourse check x.ipynb",
        "",
    ),
    "open fd": (
        "open(3, 'wb').write(b'x')",
        "",
    ),
    "fork": (
        "import os as q\nq.fork()",
        "",
    ),
    "asyncio": (
        "import asyncio\nasyncio.create_subprocess_exec('python')",
        "",
    ),
    "proc mem": (
        "open('/proc/self/mem', 'r+b')",
        "",
    ),
    "setprofile threading": (
        "import threading\nthreading.setprofile(None)",
        "",
    ),
    "library": (
        "import torch.library\nlib = torch.library.Library('aten', 'IMPL')",
        "",
    ),
    "overrides": (
        "from torch.overrides import TorchFunctionMode\nclass M(TorchFunctionMode): pass",
        "",
    ),
    "dispatch": (
        "from torch.utils._python_dispatch import TorchDispatchMode",
        "",
    ),
    "DataLoader worker": (
        "import gancourse.papers.gan as o\n",
        "def value(real, fake):\n"
        "    d = torch.utils.data.DataLoader([0], num_workers=1, "
        "collate_fn=lambda b: o.value(real.detach(), fake.detach()))\n"
        "    return next(iter(d)) + 0 * real.sum() + 0 * fake.sum()",
    ),
}
WATCHED = {  # what the watch on the process sees, and some of it nothing else
    "early thread": (
        "import threading, queue\n"
        "given = check('2.2', None)\n"
        "a, b = queue.Queue(), queue.Queue()\n"
        "def work():\n"
        "    while True:\n"
        "        b.put(given(*a.get()))\n"
        "threading.Thread(target=work, daemon=True).start()",
        "def value(real, fake):\n    a.put((real, fake))\n    return b.get()",
    ),
    "early pool": (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "given = check('2.2', None)\n"
        "p = ThreadPoolExecutor(1)\n"
        "p.submit(int).result()",
        "def value(real, fake):\n    return p.submit(given, real, fake).result()",
    ),
    "callable instance": (
        "given = check('2.2', None)\nclass A:\n    __call__ = staticmethod(given)",
        "value = A()",
    ),
    "partial checkpoint": (
        "from torch.utils.checkpoint import checkpoint\n"
        "from functools import partial\n"
        "given = check('2.2', None)",
        "value = partial(checkpoint, given, use_reentrant=False)",
    ),
    "cProfile": (
        "import cProfile\ngiven = check('2.2', None)",
        "def value(real, fake):\n"
        "    p = cProfile.Profile(); p.enable(); out = given(real, fake); p.disable()\n"
        "    return out",
    ),
    "method type": (
        "import types\ngiven = check('2.2', None)",
        "value = types.MethodType(lambda g, r, f: g(r, f), given)",
    ),
    "generator": (
        "given = check('2.2', None)\n"
        "def gen():\n"
        "    x = None\n"
        "    while True: x = yield (x and given(*x))\n"
        "g = gen(); next(g)",
        "def value(real, fake):\n    return g.send((real, fake))",
    ),
    "hook": (
        "given = check('2.2', None)\n"
        "class M(torch.nn.Module):\n"
        "    def forward(self, r, f): return r\n"
        "m = M(); m.register_forward_hook(lambda m, a, o: given(*a))",
        "value = m",
    ),
    "vmap": (
        "given = check('2.2', None)",
        "value = lambda r, f: torch.vmap(given)(r[None], f[None])[0]",
    ),
    "deepcopy": (
        "import copy\ngiven = copy.deepcopy(check('2.2', None))",
        "value = lambda r, f: given(r, f)",
    ),
    "pydoc": (
        "import pydoc\nmine = pydoc.locate('gancourse' + '.papers.gan.value')",
        "def value(real, fake):\n    return mine(real, fake)",
    ),
    "resources": (
        "import importlib.resources as r\n"
        "t = (r.files('gan' + 'course') / 'papers/gan.py').read_text()\n"
        "import numpy as np\n"
        "np.savetxt('gan3.py', [t], fmt='%s')\n"
        "import gan3",
        "def value(real, fake):\n    return gan3.value(real, fake)",
    ),
    "zip": (
        "import zipfile, sys, glob\n"
        "with zipfile.ZipFile('x.zip', 'w') as z:\n"
        "    for p in sys.path:\n"
        "        for f in glob.glob(p + '/gan*/papers/gan.py'):\n"
        "            z.write(f, 'gan3.py')\n"
        "sys.path.append('x.zip')\n"
        "import gan3",
        "def value(real, fake):\n    return gan3.value(real, fake)",
    ),
    "entry point": (
        "from importlib.metadata import EntryPoint\n"
        "mine = EntryPoint('a', 'gan' + 'course.papers.gan:value', 'g').load()",
        "def value(real, fake):\n    return mine(real, fake)",
    ),
    "dictConfig": (
        "import logging.config as l\n"
        "c = l.BaseConfigurator({})\n"
        "mine = c.resolve('gan' + 'course.papers.gan.value')",
        "def value(real, fake):\n    return mine(real, fake)",
    ),
    "prun": (
        "given = check('2.2', None)",
        "def value(real, fake):\n"
        "    get_ipython().run_line_magic('prun', '-q out.append(given(*pair))')",
    ),
    "DataLoader given": (
        "given = check('2.2', None)",
        "def value(real, fake):\n"
        "    d = torch.utils.data.DataLoader([0], num_workers=1, "
        "collate_fn=lambda b: given(real.detach(), fake.detach()))\n"
        "    return next(iter(d)) + 0 * real.sum() + 0 * fake.sum()",
    ),
}
HONEST = {
    "control": (
        "",
        "def value(real, fake):\n    return F.logsigmoid(real).mean() + F.logsigmoid(-fake).mean()",
    ),
    "tqdm": (
        "from tqdm.auto import tqdm\nfor i in tqdm(range(3)): pass",
        "def value(real, fake):\n    return F.logsigmoid(real).mean() + F.logsigmoid(-fake).mean()",
    ),
    "pool": (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(2) as p: list(p.map(abs, [1]))",
        "def value(real, fake):\n    return F.logsigmoid(real).mean() + F.logsigmoid(-fake).mean()",
    ),
    "partial": (
        "",
        "from functools import partial\n"
        "def v(real, fake, k):\n"
        "    return F.logsigmoid(real).mean() + F.logsigmoid(-fake).mean()\n"
        "value = partial(v, k=1)",
    ),
    "class": (
        "",
        "class V:\n"
        "    def __call__(self, real, fake):\n"
        "        return F.logsigmoid(real).mean() + F.logsigmoid(-fake).mean()\n"
        "value = V()",
    ),
    "module": (
        "",
        "class V(torch.nn.Module):\n"
        "    def forward(self, real, fake):\n"
        "        return F.logsigmoid(real).mean() + F.logsigmoid(-fake).mean()\n"
        "value = V()",
    ),
    "loader": (
        "d = torch.utils.data.DataLoader([1,2,3], num_workers=1)\nprint([*d])",
        "def value(real, fake):\n    return F.logsigmoid(real).mean() + F.logsigmoid(-fake).mean()",
    ),
}
