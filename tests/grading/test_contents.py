"""What is kept of a notebook file, and how much of it is read."""

import json
import tracemalloc

import handmade
import nbformat
import pytest
from handmade import code, text

from gancourse.grading.answers import contents
from gancourse.grading.answers.contents import Unreadable, without_outputs
from gancourse.grading.answers.notebook_file import parse

IMAGE = {"output_type": "display_data", "data": {"image/png": "iVBORw0KGgo=" * 10**6}}


def with_outputs(*outputs: object) -> list[dict]:
    """The cells of a student, with outputs that hold brackets, quotes and backslashes."""
    odd = {"output_type": "stream", "text": ['a "quote\\" [', "{\\\\", "]}", 'end\\"', "\\"]}
    return [{**cell, "outputs": [odd, *outputs]} for cell in handmade.cells()]


def test_outputs_of_50_mb_around_a_little_code_are_no_hindrance():
    document = {"cells": with_outputs(), "metadata": {"widgets": {"a": [IMAGE]}}, "nbformat": 4}
    for cell in document["cells"][:4]:
        cell["outputs"].append(IMAGE)
    large = json.dumps(document).encode()
    assert 2 * 10**7 < contents.LARGEST < len(large)
    tracemalloc.start()
    file = parse(large)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * 10**6 and len(file.content) < 10**4
    plain = parse(text(handmade.cells()).encode())
    assert (file.cells, file.notebook, file.digest) == (plain.cells, plain.notebook, plain.digest)


def test_running_it_again_changes_no_digest_and_a_change_does():
    plain = parse(text(handmade.cells()).encode())
    assert parse(text(with_outputs()).encode()).digest == plain.digest
    assert parse(plain.content).content == plain.content
    for cells in (handmade.cells(late="# more"), [*handmade.cells(), markdown("a report")]):
        assert parse(text(cells).encode()).digest != plain.digest


def markdown(source: object) -> dict:
    return {"cell_type": "markdown", "metadata": {}, "source": source}


ODD = [
    markdown(["# 02 The game\n", "text"]), markdown(7), markdown("\ud800"), {"cell_type": "raw"},
    code(["a = 1\n", "b = 2"], "x y?", ["training", "a"]), {"cell_type": "code"},
    {"cell_type": "code", "source": "c", "id": 7, "metadata": {"id": "of-colab", "tags": [7, "t"]}},
]  # fmt: skip


def test_what_is_saved_reads_as_the_file_did_and_opens_in_jupyter():
    metadata = {"language_info": {"version": "3.14.1", "name": "python"}, "more": [1]}
    more = {"metadata": {"language_info": metadata["language_info"]}}
    file = parse(text([*ODD, *handmade.cells(), *ODD], **more).encode("utf-8", "surrogatepass"))
    again = parse(file.content)
    assert (again.cells, again.notebook, again.content) == (file.cells, "02", file.content)
    assert json.loads(file.content)["metadata"]["language_info"]["version"] == "3.14.1"
    sound = parse(text([*handmade.cells(), markdown("# a"), code("x", "a", ["t"])]).encode())
    nbformat.validate(nbformat.reads(sound.content.decode(), as_version=4))


@pytest.mark.parametrize(
    "document",
    [
        {"cells": [], "metadata": {"widgets": {"a": "]"}}},
        {"cells": [{"outputs": [[1], {"outputs": ["}"]}], "source": 'x = {"outputs": []}\\'}]},
        {"cells": [{"outputs": "text", "attachments": {"a.png": {}}, "source": ["outputs"]}]},
        {"outputs": [1], "cells": [{"metadata": {"outputs": [1]}, "outputs": []}]},
        [[[{"outputs": [1]}]], "outputs", {"outputs": {}}],
        {}, [], "outputs", 1, None,
    ],
)  # fmt: skip
@pytest.mark.parametrize("indent", [None, 1])
def test_only_values_that_are_left_out_are(document, indent):
    def kept(value: object, depth: int = 0) -> object:
        if isinstance(value, list):
            return [kept(part, depth + 1) for part in value]
        if not isinstance(value, dict):
            return value
        out = {k[1:-1].decode() for k in contents.LEFT_OUT.get(depth + 1, ())}
        return {
            key: None if key in out and isinstance(part, (list, dict)) else kept(part, depth + 1)
            for key, part in value.items()
        }

    assert json.loads(without_outputs(json.dumps(document, indent=indent).encode())) == kept(
        document
    )


@pytest.mark.parametrize(
    "end", [b"", b'"', b"[", b'{"outputs": [', b'"\\', b"[" * 10**5, b'"\\"', b"\\" * 10**6 + b'"']
)
def test_a_large_file_that_was_cut_off_is_refused(end, monkeypatch):
    monkeypatch.setattr(contents, "LARGEST", 100)
    start = text(handmade.cells()).encode()[:-30]
    with pytest.raises(Unreadable):
        parse(start + end)


def test_a_file_of_nothing_but_brackets_is_given_up(monkeypatch):
    monkeypatch.setattr(contents, "LARGEST", 100)
    monkeypatch.setattr(contents, "STEPS", 1000)
    for content in (b"[]" * 1000, b'""' * 1000, b'"' + b'\\"' * 2000):
        with pytest.raises(ValueError, match="too many parts"):
            without_outputs(content)
    monkeypatch.setattr(contents, "MOST", 1000)
    with pytest.raises(Unreadable, match="too large"):
        parse(b" " * 1001)
