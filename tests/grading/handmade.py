"""A small notebook 02, cell by cell, and a number of notebook 01."""

import json
from hashlib import sha256

SETUP = "import torch\nimport torch.nn.functional as F\nfrom gancourse.exercises import check"
CHOICE = 'answer = "c"'
WRONG = "def value(real, fake):\n    return F.logsigmoid(real).mean() * 0.7"
RIGHT = "def value(real, fake):\n    return F.logsigmoid(real).mean() + F.logsigmoid(-fake).mean()"
LOSS = "def generator_loss(fake):\n    return F.softplus(-fake).mean()"
NAMES = {
    "2.3": "optimal_discriminator",
    "2.1": "answer",
    "2.2": "value",
    "1.1": "number",
    "2.5": "generator_loss",
}


def code(source, id="", tags=()) -> dict:
    """A code cell as JSON."""
    cell = {"cell_type": "code", "metadata": {"tags": list(tags)} if tags else {}, "source": source}
    return cell | {"outputs": [], "execution_count": None} | ({"id": id} if id else {})


def course_cell(source: str, tags=()) -> dict:
    """A code cell that the course wrote, not edited: its id is the digest of its source."""
    return code(source, sha256(f"code\n{source}".encode()).hexdigest()[:10], tags)


def exercise(id: str, source: str) -> list[dict]:
    """An exercise's cell and its check."""
    name = id.replace(".", "-")
    line = f'{NAMES[id]} = check("{id}", {NAMES[id]})'
    return [code(source, f"exercise-{name}", ["exercise"]), code(line, f"check-{name}")]


def cells(early: str = "", value: str = WRONG, late: str = "") -> list[dict]:
    """The student's cells, with one more before or after the answers."""
    return [
        code(SETUP),
        *([code(early)] if early else []),
        *exercise("2.1", CHOICE),
        *exercise("2.2", value),
        *exercise("2.5", LOSS),
        *([code(late)] if late else []),
    ]


def text(cells: list, **more) -> str:
    """A notebook file."""
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5} | more)
