"""The audit chain in the database: what is appended holds, what is tampered with is found."""

from __future__ import annotations

import psycopg
import pytest
from django.db import ProgrammingError, connection

from tenants.audit import ledger
from tenants.audit.chain import Head, Linked, check, genesis, link
from tenants.audit.events import Event, Fact, written
from tenants.audit.verify import verify
from tenants.clock import now
from tenants.ids import HOUSE, new_id
from tenants.scope import ScopeError, tenant_scope
from tests.people import Person
from tests.servers import TestServers


def append(tenant: Person, *texts: str) -> None:
    with tenant_scope(tenant.tenant_id):
        for text in texts:
            ledger.record(Fact(Event.STORED, now(), detail={"text": text}))


def tamper(servers: TestServers, database: str, *statements: str) -> None:
    """As the superuser, past triggers and policies: what only someone who owns the machine can
    do.
    """
    url = servers.admin.rsplit("/", 1)[0] + f"/{database}"
    with psycopg.connect(url) as admin:
        admin.execute("SET session_replication_role = replica")
        for statement in statements:
            assert admin.execute(statement).rowcount == 1


def test_what_is_recorded_in_a_scope_is_appended_and_the_chain_holds(alice: Person) -> None:
    before = verify(alice.tenant_id).head.seq
    append(alice, "one", "two")
    verdict = verify(alice.tenant_id)
    assert verdict.broken is None
    assert verdict.head.seq == before + 2


def test_text_of_any_kind_is_hashed_and_stored_as_the_same_bytes(alice: Person) -> None:
    append(alice, "\0 \ud800 \u2028 1e16 -0.0", "\N{GRINNING FACE}" * 400)
    assert verify(alice.tenant_id).broken is None


def test_recording_without_a_scope_is_an_error() -> None:
    with pytest.raises(ScopeError):
        ledger.record(Fact(Event.STORED, now()))


def test_nothing_is_appended_when_the_transaction_fails(alice: Person) -> None:
    before = verify(alice.tenant_id).head

    def fail() -> None:
        with tenant_scope(alice.tenant_id):
            ledger.record(Fact(Event.STORED, now()))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert verify(alice.tenant_id).head == before


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("SET record = record || ' '::bytea", "does not match its hash"),
        ("SET event = 'refused'", "column event differs"),
        ("SET hash = sha256(hash)", "does not match its hash"),
        ("SET message_id = gen_random_uuid()", "column message_id differs"),
    ],
)
def test_a_changed_entry_is_named(
    bob: Person, servers: TestServers, database: str, what: str, reason: str
) -> None:
    append(bob, "a", "b", "c")
    seq = verify(bob.tenant_id).head.seq - 1
    where = f"WHERE tenant_id = '{bob.tenant_id}' AND seq = {seq}"
    keep = "CREATE TABLE kept AS SELECT * FROM audit_entry " + where
    tamper(servers, database, keep, f"UPDATE audit_entry {what} {where}")
    broken = verify(bob.tenant_id).broken
    tamper(
        servers,
        database,
        f"DELETE FROM audit_entry {where}",
        "INSERT INTO audit_entry SELECT * FROM kept",
    )
    _drop_kept(servers, database)
    assert broken is not None
    assert broken.seq == seq
    assert reason in broken.reason
    assert verify(bob.tenant_id).broken is None


def _drop_kept(servers: TestServers, database: str) -> None:
    url = servers.admin.rsplit("/", 1)[0] + f"/{database}"
    with psycopg.connect(url) as admin:
        admin.execute("DROP TABLE kept")


def test_a_missing_entry_is_named(mallory: Person, servers: TestServers, database: str) -> None:
    append(mallory, "a", "b", "c")
    seq = verify(mallory.tenant_id).head.seq - 1
    where = f"tenant_id = '{mallory.tenant_id}' AND seq = {seq}"
    tamper(servers, database, f"DELETE FROM audit_entry WHERE {where}")
    broken = verify(mallory.tenant_id).broken
    assert broken is not None
    assert broken.seq == seq
    assert "missing" in broken.reason


def test_a_head_that_was_set_back_is_noticed(servers: TestServers, database: str) -> None:
    ledger.record_for_house(Fact(Event.REFUSED, now()))
    ledger.record_for_house(Fact(Event.REFUSED, now()))
    assert verify(HOUSE).broken is None
    back = (
        "UPDATE audit_chain c SET head_seq = 1, head_hash = e.hash FROM audit_entry e"
        f" WHERE c.tenant_id = '{HOUSE}' AND e.tenant_id = c.tenant_id AND e.seq = 1"
    )
    tamper(servers, database, back)
    broken = verify(HOUSE).broken
    assert broken is not None
    assert "beyond the chain's head" in broken.reason


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entry SET event = 'x'",
        "DELETE FROM audit_entry",
        "TRUNCATE audit_entry",
        "INSERT INTO audit_entry SELECT * FROM audit_entry",
        "UPDATE audit_chain SET head_seq = 0",
        "DELETE FROM audit_body",
        "UPDATE audit_body SET content = ''",
        "DELETE FROM messaging_message",
        "UPDATE messaging_message SET kind = 'x'",
        "DELETE FROM messaging_attempt",
    ],
)
def test_the_application_can_change_nothing_that_is_append_only(
    alice: Person, statement: str
) -> None:
    with (
        pytest.raises(ProgrammingError, match="permission denied"),
        tenant_scope(alice.tenant_id),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)


@pytest.mark.parametrize("table", ["audit_entry", "audit_body", "messaging_message"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET tenant_id = tenant_id", "DELETE FROM {}"])
def test_triggers_refuse_even_the_owner(
    alice: Person, servers: TestServers, database: str, table: str, statement: str
) -> None:
    append(alice, "a")
    with psycopg.connect(servers.url("owner", database)) as owner:
        owner.execute("SELECT set_config('app.tenant_id', %s, true)", [str(alice.tenant_id)])
        if table == "audit_entry":
            with pytest.raises(psycopg.Error, match="append-only"):
                owner.execute(statement.format(table))
            return
        with pytest.raises(psycopg.Error, match="append-only"):
            owner.execute(f"TRUNCATE {table} CASCADE")


def test_appending_is_refused_by_the_database_outside_a_scope(database: str) -> None:
    with pytest.raises(ProgrammingError), connection.cursor() as cursor:
        cursor.execute(
            "SELECT audit_append('{x}', ARRAY['x'::bytea], '{NULL}'::uuid[], '{NULL}'::uuid[])"
        )


def test_the_database_links_exactly_as_the_stand_alone_arithmetic_says() -> None:
    chain_id = new_id()
    previous, entries = genesis(chain_id), []
    for seq, text in enumerate(("a", "b"), start=1):
        record = written(Fact(Event.STORED, now(), detail={"text": text}))
        previous = link(previous, seq, record)
        entries.append(Linked(seq, record, previous, "stored", None, None))
    start = Head(0, genesis(chain_id))
    assert check(start, entries, Head(2, previous)) is None
    assert check(start, entries[:1], Head(2, previous)) is not None
    assert check(start, reversed(entries), Head(2, previous)) is not None
