"""What is remembered of a tenant's set-up is forgotten when the set-up changes, and at no other
time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.db.models import Model

from tenants import peers
from tenants.changes import HOUSE, WATCH
from tenants.models import BmUnit, Certificate, Endpoint, Environment, Tenant
from tenants.remembered import Remembered
from tenants.scope import tenant_scope
from tests.people import Cast, Person
from tests.roles import as_role
from tests.servers import TestServers

PATIENCE_S = 20


@pytest.fixture(autouse=True)
def watching(cast: Cast) -> Iterator[None]:
    WATCH.start()
    until(lambda: WATCH.token(cast.alice.tenant_id) is not None)
    yield
    WATCH.stop()


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, "it never came to hold"
        time.sleep(0.02)


def change_an_endpoint(who: Person) -> None:
    with tenant_scope(who.tenant_id):
        Endpoint.objects.update(address="https://127.0.0.1:1/wa")


def reader() -> tuple[Callable[[], int], list[int]]:
    readings: list[int] = []

    def read() -> int:
        readings.append(1)
        return len(readings)

    return read, readings


def test_what_did_not_change_is_read_once(alice: Person) -> None:
    kept: Remembered[str, int] = Remembered(8)
    read, readings = reader()
    for _ in range(50):
        kept.get(alice.tenant_id, "endpoint", read)
    # A look may have come too late for the promise meanwhile: then nothing is relied on.
    assert len(readings) < 10


def test_a_change_is_noticed_and_only_its_own_tenants_memory_is_lost(
    alice: Person, bob: Person
) -> None:
    told: list[UUID | None] = []
    WATCH.subscribe(told.append)
    before = WATCH.token(alice.tenant_id), WATCH.token(bob.tenant_id)
    change_an_endpoint(alice)
    until(lambda: alice.tenant_id in told)
    until(lambda: WATCH.token(alice.tenant_id) is not None)
    assert WATCH.token(alice.tenant_id) != before[0]
    assert WATCH.token(bob.tenant_id) in (before[1], None)
    assert bob.tenant_id not in told


def test_whom_the_vendor_trusts_concerns_every_tenant(
    alice: Person, servers: TestServers, database: str
) -> None:
    with as_role("staff", servers, database):
        peers.register("another", Environment.TEST, "no certificate", {}, by="ada")
    told: list[UUID | None] = []
    WATCH.subscribe(told.append)
    until(lambda: HOUSE in told or None in told)


def version_of(who: UUID) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT version FROM tenants_change WHERE tenant_id = %s", [who])
        row = cursor.fetchone()
    return row[0] if row else 0


@pytest.mark.parametrize("model", [Tenant, Endpoint, BmUnit, Certificate])
def test_every_row_that_is_remembered_counts_its_changes(
    mallory: Person, servers: TestServers, database: str, model: type[Model]
) -> None:
    with as_role("staff", servers, database):
        before = version_of(mallory.tenant_id)
        with tenant_scope(mallory.tenant_id):
            for row in model._default_manager.all():
                row.save()
        assert version_of(mallory.tenant_id) > before


def test_nothing_is_remembered_while_changes_cannot_be_seen(alice: Person) -> None:
    kept: Remembered[str, int] = Remembered(8)
    read, readings = reader()
    kept.get(alice.tenant_id, "endpoint", read)
    seen = len(readings)
    WATCH.stop()
    with_no_look = Remembered[str, int](8)
    for _ in range(3):
        # Asked for the first time, the watch starts; until it has looked nothing is relied on.
        with_no_look.get(alice.tenant_id, "endpoint", read)
    assert len(readings) > seen


def test_a_value_read_while_the_change_was_committed_is_not_kept(alice: Person) -> None:
    """The reading is slow: it began before the change and ends after the watch has seen it."""
    kept: Remembered[str, int] = Remembered(8)
    told = threading.Event()
    WATCH.subscribe(lambda who: told.set() if who == alice.tenant_id else None)

    def slow() -> int:
        change_an_endpoint(alice)
        assert told.wait(PATIENCE_S)
        return 1

    kept.get(alice.tenant_id, "endpoint", slow)
    read, readings = reader()
    kept.get(alice.tenant_id, "endpoint", read)
    assert readings


def test_a_change_that_is_undone_is_none(alice: Person) -> None:
    before = version_of(alice.tenant_id)
    with tenant_scope(alice.tenant_id):
        Endpoint.objects.update(state=Endpoint.State.ACTIVE)
        assert version_of(alice.tenant_id) > before
        transaction.set_rollback(True)
    assert version_of(alice.tenant_id) == before
