"""Cells of a notebook without a kernel: in the sandbox, and in the student's own check."""

import ast
import builtins
import traceback
from typing import Any


def make() -> Any:
    """An IPython shell that keeps no history, shows no traceback and opens no window."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    settings = Config()
    settings.HistoryManager.enabled = False
    settings.InteractiveShell.cache_size = 0
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance(config=settings)
    for name in ("showtraceback", "showsyntaxerror", "showindentationerror"):
        setattr(shell, name, lambda *args, **kwargs: None)  # nobody would read it
    shell.enable_matplotlib = lambda gui=None: (None, "agg")  # %matplotlib inline, widget, ...
    return shell


def run(shell: Any, source: str) -> BaseException | None:
    """Run one cell; the first exception that it raised, if any.

    After a statement that raised, what follows it is run too: a notebook from Colab begins with
    modules that are not here, and its imports may stand in the same cell.
    """
    result = shell.run_cell(source, silent=True)
    error = result.error_in_exec
    first = error or result.error_before_exec
    while isinstance(error, Exception) and (source := _after(shell, source, error)):
        error = shell.run_cell(source, silent=True).error_in_exec
    return first if error is None or isinstance(error, Exception) else error


def names() -> dict[str, Any]:
    """The notebook's names as they are now."""
    from IPython.core.interactiveshell import InteractiveShell

    return InteractiveShell.instance().user_ns


def restore(shell: Any, then: dict[str, Any], end: dict[str, Any]) -> None:
    """Bring the notebook's names back to what they were when an answer was checked.

    Later cells may have used a helper's name, or `sum`, for other things. What has no other meaning
    stays as it was at the `end`: an answer may use what was defined only later.
    """
    later = {name: value for name, value in end.items() if not hasattr(builtins, name)}
    shell.user_ns.clear()
    shell.user_ns.update(later | then)


def _after(shell: Any, source: str, error: BaseException) -> str:
    """What follows, in a cell, the statement that raised; empty where nothing does."""
    source = shell.transform_cell(source)
    frames = traceback.walk_tb(error.__traceback__)
    at = next((line for frame, line in frames if frame.f_globals is shell.user_ns), None)
    nodes = ast.parse(source).body if at else []
    starts = (min(n.lineno for n in (o, *getattr(o, "decorator_list", ()))) for o in nodes)
    first = next((line for line in starts if at and line > at), 0)
    return "\n".join(source.split("\n")[first - 1 :]) if first else ""
