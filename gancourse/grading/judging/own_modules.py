"""Modules that a notebook imports and may have written itself: a copy of the course, perhaps.

Those that were handed in with it are searched like cells (`NotebookFile.module_cells`). Others are
there only if a cell writes them: what `%%writefile` writes can be read; other files can't.
"""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec

from gancourse.grading.answers.magics import call_of
from gancourse.grading.judging import commands
from gancourse.grading.judging.paths import Code, Names

WRITES = {
    *("write_text", "write_bytes", "write", "writelines", "writestr", "tofile", "savetxt"),
    *("symlink_to", "hardlink_to", "extractall", "rename"),
}
EXTENSIONS = {
    *("autoreload", "tensorboard", "storemagic", "watermark", "dotenv", "line_profiler"),
    *("memory_profiler", "nb_black", "lab_black", "jupyter_black", "tensorboard.notebook"),
    *("google.colab.data_table", "pycodestyle_magic"),
}
COPIES = ("shutil.copy", "shutil.move", "os.rename", "os.link", "os.symlink", "os.replace")
PATHS = ("sys.path.", "site.addsitedir", "os.chdir")


def unknown_imports(code: Code) -> Iterator[str]:
    """Modules that a cell imports, and that are neither Python's nor installed here."""
    for node in code.nodes:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        method, texts = call_of(node)
        if method == "run_line_magic" and texts[0] in ("load_ext", "reload_ext", "aimport"):
            names += sorted({*texts[1].split()} - EXTENSIONS)
        yield from (name for name in names if not _is_known(name.split(".")[0]))


def may_write(code: Code, names: Names) -> bool:
    """Whether a cell may write a module, or make one of the course's files importable."""
    for node in code.nodes:
        method, texts = call_of(node)
        shell = method in ("system", "getoutput") or (
            texts[:1] and texts[0] in commands.SHELL_LINES
        )
        if shell and commands.may_write(texts[-1]):
            return True
        script = method == "run_cell_magic" and texts[0] in commands.SHELL_CELLS
        if script and commands.may_write(texts[-1]):
            return True
        if isinstance(node, ast.Call) and not method and _writes(node, names):
            return True
        stored = isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
        if stored and "sys.path" in names.of(node):
            return True
    return False


def _writes(call: ast.Call, names: Names) -> bool:
    called = names.of(call.func)
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    texts = [a.value for a in given if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    if {"open", "io.open"} & {*called} or getattr(call.func, "attr", "") == "open":
        modes = [text for text in texts[-1:] if set(text) & set("wxa+") and len(text) < 4]
        return bool(modes) or len(texts) + 1 < len(given)
    if any(path.startswith(PATHS) for path in called):
        return not texts  # a path that is computed
    copies = any(path.startswith(COPIES) for path in called)
    return copies or getattr(call.func, "attr", "") in WRITES


@cache
def _is_known(name: str) -> bool:
    if not name or name in sys.stdlib_module_names or name in ("google", "gancourse", "__main__"):
        return True
    try:
        return find_spec(name) is not None  # of a package as such: nothing is imported
    except (ImportError, ValueError):
        return False
