"""Code that nobody could read before it ran: text that was put together, files that were written.

The search for flags reads what was handed in. Whatever else Python is given to execute, by `exec`,
an import, a debugger, a template or a pickle, is reported at once: before it runs, so that it can't
prevent it. The process can't remove the hook.
"""

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import CodeType, FrameType

from IPython.core import interactiveshell

import gancourse

IMPORTS = "<frozen importlib"  # begins the name of the file of Python's own import
INSTALLED = tuple(
    f"{os.path.realpath(place)}/"
    for place in (sys.prefix, sys.base_prefix, "/usr", Path(gancourse.__file__).parent)
)
MAKERS = ("dataclasses", "collections", "attr", "IPython", "torch", "numpy", "functools")
RUNS_TEXT = ("torch.utils.benchmark", "torch.testing", "numpy.testing", "numpy.f2py")
PICKLES = ("gancourse.papers", "gancourse.exercises")
PICKLED = {"exec", "eval", "compile", "getattr", "__import__"}


def report_unread(
    cells: Iterable[tuple[int, str]], modules: Mapping[str, str], report: Callable[[str], None]
) -> None:
    """From now on, report each piece of code that is executed and was not handed in.

    Parameters
    ----------
    cells : Iterable[tuple[int, str]]
        Those that will run. What `%%writefile` writes is searched with them.
    modules : Mapping[str, str]
        The student's own modules that were handed in: name of the file -> text.
    report : Callable[[str], None]
        Gets the name of the code's file, or of what made it.
    """
    texts = [*modules.values()]
    for _, source in cells:
        first, _, rest = source.partition("\n")
        texts += [rest, f"{rest}\n"] if first.startswith(("%%writefile", "%%file")) else []

    def hook(event: str, args: tuple) -> None:
        if event == "exec":
            caller = sys._getframe(1)
            if isinstance(args[0], CodeType) and not _was_read(args[0], caller, texts):
                report(_name(args[0], caller))
        elif event == "pickle.find_class":
            module, name = args
            if module.startswith(PICKLES) or (module == "builtins" and name in PICKLED):
                report(f"a pickle with {module}.{name}")

    sys.addaudithook(hook)


def _was_read(code: CodeType, caller: FrameType, texts: Iterable[str]) -> bool:
    """Whether code is a cell's, a library's, or that of a text which was handed in."""
    file = code.co_filename
    if file.startswith("<ipython-input-"):
        return caller.f_globals is vars(interactiveshell)
    if file.startswith(INSTALLED) or file.startswith("<frozen"):
        return caller.f_code.co_filename.startswith(IMPORTS)
    if file.startswith("<"):
        return _is_made_by_library(caller)
    return any(_is_of(code, text) for text in texts)


def _is_of(code: CodeType, text: str) -> bool:
    try:
        return code == compile(text, code.co_filename, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def _is_made_by_library(caller: FrameType) -> bool:
    """Whether a library wrote the text, not somebody who calls it with one."""
    name = str(caller.f_globals.get("__name__"))
    if name == "timeit":
        texts = (caller.f_locals.get("stmt"), caller.f_locals.get("setup"))
        return {*texts} <= {"pass", "_stmt()", "_setup()"}  # functions were given, no text
    if name.split(".")[0] in MAKERS and not name.startswith(RUNS_TEXT):
        return True
    frame: FrameType | None = caller
    while frame is not None:  # while a library is imported, no text is a student's
        file = frame.f_code.co_filename
        if file.startswith(IMPORTS):
            return True
        if not file.startswith((*INSTALLED, "<frozen")):
            return False
        frame = frame.f_back
    return False


def _name(code: CodeType, caller: FrameType) -> str:
    if code.co_filename.startswith("<"):
        return f"text, by {caller.f_globals.get('__name__')}"
    return os.path.basename(code.co_filename)
