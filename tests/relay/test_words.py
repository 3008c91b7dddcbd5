"""What a gateway believes of what it hears over Redis, and what a worker is handed."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
import redis
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from hostsvc.celery import app
from messaging.relay import publishing, words
from messaging.relay.rows import Numbered
from messaging.relay.words import HeldAt, SomethingWaits, Word
from tests.servers import TestServers

ENDPOINT, OTHER = UUID(int=1), UUID(int=2)
DEADLINE = datetime(2026, 11, 22, 10, 2, 0, 123456, tzinfo=UTC)
NUMBERED = Numbered(7, 42, b"CPALFA^MEL^ 1 2 3^\n", DEADLINE)


@pytest.mark.parametrize("word", [SomethingWaits(), HeldAt(12), NUMBERED])
def test_a_word_is_read_as_it_was_written(word: Word) -> None:
    assert words.read(ENDPOINT, words.write(ENDPOINT, word)) == word


def test_a_word_for_one_control_point_says_nothing_to_another() -> None:
    assert words.read(OTHER, words.write(ENDPOINT, NUMBERED)) is None


def test_only_who_knows_the_hosts_secret_can_give_bytes() -> None:
    with override_settings(SECRET_KEY="somebody else's"):
        forged = words.write(ENDPOINT, NUMBERED)
    assert words.read(ENDPOINT, forged) is None


@given(st.integers(0, 70), st.integers(1, 255))
def test_a_changed_byte_makes_it_no_word(place: int, change: int) -> None:
    content = bytearray(words.write(ENDPOINT, NUMBERED))
    content[place % len(content)] ^= change
    assert words.read(ENDPOINT, bytes(content)) in (None, SomethingWaits())


@given(st.binary(max_size=80))
def test_rubbish_is_no_word(content: bytes) -> None:
    assert not isinstance(words.read(ENDPOINT, b"give " + content), Numbered)


@pytest.mark.parametrize("expires", [None, datetime(2100, 1, 1, tzinfo=UTC)])
def test_a_task_has_the_form_that_celery_gives_it(
    servers: TestServers, expires: datetime | None
) -> None:
    """But for the ids, the address for an answer that nobody waits for, and what another broker
    would do with one that expires.
    """
    arguments = ["one", "two"]
    with app.connection_for_write(url=servers.redis) as connection:
        app.send_task(
            "a.task", args=arguments, queue="form", connection=connection, expires=expires
        )
    theirs = entry(redis.Redis.from_url(servers.redis).rpop("form"))
    ours = entry(publishing.message("a.task", arguments, "form", expires=expires))
    assert ours == theirs


def entry(content: Any) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(content)
    read["body"] = json.loads(base64.b64decode(read["body"]))
    for name in ("id", "root_id", "origin"):
        assert read["headers"].pop(name)
    for name in ("correlation_id", "delivery_tag"):
        assert read["properties"].pop(name)
    read["properties"].pop("reply_to")
    read["properties"].pop("expiration", None)
    return read
