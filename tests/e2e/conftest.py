"""One running stack for all end-to-end tests of a session."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import rig as rigs
from tests.e2e.rig import Rig
from tests.servers import ROOT

PREFIX = "test-"
ABANDONED_SECONDS = 6 * 3600
"""No run takes as long."""


def remove_abandoned(folder: Path) -> None:
    """What killed runs have left of their stacks."""
    for left in folder.glob(f"{PREFIX}*"):
        if time.time() - left.stat().st_mtime > ABANDONED_SECONDS:
            shutil.rmtree(left, ignore_errors=True)


@pytest.fixture(scope="session")
def stack() -> Iterator[Rig]:
    """Under the project's `var`, as paths in service.json are relative to the project; by a name
    of its own, as two runs may be on at once.
    """
    (ROOT / "var").mkdir(exist_ok=True)
    remove_abandoned(ROOT / "var")
    var = Path(tempfile.mkdtemp(prefix=PREFIX, dir=ROOT / "var"))
    rig = rigs.start(var)
    try:
        yield rig
        unnamed = rigs.deeds_of_nobody(rig)
        rigs.stop(rig)
        assert (unnamed, rigs.stray_lines(var)) == ([], [])
    finally:
        rigs.stop(rig)
        shutil.rmtree(var, ignore_errors=True)


@pytest.fixture(autouse=True)
def no_faults(request: pytest.FixtureRequest) -> Iterator[None]:
    """The simulator behaves, unless a test says otherwise. The matrix has operators of its own."""
    yield
    if "stack" in request.fixturenames and "played" not in request.fixturenames:
        request.getfixturevalue("stack").control("DELETE", "/faults")
