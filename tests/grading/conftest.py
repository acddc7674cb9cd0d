from collections.abc import Iterator

import pytest
from sandboxed import Remembered

from gancourse.grading.sandbox import server as server_module
from gancourse.grading.sandbox.server import Server


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """One warm server for all tests: it takes seconds to start, and no submission changes it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANCOURSE_TEST_SECRET", "not for students")
        patch.setattr(server_module, "Sandbox", Remembered)
        with Server() as server:
            yield server
