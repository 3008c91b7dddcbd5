"""Bad input on EDL links against the running stack: each is answered as the profile says, recorded
once, costs bounded memory, and neither hinders nor tells of another tenant.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from messaging.rehearsal.authority import Authority
from tests.e2e.bad_input import (
    RawLink,
    Said,
    bounded_memory,
    changed_row,
    connect,
    context_of,
    link_of,
    message,
    refused_once,
    traffic_beside,
)
from tests.e2e.rig import Rig, minute, stamp
from tests.servers import ROOT

pytestmark = pytest.mark.xdist_group("stack")

TENANT, POINT, UNIT = "birch", "BRCH2", "BRCH-F01"
CASES = tomllib.loads((ROOT / "tests" / "e2e" / "bad_edl.toml").read_text())
CONNECTIONS = 1_000


def filled(text: str) -> str:
    now = minute()
    return text.format(
        name=POINT,
        unit=UNIT,
        other="ALDR-F01",
        driven="BRCH-001",
        nobody="NONE-XX1",
        blank="",
        sent=now.strftime("%Y%m%d%H%M%S"),
        now=now.strftime("%Y%m%d%H%M"),
        soon=(now + timedelta(minutes=30)).strftime("%Y%m%d%H%M"),
        past=(now - timedelta(minutes=10)).strftime("%Y%m%d%H%M"),
    )


@pytest.fixture(scope="module")
def ready(stack: Rig) -> Iterator[RawLink]:
    """One link for the messages that leave it as it is."""
    with link_of(stack, TENANT) as link:
        assert link.greet().type == "READY"
        yield link


def well(link: RawLink) -> None:
    """The link takes a good message still."""
    assert link.say_next("NTO", f"{UNIT:9}    10").type == "ACK"


@pytest.mark.parametrize("case", CASES["refused"], ids=lambda case: case["name"])
def test_what_a_message_says_wrongly_is_refused_under_its_number(
    stack: Rig, ready: RawLink, case: dict[str, Any]
) -> None:
    with refused_once(stack, TENANT):
        said = ready.say_next(case["type"], filled(case["data"]), case.get("reply", 0))
    assert (said.type, said.code) == ("NACK", case["code"])
    well(ready)


def test_another_tenants_unit_is_answered_exactly_as_an_unknown_one(ready: RawLink) -> None:
    first, second = (ready.say_next("NTO", f"{name:9}    10") for name in ("ALDR-F01", "NONE-XX1"))
    assert first.data == second.data
    assert first.code == "R002"


def test_a_gap_is_answered_with_the_number_expected_and_uses_none(
    stack: Rig, ready: RawLink
) -> None:
    ready.say("NTO", f"{UNIT:9}    10", ready.number + 50_000)
    said = ready.answer(ready.number + 50_000)
    assert (said.code, said.data[4:].strip()) == ("R011", f"expected {ready.number + 1:08d}")
    well(ready)


def test_a_number_used_again_with_other_bytes_is_refused(stack: Rig, ready: RawLink) -> None:
    well(ready)
    with refused_once(stack, TENANT):
        ready.say("NTO", f"{UNIT:9}    11", ready.number)
        assert ready.answer(ready.number).code == "R010"
    well(ready)


def test_an_answer_that_contradicts_the_first_one_is_too_late(stack: Rig, ready: RawLink) -> None:
    told = stack.dispatch(UNIT, POINT, wait=0)
    while (said := ready.hear()).type != "BOAI":
        pass
    ready.say("ACK", "OK  ", 0, said.number)
    which = f"{UNIT:9}{told['acceptanceNumber']:>10}"
    assert ready.say_next("ACCEPT", f"{which}{'':64}", said.number).type == "ACK"
    with refused_once(stack, TENANT):
        late = ready.say_next("REJECT", f"{which}{'SAFE':4}{'tripped':60}", said.number)
    assert late.code == "R008"


def result_of(link: RawLink, number: int) -> Said:
    """The next RESULT to a message of ours."""
    while (said := link.hear()).type != "RESULT" or said.reply != number:
        if said.number:
            link.say("ACK", "OK  ", 0, said.number)
    link.say("ACK", "OK  ", 0, said.number)
    return said


def test_what_the_operator_refuses_comes_back_as_a_result(stack: Rig, ready: RawLink) -> None:
    fault = {"fault": "refuse", "path": "Redeclaration", "times": 1, "code": "R003", "text": "no"}
    stack.control("POST", "/faults", {"faults": [fault]})
    ready.number += 1
    ready.say("NTO", f"{UNIT:9}    12", ready.number)
    assert result_of(ready, ready.number).data[:10] == "REFUSER030"


def test_in_an_outage_it_is_held_and_what_expires_is_told(stack: Rig, ready: RawLink) -> None:
    respond_by = datetime.now(UTC) + timedelta(seconds=5)
    told = stack.dispatch(UNIT, POINT, wait=0, respondBy=stamp(respond_by))
    while (said := ready.hear()).type != "BOAI":
        if said.number:
            ready.say("ACK", "OK  ", 0, said.number)
    ready.say("ACK", "OK  ", 0, said.number)
    stack.control("POST", "/outage", {"on": True})
    try:
        ready.number += 1
        ready.say("NTO", f"{UNIT:9}    13", ready.number)
        held = result_of(ready, ready.number)
        assert (held.data[:6].strip(), held.data[6:10]) == ("HELD", "R999")
        redeclared = ready.number
        answer = f"{UNIT:9}{told['acceptanceNumber']:>10}{'':64}"
        assert ready.say_next("ACCEPT", answer, said.number).type == "ACK"
        while (final := result_of(ready, ready.number)).data[:4] == "HELD":
            pass
        assert final.data[:10] == "REFUSER031"
    finally:
        stack.control("POST", "/outage", {"on": False})
    assert result_of(ready, redeclared).data[:8] == "OK    OK"


def test_a_suspended_tenants_messages_are_refused(stack: Rig, ready: RawLink) -> None:
    with changed_row(stack, TENANT, "tenants_tenant", f"name = '{TENANT}'", state="SUSPENDED"):
        with refused_once(stack, TENANT):
            assert ready.say_next("NTO", f"{UNIT:9}    14").code == "R020"
        assert ready.say_next("XYZZY", "").code == "R020"
    well(ready)


@pytest.mark.parametrize("case", CASES["broken"], ids=lambda case: case["name"])
def test_what_breaks_a_link_is_answered_and_the_link_closed(
    stack: Rig, case: dict[str, Any]
) -> None:
    with refused_once(stack, case["chain"]), link_of(stack, TENANT) as link:
        if case["greeted"]:
            assert link.greet().type == "READY"
        link.send(filled(case["content"]).encode("latin-1"))
        while (said := link.hear()).type != "NACK":
            pass
        assert (said.code, said.reply) == (case["code"], case.get("reply", 0))
        assert link.is_closed()


def test_anothers_control_point_is_answered_exactly_as_one_that_nobody_has(stack: Rig) -> None:
    said = []
    for name in ("ALDR2", "NOBODY"):
        with link_of(stack, TENANT, name) as link:
            said.append(link.greet().data)
    assert said[0] == said[1]


# Size and time.


@pytest.mark.parametrize("greeted", [False, True], ids=["before HELLO", "after READY"])
def test_input_without_an_end_is_cut_off_while_another_link_goes_on(
    stack: Rig, greeted: bool
) -> None:
    with (
        bounded_memory(stack, "run_gateway"),
        traffic_beside(stack),
        refused_once(stack, TENANT),
        link_of(stack, TENANT) as link,
    ):
        if greeted:
            link.greet()
        assert closes_while_sent_to(link)


def closes_while_sent_to(link: RawLink) -> bool:
    """Bytes without a line feed, far more than a message may have, for as long as they are taken;
    at most half a minute of them.
    """
    piece = b"x" * 65536
    try:
        for _ in range(1_500):
            link.send(piece)
            time.sleep(0.02)
    except OSError:
        return True
    return False


def test_a_message_of_one_byte_too_many_is_malformed(stack: Rig) -> None:
    with refused_once(stack, TENANT), link_of(stack, TENANT) as link:
        link.greet()
        link.number += 1
        head = message(POINT, "TEXT", "", link.number)[:-2]
        link.send(head + b"x" * (262_144 - len(head) - 1) + b"^\n")
        while (said := link.hear()).type != "NACK":
            pass
        assert (said.code, said.reply) == ("R001", 0)
        assert link.is_closed()


def test_neither_a_trickle_nor_a_thousand_silent_connections_hold_the_gateway_up(
    stack: Rig,
) -> None:
    """All of them, the slow talker too, are closed once their time for a HELLO is over."""
    point = stack.tenant(TENANT)["controlPoints"][1]
    context = context_of(stack, point["certificate"], point["key"])

    async def one(trickles: bool) -> bool:
        edl = stack.service["edl"]
        reader, writer = await asyncio.open_connection(edl["host"], edl["port"], ssl=context)
        try:
            deadline = time.monotonic() + 40
            while time.monotonic() < deadline:
                if trickles:
                    writer.write(b"x")
                try:
                    if await asyncio.wait_for(reader.read(100), 1) == b"":
                        return True
                except TimeoutError:
                    continue
            return False
        except (ConnectionError, ssl.SSLError):
            return True
        finally:
            writer.transport.abort()

    async def all_of_them() -> list[bool]:
        return await asyncio.gather(*(one(n == 0) for n in range(CONNECTIONS)))

    with bounded_memory(stack, "run_gateway"), traffic_beside(stack):
        closed = asyncio.run(asyncio.wait_for(all_of_them(), 60))
    assert all(closed)
    with link_of(stack, TENANT) as link:
        assert link.greet().type == "READY"


# Certificates.


def test_without_tls_nothing_is_answered(stack: Rig) -> None:
    with connect(stack, None, POINT) as link:
        link.say("HELLO", f"{'host-1':12}{0:08d}")
        assert link.is_closed()


def stranger(tmp_path: Path, days: int) -> tuple[str, str]:
    """A certificate under the control point's own name, by an authority of its own."""
    certificate, key = tmp_path / "stranger.pem", tmp_path / "stranger.key"
    Authority("stranger").issue(POINT, lifetime=timedelta(days=days)).write(certificate, key)
    return str(certificate), str(key)


@pytest.mark.parametrize("days", [30, -1, None], ids=["a stranger's", "an expired one", "none"])
def test_a_certificate_that_does_not_hold_ends_at_the_handshake(
    stack: Rig, tmp_path: Path, days: int | None
) -> None:
    shown = stranger(tmp_path, days) if days else (None, None)
    with pytest.raises((ssl.SSLError, ConnectionError)):  # noqa: SIM117 - one of both raises
        with connect(stack, context_of(stack, *shown), POINT) as link:
            link.greet()


def test_a_certificate_that_chains_but_is_nobodys_is_refused_in_the_houses_chain(
    stack: Rig,
) -> None:
    operator = stack.service["simulator"]
    context = context_of(stack, operator["certificate"], operator["key"])
    with refused_once(stack, "house"), connect(stack, context, POINT) as link:
        assert link.greet().code == "R001"
        assert link.is_closed()


def test_another_tenants_certificate_is_refused_in_that_tenants_chain(stack: Rig) -> None:
    with refused_once(stack, "alder"), link_of(stack, "alder", POINT) as link:
        assert link.greet().code == "R001"
        assert link.is_closed()


@pytest.mark.parametrize(
    "change",
    [{"state": "REVOKED"}, {"not_after": "2020-01-01T00:00:00Z"}],
    ids=["revoked", "out of its time"],
)
def test_a_certificate_in_force_no_longer_is_refused(stack: Rig, change: dict[str, str]) -> None:
    where = (
        "endpoint_id = (SELECT id FROM tenants_endpoint WHERE name = 'BRCH2'"
        " AND tenant_id = tenants_certificate.tenant_id)"
    )
    with (
        changed_row(stack, TENANT, "tenants_certificate", where, **change),
        refused_once(stack, TENANT),
        link_of(stack, TENANT) as link,
    ):
        assert link.greet().code == "R001"
        assert link.is_closed()


def test_a_connection_cut_in_the_middle_of_the_handshake_harms_nobody(stack: Rig) -> None:
    edl = stack.service["edl"]
    for _ in range(20):
        with socket.create_connection((edl["host"], edl["port"]), 5) as half:
            half.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    with link_of(stack, TENANT) as link:
        assert link.greet().type == "READY"
