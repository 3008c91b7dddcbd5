"""The event stream over real sockets: what happens is told at once, a listener resumes where it
stopped, and nobody listens longer, or to more, than they may.
"""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from messaging.events import reading, stream
from messaging.events.stream import EventStreams, Grant
from tenants import api_keys
from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.clock import now
from tenants.models import ApiKey
from tenants.permissions import Permission
from tenants.scope import in_tenant, tenant_scope
from tests.api.clients import client
from tests.api.test_web_process import running
from tests.people import Person
from tests.platform.waiting import BOUND_SECONDS, eventually
from tests.servers import TestServers

MOST = 30
_left: list[Listener] = []
"""Kept to the end, or its connection would be closed with it."""


@pytest.fixture(scope="module")
def port(
    servers: TestServers, database: str, alice: Person, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[int]:
    """It is ended with listeners still there: that it ends is the last thing tested."""
    log = tmp_path_factory.mktemp("web") / "log"
    with running(servers, database, log, {"HOSTSVC_EVENT_STREAMS": str(MOST)}) as found:
        yield found


class Listener:
    def __init__(self, port: int, key: str, query: str = "", **headers: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=BOUND_SECONDS)
        shown = {"Authorization": f"Bearer {key}", "Accept": "text/event-stream", **headers}
        self._connection.request("GET", f"/api/v1/events{query}", headers=shown)
        self.answer = self._connection.getresponse()

    def next_event(self) -> dict[str, Any] | None:
        """With its id; None where the stream has ended."""
        lines: dict[str, str] = {}
        while raw := self.answer.readline():
            name, _, value = raw.decode().rstrip("\n").partition(": ")
            if name:
                lines[name] = value
            elif "data" in lines:
                told: dict[str, Any] = json.loads(lines["data"])
                assert lines["event"] == told["type"]
                assert int(lines["id"]) == told["data"]["event_id"]
                return told
        return None

    def alarms(self, count: int) -> list[str]:
        told = [self.next_event() for _ in range(count)]
        return [one["data"]["alarm"] for one in told if one]

    def close(self) -> None:
        self.answer.close()
        self._connection.close()


def happen(person: Person, *alarms: str) -> int:
    """The id of the last."""
    for alarm in alarms:
        with tenant_scope(person.tenant_id):
            ledger.record(Fact(Event.ALARMED, now(), detail={"alarm": alarm}))
    return in_tenant(person.tenant_id, reading.head)


def test_what_happens_is_told_and_a_listener_resumes_where_it_stopped(
    alice: Person, bob: Person, port: int
) -> None:
    listener = Listener(port, alice.api_key)
    assert listener.answer.status == 200
    assert listener.answer.headers["Content-Type"].startswith("text/event-stream")
    assert listener.answer.headers["Cache-Control"] == "no-store"
    happen(bob, "another tenant's")
    last = happen(alice, "one")
    assert listener.alarms(1) == ["one"]
    listener.close()
    happen(alice, "two", "three")
    resumed = Listener(port, alice.api_key, **{"Last-Event-ID": str(last)})
    assert resumed.alarms(2) == ["two", "three"]
    happen(alice, "four")
    assert resumed.alarms(1) == ["four"]
    resumed.close()


def test_only_the_types_that_were_asked_for_are_told(alice: Person, port: int) -> None:
    listener = Listener(port, alice.api_key, "?types=link.up,link.down")
    happen(alice, "not asked for")
    with tenant_scope(alice.tenant_id):
        ledger.record(Fact(Event.LINK_UP, now(), detail={"control_point": "X"}))
    told = listener.next_event()
    assert told is not None
    assert told["type"] == "link.up"
    listener.close()


def test_a_stream_ends_when_its_key_is_revoked(alice: Person, port: int) -> None:
    with tenant_scope(alice.tenant_id):
        minted = api_keys.mint("listens", scopes={Permission.READ})
    listener = Listener(port, minted.text)
    happen(alice, "before")
    assert listener.alarms(1) == ["before"]
    with tenant_scope(alice.tenant_id):
        api_keys.revoke(ApiKey.objects.get(id=minted.row.id))
    assert listener.next_event() is None
    assert Listener(port, minted.text).answer.status == 401


def threads_of_the_process() -> int:
    """Of the one child that serves the API."""
    children = Path("/proc/thread-self/children").read_text().split()
    counts = [
        len(list(Path(f"/proc/{child}/task").iterdir()))
        for child in children
        if b"hostsvc.web" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]
    assert len(counts) == 1
    return counts[0]


def test_listeners_are_bounded_and_hold_neither_threads_nor_connections(
    alice: Person, bob: Person, port: int
) -> None:
    before = threads_of_the_process()
    listeners = [Listener(port, alice.api_key) for _ in range(MOST)]
    assert {one.answer.status for one in listeners} == {200}
    assert threads_of_the_process() < before + MOST / 2
    refused = Listener(port, alice.api_key).answer
    assert (refused.status, json.loads(refused.read())["code"]) == (429, "too-many-requests")
    another = Listener(port, bob.api_key)
    assert another.answer.status == 200
    happen(alice, "for all")
    assert all(one.alarms(1) == ["for all"] for one in listeners)
    asker = http.client.HTTPConnection("127.0.0.1", port, timeout=BOUND_SECONDS)
    asker.request("GET", "/api/v1/me", headers={"X-API-Key": alice.api_key})
    assert asker.getresponse().status == 200
    for one in (*listeners, another):
        one.close()
    assert eventually(lambda: is_let_in(port, alice))


def is_let_in(port: int, person: Person) -> bool:
    listener = Listener(port, person.api_key)
    listener.close()
    return listener.answer.status == 200


@pytest.mark.parametrize(
    ("headers", "query", "status"),
    [
        ({"Last-Event-ID": "x"}, "", 400),
        ({"Last-Event-ID": ""}, "", 400),
        ({"Last-Event-ID": "99999999999999999999999"}, "", 400),
        ({}, "?types=nonsense", 400),
        ({"Authorization": "Bearer nothing"}, "", 401),
    ],
)
def test_a_refusal_is_a_problem_and_no_stream(
    alice: Person, port: int, headers: dict[str, str], query: str, status: int
) -> None:
    answer = Listener(port, alice.api_key, query, **headers).answer
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert json.loads(answer.read())["status"] == status


def test_pollers_get_the_same_as_a_list(alice: Person) -> None:
    start = in_tenant(alice.tenant_id, reading.head)
    last = happen(alice, "one", "two")
    asker = client({"Authorization": f"Bearer {alice.api_key}"})
    told = asker.get(f"/api/v1/events?after={start}").json()
    assert [one["data"]["alarm"] for one in told["results"]] == ["one", "two"]
    assert (told["last_id"], told["more"]) == (last, False)
    assert asker.get(f"/api/v1/events?after={last}").json()["results"] == []
    assert asker.get(f"/api/v1/events?after={start}&types=link.up").json()["results"] == []


def test_a_quiet_stream_says_that_it_is_there(
    alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this process, with shorter pauses, and an application that grants at once."""
    monkeypatch.setattr(stream, "HEARTBEAT_S", 0.0)
    monkeypatch.setattr(stream, "LOOK_EVERY_S", 0.05)
    sent: list[bytes] = []
    start = in_tenant(alice.tenant_id, reading.head)

    async def listen() -> None:
        left = asyncio.Event()

        async def granting(scope: Any, receive: Any, send: Any) -> None:
            granted = Grant(alice.tenant_id, start, frozenset(), lambda: True)
            assert stream.grant(scope, granted)

        async def receive() -> dict[str, Any]:
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message["body"])
            if len(sent) == 3:
                left.set()

        await EventStreams(granting)({"type": "http", "path": "/"}, receive, send)

    asyncio.run(asyncio.wait_for(listen(), BOUND_SECONDS))
    assert sent[:3] == [b": still here\n\n"] * 3


def test_the_process_ends_while_somebody_listens(alice: Person, port: int) -> None:
    """The fixture ends it, and waits no longer than a few seconds."""
    _left.append(Listener(port, alice.api_key))
    assert _left[0].answer.status == 200
