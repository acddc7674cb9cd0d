"""What a template repository of GitHub Classroom needs: a notebook, and a workflow for feedback.

The workflow runs what students can change, so its points are feedback. Marks come from
`gancourse grade` on clones of their repositories.
"""

import importlib.metadata
import sys
from importlib.resources import files
from pathlib import Path

from gancourse import __version__, env
from gancourse.errors import CourseError

WORKFLOW = Path(".github", "workflows", "classroom.yml")


def package(notebook: str, out: Path) -> list[Path]:
    """Write the files of a template repository.

    Parameters
    ----------
    notebook : str
        Its number: "02".
    out : Path
        A folder; it is made if it does not exist, and nothing in it is replaced.

    Returns
    -------
    list[Path]
        The files that were written.

    Raises
    ------
    CourseError
        If one of the files exists, or the course's folder is not at hand.
    """
    sources = sorted((env.root() / "notebooks").glob(f"{notebook}_*.ipynb"))
    if not sources:
        what = f"The student's version of notebook {notebook} is not here."
        raise CourseError(what, "", "Run this command in the course's folder.")
    name = f"notebooks/{sources[0].name}"
    workflow = (files("gancourse.grading.packages") / "files" / "classroom.yml").read_text("utf-8")
    python = ".".join(map(str, sys.version_info[:2]))
    words = {"NOTEBOOK": name, "COURSE": _course(), "PYTHON_VERSION": python}
    for word, value in words.items():
        workflow = workflow.replace(word, value)
    texts = {out / WORKFLOW: workflow, out / name: sources[0].read_text("utf-8")}
    if existing := [str(path) for path in texts if path.exists()]:
        do = "Name an empty folder with --out, or remove them."
        raise CourseError(f"These files exist: {', '.join(existing)}.", "", do)
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return list(texts)


def _course() -> str:
    """This version of the course, as pip installs it."""
    try:
        urls = importlib.metadata.metadata("gancourse").get_all("Project-URL") or []
    except importlib.metadata.PackageNotFoundError:
        urls = []
    for url in urls:
        name, _, address = url.partition(", ")
        if name == "Repository":
            return f"gancourse @ git+{address}@v{__version__}"
    what = "Where the course is published is not known: it is not installed."
    raise CourseError(what, "", 'Install it: pip install -e ".[instructor]"')
