"""The exception for expected failures."""


class CourseError(Exception):
    """An expected failure. Its message says what happened, why, and what to do next.

    Parameters
    ----------
    what, why, do : str
        One or two sentences each; empty ones are left out.
    """

    def __init__(self, what: str, why: str = "", do: str = "") -> None:
        super().__init__("\n".join(part for part in (what, why, do) if part))
        self.what, self.why, self.do = what, why, do
