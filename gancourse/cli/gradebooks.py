"""The gradebook that a command works on: the options that name it, and tables read next to it."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from gancourse.cli.extras import extra
from gancourse.errors import CourseError

Grades = Annotated[
    Path, typer.Option("--out", "--grades", help="Folder of the gradebook and its reports.")
]
Database = Annotated[
    str | None, typer.Option(help="URL of a PostgreSQL database; needed once, then remembered.")
]


def open_book(folder: Path, url: str | None, new: bool = False):
    """The gradebook in a folder; only `grade` makes one."""
    with extra("instructor"):
        from gancourse.grading.gradebook.files import open_to_others
        from gancourse.grading.gradebook.gradebook import Gradebook
    if not (new or url or list(folder.glob("gradebook.sqlite")) + list(folder.glob("*.url"))):
        raise typer.BadParameter(f"There is no gradebook in {folder}: name its folder with --out.")
    book = Gradebook(folder, url)
    if open_to_others(folder):
        what = f"{folder} contains marks, and others on this machine may read it or change it."
        print(f"{what} If that is not meant: chmod -R go= {folder}", file=sys.stderr)
    return book


def remember_earlier(book, folders: Sequence[Path]) -> None:
    """Save in a gradebook which gradebooks of earlier terms it is compared with."""
    for folder in folders:
        try:
            open_book(folder, None)
        except typer.BadParameter as error:
            what = f"There is no gradebook in {folder}, which --earlier names."
            do = "Name the folder that an earlier `gancourse grade` wrote."
            raise typer.BadParameter(f"{what} {do}") from error
    if folders:
        book.put("earlier", json.dumps([str(folder.resolve()) for folder in folders]))


def earlier_records(book) -> dict[str, list]:
    """Records of the gradebooks of earlier terms, by the end of their folder's path.

    One that is gone is named, and left out: marks do not depend on it.
    """
    records = {}
    for folder in map(Path, json.loads(book.get("earlier") or "[]")):
        short = "/".join(folder.parts[-2:])
        try:
            name = str(folder) if short in records else short
            records[name] = open_book(folder, None).records()
        except (CourseError, typer.BadParameter) as error:
            print(f"not compared with the earlier term in {folder}: {error}")
    return records


def read_text(path: Path) -> str:
    """The text of a file that an option names."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{path} can't be read as UTF-8 text: {error}") from error


def find_student(book, wanted: str) -> str:
    """The gradebook's name of a student; says which, where it is spelled in another way."""
    from gancourse.grading.gradebook.names import find

    name = find(wanted, book.students(), book.other_names())
    if name != wanted:
        print(f"{wanted!r} is {name} in the gradebook.")
    return name
