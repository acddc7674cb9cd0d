"""Sliders around figures: the only module that imports ipywidgets.

A saved notebook has no live front end, so every widget also leaves pictures behind.
"""

from collections.abc import Callable, Sequence
from typing import Any

from gancourse.env import CourseError, static


def explore(
    draw: Callable[..., Any], stills: Sequence[dict[str, Any]] = (), **controls: Any
) -> None:
    """Draw a figure for values that the reader chooses with sliders.

    Parameters
    ----------
    draw : callable
        Called with one value per control, by name; it draws, and ends with ``figures.show``.
    stills : sequence of dict
        Values for which pictures are drawn at once, above the sliders: what a saved notebook, a
        printed page or a test shows. Without it, one picture of the starting values.
    **controls
        ``name=(low, high, step, start)`` for a slider, ``name=[choice, ...]`` for a menu, a string
        for a text box.

    Notes
    -----
    With GANCOURSE_STATIC=1 only the stills are drawn.
    """
    start = {name: _start(name, control) for name, control in controls.items()}
    for values in stills or (start,):
        draw(**(start | values))
    if static():
        return
    from ipywidgets import interact

    interact(draw, **{name: _widget(control) for name, control in controls.items()})


def _start(name: str, control: Any) -> Any:
    if isinstance(control, tuple) and len(control) == 4:
        return control[3]
    if isinstance(control, list) and control:
        return control[0]
    if isinstance(control, str):
        return control
    raise CourseError(
        f"explore() can't make a control from {name}={control!r}.",
        "A slider is (low, high, step, start), a menu is a list of choices, a text box a string.",
    )


def _widget(control: Any) -> Any:
    import ipywidgets

    if isinstance(control, tuple):
        low, high, step, start = control
        whole = all(isinstance(v, int) for v in control)
        kind = ipywidgets.IntSlider if whole else ipywidgets.FloatSlider
        return kind(value=start, min=low, max=high, step=step, continuous_update=False)
    if isinstance(control, list):
        return ipywidgets.Dropdown(options=control)
    return ipywidgets.Text(value=control, continuous_update=False)
