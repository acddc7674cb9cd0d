"""Rubric lines: what an instructor marks by hand, next to the exercises that a check marks.

``docs/PROJECT.md`` says what each line asks for. A change here applies to existing gradebooks at
once: only the points that were given, and the ids of their lines, are saved.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class RubricLine:
    """One line of a rubric."""

    id: str
    """The notebook's number, a full stop and a letter: "11.a"."""
    title: str
    points: int
    """The most that can be given."""

    def __str__(self) -> str:
        return f"{self.id} {self.title} ({self.points})"


RUBRICS = {
    "11": (
        RubricLine("11.a", "Hypothesis", 4),
        RubricLine("11.b", "Control and seeds", 5),
        RubricLine("11.c", "Conclusion", 5),
        RubricLine("11.d", "Evaluation of the generator", 5),
        RubricLine("11.e", "Data and model card", 3),
        RubricLine("11.f", "Presentation of results", 3),
    ),
}
"""Number of a notebook -> its lines. A notebook that is not in it is marked by checks alone."""


def of_notebook(number: str) -> tuple[RubricLine, ...]:
    """The rubric lines of one notebook ("11"), in order; empty where it has none."""
    return RUBRICS.get(number, ())
