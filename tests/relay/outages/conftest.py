"""The host and the simulated operator on real sockets, and a hand that does what workers do: each
turn what is due, once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from messaging.models import (
    Connection,
    ConnectionDue,
    Delivery,
    Due,
    Maintenance,
    Message,
    OutageNotice,
    StandingHold,
    SystemNotice,
)
from messaging.relay import due, lamps, normalization
from messaging.relay.deliver import deliver
from messaging.relay.due import Room
from messaging.states import DeliveryState, Lane
from tenants.audit import bodies
from tenants.audit.models import Entry
from tenants.changes import WATCH
from tenants.clock import now
from tenants.scope import tenant_scope
from tests.people import Person
from tests.relay.sealing.both_ends import BothEnds, both_ends
from tests.roles import as_role
from tests.servers import TestServers


@pytest.fixture(scope="module")
def ends(
    tmp_path_factory: pytest.TempPathFactory, alice: Person, servers: TestServers, database: str
) -> Iterator[BothEnds]:
    with both_ends(tmp_path_factory.mktemp("ends"), alice, servers, database) as started:
        yield started
    connection.close()


@pytest.fixture(autouse=True)
def all_is_well(
    alice: Person, ends: BothEnds, servers: TestServers, database: str
) -> Iterator[None]:
    """Each test starts with an empty queue, nothing held, an operator that behaves, and no memory
    of what was before.
    """
    ends.control("DELETE", "/faults")
    ends.control("POST", "/outage", {"on": False})
    with tenant_scope(alice.tenant_id):
        Delivery.objects.update(state=DeliveryState.ABANDONED)
        StandingHold.objects.update(released_at=now())
        OutageNotice.objects.update(state="CANCELLED")
    Due.objects.all().delete()
    with as_role("staff", servers, database):
        Maintenance.objects.update(ended_at=now())
        SystemNotice.objects.update(is_cancelled=True, spread_at=now())
    ConnectionDue.objects.exclude(tenant_id=alice.tenant_id).update(due_at="2100-01-01T00:00Z")
    with tenant_scope(alice.tenant_id):
        Connection.objects.all().delete()
    look(alice)
    yield
    WATCH.stop()


def look(person: Person, *, asks: bool = True) -> Connection:
    """What the beat and the worker of housekeeping do in a turn; `asks` for Health whatever the
    time.
    """
    # What is remembered may be a second old; a watch that has just begun remembers nothing.
    WATCH.stop()
    with tenant_scope(person.tenant_id):
        if asks:
            Connection.objects.update(ask_at=now())
        Connection.objects.update(normalizing_until=None)
    ConnectionDue.objects.filter(tenant_id=person.tenant_id).update(due_at=now())
    lamps.look()
    for due_row in ConnectionDue.objects.filter(tenant_id=person.tenant_id):
        normalization.normalize(person.tenant_id, due_row.endpoint_id)
    return lamp(person)


def lamp(person: Person) -> Connection:
    with tenant_scope(person.tenant_id):
        found: Connection = Connection.objects.get()
    return found


def work(person: Person, turns: int = 50) -> list[UUID]:
    """Does what is due now until nothing is; the deliveries in the order they were taken in
    hand.
    """
    WATCH.stop()
    done: list[UUID] = []
    for _ in range(turns):
        picked = [
            one for one in due.pick(Room(100), Room(100)) if one.tenant_id == person.tenant_id
        ]
        if not picked:
            return done
        for one in picked:
            deliver(one.tenant_id, one.delivery_id)
            done.append(one.delivery_id)
        # A test need not wait out what `pick` puts off for a lost wake-up.
        with tenant_scope(person.tenant_id):
            operators = Delivery.objects.filter(lane=Lane.OPERATOR).values_list("id", flat=True)
            pending = list(operators.filter(state="PENDING"))
        Due.objects.filter(delivery_id__in=pending).update(due_at=now())
    return done


def start_now(person: Person) -> None:
    """What is put off for others' sake is due: new deliveries wait a second for their wake-up."""
    with tenant_scope(person.tenant_id):
        rows = Delivery.objects.filter(lane=Lane.OPERATOR, state="PENDING")
        pending = list(rows.values_list("id", flat=True))
    Due.objects.filter(delivery_id__in=pending).update(due_at=now())


def state_of(person: Person, delivery_id: UUID) -> str:
    with tenant_scope(person.tenant_id):
        return str(Delivery.objects.get(id=delivery_id).state)


def results_of(person: Person, delivery_id: UUID) -> list[str]:
    """The verdicts that the control point is told of a delivery's message, in order."""
    with tenant_scope(person.tenant_id):
        message_id = Delivery.objects.get(id=delivery_id).message_id
        rows = Message.objects.filter(answers=message_id, kind="RESULT").order_by("id")
        told = [bodies.read(bytes(row.body_digest), row.received_at) for row in rows]
    return [next(v for v in ("OK", "REFUSE", "HELD") if v.encode() in one[30:]) for one in told]


def texts_to(person: Person, since: datetime) -> list[bytes]:
    """TEXT messages of the host's own to control points."""
    with tenant_scope(person.tenant_id):
        rows = Message.objects.filter(kind="TEXT", origin="HOST", received_at__gte=since)
        return [bodies.read(bytes(row.body_digest), row.received_at) for row in rows.order_by("id")]


def events(person: Person, *names: str) -> list[dict[str, Any]]:
    """Entries of these kinds, oldest first, as they are written."""
    with tenant_scope(person.tenant_id):
        rows = Entry.objects.filter(event__in=names).order_by("seq")
        return [json.loads(bytes(row.record)) for row in rows]


def taken(ends: BothEnds) -> list[str]:
    """messageIds of the redeclarations that the operator took, in the order in which it did."""
    rows = ends.control("GET", "/messages?since=0")["messages"]
    accepted = {
        row["exchange"] for row in rows if row["direction"] == "out" and row["status"] == 200
    }
    return [
        row["payload"]["messageId"]
        for row in rows
        if row["direction"] == "in"
        and row["exchange"] in accepted
        and (row["payload"] or {}).get("type") == "redeclaration"
    ]
