"""One source, two notebooks: ``solutions/NN_name.py`` becomes what students and readers open.

``notebooks/NN_name.ipynb`` is the student's version: stubs instead of solutions, no outputs.
``solutions/NN_name.ipynb`` is the source executed, sealed with a digest, so that an edit by hand is
noticed. Links to Colab, the setup cell, measured seconds and README's table are filled in from one
place each: ``[project.urls]`` in pyproject.toml and ``benchmarks/measured.json``.
"""

import ast
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode

import gancourse
from gancourse.errors import CourseError
from gancourse.exercises import of_notebook
from gancourse.exercises.base import Exercise
from gancourse.notebooks.links import linked

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10; jupytext brings its predecessor there
    import tomli as tomllib

SETUP = """\
# The same in every notebook. On Colab and Kaggle this installs the course; torch stays as it is.
import importlib
import importlib.util
import subprocess
import sys

found = importlib.util.find_spec("gancourse")
if found is None or found.origin is None:  # without an origin it is only a folder of that name
    course = "gancourse @ git+{repository}@{tag}"
    if subprocess.run([sys.executable, "-m", "pip", "install", "-q", course]).returncode:
        raise RuntimeError("The course could not be installed. On your own machine: make lab")
    importlib.invalidate_caches()

from gancourse import env

env.start("{version}")"""
METADATA = {
    "accelerator": "GPU",  # these two are read by Colab
    "colab": {"gpuType": "T4", "provenance": []},
    # What JupyterLab writes on opening with the kernel of `make lab`: then nothing is to be saved.
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {
        "codemirror_mode": {"name": "ipython", "version": 3},
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "nbconvert_exporter": "python",
        "pygments_lexer": "ipython3",
    },
}
PERCENT = {"extension": ".py", "format_name": "percent", "comment_magics": False}
CHECK = re.compile(r'^[^#\n]*\bcheck\("([^"]+)",', re.MULTILINE)
BLOCK = re.compile(r"^( *)# BEGIN SOLUTION\n(.*?)^ *# END SOLUTION(?:\n|\Z)", re.M | re.S)
PLACEHOLDER = re.compile(r"(?:^[^\s#].* = \.\.\..*\n)+(?=# BEGIN SOLUTION)", re.M)
WIDGET = "application/vnd.jupyter.widget-view+json"
MACHINE_PATH = re.compile(r"/(?:home|root|tmp|Users)/|[A-Z]:\\+Users|site-packages")


@dataclass(frozen=True)
class Course:
    """The folder of a course, and the facts that its notebooks are built from."""

    root: Path
    repository: str
    """Public address, without a trailing slash."""
    measured: dict = field(default_factory=dict)
    """``benchmarks/measured.json``: profile -> command, machine, notebooks."""
    exercises: Callable[[str], Sequence[Exercise]] = of_notebook
    version: str = gancourse.__version__
    """Its tag is "v" and this: links to Colab open that tag's notebooks, which install it."""

    @classmethod
    def at(cls, root: Path) -> "Course":
        """The course in a folder; CourseError if it holds none."""
        try:
            project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
            address = project["project"]["urls"]["Repository"].rstrip("/")
        except (OSError, KeyError, ValueError) as error:
            raise CourseError(
                f"{root} is not the course's folder.",
                f"Its pyproject.toml names no Repository ({type(error).__name__}: {error}).",
                "Change to the folder that you cloned, and run this again.",
            ) from error
        path = root / "benchmarks" / "measured.json"
        return cls(root, address, json.loads(path.read_text("utf-8")) if path.exists() else {})

    def sources(self, names: Sequence[str] = ()) -> list[Path]:
        """The sources of some notebooks, by number or name ("3", "03", "03_dcgan"), or of all.

        CourseError if there is no such notebook.
        """
        sources = sorted((self.root / "solutions").glob("[0-9][0-9]_*.py"))
        asked = {name.zfill(2) for name in names}
        chosen = [path for path in sources if not names or {path.stem, path.stem[:2]} & asked]
        missing = asked - {key for path in chosen for key in (path.stem, path.stem[:2])}
        if missing or not sources:
            known = ", ".join(path.stem for path in sources) or "none"
            what = f"There is no notebook {', '.join(sorted(missing)) or 'here'}."
            raise CourseError(what, f"Known: {known}.", "Give their numbers, or none for all.")
        return chosen


def read(course: Course, source: Path) -> NotebookNode:
    """A source as a notebook, header and setup filled in, every cell with a stable id."""
    notebook = jupytext.reads(source.read_text(encoding="utf-8"), fmt=PERCENT)
    cells = [nbformat.from_dict(dict(cell)) for cell in notebook.cells]
    for cell in cells:
        cell.metadata = {"tags": list(tags(cell))} if tags(cell) else {}
        if "test" in tags(cell):
            cell.metadata["jupyter"] = {"source_hidden": True}
        if "header" in tags(cell):
            title, _, rest = cell.source.partition("\n")
            cell.source = "\n\n".join([title, *_under_title(course, source.stem), rest.strip()])
        if "setup" in tags(cell):
            cell.source = setup(course)
            cell.metadata["tags"] = ["setup", "nbval-ignore-output"]
    seen: Counter[str] = Counter()
    for cell, name in zip(cells, _names(cells), strict=True):
        cell.id = f"{name}-{seen[name]}" if seen[name] else name
        seen[name] += 1
    return nbformat.v4.new_notebook(cells=cells, metadata=METADATA)


def setup(course: Course) -> str:
    """The second cell of every notebook."""
    tag, version = f"v{course.version}", course.version
    return SETUP.format(repository=course.repository, tag=tag, version=version)


def tags(cell: NotebookNode) -> list[str]:
    """The tags of a cell."""
    return cell.metadata.get("tags", [])


def exercise_ids(cells: Sequence[NotebookNode]) -> dict[int, str]:
    """Position of every cell tagged ``exercise`` -> the id in the next code cell's check, or ""."""
    code = [i for i, cell in enumerate(cells) if cell.cell_type == "code"]
    found = {}
    for here, after in zip(code, [*code[1:], None], strict=True):
        if "exercise" in tags(cells[here]):
            match = CHECK.search(cells[after].source) if after is not None else None
            found[here] = match[1] if match else ""
    return found


def student(course: Course, source: Path) -> NotebookNode:
    """The student's version: stubs instead of solutions, no cell that shows one, no tests."""
    notebook = _with_links(course, source)
    for i, id in exercise_ids(notebook.cells).items():
        stub = f'raise NotImplementedError("Exercise {id}")\n'
        cell = notebook.cells[i]
        cell.source = BLOCK.sub(lambda m, s=stub: m[1] + s if m[1] else "", cell.source).rstrip()
    notebook.cells = [c for c in notebook.cells if not {"solution", "test"} & set(tags(c))]
    return notebook


def solved(course: Course, source: Path) -> NotebookNode:
    """The solved version, not executed: the markers and the students' placeholders are gone."""
    notebook = _with_links(course, source)
    for i in exercise_ids(notebook.cells):
        text = PLACEHOLDER.sub("", notebook.cells[i].source)
        notebook.cells[i].source = BLOCK.sub(lambda m: m[2], text).rstrip()
    return notebook


def _with_links(course: Course, source: Path) -> NotebookNode:
    notebook = read(course, source)
    notebooks = {path.stem[:2]: path.stem for path in course.sources()}
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = linked(cell.source, source.stem[:2], notebooks)
    return notebook


def seal(notebook: NotebookNode) -> NotebookNode:
    """Store the digest of all cells and outputs, without widgets; CourseError for a local path."""
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        for output in cell.outputs:
            output.get("data", {}).pop(WIDGET, None) and output.data.clear()
        cell.outputs = [o for o in cell.outputs if o.get("data", True)]
        if path := MACHINE_PATH.search(json.dumps(cell.outputs)):
            raise CourseError(
                f"A cell's output shows the path of a machine ({path[0]}).",
                f"The cell begins: {cell.source.splitlines()[0]}",
                "Print only the name of the file, or fix the cause of the warning.",
            )
    notebook.metadata = nbformat.from_dict(METADATA | {"gancourse": {"sha256": _digest(notebook)}})
    return notebook


def is_sealed(notebook: NotebookNode) -> bool:
    """Whether nothing was changed since the notebook was executed."""
    return notebook.metadata.get("gancourse", {}).get("sha256") == _digest(notebook)


def with_outputs(fresh: NotebookNode, executed: Path) -> NotebookNode | None:
    """A solved notebook with the outputs of its executed version, or None if that is out of date.

    That is so where the code differs, or where somebody edited it: it has to be executed again. Not
    compared is what can't change the outputs: the setup cell, comments, and budgets of the profile
    `gpu`, since notebooks are executed with the profile `cpu`.
    """
    if not executed.exists():
        return None
    old = nbformat.read(executed, as_version=4)
    before, after = ([c for c in n.cells if c.cell_type == "code"] for n in (old, fresh))
    compared = ([_executed(c) for c in n if "setup" not in tags(c)] for n in (before, after))
    if not is_sealed(old) or len(set(map(tuple, compared))) > 1:
        return None
    for cell, executed_cell in zip(after, before, strict=True):
        cell.outputs = executed_cell.outputs
        cell.execution_count = executed_cell.execution_count
    return seal(fresh)


def _executed(cell: NotebookNode) -> str:
    """A cell's code without comments, and without `gpu=` in calls of `env.budget`."""
    try:
        tree = ast.parse(cell.source)
    except SyntaxError:  # an IPython command
        return cell.source
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "env.budget":
            call.keywords = [option for option in call.keywords if option.arg != "gpu"]
    return ast.unparse(tree)


def table(course: Course) -> str:
    """README's table of notebooks."""
    profiles = [p for p in ("cpu", "gpu") if course.measured.get(p, {}).get("notebooks")]
    head = ["Notebook", "You build", "Minutes", *(f"Measured, {p.upper()}" for p in profiles)]
    rows = [head, ["---"] * len(head)]
    for source in course.sources():
        cells = jupytext.reads(source.read_text(encoding="utf-8"), fmt=PERCENT).cells
        title, builds, minutes = header_facts(cells[0].source)
        links = f"[{title}](notebooks/{source.stem}.ipynb) {_colab(course, source.stem)}"
        seconds = [_measured(course, p, source.stem).get("seconds") for p in profiles]
        rows.append([links, builds, str(minutes), *(f"{s:.0f} s" if s else "" for s in seconds)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def header_facts(text: str) -> tuple[str, str, int]:
    """Title, what is built, and the sum of the minutes (last column), from a header cell."""
    title = text.partition("\n")[0].lstrip("# ")
    builds = re.search(r"^\*\*You build:\*\* *(.+?)\s*(?:\n\s*\n|\Z)", text, re.M | re.S)
    minutes = re.findall(r"^\|.*\| *(\d+) *\|$", text, re.M)
    return title, " ".join(builds[1].split()) if builds else "", sum(map(int, minutes))


def readme(course: Course) -> str | None:
    """README with its table filled in, or None if it has no place for one."""
    path = course.root / "README.md"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    pattern = r"(<!-- notebooks:begin -->\n).*?(<!-- notebooks:end -->)"
    if not re.search(pattern, text, re.S):
        return None
    return re.sub(pattern, lambda m: f"{m[1]}{table(course)}\n{m[2]}", text, flags=re.S)


def write(path: Path, text: str) -> bool:
    """Write a text file; False if it had that content already."""
    text = text if text.endswith("\n") else text + "\n"
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return True


def _names(cells: Sequence[NotebookNode]) -> list[str]:
    """A name for each cell: by its role in the course, else by its content."""
    exercises = exercise_ids(cells)
    names = []
    for i, cell in enumerate(cells):
        role = next((tag for tag in ("header", "setup") if tag in tags(cell)), None)
        checked = CHECK.search(cell.source) if cell.cell_type == "code" else None
        if i in exercises:
            role = f"exercise-{exercises[i]}"
        elif checked:
            role = f"check-{checked[1]}"
        digest = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()
        names.append(re.sub(r"[^a-z0-9-]", "-", role) if role else digest[:10])
    return names


def _under_title(course: Course, name: str) -> list[str]:
    links = [
        _colab(course, name),
        f"[exercises](../notebooks/{name}.ipynb)",
        f"[solved, with outputs](../solutions/{name}.ipynb)",
    ]
    lines = []
    for profile, known in course.measured.items():
        if entry := _measured(course, profile, name):
            memory = f"{entry['peak_mb'] / 1000:.1f} GB of memory"
            place = f"profile `{profile}`, {known['machine']}"
            lines.append(f"{entry['seconds']:.0f} s and {memory} ({place})")
    return [
        " · ".join(links),
        *(["Measured, run from top to bottom: " + "; ".join(lines) + "."] * bool(lines)),
    ]


def _colab(course: Course, name: str) -> str:
    path = course.repository.removeprefix("https://github.com/")
    place = f"{path}/blob/v{course.version}/notebooks/{name}.ipynb"
    return f"[Open in Colab](https://colab.research.google.com/github/{place})"


def _measured(course: Course, profile: str, name: str) -> dict:
    return course.measured.get(profile, {}).get("notebooks", {}).get(name, {})


def _digest(notebook: NotebookNode) -> str:
    text = json.dumps(notebook.cells, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
