"""A scope's transaction: begun and named in one round trip, and again where the connection was
lost.
"""

from __future__ import annotations

import time
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, connection, transaction

from tenants.scope import in_tenant, tenant_scope
from tests.people import Person

WITHIN = 10.0


def asked(statement: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        (told,) = cursor.fetchone()
    return told


def whose() -> str:
    return str(asked("SELECT coalesce(current_setting('app.tenant_id', true), '')"))


def end_of(backend: int) -> None:
    """The server ends a session, as at its restart."""
    parameters = connection.get_connection_params()
    names = ("dbname", "user", "password", "host", "port")
    wanted = {name: parameters[name] for name in names if name in parameters}
    with psycopg.connect(**wanted, autocommit=True) as session:
        session.execute("SELECT pg_terminate_backend(%s)", [backend])
        deadline = time.monotonic() + WITHIN
        there = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"
        while session.execute(there, [backend]).fetchone() != (0,):
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_a_scope_is_the_tenants_for_its_transaction_and_nobodys_afterwards(alice: Person) -> None:
    with tenant_scope(alice.tenant_id):
        assert connection.in_atomic_block
        assert whose() == str(alice.tenant_id)
    assert whose() == ""


def test_within_a_transaction_that_is_open_already_the_scope_ends_before_it(alice: Person) -> None:
    with transaction.atomic():
        asked("SELECT 1")
        with tenant_scope(alice.tenant_id):
            assert whose() == str(alice.tenant_id)
        assert whose() == ""


def test_what_is_done_in_a_scope_that_fails_is_undone(alice: Person) -> None:
    with pytest.raises(DatabaseError), tenant_scope(alice.tenant_id):
        asked("SELECT nothing_of_the_kind()")
    assert whose() == ""
    assert not connection.in_atomic_block


def test_a_connection_that_the_server_ended_is_replaced_and_the_work_done(alice: Person) -> None:
    backends: list[int] = []

    def work() -> str:
        backends.append(asked("SELECT pg_backend_pid()"))
        return whose()

    assert in_tenant(alice.tenant_id, work) == str(alice.tenant_id)
    end_of(backends[0])
    assert in_tenant(alice.tenant_id, work) == str(alice.tenant_id)
    assert len(set(backends)) == 2


def test_nothing_but_an_id_is_written_into_the_statement() -> None:
    hostile: Any = "'; SELECT set_config('app.tenant_id', '', true); --"
    with pytest.raises(AttributeError), tenant_scope(hostile):
        raise AssertionError("no such scope opens")
