"""A database that ends sessions in the middle of things: what was under way is done again, and done
once.
"""

from __future__ import annotations

from uuid import UUID

import psycopg
import pytest
from django.db import connection

from messaging.models import Attempt, Delivery, Due
from messaging.protocols.neso.wa.exchange import Outcome
from messaging.relay import deliver
from messaging.relay.claim import Claimed
from messaging.relay.deliver import Report, take_in_hand
from messaging.states import DeliveryState
from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.audit.models import Entry
from tenants.clock import now
from tenants.scope import in_tenant, tenant_scope
from tests.people import Person
from tests.relay.conftest import OpenLink
from tests.relay.test_from_control_point import mel
from tests.servers import TestServers


@pytest.fixture(autouse=True)
def nothing_waits(alice: Person) -> None:
    with tenant_scope(alice.tenant_id):
        Delivery.objects.update(state=DeliveryState.ABANDONED)
    Due.objects.all().delete()


def claim(person: Person, delivery_id: UUID) -> Claimed:
    found = in_tenant(person.tenant_id, lambda: take_in_hand(delivery_id, 1))
    assert isinstance(found, Claimed)
    return found


def end_session(servers: TestServers, database: str) -> None:
    """As a restart does: of the connection that this thread works on."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    with psycopg.connect(servers.url("app", database), autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


def test_a_transaction_that_loses_its_connection_is_run_again_and_done_once(
    alice: Person, servers: TestServers, database: str
) -> None:
    runs: list[int] = []

    def work() -> None:
        runs.append(len(runs))
        ledger.record(Fact(Event.ALARMED, now(), detail={"alarm": f"run {len(runs)}"}))
        if len(runs) == 1:
            end_session(servers, database)

    in_tenant(alice.tenant_id, work)
    assert runs == [0, 1]
    with tenant_scope(alice.tenant_id):
        rows = Entry.objects.filter(event="alarmed").values_list("record", flat=True)
        told = [bytes(record) for record in rows if b'"run ' in bytes(record)]
    assert len(told) == 1
    assert b"run 2" in told[0]


def test_what_a_claim_committed_and_could_not_say_is_claimed_again_with_the_same_bytes(
    alice: Person, link: OpenLink
) -> None:
    """The worker's second run finds its own claim."""
    (made,) = link.say(mel()).deliveries
    first, again = claim(alice, made.id), claim(alice, made.id)
    assert again.sealed == first.sealed
    assert again.reference == first.reference


def test_an_answer_that_was_settled_in_a_lost_commit_is_settled_once(
    alice: Person, link: OpenLink
) -> None:
    (made,) = link.say(mel()).deliveries
    claimed = claim(alice, made.id)
    report = Report(Outcome.VERDICT, now(), now(), 200, "HTTP 200")
    for _ in range(2):
        in_tenant(alice.tenant_id, lambda: deliver._settle(claimed, report))
    with tenant_scope(alice.tenant_id):
        events = Entry.objects.filter(delivery_id=made.id).values_list("event", flat=True)
        assert list(events).count("acknowledged") == 1
        assert Attempt.objects.filter(delivery_id=made.id).count() == 1
