"""One running stack for all end-to-end tests of a session."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.e2e import rig as rigs
from tests.e2e.rig import Rig
from tests.servers import ROOT


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Under the project's `var`, as paths in service.json are relative to the project."""
    var = ROOT / "var" / f"test-{tmp_path_factory.mktemp('stack').parent.name}"
    var.mkdir(parents=True, exist_ok=True)
    rig = rigs.start(var)
    try:
        yield rig
    finally:
        rigs.stop(rig)
        shutil.rmtree(var, ignore_errors=True)


@pytest.fixture(autouse=True)
def no_faults(request: pytest.FixtureRequest) -> Iterator[None]:
    """The simulator behaves, unless a test says otherwise."""
    yield
    if "stack" in request.fixturenames:
        request.getfixturevalue("stack").control("DELETE", "/faults")
