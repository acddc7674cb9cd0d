"""The places of the course that the site is built from, and where a link on a page leads."""

import json
import os.path
import posixpath
import re
from dataclasses import dataclass, field
from pathlib import Path

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10; Sphinx brings its predecessor there
    import tomli as tomllib

HERE = Path(__file__).parent
DOCUMENTS = (
    "README.md", "CONTRIBUTING.md", "data/README.md", "docs/WHERE_TO_RUN.md",
    "docs/INSTRUCTORS.md", "docs/EXERCISES.md", "docs/PROJECT.md", "docs/MOVING_OVER.md",
)  # fmt: skip
LINK = re.compile(r"(?<!!)(\[(?:[^\[\]]|\[[^\]]*\])*\]\()([^()\s]+)(\))")


@dataclass(frozen=True)
class Course:
    """A clone of the course."""

    root: Path
    repository: str
    """Public address, without a trailing slash."""
    version: str
    notebooks: tuple[str, ...] = field(default=())
    """Names such as "02_minimax_game", in order."""

    @classmethod
    def at(cls, root: Path) -> "Course":
        """The course in a folder."""
        project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
        package = (root / "gancourse" / "__init__.py").read_text("utf-8")
        names = sorted(path.stem for path in (root / "solutions").glob("[0-9][0-9]_*.ipynb"))
        return cls(
            root,
            project["urls"]["Repository"].rstrip("/"),
            re.search(r'^__version__ = "(.+)"', package, re.M)[1],
            tuple(names),
        )

    def notebook(self, folder: str, name: str) -> dict:
        """A notebook of ``solutions`` or of ``notebooks``."""
        return json.loads((self.root / folder / f"{name}.ipynb").read_text("utf-8"))

    @property
    def slug(self) -> str:
        """Owner and name of the repository."""
        return self.repository.removeprefix("https://github.com/")

    def source(self, path: str) -> str:
        """Address of a file or folder in the repository, at this version."""
        kind = "tree" if (self.root / path).is_dir() else "blob"
        return f"{self.repository}/{kind}/v{self.version}/{path}"


def relinked(text: str, page: str, course: Course) -> str:
    """Markdown whose links to files of the course lead to their pages, or else to the repository.

    Parameters
    ----------
    text : str
        Markdown.
    page : str
        Its file, relative to the course's folder.
    course : Course
    """

    def link(found: re.Match) -> str:
        path, hash_, anchor = found[2].partition("#")
        if not path or re.match(r"[a-z]+:|/", path):
            return found[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(page), path))
        solved = re.sub(r"^solutions/", "notebooks/", path)
        if path in DOCUMENTS or (
            Path(solved).stem in course.notebooks and solved.endswith("ipynb")
        ):
            target = os.path.relpath(solved, posixpath.dirname(page) or ".") + hash_ + anchor
        elif (course.root / path).exists():
            target = course.source(path) + hash_ + anchor
        else:
            raise ValueError(f"{page}: the link {found[2]} leads nowhere")
        return found[1] + target + found[3]

    return LINK.sub(link, text)
