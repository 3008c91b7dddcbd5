"""The audit log as a tenant reads it: enough to check the whole chain without trusting the host."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

from rest_framework.test import APIClient

from tenants.audit.chain import Break, Head, Linked, check, genesis
from tests.api.carried import Carried
from tests.api.conftest import Ask
from tests.people import Person


def entries(client: APIClient, **query: str) -> Iterator[dict[str, Any]]:
    address, asked = "/api/v1/audit/entries", {"limit": "2", **query}
    while address:
        page = client.get(address, asked).json()
        yield from page["results"]
        address, asked = page["next"], {}


def linked(row: dict[str, Any]) -> Linked:
    record = base64.b64decode(row["record_base64"])
    digest = bytes.fromhex(row["hash"])
    ids = row["message_id"], row["delivery_id"]
    return Linked(row["seq"], record, digest, row["event"], *ids)


def head_of(client: APIClient) -> Head:
    told = client.get("/api/v1/audit/head").json()
    return Head(told["seq"], bytes.fromhex(told["hash"]))


def checked(person: Person, rows: list[dict[str, Any]], head: Head) -> Break | None:
    start = Head(0, genesis(person.tenant_id))
    return check(start, [linked(row) for row in rows], head)


def test_the_whole_chain_can_be_checked_from_what_the_api_tells(
    alice: Person, of_alice: Carried, asking: Ask
) -> None:
    client = asking(alice)
    rows = list(entries(client))
    assert len(rows) > 4
    assert checked(alice, rows, head_of(client)) is None


def test_negative_control_an_entry_left_out_or_changed_is_found(
    alice: Person, of_alice: Carried, asking: Ask
) -> None:
    client = asking(alice)
    rows, head = list(entries(client)), head_of(client)
    assert checked(alice, rows[:2] + rows[3:], head) is not None
    assert checked(alice, rows[:-1], head) is not None
    changed = base64.b64encode(base64.b64decode(rows[2]["record_base64"]) + b" ").decode()
    rows[2] = {**rows[2], "record_base64": changed}
    assert checked(alice, rows, head) == Break(3, "the record does not match its hash")


def test_the_record_is_the_same_as_its_bytes(alice: Person, of_alice: Carried, asking: Ask) -> None:
    for row in entries(asking(alice)):
        assert row["record"] == json.loads(base64.b64decode(row["record_base64"]))
        assert row["record"]["event"] == row["event"]


def test_entries_after_a_number_follow_on_without_a_gap(
    alice: Person, of_alice: Carried, asking: Ask
) -> None:
    client = asking(alice)
    assert [row["seq"] for row in entries(client, after="2")] == list(
        range(3, head_of(client).seq + 1)
    )


def test_entries_of_one_message_are_its_hops(alice: Person, of_alice: Carried, asking: Ask) -> None:
    rows = list(entries(asking(alice), message_id=str(of_alice.acceptance)))
    assert [row["event"] for row in rows] == ["received", "delivered"]
