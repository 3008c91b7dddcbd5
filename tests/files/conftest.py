"""The file servers for a module's tests, and a trading point of alice's and of bob's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from tests.files.remote_servers import OwnServer, own_ftps, own_sftp
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


@pytest.fixture
def folder(tmp_path: Path, database: str) -> Iterator[Path]:
    """Where files lie, without a file server."""
    before, settings.FILES_DIR = settings.FILES_DIR, tmp_path / "files"
    yield tmp_path
    settings.FILES_DIR = before


@pytest.fixture(params=["sftp", "ftps"])
def own(request: pytest.FixtureRequest, folder: Path) -> Iterator[OwnServer]:
    """A server of a tenant's own."""
    root = folder / "own"
    with own_sftp(root) if request.param == "sftp" else own_ftps(root, folder) as serving:
        yield serving
