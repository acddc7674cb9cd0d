"""The message of a command where an extra of the package is missing."""

from collections.abc import Iterator
from contextlib import contextmanager

TOOLS = {"lab": "the tools for notebooks", "instructor": "the tools for grading"}


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Say what to install where an import in this block fails."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("gancourse"):
            raise
        from gancourse.errors import CourseError

        do = f'Install them: pip install "gancourse[{name}]"'
        raise CourseError(
            f"This command needs {error.name}, which is not installed.",
            f"It belongs to {TOOLS[name]}, an extra of the package.",
            f"{do}  (in the course's folder: make lab)" if name == "lab" else do,
        ) from error
