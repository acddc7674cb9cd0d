"""The rubrics: lines marked by hand, as docs/PROJECT.md explains them."""

import re
from pathlib import Path

import pytest

from gancourse.exercises import rubric

PROJECT = (Path(__file__).parents[2] / "docs" / "PROJECT.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("number", rubric.RUBRICS)
def test_ids_are_the_notebook_s_number_and_a_letter(number):
    ids = [line.id for line in rubric.of_notebook(number)]
    assert ids == [f"{int(number)}.{chr(ord('a') + n)}" for n in range(len(ids))]
    assert all(line.points > 0 and line.title for line in rubric.of_notebook(number))


def test_a_notebook_without_a_rubric_has_no_lines():
    assert rubric.of_notebook("02") == () and rubric.of_notebook("") == ()


def test_the_project_s_page_explains_each_line_with_its_points():
    lines = rubric.of_notebook("11")
    assert sum(line.points for line in lines) == 25
    headings = re.findall(r"^### (11\.\w) (.+) \((\d+) points\)$", PROJECT, re.M)
    assert headings == [(line.id, line.title, str(line.points)) for line in lines]
