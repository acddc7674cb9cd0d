"""The JSON of an untrusted notebook file, without what is not graded: outputs and attachments.

A notebook with 35 kB of code may have 50 MB of images in its outputs. They are cut out of the bytes
before anything is parsed, so a large file takes its own size in memory and not ten times as much.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gancourse.errors import CourseError

MOST = 300 * 10**6  # bytes of a file
LARGEST = 30 * 10**6  # bytes of it without outputs
MOST_CELLS = 10_000  # of any kind; each takes a kilobyte of memory, however empty it is
STEPS = 5 * 10**6  # strings and brackets in a file; ten seconds
MARK = re.compile(rb'["\[\]{}]')
KEY = re.compile(rb"\s*:\s*(?=[\[{])")
LEFT_OUT = {2: {b'"widgets"'}, 3: {b'"outputs"', b'"attachments"'}}  # depth: keys of large values


class Unreadable(CourseError):
    """A file that can't be graded: broken, too large, or no notebook of the course."""

    def __init__(self, what: str, why: str = "") -> None:
        do = "Ask for the notebook again: File > Download > .ipynb, after a run from top to bottom."
        super().__init__(what, why, do)


def load(content: bytes, name: str) -> dict[str, Any]:
    """Read the JSON of a notebook file.

    Parameters
    ----------
    content : bytes
        Of the file.
    name : str
        Of the file, for the message.

    Returns
    -------
    dict[str, Any]
        It has a list of "cells". If the file is large, outputs, attachments and widgets are null.

    Raises
    ------
    Unreadable
        If it is too large, no JSON, or no notebook.
    """
    if len(content) > MOST:
        raise Unreadable(f"{name} is too large.", f"More than {MOST // 10**6} MB.")
    try:
        if len(content) > LARGEST:
            content = without_outputs(content)
        if len(content) > LARGEST:
            why = f"More than {LARGEST // 10**6} MB without its outputs."
            raise Unreadable(f"{name} is too large.", why)
        document = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError, MemoryError) as error:
        why = f"Its JSON is broken: {type(error).__name__}: {error}"[:230]
        raise Unreadable(f"{name} is not a notebook.", why) from error
    if not isinstance(document, dict) or not isinstance(document.get("cells"), list):
        raise Unreadable(f"{name} is not a notebook.", "It has no list of cells (nbformat 4).")
    if len(document["cells"]) > MOST_CELLS:
        raise Unreadable(f"{name} is too large.", f"More than {MOST_CELLS} cells.")
    return document


def without_outputs(content: bytes) -> bytes:
    """JSON with null in place of the values of `LEFT_OUT`. ValueError if it ends too early."""
    parts, kept_from, depth = [], 0, 0
    end_depth = None  # the depth at which the value that is left out ends
    for start, end in _tokens(content):
        byte = content[start]
        if byte == ord('"'):
            if end_depth is None and content[start:end] in LEFT_OUT.get(depth, ()):
                if key := KEY.match(content, end):
                    parts += [content[kept_from : key.end()], b"null"]
                    end_depth = depth
        elif byte in b"[{":
            depth += 1
        else:
            depth -= 1
            if depth == end_depth:
                kept_from, end_depth = end, None
    if depth:
        raise ValueError("it ends too early")
    return b"".join([*parts, content[kept_from:]])


def _tokens(content: bytes) -> Iterator[tuple[int, int]]:
    """Where each string and each bracket starts and ends."""
    at, start = 0, None  # start of the string that `at` is in
    for _ in range(STEPS):
        if start is None:
            mark = MARK.search(content, at)
            if mark is None:
                return
            at = mark.end()
            if mark[0] == b'"':
                start = mark.start()
            else:
                yield mark.start(), at
            continue
        quote = content.find(b'"', at)
        if quote < 0:
            break
        at, last = quote + 1, quote - 1
        while content[last] == ord("\\"):
            last -= 1
        if (quote - last) % 2:  # an even number of backslashes: the quote is not escaped
            yield start, at
            start = None
    raise ValueError("it ends too early, or has too many parts")


def cells(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What is kept of the cells: type, source (None if it is no text), id and tags."""
    return [_kept(cell) for cell in document["cells"] if isinstance(cell, dict)]


def _kept(cell: Mapping[str, Any]) -> dict[str, Any]:
    metadata = cell.get("metadata") if isinstance(cell.get("metadata"), dict) else {}
    tags = metadata.get("tags") if isinstance(metadata.get("tags"), list) else []
    tags = [tag for tag in tags if isinstance(tag, str)]
    id = cell.get("id") or metadata.get("id")  # Colab keeps a cell's id in its metadata
    kept = {"id": id} if isinstance(id, str) and id else {}
    kept |= {"tags": tags} if tags else {}
    kind = "code" if cell.get("cell_type") == "code" else "markdown"
    outputs = {"execution_count": None, "outputs": []} if kind == "code" else {}
    source = _text(cell.get("source"))
    return {"cell_type": kind, "metadata": kept, "source": source} | outputs


def dump(
    document: Mapping[str, Any], cells: Sequence[Mapping], modules: Mapping[str, str]
) -> bytes:
    """A notebook of these cells and modules, that any tool opens; the same for the same of them.

    Of the document, only the version of Python is kept. `load` and `cells` of the result give the
    same cells again.
    """
    metadata = document.get("metadata")
    language = metadata.get("language_info") if isinstance(metadata, dict) else None
    version = language.get("version") if isinstance(language, dict) else None
    kept: dict[str, Any] = {"gancourse": {"modules": modules}} if modules else {}
    if isinstance(version, str):
        kept["language_info"] = {"name": "python", "version": version[:40]}
    notebook = {"cells": cells, "metadata": kept, "nbformat": 4, "nbformat_minor": 4}
    return json.dumps(notebook, sort_keys=True, indent=1).encode()


def _text(source: Any) -> str | None:
    """A cell's source, which is a string or a list of lines; None where it is neither."""
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        return None
    return source.encode("utf-8", "replace").decode("utf-8")  # a lone surrogate can't be sent on
