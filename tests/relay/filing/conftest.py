"""A trading point of alice's, anew for each test, and the simulated operator for those that want
one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from tests.people import Person
from tests.relay.filing.trading import Trading, forget_what_waits, open_trading_point
from tests.relay.sealing.both_ends import BothEnds, both_ends
from tests.servers import TestServers

_names = itertools.count(1)


@pytest.fixture
def trading(alice: Person, tmp_path: Path) -> Iterator[Trading]:
    forget_what_waits(alice)
    before, settings.FILES_DIR = settings.FILES_DIR, tmp_path / "files"
    yield open_trading_point(alice, tmp_path, f"trading point {next(_names)}")
    settings.FILES_DIR = before


@pytest.fixture(scope="module")
def ends(
    tmp_path_factory: pytest.TempPathFactory, alice: Person, servers: TestServers, database: str
) -> Iterator[BothEnds]:
    with both_ends(tmp_path_factory.mktemp("ends"), alice, servers, database) as started:
        yield started
    connection.close()


@pytest.fixture
def operator(ends: BothEnds) -> BothEnds:
    """One that behaves."""
    ends.control("DELETE", "/faults")
    return ends
