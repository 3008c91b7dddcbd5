"""A process's number stands as long as the session that holds its lock: whoever lost that claims
under another.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import psycopg
import pytest
from django.db import connection

from tenants import ownership
from tests.owners import pids
from tests.people import Person

WITHIN = 10.0


@pytest.fixture(autouse=True)
def a_session_of_its_own(alice: Person, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(ownership, "_held", None)
    yield
    assert ownership._held is not None
    ownership._held[2].close()


def test_the_number_stands_and_its_lock_is_held() -> None:
    number = ownership.owner()
    assert ownership.owner() == number
    assert len(pids(number)) == 1


def test_a_session_that_the_server_ended_is_followed_by_another_under_a_new_number() -> None:
    number = ownership.owner()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", pids(number))
    deadline = time.monotonic() + WITHIN
    while ownership.owner() == number:
        assert time.monotonic() < deadline, "nobody noticed"
        time.sleep(0.01)
    assert pids(number) == []
    assert len(pids(ownership.owner())) == 1


def test_a_session_that_says_something_and_lives_keeps_its_number() -> None:
    number = ownership.owner()
    assert ownership._held is not None
    session: psycopg.Connection = ownership._held[2]
    session.execute("LISTEN nothing_of_ours")
    with connection.cursor() as cursor:
        cursor.execute("NOTIFY nothing_of_ours")
    assert [ownership.owner() for _ in range(3)] == [number] * 3
