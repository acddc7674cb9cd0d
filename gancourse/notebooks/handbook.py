"""``docs/EXERCISES.md``: points, minutes and frequent misconceptions, from the registry."""

import re
from pathlib import Path

import jupytext

from gancourse.notebooks.build import PERCENT, Course, header_facts

PAGE = Path("docs", "EXERCISES.md")
OPENING = """\
# Exercises: points, minutes, misconceptions

*Written by `gancourse build` from the sources and the registry: edit those, not this page.*

The minutes of a notebook are for reading and working through all of it, its exercises included.
Under each exercise are the hints that the check and the feedback give for wrong answers
that people really write: what to expect in class, and what to teach again if the class's page shows
that many students made the mistake."""


def exercises_page(course: Course) -> str:
    """The page for all notebooks of a course."""
    head = ["Notebook", "Exercises", "Points", "Minutes of exercises", "Minutes in total"]
    table, parts = [head, ["---", *["---:"] * 4]], []
    for source in course.sources():
        cells = jupytext.reads(source.read_text(encoding="utf-8"), fmt=PERCENT).cells
        title, _, minutes = header_facts(cells[0].source)
        known = course.exercises(source.stem[:2])
        points, own = sum(e.points for e in known), sum(e.minutes for e in known)
        table.append([title, str(len(known)), str(points), str(own), str(minutes)])
        parts.append(f"## {title}")
        for one in known:
            facts = f"{_many(one.points, 'point')}, {_many(one.minutes, 'minute')}"
            shares = " and ".join(f"{part.points} for {part.what}" for part in one.parts)
            facts += f"; in part: {shares}" if shares else ""
            parts.append(f"### {one.id} {one.title}\n\n{facts[0].upper()}{facts[1:]}.")
            parts.append("\n".join(f"- {_markdown(hint)}" for hint in one.hints))
    rows = "\n".join(f"| {' | '.join(row)} |" for row in table)
    return "\n\n".join([OPENING, rows, *filter(None, parts)]) + "\n"


def _many(count: int, thing: str) -> str:
    return f"{count} {thing}{'s' * (count != 1)}"


def _markdown(text: str) -> str:
    """A hint with Markdown's special characters escaped, except between backticks."""
    parts = " ".join(text.split()).split("`")
    parts[::2] = [re.sub(r"([*_<\[\]\\])", r"\\\1", part) for part in parts[::2]]
    return "`".join(parts)
