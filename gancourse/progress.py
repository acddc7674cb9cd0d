"""A progress bar that a saved notebook can show: text and HTML, no widget."""

from html import escape
from io import StringIO
from typing import Any

from tqdm.std import tqdm

from gancourse.env import static

LINE = "{desc}: {n_fmt} of {total_fmt} [{elapsed}<{remaining}, {rate_fmt}{postfix}]"


class Progress(tqdm):
    """tqdm's bar. In a notebook it is an output that is updated, elsewhere a line of text.

    A notebook that is opened without a kernel shows the bar as it was last; a widget would be
    gone. With GANCOURSE_STATIC=1 there is none.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        self._handle = None
        options["disable"] = options.get("disable", False) or static()
        if _display():
            options |= {"file": StringIO(), "bar_format": LINE, "mininterval": 0.25}
        super().__init__(*args, **options)

    def display(self, msg: str | None = None, pos: int | None = None) -> bool:
        """Called by tqdm whenever the bar has changed."""
        show = _display()
        if show is None:
            return super().display(msg, pos)
        text = msg if msg is not None else str(self)
        share = f'value="{self.n}" max="{self.total}"' if self.total else ""
        name = escape(self.desc.removesuffix(": ") or "progress")
        bar = f'<progress {share} aria-label="{name}"></progress> <code>{escape(text)}</code>'
        data = {"text/plain": text, "text/html": bar}
        if self._handle is None:
            self._handle = show(data, raw=True, display_id=True)
        else:
            self._handle.update(data, raw=True)
        return True


def _display() -> Any:
    """IPython's `display` in a notebook's kernel, else None."""
    try:
        from IPython.core.getipython import get_ipython
        from IPython.display import display
    except ImportError:
        return None
    return display if hasattr(get_ipython(), "kernel") else None
