"""What was stored before each message said its profile says now which one its endpoint had."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import psycopg
import pytest

from tenants.ids import new_id
from tests.keys.test_migration import ALICE, empty, insert, migrate
from tests.servers import TestServers

__all__ = ["empty"]

AT = datetime.now(UTC)


@pytest.fixture(scope="module")
def before(servers: TestServers, empty: str) -> str:
    migrate(servers, empty, "messaging", "0003")
    migrate(servers, empty, "tenants")
    return empty


def store(session: psycopg.Connection, endpoint: UUID, lane: str, payload: bytes | None) -> UUID:
    message, delivery = new_id(), new_id()
    session.execute(
        "INSERT INTO messaging_message (id, tenant_id, endpoint_id, origin, kind, bm_unit,"
        " reference, body_digest, received_at, refusal_code, refusal_text)"
        " VALUES (%s, %s, %s, 'HOST', 'TEXT', '', '', '\\x00', %s, '', '')",
        [message, ALICE, endpoint, AT],
    )
    session.execute(
        "INSERT INTO messaging_delivery (id, tenant_id, message_id, endpoint_id, lane, queue,"
        " state, created_at, deadline, attempts, reference, payload_digest, outcome_code,"
        " outcome_text) VALUES (%s, %s, %s, %s, %s, '', 'PENDING', %s, %s, 0, '', %s, '', '')",
        [delivery, ALICE, message, endpoint, lane, AT, AT, payload],
    )
    session.execute(
        "INSERT INTO messaging_receipt (id, tenant_id, endpoint_id, reference, digest, message_id,"
        " status, answer, taken_at) VALUES (%s, %s, %s, %s, '\\x00', %s, 0, '\\x00', %s)",
        [new_id(), ALICE, endpoint, str(message), message, AT],
    )
    return message


def test_rows_of_before_have_the_profile_of_their_endpoint(
    servers: TestServers, before: str
) -> None:
    place = {"tenant_id": ALICE, "transport": "x", "address": "", "state": "ACTIVE"}
    place |= {"environment": "simulator"}
    with psycopg.connect(servers.url("staff", before)) as session:
        session.execute("SELECT set_config('app.tenant_id', %s, true)", [str(ALICE)])
        of = {"name": "alice", "participant_id": "X", "trading_agent": "", "state": "ACTIVE"}
        insert(session, "tenant", **{**of, "id": ALICE, "created_at": AT})
        named = {"A": '{"profile": "delimited-1"}', "B": "{}", "SO": '{"profile": "mine"}'}
        points = {
            name: insert(session, "endpoint", name=name, protocol="edl", settings=told, **place)
            for name, told in named.items()
        }
    with psycopg.connect(servers.url("app", before)) as session:
        session.execute("SELECT set_config('app.tenant_id', %s, true)", [str(ALICE)])
        rows = {
            "A": store(session, points["A"], "link", b"\0"),
            "B": store(session, points["B"], "link", None),
            "SO": store(session, points["SO"], "operator", b"\0"),
            "SO, not sent": store(session, points["SO"], "operator", None),
        }
    migrate(servers, before)
    with psycopg.connect(servers.url("staff", before)) as session:
        found = {
            row[0]: row[1:]
            for row in session.execute(
                "SELECT m.id, m.profile, r.profile, d.payload_profile FROM messaging_message m"
                " JOIN messaging_receipt r ON r.message_id = m.id"
                " JOIN messaging_delivery d ON d.message_id = m.id"
            )
        }
    assert {name: found[row] for name, row in rows.items()} == {
        "A": ("delimited-1", "delimited-1", ""),
        "B": ("host-1", "host-1", ""),
        "SO": ("mine", "mine", "mine"),
        "SO, not sent": ("mine", "mine", ""),
    }
    with psycopg.connect(servers.url("app", before)) as session:
        unseen = session.execute("SELECT count(*) FROM messaging_message").fetchone()
        assert unseen == (0,), "the wall stands again"
    with psycopg.connect(servers.url("owner", before)) as session:
        session.execute("SELECT set_config('app.tenant_id', %s, true)", [str(ALICE)])
        with pytest.raises(psycopg.Error, match="append-only"):
            session.execute("UPDATE messaging_message SET kind = 'X'")
