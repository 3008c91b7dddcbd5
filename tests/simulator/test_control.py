"""The control port: what was said, health, outages, and bounded answers to bad requests."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from messaging.simulator.control import check_loopback
from messaging.simulator.ledger import Direction, Ledger, Role
from tests.simulator.peer import boa, mel, message
from tests.simulator.rig import rig


def test_messages_tell_all_that_was_sent_and_got_with_times(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            payload = mel()
            answer = await on.say("NESO_Redeclaration", payload)
            shown = await on.control("POST", "/dispatch?wait=0", boa())
            got, answered, sent, receipt = await on.messages()
            assert [got["payload"], answered["payload"]] == [payload, answer]
            assert sent["payload"]["messageId"] == shown["messageId"]
            assert receipt["payload"] == shown["answer"]["payload"]
            sides = [(item["direction"], item["role"]) for item in (got, answered, sent, receipt)]
            assert sides == [
                ("in", "request"),
                ("out", "answer"),
                ("out", "request"),
                ("in", "answer"),
            ]
            assert got["exchange"] == answered["exchange"] != sent["exchange"]
            times = [item["atMicros"] for item in (got, answered, sent, receipt)]
            assert times == sorted(times)
            assert got["at"].endswith("Z")
            assert (got["verified"], receipt["verified"]) == (True, True)
            assert (answered["status"], receipt["status"]) == (200, 200)
            assert got["service"] == "NESO_Redeclaration"
            assert got["participantId"] == "ALICE"

    asyncio.run(scenario())


def test_messages_since_are_those_after_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            await on.say("NESO_Health", message("health"))
            first = await on.control("GET", "/messages?since=0")
            assert first["last"] == len(first["messages"]) == 2
            await on.say("NESO_Health", message("health"))
            later = await on.control("GET", f"/messages?since={first['last']}")
            assert [item["number"] for item in later["messages"]] == [3, 4]

    asyncio.run(scenario())


def test_the_ledger_keeps_the_newest_and_no_body_over_a_mebibyte() -> None:
    ledger = Ledger(most_entries=3, most_bytes=100)

    def record(payload: bytes) -> None:
        ledger.record(
            "x", Direction.IN, Role.REQUEST, "NESO_Health", participant_id=None, payload=payload
        )

    for size in (1, 40, 40, 40):
        record(b"x" * size)
    assert [entry.number for entry in ledger.since(0)] == [3, 4]
    record(b"x" * (1024 * 1024 + 1))
    kept = ledger.since(4)[0]
    assert (kept.payload, kept.size) == (b"", 1024 * 1024 + 1)
    for _ in range(9):
        record(b"")
    assert [entry.number for entry in ledger.since(0)] == [12, 13, 14]


def test_health_tells_tenants_and_outage_and_an_outage_ends_by_itself(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            health = await on.control("GET", "/health")
            assert (health["status"], health["tenants"]) == ("OK", ["ALICE", "BOB"])
            await on.control("POST", "/outage", {"on": True, "seconds": 0.05})
            assert (await on.control("GET", "/health"))["status"] == "OUTAGE"
            await asyncio.sleep(0.06)
            assert (await on.say("NESO_Health", message("health")))["status"] == "OK"

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/outage", {"on": 1}, 400),
        ("POST", "/outage", {"on": True, "seconds": "long"}, 400),
        ("POST", "/outage", {"on": True, "seconds": -1}, 400),
        ("POST", "/burst", {"instructions": [1]}, 400),
        ("POST", "/burst", {}, 400),
        ("POST", "/faults", {"faults": {}}, 400),
        ("POST", "/faults", [], 400),
        ("GET", "/messages?since=x", None, 400),
        ("GET", "/messages?since=-1", None, 400),
        ("POST", "/dispatch?wait=nan", {}, 400),
        ("POST", "/dispatch", {"controlPoint": "CPALFA", "level": float("nan")}, 400),
        ("POST", "/outage", {"on": True, "speed": 0}, 400),
        ("POST", "/outage", {"on": True, "announce": -1}, 400),
        ("GET", "/nothing", None, 404),
        ("PUT", "/faults", {}, 405),
    ],
)
def test_a_bad_request_is_a_problem(
    method: str, path: str, body: Any, status: int, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as on:
            problem = await on.control(method, path, body, status)
            assert problem["status"] == status

    asyncio.run(scenario())


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example"])  # noqa: S104 - refused
def test_the_control_port_listens_on_loopback_whatever_the_host_is(host: str) -> None:
    assert check_loopback(host) == "127.0.0.1"
    assert check_loopback("::1") == "::1"
