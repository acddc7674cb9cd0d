"""Sliders around figures: the only module that imports ipywidgets.

A saved notebook has no live front end, so every widget also saves static images.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from gancourse.env import static
from gancourse.errors import CourseError
from gancourse.figures import panels, show, show_images


def explore(
    draw: Callable[..., Any], stills: Sequence[dict[str, Any]] = (), **controls: Any
) -> None:
    """Draw a figure for values that the reader chooses with sliders.

    Parameters
    ----------
    draw : callable
        Called with one value per control, by name; it draws, and ends with ``figures.show``.
    stills : sequence of dict
        Values for which figures are drawn immediately, above the sliders: what a saved notebook, a
        printed page or a test shows. By default, one figure of the starting values.
    **controls
        ``name=(low, high, step, start)`` for a slider, ``name=[choice, ...]`` for a menu, a string
        for a text box.

    Notes
    -----
    With GANCOURSE_STATIC=1 only the stills are drawn. A control of another form is a CourseError.
    """
    start = {name: _start(name, control) for name, control in controls.items()}
    for values in stills or (start,):
        draw(**(start | values))
    if static():
        return
    from ipywidgets import interact

    interact(draw, **{name: _widget(control) for name, control in controls.items()})


class OpinionTest:
    """A blinded opinion test: images in random order, rated 1 (bad) to 5 (excellent).

    Ledig et al. (2017), Section 3.2, asked 26 people this way. Until all images are rated, nothing
    in the notebook reveals which method made an image. First used in notebook 08.

    Parameters
    ----------
    images : Mapping[str, Sequence[Tensor]]
        Images (C, H, W) in [-1, 1] of each method, all of the same size.
    rng : torch.Generator
        On the CPU; draws the order.

    Raises
    ------
    CourseError
        If there is no image, or their sizes differ.
    """

    def __init__(self, images: Mapping[str, Sequence[Tensor]], rng: torch.Generator) -> None:
        shown = [(name, x) for name, part in images.items() for x in part]
        if not shown or len({x.shape for _, x in shown}) > 1:
            raise CourseError("An opinion test needs images of the same size.")
        self._shown = [shown[i] for i in torch.randperm(len(shown), generator=rng).tolist()]
        self.ratings: list[int] = []
        """In the order in which the images are shown."""

    def __len__(self) -> int:
        return len(self._shown)

    def rate(self, *ratings: int) -> None:
        """Rate the next image, or the next few, from 1 to 5; CourseError for anything else."""
        left = len(self) - len(self.ratings)
        if len(ratings) > left or any(r not in (1, 2, 3, 4, 5) for r in ratings):
            raise CourseError(
                f"{ratings} are not valid ratings.", f"Rate from 1 to 5; {left} images are left."
            )
        self.ratings += ratings

    def scores(self) -> dict[str, float]:
        """Mean opinion score by method, best first; empty until every image is rated."""
        if len(self.ratings) < len(self):
            return {}
        found: dict[str, list[int]] = {}
        for (name, _), rating in zip(self._shown, self.ratings, strict=True):
            found.setdefault(name, []).append(rating)
        means = {name: sum(part) / len(part) for name, part in found.items()}
        return dict(sorted(means.items(), key=lambda item: -item[1]))

    def sheet(self, columns: int = 6) -> None:
        """Draw every image with its number, without method: what a saved or printed page shows."""
        rows = -(-len(self) // columns)
        fig, axes = panels(columns, rows, width=8.8 / columns, height=8.8 / columns + 0.3)
        for n, ax in enumerate(axes):
            ax.axis("off")
            if n < len(self):
                show_images(self._shown[n][1][None], columns=1, title=f"image {n + 1}", ax=ax)
        show(fig, alt=f"{len(self)} numbered images in random order; their methods are not named")

    def ask(self) -> None:
        """Show one image after another with five buttons, and the scores at the end.

        With GANCOURSE_STATIC=1 `sheet` is drawn instead, for ratings on paper.
        """
        if static():
            self.sheet()
            return
        import ipywidgets
        from IPython.display import display

        place, line = ipywidgets.Output(), ipywidgets.Label()
        names = ("1 bad", "2 poor", "3 fair", "4 good", "5 excellent")
        buttons = [ipywidgets.Button(description=name) for name in names]

        def refresh() -> None:
            place.clear_output(wait=True)
            done = len(self.ratings)
            with place:
                if done < len(self):
                    line.value = f"image {done + 1} of {len(self)}: how good is it?"
                    fig, axes = panels(1, width=4, height=4)
                    show_images(self._shown[done][1][None], columns=1, ax=axes[0])
                    show(fig, alt=f"Image {done + 1}, to be rated")
                else:
                    line.value = "Thank you. Mean opinion score by method:"
                    print("\n".join(f"{name:12} {s:.2f}" for name, s in self.scores().items()))

        def clicked(button: Any) -> None:
            if len(self.ratings) < len(self):
                self.rate(buttons.index(button) + 1)
                refresh()

        for button in buttons:
            button.on_click(clicked)
        display(ipywidgets.VBox([line, place, ipywidgets.HBox(buttons)]))
        refresh()


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
        from gancourse.slider import Slider

        low, high, step, start = control
        return Slider(value=start, min=low, max=high, step=step)
    if isinstance(control, list):
        return ipywidgets.Dropdown(options=control)
    return ipywidgets.Text(value=control, continuous_update=False)
