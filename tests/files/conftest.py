"""The file servers for a module's tests, and a trading point of alice's and of bob's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.files.rig import Point, Servers, open_point, serving
from tests.people import Person


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, database: str) -> Iterator[Servers]:
    with serving(tmp_path_factory.mktemp("files")) as running:
        yield running


@pytest.fixture(scope="module")
def hers(files: Servers, alice: Person) -> Point:
    return open_point(alice, files.folder, "hers")


@pytest.fixture(scope="module")
def his(files: Servers, bob: Person) -> Point:
    return open_point(bob, files.folder, "his")
