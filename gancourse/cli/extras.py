"""The message of a command that needs a missing extra of the package."""

from collections.abc import Iterator
from contextlib import contextmanager

TOOLS = {"lab": "the tools for notebooks", "instructor": "the tools for grading"}


@contextmanager
def extra(name: str) -> Iterator[None]:
    """If an import in this block fails, raise a CourseError that names what to install."""
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
