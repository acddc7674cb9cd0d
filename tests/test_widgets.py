"""Widgets leave pictures behind, and sliders where a front end may be."""

import pytest
import torch

from gancourse import widgets
from gancourse.errors import CourseError


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


def test_a_slider_has_its_value_and_limits():
    made = widgets._widget((0, 5, 1, 2))
    state = made.get_state(["value", "min", "max", "step"])
    assert state == {"value": 2, "min": 0, "max": 5, "step": 1} and isinstance(made.value, int)
    made.value = 2.5  # from the page
    assert made.value == 2.5


def test_control_of_the_wrong_form_is_named():
    with pytest.raises(CourseError, match="from a=3"):
        widgets.explore(lambda a: None, a=3)


def opinions(seed=0):
    pictures = {name: [torch.full((3, 4, 4), v + i / 10) for i in range(3)]
                for name, v in {"a": -1.0, "b": 0.0}.items()}  # fmt: skip
    return widgets.OpinionTest(pictures, torch.Generator().manual_seed(seed))


def test_opinion_scores_are_means_by_method_and_come_last():
    test = opinions()
    truth = [name for name, _ in test._shown]
    assert sorted(truth) == ["a"] * 3 + ["b"] * 3
    test.rate(*[5 if name == "a" else 2 for name in truth[:-1]])
    assert test.scores() == {}  # nothing is said before the end
    test.rate(2 if truth[-1] == "b" else 5)
    assert test.scores() == {"a": 5.0, "b": 2.0} and list(test.scores()) == ["a", "b"]


def test_opinion_order_is_the_generators():
    order = [[x.mean().item() for _, x in opinions(seed)._shown] for seed in (1, 1, 2)]
    assert order[0] == order[1] != order[2]


def test_opinions_out_of_range_or_too_many_are_refused():
    for wrong in ((0,), (6,), (3,) * 7):
        with pytest.raises(CourseError, match="1 to 5"):
            opinions().rate(*wrong)
    with pytest.raises(CourseError, match="same size"):
        widgets.OpinionTest({}, torch.Generator())


@pytest.mark.parametrize("static", ["0", "1"])
def test_opinion_test_shows_no_method(static, monkeypatch, capsys):
    monkeypatch.setenv("GANCOURSE_STATIC", static)
    said = []
    monkeypatch.setattr(widgets, "show", lambda figure, alt: said.append(alt))
    opinions().ask()
    assert said and not any(word in alt for alt in said for word in (" a ", " b "))
    assert len(said) == 1 and ("6 numbered" in said[0] or "Image 1," in said[0])
