"""A student's own Python files, handed in with the notebook: `helpers.py`, which it imports.

They are text here. Where the notebook's cells run, they are first written into the working folder.
"""

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

MOST, LARGEST = 20, 2 * 10**5  # files of one notebook, and characters in all
CANDIDATES = 500  # files next to it that are looked at
FILE = re.compile(r"^(?P<name>[A-Za-z_]\w{0,60})\.py$", re.ASCII)
COPY = re.compile(r"( ?\(\d+\)|-\d+)(?=\.py$)")  # an LMS's number: helpers-1.py
IMPORT = re.compile(r"(?:^|[;:]|%\w+)[ \t]*(?:from|import)\b([^#\n;]{1,300})", re.MULTILINE)
RUN = re.compile(r"%run\b[^\n]*?\b(\w+)[ \t]*$", re.MULTILINE)
BY_NAME = re.compile(r"import_module\(\s*[\"'](\w+)")
Read = Callable[[], bytes]


def own_name(file: str) -> str:
    """The name of a module's file before an LMS numbered it; empty if it can't be imported."""
    name = COPY.sub("", file)
    match = FILE.match(name)
    return name if match and match["name"] not in {*sys.stdlib_module_names, "gancourse"} else ""


def imported(
    sources: Iterable[str], beside: Mapping[str, Read]
) -> tuple[dict[str, str], list[str]]:
    """The files that code imports, directly or through another one.

    Parameters
    ----------
    sources : Iterable[str]
        Code, of a notebook's cells.
    beside : Mapping[str, Read]
        Name of a file next to the notebook -> what reads it. Of two numbered ones the later counts.

    Returns
    -------
    tuple[dict[str, str], list[str]]
        Name of the file -> its text, and a note on each one that is left out.
    """
    files = {own: beside[name] for name in list(beside)[:CANDIDATES] if (own := own_name(name))}
    pending, texts, notes = list(sources), {}, []
    while pending:
        source = pending.pop()
        for name in sorted({*files} & {f"{word}.py" for word in _mentioned(source)}):
            try:
                text = files.pop(name)().decode("utf-8-sig")
            except Exception as error:  # whatever a strange file causes, the notebook is graded
                notes.append(f"{name} can't be read ({type(error).__name__})")
                continue
            if len(texts) == MOST or len(text) + sum(map(len, texts.values())) > LARGEST:
                most = f"more than {MOST} files or {LARGEST // 1000} kB of Python files"
                notes.append(f"{name} was left out: {most} next to the notebook")
                continue
            texts[name] = text
            pending.append(text)
    return dict(sorted(texts.items())), notes


def _mentioned(source: str) -> set[str]:
    """Names in imports of a text, and those of files: `%run helpers.py`."""
    words = {word for part in IMPORT.findall(source) for word in re.findall(r"\w+", part)}
    files = {*re.findall(r"\b(\w+)\.py\b", source)} | {*RUN.findall(source)}
    return words | files | {*BY_NAME.findall(source)}


def stored(document: Mapping[str, Any]) -> dict[str, Read]:
    """The modules in a notebook that was saved by the grader."""
    metadata = document.get("metadata")
    course = metadata.get("gancourse") if isinstance(metadata, dict) else None
    modules = course.get("modules") if isinstance(course, dict) else None
    texts = modules.items() if isinstance(modules, dict) else ()
    return {n: lambda text=text: text.encode() for n, text in texts if isinstance(text, str)}


def next_to(path: Path) -> dict[str, Read]:
    """The Python files in the folder of a notebook; links are not followed."""
    files = sorted(path.parent.glob("*.py"))[:CANDIDATES]
    return {f.name: lambda f=f: _bounded(f) for f in files if f.is_file() and not f.is_symlink()}


def _bounded(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4 * LARGEST + 1)


def write(modules: Mapping[str, str], folder: Path) -> None:
    """Write modules into a folder."""
    for name, text in modules.items():
        if own_name(name) == name:
            (folder / name).write_text(text, encoding="utf-8", newline="")
