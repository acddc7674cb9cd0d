"""Commands that make packages for the systems where students hand in."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Packages for systems where students hand in.")
Number = Annotated[str, typer.Argument(metavar="NN", help="Number of the notebook.")]


def _number(text: str) -> str:
    """A notebook's number with two digits; it must have exercises."""
    from gancourse import exercises

    number = text.zfill(2)
    graded = [f"{n:02d}" for n in range(100) if exercises.of_notebook(f"{n:02d}")]
    if number not in graded:
        what = f"There is no notebook {text} with exercises: {', '.join(graded)}."
        raise typer.BadParameter(what)
    return number


@app.command()
def gradescope(
    notebook: Number,
    out: Annotated[Path, typer.Option(help="The new zip.")] = Path("autograder.zip"),
) -> None:
    """Write the zip of an autograder for Gradescope.

    It contains the seed of the random inputs: keep it private.
    """
    from gancourse.grading.packages import gradescope as tool

    number = _number(notebook)
    tool.package(number, out)
    print(f"{out}: upload it in Gradescope, Configure Autograder. It contains the seed of the")
    print("random inputs: keep it private, and use the same zip for the whole term.")


@app.command()
def classroom(
    notebook: Number,
    out: Annotated[Path, typer.Option(help="Folder of the students' template repository.")],
) -> None:
    """Write what a template repository of GitHub Classroom needs: a workflow, and the notebook."""
    from gancourse.grading.packages import classroom as tool

    for path in tool.package(_number(notebook), out):
        print(path)
