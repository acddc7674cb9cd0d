"""The table paper -> equation -> code -> test -> notebook, read from docstrings and tests."""

import ast
import re
from collections.abc import Iterator

from places import Course

PLACE = re.compile(
    r"(?:Equations?|Sections?|Algorithm|Figure|Table|Proposition) "
    r"[\d.]*\d(?:(?:, [\d.]*\d)* and [\d.]*\d)?"
)
AUTHORS = re.compile(r"[A-Z][\w-]+(?:,? (?:and |et al\.|[A-Z])[\w-]*)* \(?\d{4}\)?")
MATH = re.compile(r":math:`([^`]+)`")
HEAD = """\
# Papers and code

Every function below names the place in its paper that it implements. The table is built from the
functions' documentation: *code* leads to the function, *test* to a test of it, *notebook* to the
exercise in which you write it, or else to the notebook that uses it first.
"""
ORDER = (
    "adversarial", "gan", "dcgan", "dcgan_probes", "cgan", "lapgan", "text2image", "srgan",
    "cyclegan", "tricks", "diffaugment", "dirac", "r3gan",
)  # fmt: skip


def page(course: Course) -> str:
    """The page, as Markdown."""
    return HEAD + "".join(section(course, name) for name in ORDER)


def section(course: Course, name: str) -> str:
    """A heading and a table for the functions of a module that name a place in their paper."""
    path = f"gancourse/papers/{name}.py"
    tree = ast.parse((course.root / path).read_text("utf-8"))
    title, _, rest = ast.get_docstring(tree).partition("\n")
    about = " ".join(rest.strip().split("\n\n")[0].split())
    rows = []
    for node in public(tree):
        text = " ".join((ast.get_docstring(node) or "").split())
        places = named_places(text)
        if not places:
            continue
        formula = MATH.search(text)
        math = f"${formula[1]}$" if formula else text.partition(". ")[0].rstrip(".:")
        math = math.replace("|", "\\vert ").replace("\n", " ")
        code = f"[`{node.name}`]({course.source(path)}#L{node.lineno})"
        cells = [", ".join(places), math, code, test(course, name, node.name)]
        rows.append([*cells, in_notebook(course, name, node.name)])
    if not rows:
        return ""
    head = ["In the paper", "What", "Code", "Test", "Notebook"]
    lines = [head, ["---"] * len(head), *rows]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"\n## {title.rstrip('.')}\n\n{about}\n\n{table}\n"


def named_places(text: str) -> list[str]:
    """Places in papers, each with the authors that its sentence names before it, if there are any.

    Without authors it is the paper of the module.
    """
    found = []
    for sentence in re.split(r"(?<!\bal)\. |; ", text):
        for place in PLACE.finditer(sentence):
            authors = AUTHORS.findall(sentence[: place.start()])
            found.append(", ".join([*authors[-1:], place[0]]))
    return list(dict.fromkeys(found))


def public(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.ClassDef]:
    """Functions and classes of a module whose names have no underscore in front."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node


def names_in(node: ast.AST) -> set[str]:
    """All names and attributes in a piece of code."""
    found = {inner.attr for inner in ast.walk(node) if isinstance(inner, ast.Attribute)}
    return found | {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}


def test(course: Course, module: str, name: str) -> str:
    """A link to the first test that uses a function, in the module's own file or another."""
    for path in (f"tests/papers/test_{module}.py", *others(course, module)):
        file = course.root / path
        if not file.exists():
            continue
        for node in ast.parse(file.read_text("utf-8")).body:
            is_test = isinstance(node, ast.FunctionDef) and node.name.startswith("test")
            if is_test and name in names_in(node):
                what = node.name.removeprefix("test_").replace("_", " ")
                return f"[{what}]({course.source(path)}#L{node.lineno})"
        if re.search(rf"\b{name}\b", file.read_text("utf-8")):  # in a helper, or in parameters
            return f"[{file.name}]({course.source(path)})"
    return "none"


def others(course: Course, module: str) -> list[str]:
    """The other test files of papers that import a module."""
    files = sorted((course.root / "tests" / "papers").glob("test_*.py"))
    return [
        str(file.relative_to(course.root)) for file in files
        if re.search(rf"\bpapers(\.| import .*\b){module}\b", file.read_text("utf-8"))
    ]  # fmt: skip


def in_notebook(course: Course, module: str, name: str) -> str:
    """A link to the exercise whose reference a function is, or to the notebook that uses it."""
    for file in sorted((course.root / "gancourse" / "exercises").glob("nb*/ex*.py")):
        text = file.read_text("utf-8")
        imported = re.search(
            rf"papers(\.{module} import .*\b{name}\b| import .*\b{module}\b)", text
        )
        if imported and re.search(rf"^    reference=({module}\.)?{name},", text, re.M):
            number = f"{int(file.parent.name[2:])}.{int(file.name[2:4])}"
            page = next(n for n in course.notebooks if n.startswith(file.parent.name[2:]))
            return f"[Exercise {number}](notebooks/{page}.ipynb#exercise-{number})"
    used = rf"\b{module}\.{name}\b|papers\.{module} import [^\n]*\b{name}\b"
    used += rf"|\b{name}\b" if "_" in name else ""  # several papers have a Generator
    for page in course.notebooks:
        for cell in course.notebook("solutions", page)["cells"]:
            if cell["cell_type"] == "code" and re.search(used, "".join(cell["source"])):
                return f"[{page[:2]}](notebooks/{page}.ipynb)"
    return "none"
