"""The host and the simulated operator, set up anew for each module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection

from messaging.models import Connection, Delivery, Due
from messaging.states import DeliveryState
from tenants.scope import tenant_scope
from tests.people import Person
from tests.relay.sealing.both_ends import BothEnds, both_ends
from tests.servers import TestServers


@pytest.fixture(scope="module")
def ends(
    tmp_path_factory: pytest.TempPathFactory, alice: Person, servers: TestServers, database: str
) -> Iterator[BothEnds]:
    with both_ends(tmp_path_factory.mktemp("ends"), alice, servers, database) as started:
        yield started
    connection.close()


@pytest.fixture(autouse=True)
def nothing_waits(alice: Person, ends: BothEnds) -> None:
    """Each test starts with an empty queue and an operator that behaves."""
    with tenant_scope(alice.tenant_id):
        Delivery.objects.update(state=DeliveryState.ABANDONED)
        Connection.objects.all().delete()
    Due.objects.all().delete()
    ends.control("DELETE", "/faults")
