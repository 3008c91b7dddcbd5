"""The bundled simulator, which behaves unless a test says otherwise."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection

from tenants.scope import tenant_scope
from tests.people import Cast
from tests.smp import rig as rigs
from tests.smp.rig import Rig


@pytest.fixture(scope="module")
def platform(cast: Cast, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with rigs.running(cast, tmp_path_factory.mktemp("platform")) as running:
        yield running


@pytest.fixture
def rig(platform: Rig) -> Iterator[Rig]:
    """With nothing under way and nothing registered."""
    platform.set()
    platform.login()
    yield platform
    platform.no_faults()
    platform.times()
    with tenant_scope(platform.person.tenant_id), connection.cursor() as cursor:
        cursor.execute("DELETE FROM messaging_smpdue")
        cursor.execute("UPDATE messaging_smpjob SET state = 'CANCELLED'")
        cursor.execute(
            "UPDATE messaging_smpbatch SET state = 'NOT_SENT' WHERE state IN"
            " ('WAITING', 'SENDING', 'OPEN', 'UNKNOWN')"
        )
        cursor.execute("UPDATE messaging_registeredasset SET valid_to = now()")
        cursor.execute("UPDATE messaging_registeredunit SET valid_to = now()")
        cursor.execute("DELETE FROM messaging_capacitymark")
