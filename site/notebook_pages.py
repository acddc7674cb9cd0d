"""A solved notebook as a page: exercises with a folded solution, figures as files of their own."""

import io
import re
from base64 import b64decode
from collections.abc import Iterator
from html import escape
from pathlib import Path

from demo_pages import DEMOS
from PIL import Image
from places import Course, relinked
from terms import Glossary

SOLUTION = {"code_prompt_show": "Show one solution", "code_prompt_hide": "Hide the solution"}
SETUP = {"code_prompt_show": "Show the set-up", "code_prompt_hide": "Hide the set-up"}
WEBP = re.compile(r'src="data:image/webp;base64,([^"]+)"')


def page(course: Course, name: str, figures: Path, glossary: Glossary) -> dict:
    """The notebook that the site's generator reads in place of a solved one.

    Parameters
    ----------
    course : Course
    name : str
        Such as "02_minimax_game".
    figures : Path
        Folder for the figures' files; it is ``figures/`` of the site.
    glossary : Glossary
        Its terms are linked where they first occur.
    """
    solved, given = (course.notebook(folder, name) for folder in ("solutions", "notebooks"))
    stubs = {cell["id"]: cell for cell in given["cells"] if "exercise" in tags(cell)}
    terms, cells = glossary.linker(), []
    for cell in solved["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            source = relinked(source, f"notebooks/{name}.ipynb", course)
            if "header" in tags(cell):
                source = with_launch_row(source, course, name)
            cell["source"] = with_anchors(terms(source))
        elif "exercise" in tags(cell):
            cells.append({**stubs[cell["id"]], "outputs": [], "id": f"{cell['id']}-stub"})
            cell["metadata"] = {"tags": ["hide-input"], "mystnb": SOLUTION}
        elif "setup" in tags(cell):
            cell["metadata"] = {"tags": ["hide-input"], "mystnb": SETUP}
        cells.append(cell)
    numbered = iter(range(1, 1000))
    for output in outputs(cells):
        as_file(output, name, numbered, figures)
    if name in DEMOS:
        demo = DEMOS[name]
        html = ["".join(o.get("data", {}).get("text/html", "")) for o in outputs(cells)]
        stills = [text for text in html if text.startswith("<a href")]
        text = demo.text(stills[demo.figure - 1])
        cells.insert(1, {"cell_type": "markdown", "id": "demo", "metadata": {}, "source": text})
    metadata = {key: solved["metadata"][key] for key in ("kernelspec", "language_info")}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def outputs(cells: list[dict]) -> Iterator[dict]:
    """The outputs of all cells."""
    return (output for cell in cells for output in cell.get("outputs", []))


def with_anchors(text: str) -> str:
    """A text with an anchor before each exercise that has none."""

    def anchored(found: re.Match) -> str:
        anchor = f'<a id="exercise-{found[2]}"></a>'
        return found[0] if anchor in text else f"{anchor}\n\n{found[0]}"

    return re.sub(r"^(\*\*|#+ )Exercise (\d+\.\d+)", anchored, text, flags=re.M)


def tags(cell: dict) -> list[str]:
    """A cell's tags."""
    return cell["metadata"].get("tags", [])


def as_file(output: dict, name: str, numbered: Iterator[int], figures: Path) -> None:
    """Write an output's image into a file, and refer to it; other outputs stay as they are."""
    data = output.get("data", {})
    found = WEBP.search("".join(data.get("text/html", "")))
    if "image/png" not in data:
        return
    content = b64decode(found[1]) if found else b64decode(data["image/png"])
    with Image.open(io.BytesIO(content)) as image:
        width, height, kind = *image.size, image.format.lower()
    file = f"{name}-{next(numbered)}.{kind}"
    (figures / file).write_bytes(content)
    alt = output["metadata"]["image/png"]["alt"]
    shown = round(width * min(1, 960 / width)), round(height * min(1, 960 / width))
    img = (
        f'<a href="../figures/{file}"><img src="../figures/{file}" alt="{escape(alt)}" '
        f'width="{shown[0]}" height="{shown[1]}" loading="lazy"></a>'
    )
    output["data"], output["metadata"] = {"text/html": img}, {}


def with_launch_row(header: str, course: Course, name: str) -> str:
    """A notebook's header with the site's links in place of the notebook's."""
    title, _, rest = header.partition("\n")
    rest = re.sub(r"\A\s*\[Open in Colab\].*\n", "", rest)
    place = f"{course.slug}/blob/v{course.version}/notebooks/{name}.ipynb"
    binder = f"{course.slug}/v{course.version}?labpath=notebooks/{name}.ipynb"
    minutes = sum(map(int, re.findall(r"^\|.*\| *(\d+) *\|$", header, re.M)))
    row = f"""
<div class="launch">
<a href="https://colab.research.google.com/github/{place}">Open in Colab</a>
<a href="https://mybinder.org/v2/gh/{binder}">Open in Binder</a>
<a href="../download/{name}.ipynb" download>Download the notebook</a>
<a href="../docs/WHERE_TO_RUN.html">Run it elsewhere</a>
</div>

*{minutes} minutes to read it and to solve its exercises.* Below is the solved notebook with the
outputs of a recorded run; solutions and hints are folded.

"""
    return f"{title}\n{row}{rest.lstrip()}"
