"""The fixture by which a test gets a tool of the operating system, or fails."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.os_tools import find, remedy


@pytest.fixture(scope="session")
def os_tool() -> Callable[[str], str]:
    """`os_tool("sftp")` is where that program is; without it the test fails, and says what to
    type.
    """

    def path_of(name: str) -> str:
        found = find(name)
        if found is None:
            pytest.fail(remedy([name]), pytrace=False)
        return found

    return path_of
