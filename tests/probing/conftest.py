"""The bundled simulator, which behaves unless a test says otherwise."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.people import Cast
from tests.probing import rig as rigs
from tests.probing.rig import Rig


@pytest.fixture(scope="module")
def simulator(cast: Cast, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with rigs.running(cast, tmp_path_factory.mktemp("simulator")) as running:
        yield running


@pytest.fixture
def rig(simulator: Rig) -> Iterator[Rig]:
    simulator.lead_to(simulator.address)
    yield simulator
    simulator.no_faults()
