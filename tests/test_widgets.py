"""Widgets leave pictures behind, and sliders where a front end may be."""

import pytest

from gancourse import widgets
from gancourse.env import CourseError


def test_widgets_leave_a_picture_for_every_still(monkeypatch):
    monkeypatch.setenv("GANCOURSE_STATIC", "1")
    drawn = []
    draw = lambda a, b: drawn.append((a, b))  # noqa: E731
    widgets.explore(draw, stills=[{"a": 1}, {"a": 2, "b": "y"}], a=(0, 3, 1, 0), b=["x", "y"])
    assert drawn == [(1, "x"), (2, "y")]


def test_sliders_are_made_where_a_front_end_may_be(monkeypatch):
    monkeypatch.setenv("GANCOURSE_STATIC", "0")
    drawn = []
    widgets.explore(
        lambda a, b, c: drawn.append(a), a=(0, 3, 1, 2), b=(0.0, 1.0, 0.1, 0.5), c="text"
    )
    assert drawn and set(drawn) == {2}


def test_control_of_the_wrong_form_is_named():
    with pytest.raises(CourseError, match="from a=3"):
        widgets.explore(lambda a: None, a=3)
