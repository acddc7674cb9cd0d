"""The ``gancourse`` command.

``course`` holds the commands for the course itself, ``networks`` those for trained networks,
``grading`` those for exercises, ``marking`` the one for points by hand, ``reporting`` those for
what is written from the gradebook, and ``packages`` those for the systems where students hand in.
Heavy modules are imported by the command that needs them, so that ``gancourse --help`` is quick.
"""

import sys
from io import TextIOWrapper
from typing import Annotated

import typer

from gancourse import __version__
from gancourse.cli import course, grading, marking, networks, packages, reporting
from gancourse.errors import CourseError

app = typer.Typer(
    name="gancourse",
    help="A course on generative adversarial networks: build, run, check and grade its notebooks.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for command in (course.build, course.run, course.doctor, course.fetch):
    app.command()(command)
for command in (networks.export_model, grading.check, grading.grade, grading.regrade):
    app.command()(command)
app.command()(marking.mark)
for command in (reporting.students, reporting.history, reporting.review):
    app.command()(command)
for command in (reporting.feedback, reporting.export):
    app.command()(command)
app.add_typer(packages.app, name="package")


def main() -> None:
    """Run the command; expected failures are printed. Status: 0 success, 1 findings, 2 usage."""
    for stream in (sys.stdout, sys.stderr):  # a terminal that can't show a character shows "?"
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        app()
    except Exception as error:
        kind = type(error)
        if isinstance(error, OSError) or kind.__module__ == "sqlalchemy.exc":  # disk, database
            print(f"{kind.__name__}: {getattr(error, 'orig', error)}", file=sys.stderr)
            print("Everything saved is safe. Fix the problem and run this again.", file=sys.stderr)
        elif not isinstance(error, CourseError):
            raise
        else:
            print(error, file=sys.stderr)
        sys.exit(1)


def _version(wanted: bool) -> bool:
    if wanted:
        print(f"gancourse {__version__}")
        raise typer.Exit
    return wanted


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show version and exit."),
    ] = False,
) -> None:
    pass
