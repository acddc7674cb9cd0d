"""Submissions that try to break the grader, and broken ones.

Each is a notebook 02 of a student who answers 2.1 and 2.5 correctly and 2.2 wrongly, and does
something else too. The marks that it should get are given with it.
"""

import sys
from dataclasses import dataclass

from handmade import RIGHT

# An attack that only breaks its own Python may cost its author what no honest code would.
DEFAULT = (1, 0, 1)  # of 2.1, 2.2, 2.5: what an attack leaves is what was earned
RIGHTLY = (1, 2, 1)


@dataclass(frozen=True)
class Attack:
    """A cell before the answers, one after them, or an answer to 2.2."""

    name: str
    early: str = ""
    late: str = ""
    value: str = ""
    earned: tuple[int, int, int] = DEFAULT
    flagged: bool = False
    """The instructor must see a flag."""
    quiet: bool = False
    """Its own assertions hold: no cell raises."""
    stopped: bool = False
    """A note or message says that a cell or an answer was stopped, or ended its process."""


def answer(body: str, before: str = "") -> str:
    lines = "\n".join(f"    {line}" for line in body.split("\n"))
    return f"{before}\ndef value(real, fake):\n{lines}".strip()


BASE = "from gancourse.exercises import base\nimport gancourse.exercises as exercises\n"
EXERCISE = BASE + "e = exercises.find('2.2')\nput = lambda n, v: object.__setattr__(e, n, v)\n"
INSIDE = "import gancourse.grading.sandbox.inside as inside\n"
COLLECTOR = "import gancourse.grading.answers.collector as collector\n"
FRAME = """
import os, json, struct
def frame(message, body=b""):
    head = json.dumps(message).encode()
    os.write(3, struct.pack(">II", len(head), len(body)) + head + body)
"""
SEEN = """
from safetensors.torch import save
seen = {"id": "2.2", "seen": [{"names": ["result", "inputs left unchanged"]}] * 2, "flags": []}
body = save({"0.0": torch.tensor(-1.5), "1.0": torch.tensor(-1.5), "0.1": torch.tensor(True),
    "1.1": torch.tensor(True)})
"""
SHELL = "shell = get_ipython()\n"

TAMPERING = (
    Attack("check", "import gancourse.exercises as e\ne.check = lambda id, a: a", flagged=True),
    Attack("own check", "def check(id, answer):\n    return answer"),
    Attack(
        "judge",
        BASE + "base.compare = lambda e, c, s: base.Verdict(e, 'right', 'right')",
        flagged=True,
    ),
    Attack("assess", BASE + "exercises.assess = base.assess = lambda *a, **k: None"),
    Attack("cases gone", EXERCISE + "put('cases', lambda rng: [])", flagged=True),
    Attack("observe", EXERCISE + "put('observe', lambda a, c: {'result': torch.zeros(())})"),
    Attack("reference", EXERCISE + "put('reference', lambda r, f: F.logsigmoid(r).mean() * 0.7)"),
    Attack("tolerance", EXERCISE + "put('rtol', 1e9); put('atol', 1e9)"),
    Attack("points", EXERCISE + "put('points', 1000)"),
    Attack(
        "observed with the reference",
        COLLECTOR
        + "from gancourse.exercises.verdicts import try_observe as look\n"
        "collector.observe_all = lambda e, a, cases: [look(e, e.reference, c) for c in cases]",
        earned=RIGHTLY,
        flagged=True,
    ),
    Attack("builtin all", "import builtins\nbuiltins.all = lambda *a: True", flagged=True),
    Attack("builtin isinstance", "import builtins\nreal = isinstance\n"
        "builtins.isinstance = lambda a, b: True if b is str else real(a, b)"),
    Attack("builtin import", "def broken(*a, **k):\n    raise ImportError\n"
        "__builtins__.__import__ = broken", earned=(0, 0, 0)),
    Attack("torch.isclose", "torch.isclose = torch.ones_like", flagged=True),
    Attack("torch.equal", "torch.equal = torch.allclose = lambda *a, **k: True"),
    Attack("Tensor ==", "torch.Tensor.__eq__ = lambda a, b: True"),
    Attack("Tensor.detach", "torch.Tensor.detach = lambda self: torch.zeros(())", earned=(1, 0, 0)),
    Attack("softplus", "F.softplus = F.logsigmoid = lambda x: x * 0", earned=(1, 0, 0)),
    Attack("safetensors", INSIDE + "inside.save = lambda t: b'x' * 100", earned=(0, 0, 0)),
    Attack("numpy", "import numpy\nnumpy.random.seed = None", earned=(0, 0, 0)),
    Attack("input transformer", SHELL + "shell.input_transformers_post.append("
        "lambda lines: [line.replace('0.7', '1.0') for line in lines])"),
    Attack("syntax transformer", "import ast\n" + SHELL + "class T(ast.NodeTransformer):\n"
        "    def visit_Call(self, node):\n        return ast.Constant(1)\n"
        "shell.ast_transformers.append(T())", earned=(0, 0, 0)),
    Attack("hook after cells", SHELL + "def hook(*a):\n    shell.user_ns['value'] = 1\n"
        "shell.events.register('post_run_cell', hook)"),
    Attack("run_cell", SHELL + "shell.run_cell = lambda *a, **k: None", earned=(0, 0, 0)),
    Attack("check deleted", SHELL + "import gancourse.exercises\ndel gancourse.exercises.check"),
    Attack("modules gone", "import sys\nsys.modules['torch'] = None", earned=(0, 0, 0)),
    Attack("modules cleared", "import sys\nsys.modules.clear()", earned=(0, 0, 0)),
    Attack("trace", "import sys\nsys.settrace(lambda *a: None); sys.setprofile(None)",
        flagged=True),
    Attack("garbage", "import gc\nfor o in gc.get_objects():\n"
        "    if type(o).__name__ == 'Channel':\n        o.link.close()"),
    Attack("main", "import __main__\n__main__.__dict__.clear()", earned=(1, 0, 0)),
    Attack("float64", "torch.set_default_dtype(torch.float64)", value=RIGHT, earned=RIGHTLY),
    Attack("no gradients", "torch.set_grad_enabled(False)", value=RIGHT, earned=RIGHTLY),
    Attack("meta device", "torch.set_default_device('meta')", value=RIGHT, earned=RIGHTLY),
    Attack("seeds", "torch.manual_seed = lambda s: None\ntorch.Generator = None", earned=(0, 0, 0)),
)  # fmt: skip

ENDING = (
    Attack("sys.exit", "import sys\nsys.exit(0)"),
    Attack("exit", "exit()"),
    Attack("KeyboardInterrupt", "raise KeyboardInterrupt"),
    Attack("BaseException", "class E(BaseException):\n    pass\nraise E"),
    Attack("os._exit", "import os\nos._exit(0)", stopped=True),
    Attack("abort", "import os\nos.abort()", stopped=True),
    Attack("segmentation fault", "import ctypes\nctypes.string_at(0)", stopped=True),
    Attack("kill itself", "import os\nos.kill(os.getpid(), 9)", stopped=True),
    Attack("kill the parent", "import os\nos.kill(os.getppid() or 1, 9)"),
    Attack("kill all", "import os\nos.kill(-1, 9)"),
    Attack("kill the group", "import os\nos.killpg(0, 9)", stopped=True),
    Attack("kill every number", "import os\nfor n in range(2, 70000):\n"
        "    if n != os.getpid():\n        try:\n            os.kill(n, 9)\n"
        "        except OSError:\n            pass"),
    Attack("stop itself", "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)", stopped=True),
    Attack("exec", "import os\nos.execv('/bin/sh', ['sh', '-c', 'sleep 100'])", stopped=True),
    Attack("at exit", "import atexit, os, time\natexit.register(time.sleep, 1000)"),
    Attack("endless", "while True:\n    pass", stopped=True),
    Attack("endless, deaf", "while True:\n    try:\n        while True:\n            pass\n"
        "    except BaseException:\n        pass", stopped=True),
    Attack("endless, no alarm", "import signal\nsignal.setitimer(signal.ITIMER_REAL, 0)\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})\nwhile True:\n    pass",
        stopped=True),
    Attack("endless in C", "10**(10**9)", stopped=True),
    Attack("recursion", "def f():\n    return f()\nf()"),
    Attack("recursion without a limit", "import sys\nsys.setrecursionlimit(10**9)\n"
        "class A:\n    def __getattr__(self, n):\n        return getattr(self, n + 'a')\nA().x",
        stopped=sys.version_info < (3, 12)),  # since then Python limits it, and the cell raises
    Attack("waits for a thread", "import threading\nlock = threading.Lock()\nlock.acquire()\n"
        "lock.acquire()", stopped=True),
    Attack("reads the keyboard", "input('name? ')"),
)  # fmt: skip

BOMBS = (
    Attack("memory", "x = []\nwhile True:\n    x.append(bytearray(10**8))"),
    Attack("memory of tensors", "x = torch.ones(10**12)"),
    Attack("memory in children", "import os, time\nfor _ in range(20):\n    if os.fork() == 0:\n"
        "        x = bytearray(2 * 10**8)\n        x[::4096] = b'1' * len(x[::4096])\n"
        "        time.sleep(1.5)\n        os._exit(0)\ntime.sleep(1.5)"),
    Attack("memory by name", "import os\nos.memfd_create('x')"),
    Attack("shared memory", "f = open('/dev/shm/x', 'wb')\nwhile True:\n    f.write(b'x' * 10**7)"),
    Attack("forks", "import os\nwhile True:\n    os.fork()", flagged=True),
    Attack("threads", "import threading, time\nwhile True:\n"
        "    threading.Thread(target=time.sleep, args=(100,)).start()"),
    Attack("one large file", "f = open('/tmp/x', 'wb')\nwhile True:\n    f.write(b'x' * 10**7)"),
    Attack("many files", "n = 0\nwhile True:\n    n += 1\n"
        "    open(f'x{n}', 'wb').write(b'x' * 10**7)"),
    Attack("many open files", "x = []\nwhile True:\n    x.append(open('/dev/null'))"),
    Attack("output", "for _ in range(300):\n    print('x' * 10**6)", quiet=True),
    Attack("output of a program", "import subprocess\n"
        "subprocess.run('head -c 300000000 /dev/zero', shell=True)", quiet=True),
    Attack("an exception's text", "raise ValueError('x' * 10**8)"),
    Attack("an exception that raises", "class E(Exception):\n    def __str__(self):\n"
        "        raise E\nraise E"),
)  # fmt: skip

REFUSED = "\nexcept OSError:\n    pass\nelse:\n    raise AssertionError"
ESCAPES = (
    Attack("other processes' memory", "import os\n"
        "for n in filter(str.isdecimal, os.listdir('/proc')):\n"
        "    try:\n        open(f'/proc/{n}/mem', 'r+b', 0)\n    except OSError:\n"
        "        continue\n    raise AssertionError(n)", quiet=True),
    Attack("shared memory", "import mmap\ntry:\n    mmap.mmap(-1, 4096)" + REFUSED, quiet=True),
    Attack("shared memory of /dev/zero", "import mmap, os\ntry:\n"
        "    mmap.mmap(os.open('/dev/zero', os.O_RDWR), 4096)" + REFUSED, quiet=True),
    Attack("sockets of no network namespace", "import socket\ntry:\n"
        "    socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)" + REFUSED, quiet=True),
    Attack("a daemon", "import os, time\nif os.fork() == 0:\n    os.setsid()\n"
        "    if os.fork() == 0:\n        time.sleep(1000)\n    os._exit(0)", quiet=True),
    Attack("a program left running", "import subprocess\n"
        "subprocess.Popen(['sleep', '1000'], start_new_session=True)", quiet=True),
    Attack("a copy of itself", "import os\nos.fork()", quiet=True),
    Attack("reads solutions", "import os\nfrom pathlib import Path\nimport gancourse\n"
        "root = Path(gancourse.__file__).parents[1]\n"
        "places = [root / 'solutions', root / 'tests', root / 'notebooks', root / '.git']\n"
        "places += map(Path, ('/etc/passwd', '/etc/shadow', '/var', '/root/.ssh', '/sys'))\n"
        "assert not [p for p in places if p.exists()]", quiet=True),
    Attack("writes outside", "import gancourse, os, sys, torch\n"
        "for f in (gancourse, torch, os):\n    for name in (f.__file__, f.__file__ + 'x'):\n"
        "        try:\n            open(name, 'a')\n        except OSError:\n            continue\n"
        "        raise AssertionError(name)\n"
        "for name in ('/x', '/usr/x', '/dev/x', '/proc/sys/kernel/core_pattern'):\n"
        "    try:\n        open(name, 'w')\n    except OSError:\n        continue\n"
        "    raise AssertionError(name)", quiet=True),
    Attack("the network", "import socket\nfor place in (('1.1.1.1', 53), ('127.0.0.1', 22)):\n"
        "    try:\n        socket.create_connection(place, 1)\n    except OSError:\n"
        "        continue\n    raise AssertionError(place)", quiet=True),
    Attack("the grader's socket", "import socket\ns = socket.socket(socket.AF_UNIX)\ntry:\n"
        "    s.connect('\\0gancourse-test')\nexcept OSError:\n    pass\nelse:\n"
        "    raise AssertionError", quiet=True),
    Attack("the grader's variables", "import os\nassert 'GANCOURSE_TEST_SECRET' not in os.environ\n"
        "text = b''\nfor n in os.listdir('/proc'):\n    try:\n"
        "        text += open(f'/proc/{n}/environ', 'rb').read()\n    except OSError:\n"
        "        pass\nassert b'GANCOURSE_TEST_SECRET' not in text", quiet=True),
    Attack("other processes", "import os\n"
        "assert len([n for n in os.listdir('/proc') if n.isdecimal()]) < 10", quiet=True),
    Attack("root", "import os\nassert os.getuid() != 0\ntry:\n    os.setuid(0)\n"
        "except OSError:\n    pass\nelse:\n    raise AssertionError", quiet=True),
    Attack("namespaces", "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        "assert libc.unshare(0x10000000) == -1\n"
        "assert libc.mount(b'x', b'/tmp', b'tmpfs', 0, None) == -1", quiet=True),
    Attack("a start-up file", "from pathlib import Path\nfor name in "
        "('.ipython/profile_default/startup/x.py', '.local/lib/python3/usercustomize.py'):\n"
        "    p = Path.home() / name\n    p.parent.mkdir(parents=True)\n"
        "    p.write_text('import builtins; builtins.evil = 1')", quiet=True),
    Attack("shadows modules", "for name in ('torch', 'gancourse', 'json', 'safetensors'):\n"
        "    open(name + '.py', 'w').write('raise SystemExit')\n", quiet=True),
    Attack("leaves a file behind", "assert not __import__('os').path.exists('/tmp/mark')\n"
        "open('/tmp/mark', 'w').close()", quiet=True),
    Attack("and finds none", "assert not __import__('os').path.exists('/tmp/mark')", quiet=True),
    Attack("installs a package", "%pip install attrs\n!pip install attrs"),
    Attack("links", "import os\nos.symlink('/etc/passwd', 'x')\nos.symlink('/', 'y')", quiet=True),
)  # fmt: skip

FORGING = (
    Attack("noise", "import os\nos.write(3, b'\\xff' * 1000)", stopped=True),
    Attack("a forged observation", FRAME + SEEN + "frame(seen, body)", quiet=True),
    Attack("a forged list", FRAME + "frame([1, 2])", stopped=True),
    Attack("deep nesting", FRAME + "head = b'[' * 100000\n"
        "os.write(3, struct.pack('>II', len(head), 0) + head)", stopped=True),
    Attack("forged errors", FRAME + "frame({'error': [[], {}, 1, 2]})\nframe({'error': 'x'})\n"
        "frame({'error': [1e999, 'a', '<b>', None]})\nframe({'at': 3})\n"
        "frame({'error': [3, 'NameError', 'x', ['a']]})\nframe({'error': [True, 1, 1, {}]})"),
    Attack("a forged end", FRAME + "frame({'at': 'end'})"),
    Attack("forged places", FRAME + "for n in range(9000):\n    frame({'at': f'cell {n % 99}'})",
        quiet=True),
    Attack("a flood", FRAME + "while True:\n    frame({'at': 'cell 1'}, b'x' * 10**6)",
        stopped=True),
    Attack("closes all files", "import os\nos.closerange(0, 1000)", stopped=True),
    Attack("asks for the seeds", FRAME + "frame({'at': 'cases'})\nprint(os.read(3, 5))",
        earned=(1, 0, 1)),
    Attack("forged flags while observed", value=answer(
        "for flags in (5, None, {}, 'x' * 1000, [[1]]):\n"
        "    frame({**seen, 'flags': flags, 'id': '2.5'}, body)\n"
        "return real.mean()", FRAME + SEEN)),
    Attack("forged while observed",
        value=answer("frame(seen, body)\nreturn real.mean()", FRAME + SEEN)),
)  # fmt: skip

ANSWERS = (
    *(Attack(f"returns {text}", value=answer(f"return {text}")) for text in (
        "real.mean() * float('nan')", "float('inf')", "None", "...", "'<script>alert(1)</script>'",
        "1j", "True", "[1, [2, 3]]", "{}", "{1: real}", "(real, fake)", "lambda: 1", "object()",
        "torch.zeros(1).expand(5000, 5000)", "torch.zeros(0, 2**50)", "torch.ones(3, 3, 3)",
        "torch.tensor(7, device='meta')", "torch.zeros(3).to_sparse()", "iter([1])", "type",
        "torch.tensor(1, dtype=torch.int8)", "{str(i): real for i in range(100000)}",
        "torch.quantize_per_tensor(real, 1.0, 0, torch.qint8)", "{'a' * 10**6: real}",
        "torch.nested.nested_tensor([real, fake[:1]])", "{'\\ud800': real.mean()}",
    )),
    Attack("equal to all", value=answer("return Same()", "class Same:\n"
        "    __eq__ = lambda a, b: True\n    __float__ = lambda a: 0.0")),
    Attack("a lazy tensor", value=answer("return Lazy()", "class Lazy(torch.Tensor):\n"
        "    @classmethod\n    def __torch_function__(cls, f, types, args=(), kwargs=None):\n"
        "        return True")),
    Attack("never returns", value=answer("while True:\n    pass"), stopped=True),
    Attack("ends the process", value=answer("import os\nos._exit(0)"), stopped=True),
    Attack("takes all memory", value=answer("return torch.ones(10**12)")),
    Attack("raises SystemExit", value=answer("raise SystemExit")),
    Attack("raises a stub", value=answer("raise NotImplementedError('Exercise 2.2')")),
    Attack("changes its inputs", value=answer(
        "real += 1\nreturn F.logsigmoid(real - 1).mean() + F.logsigmoid(-fake).mean()")),
    Attack("wrong once in two", value=answer("seen.append(1)\n"
        "return (F.logsigmoid(real).mean() + F.logsigmoid(-fake).mean()) * (len(seen) % 2)",
        "seen = []")),
    Attack("warns", value=RIGHT.replace("return", "import sys, warnings; "
        "warnings.warn('old', DeprecationWarning); print('x', file=sys.stderr); return"),
        earned=RIGHTLY),
    Attack("warnings are errors", "import warnings\nwarnings.simplefilter('error')",
        value=RIGHT, earned=RIGHTLY),
    Attack("in double precision", value=RIGHT.replace("(real)", "(real.double())"),
        earned=RIGHTLY),
    Attack("a number, without its gradient", value=RIGHT + ".item()", earned=(1, 0, 1)),
    Attack("prints a lot", value=RIGHT.replace("return", "print('x' * 10**6); return"),
        earned=RIGHTLY),
)  # fmt: skip

GAN = "gancourse.papers.gan"
REFERENCE = (
    # the reference itself is no answer ...
    *(Attack(f"the reference, {n}", value=text, flagged=True) for n, text in enumerate((
        f"from {GAN} import value",
        f"import {GAN} as o\nvalue = o.value",
        f"import {GAN}\nvalue = getattr({GAN}, 'val' + 'ue')",
        f"import importlib\nvalue = importlib.import_module('{GAN}').value",
        "from gancourse.exercises import find\nvalue = find('2.2').reference",
    ))),
    # ... and a call of it is one, but flagged
    *(Attack(f"a call of it, {n}", value=text, earned=RIGHTLY, flagged=True)
        for n, text in enumerate((
            f"import {GAN} as o\nvalue = lambda real, fake: o.value(real, fake)",
            "given = check('2.2', None)\ndef value(real, fake):\n    return given(real, fake)",
            answer("import sys\nframe = sys._getframe()\n"
                "while 'exercise' not in frame.f_locals:\n    frame = frame.f_back\n"
                "return frame.f_locals['exercise'].reference(real, fake)"),
            f"def value(real, fake):\n    return eval('__imp' + 'ort__')('{GAN}')"
            ".papers.gan.value(real, fake)",
        ))),
)  # fmt: skip

ALL = (*TAMPERING, *ENDING, *BOMBS, *ESCAPES, *FORGING, *ANSWERS, *REFERENCE)
