"""Refusals noted at the edges: each is one entry soon after, in the chain of whom the certificate
names; the house's are capped, and what is over the cap is counted to the last one.
"""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable

import psycopg
import pytest
from django.db import connection

from messaging.edge import refusals
from messaging.edge.refusals import Refusals
from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.audit.verify import verify
from tenants.clock import now
from tenants.ids import HOUSE, digest_of
from tenants.scope import tenant_scope
from tests.people import Cast, Person
from tests.servers import TestServers

NOBODYS = digest_of(b"nobody's")


@pytest.fixture(autouse=True)
def quiet(cast: Cast) -> None:
    """Begins with the house's second unused and nothing left to tell."""
    ledger.tell_suppressed()
    time.sleep(1.0 - time.monotonic() % 1.0 + 0.05)


def told(tenant: Person | None, event: Event = Event.REFUSED) -> list[dict[str, object]]:
    """Details of a chain's entries; the house's where there is no tenant."""
    with tenant_scope(tenant.tenant_id if tenant else HOUSE), connection.cursor() as cursor:
        cursor.execute("SELECT record FROM audit_entry WHERE event = %s ORDER BY seq", [event])
        return [json.loads(bytes(record))["detail"] for (record,) in cursor.fetchall()]


def until(holds: Callable[[], bool]) -> None:
    for _ in range(200):
        if holds():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come about in time")


def fingerprint_of(person: Person) -> bytes:
    """Of a certificate of its first control point's."""
    return digest_of(ssl.PEM_cert_to_DER_cert(person.links[person.control_points[0]].pem))


def test_a_refusal_is_in_the_chain_of_whom_the_certificate_names(alice: Person) -> None:
    noted = Refusals()
    noted.note("no HELLO in time", "192.0.2.1:9", fingerprint_of(alice), claimed="")
    noted.note("something else", "192.0.2.2:9", NOBODYS)
    noted.note("no certificate", "192.0.2.3:9")
    noted.close()
    assert told(alice)[-1] == {
        "reason": "no HELLO in time",
        "address": "192.0.2.1:9",
        "claimed": "",
    }
    assert [entry["reason"] for entry in told(None)][-2:] == ["something else", "no certificate"]
    assert verify(alice.tenant_id).broken is None
    assert verify(HOUSE).broken is None


def test_a_tenants_own_refusals_are_all_there(alice: Person) -> None:
    before, noted = len(told(alice)), Refusals()
    for _ in range(500):
        noted.note("again", "192.0.2.1:9", fingerprint_of(alice))
    noted.close()
    assert len(told(alice)) == before + 500


def test_the_houses_are_capped_and_none_is_lost_from_the_count() -> None:
    """However they come: what is written and what is told of as suppressed is all there was."""
    entries, suppressed = len(told(None)), count_told()
    noted = Refusals()
    for _ in range(300):
        noted.note("flood", "192.0.2.1:9", NOBODYS)
    noted.close()
    for _ in range(30):
        ledger.record_for_house(Fact(Event.REFUSED, now()))
    ledger.tell_suppressed()
    written = len(told(None)) - entries
    assert ledger.HOUSE_LIMIT <= written <= 2 * ledger.HOUSE_LIMIT
    assert written + count_told() - suppressed == 330


def count_told() -> int:
    entries = told(None) + told(None, Event.SUPPRESSED)
    return sum(
        int(str(entry["suppressed_before"])) for entry in entries if "suppressed_before" in entry
    )


def test_what_is_over_the_cap_is_told_of_though_nothing_more_comes() -> None:
    entries, suppressed = len(told(None)), count_told()
    ledger.record_for_house(*(Fact(Event.REFUSED, now()) for _ in range(50)))
    assert len(told(None)) == entries + ledger.HOUSE_LIMIT
    until(lambda: count_told() - suppressed == 50 - ledger.HOUSE_LIMIT)


def test_the_next_entry_tells_of_what_was_suppressed_before_it() -> None:
    ledger.record_for_house(*(Fact(Event.REFUSED, now()) for _ in range(25)))
    time.sleep(1.0 - time.monotonic() % 1.0 + 0.05)
    ledger.record_for_house(Fact(Event.REFUSED, now(), detail={"reason": "next"}))
    assert told(None)[-1] == {"reason": "next", "suppressed_before": 5}
    ledger.tell_suppressed()
    assert told(None)[-1]["reason"] == "next"


def test_more_than_may_wait_is_counted_and_takes_no_more_memory(
    monkeypatch: pytest.MonkeyPatch, alice: Person
) -> None:
    monkeypatch.setattr(refusals, "MOST_WAITING", 10)
    before, suppressed, noted = len(told(alice)), count_told(), Refusals()
    for _ in range(40):
        noted.note("again", "192.0.2.1:9", fingerprint_of(alice))
    noted.close()
    written = len(told(alice)) - before
    assert written >= 10
    until(lambda: written + count_told() - suppressed == 40)


def test_what_cannot_be_written_now_is_written_when_the_database_is_back(
    servers: TestServers, database: str, alice: Person
) -> None:
    before, noted = len(told(alice)), Refusals()
    connection.close()
    with psycopg.connect(servers.admin, autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS false")
        try:
            noted.note("while it was away", "192.0.2.1:9", fingerprint_of(alice))
            time.sleep(0.5)
        finally:
            admin.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS true")
    until(lambda: len(told(alice)) == before + 1)
    noted.close()
    assert told(alice)[-1]["reason"] == "while it was away"
