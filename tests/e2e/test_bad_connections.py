"""Connections to the gateway that are not to become links, one by one and by the thousand: each is
closed and recorded, memory stays bounded, and other links are served meanwhile. The cases are in
bad_edl.toml.
"""

from __future__ import annotations

import asyncio
import ssl
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import uvloop

from messaging.rehearsal.authority import Authority, Issued
from tests.e2e.bad_input import (
    RawLink,
    bounded_memory,
    changed_row,
    connect,
    context_of,
    last_refusals,
    link_of,
    message,
    refused,
    refused_in,
    refused_or_counted,
    traffic_beside,
)
from tests.e2e.processes import Beside, beside
from tests.e2e.rig import Rig
from tests.servers import ROOT

TENANT, POINT = "birch", "BRCH2"
CASES = tomllib.loads((ROOT / "tests" / "e2e" / "bad_edl.toml").read_text())
CONNECTIONS = 3_000
CONNECTIONS_OF_STRANGERS = 300


def name_of(case: dict[str, Any]) -> str:
    return str(case["name"])


@dataclass(frozen=True, slots=True)
class Place:
    """The stack, a second gateway of it, and an authority that this one trusts as well."""

    stack: Rig
    gateway: Beside
    authority: Authority
    folder: Path

    def link(self, certificate: str | None, key: str | None) -> RawLink:
        """To the second gateway, under the name of the tenant's control point."""
        context = context_of(self.stack, certificate, key)
        return connect(self.stack, context, POINT, port=self.gateway.port)

    def link_with(self, issued: Issued) -> RawLink:
        certificate, key = self.folder / "shown.pem", self.folder / "shown.key"
        issued.write(certificate, key)
        return self.link(str(certificate), str(key))

    def link_of(self, tenant: str, index: int = 1) -> RawLink:
        point = self.stack.tenant(tenant)["controlPoints"][index]
        return self.link(point["certificate"], point["key"])

    def plain(self) -> RawLink:
        return connect(self.stack, None, POINT, port=self.gateway.port)


@pytest.fixture(scope="module")
def place(stack: Rig, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder, authority = tmp_path_factory.mktemp("place"), Authority("another trusted one")
    own = (stack.var / "tls" / "ca.pem").read_text()
    (folder / "ca.pem").write_text(own + authority.pem)
    trusting = {"HOSTSVC_EDL_CLIENT_CA": folder / "ca.pem"}
    with beside(stack, "run_gateway", "HOSTSVC_EDL_LISTEN", **trusting) as gateway:
        yield Place(stack, gateway, authority, folder)


# One by one. Each scene gives back the code it is told; nothing where it is only closed.


def refused_at_the_handshake(open_link: Callable[[], RawLink]) -> str:
    """The client may notice with its first words only."""
    with pytest.raises((ssl.SSLError, ConnectionError)):  # noqa: SIM117 - one of both raises
        with open_link() as link:
            link.greet()
    return ""


def greeted(link: RawLink) -> str:
    with link:
        code = link.greet().code
        assert link.is_closed()
    return code


def closed(link: RawLink, said: bytes = b"", every_second: bytes = b"") -> str:
    """What is said first, and goes on being said, is met with silence until the host closes."""
    with link:
        link.send(said)
        link.link.settimeout(1)
        for _ in range(40):
            try:
                assert link.link.recv(100) == b""
            except TimeoutError:
                link.send(every_second)
                continue
            except OSError:
                pass
            return ""
    raise AssertionError("it is open still")


def plain_text(place: Place) -> str:
    with place.plain() as link:
        link.say("HELLO", f"{'host-1':12}{0:08d}")
        assert link.is_closed()
    return ""


def changed_certificate(place: Place, **change: str) -> str:
    where = (
        "endpoint_id = (SELECT id FROM tenants_endpoint WHERE name = 'BRCH2'"
        " AND tenant_id = tenants_certificate.tenant_id)"
    )
    with changed_row(place.stack, TENANT, "tenants_certificate", where, **change):
        return greeted(place.link_of(TENANT))


def the_operators(place: Place) -> str:
    operator = place.stack.service["simulator"]
    return greeted(place.link(operator["certificate"], operator["key"]))


SCENES: dict[str, Callable[[Place], str]] = {
    "plain text": plain_text,
    "no certificate": lambda p: refused_at_the_handshake(lambda: p.link(None, None)),
    "stranger": lambda p: refused_at_the_handshake(
        lambda: p.link_with(Authority("stranger").issue(POINT))
    ),
    "expired": lambda p: refused_at_the_handshake(
        lambda: p.link_with(p.authority.issue(POINT, lifetime=timedelta(days=-1)))
    ),
    "half a handshake": lambda p: closed(
        p.plain(), b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
    ),
    "silence": lambda p: closed(p.plain()),
    "no HELLO": lambda p: closed(p.link_of(TENANT)),
    "a trickle": lambda p: closed(p.link_of(TENANT), b"B", every_second=b"B"),
    "the operator's": the_operators,
    "another tenant's": lambda p: greeted(p.link_of("alder")),
    "the other control point's": lambda p: greeted(p.link_of(TENANT, 0)),
    "revoked": lambda p: changed_certificate(p, state="REVOKED"),
    "out of its time": lambda p: changed_certificate(p, not_after="2020-01-01T00:00:00Z"),
}
QUICK = [case for case in CASES["connection"] if not case.get("slow")]
SLOW = [case for case in CASES["connection"] if case.get("slow")]


@pytest.mark.parametrize("case", QUICK, ids=name_of)
def test_a_connection_that_is_to_become_no_link_is_closed_and_recorded(
    place: Place, case: dict[str, Any]
) -> None:
    with refused(place.stack, case["chain"]):
        assert SCENES[case["scene"]](place) == case.get("code", "")
    (told,) = last_refusals(place.stack, case["chain"])
    assert case["reason"] in told["reason"]
    assert told["address"].startswith("127.0.0.1:")


def test_a_connection_that_takes_its_time_is_closed_and_recorded(place: Place) -> None:
    chains = Counter(case["chain"] for case in SLOW)
    with refused_in(place.stack, chains), ThreadPoolExecutor(len(SLOW)) as threads:
        said = list(threads.map(lambda case: SCENES[case["scene"]](place), SLOW))
    assert said == [case.get("code", "") for case in SLOW]
    for chain, many in chains.items():
        reasons = [told["reason"] for told in last_refusals(place.stack, chain, many)]
        assert sorted(reasons) == sorted(c["reason"] for c in SLOW if c["chain"] == chain)


def test_a_connection_cut_in_the_middle_of_the_handshake_is_no_refusal(place: Place) -> None:
    with refused_in(place.stack, {}):
        for _ in range(20):
            with place.plain() as half:
                half.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        time.sleep(0.5)


# Much of it.


def sent_until_closed(link: RawLink) -> str:
    """Bytes without a line feed, far more than a message may have, for as long as they are taken;
    at most half a minute of them.
    """
    piece = b"x" * 65536
    with link:
        for _ in range(1_500):
            try:
                link.send(piece)
            except OSError:
                return ""
            time.sleep(0.02)
    raise AssertionError("it is taken still")


def endless(stack: Rig) -> str:
    return sent_until_closed(link_of(stack, TENANT))


def endless_after_ready(stack: Rig) -> str:
    link = link_of(stack, TENANT)
    assert link.greet().type == "READY"
    return sent_until_closed(link)


def one_byte_too_many(stack: Rig) -> str:
    with link_of(stack, TENANT) as link:
        link.greet()
        link.number += 1
        head = message(POINT, "TEXT", "", link.number)[:-2]
        link.send(head + b"x" * (262_144 - len(head) - 1) + b"^\n")
        while (said := link.hear()).type != "NACK":
            pass
        assert said.reply == 0
        assert link.is_closed()
    return said.code


async def all_closed(port: int, contexts: list[ssl.SSLContext | None]) -> None:
    """Opens a connection with each, says nothing, and waits until the host has closed them all. So
    many at a time begin that none waits for its turn as long as a handshake may take.
    """
    beginning = asyncio.Semaphore(100)

    async def one(context: ssl.SSLContext | None) -> None:
        with suppress(OSError):
            async with beginning:
                reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
            try:
                assert await asyncio.wait_for(reader.read(100), 60) == b""
            finally:
                writer.transport.abort()

    await asyncio.gather(*map(one, contexts))


def many(stack: Rig, context: ssl.SSLContext | None) -> str:
    uvloop.run(all_closed(stack.service["edl"]["port"], [context] * CONNECTIONS))
    return ""


def thousands_without_hello(stack: Rig) -> str:
    point = stack.tenant(TENANT)["controlPoints"][1]
    return many(stack, context_of(stack, point["certificate"], point["key"]))


FLOODS: dict[str, Callable[[Rig], str]] = {
    "endless": endless,
    "endless after READY": endless_after_ready,
    "one byte too many": one_byte_too_many,
    "thousands without HELLO": thousands_without_hello,
    "thousands without TLS": lambda stack: many(stack, None),
}


@pytest.mark.parametrize("case", CASES["flood"], ids=name_of)
def test_much_of_it_is_recorded_and_takes_bounded_memory_while_others_are_served(
    stack: Rig, case: dict[str, Any]
) -> None:
    """What nobody can be named for is counted where it has no entry."""
    if case.get("chain") == "house":
        recorded = refused_or_counted(stack, case.get("entries", CONNECTIONS))
    else:
        recorded = refused(stack, TENANT, case["entries"])
    with recorded, bounded_memory(stack, "run_gateway"), traffic_beside(stack):
        assert FLOODS[case["scene"]](stack) == case.get("code", "")
    with link_of(stack, TENANT) as link:
        assert link.greet().type == "READY"


def test_strangers_keep_each_other_out_and_no_control_point(place: Place) -> None:
    """Certificates that chain and are nobody's, twenty connections each."""
    issued = [place.authority.issue(f"nobody {n}") for n in range(CONNECTIONS_OF_STRANGERS // 20)]
    contexts: list[ssl.SSLContext | None] = []
    for n, one in enumerate(issued):
        certificate, key = place.folder / f"{n}.pem", place.folder / f"{n}.key"
        one.write(certificate, key)
        contexts += [context_of(place.stack, str(certificate), str(key))] * 20
    with (
        refused_or_counted(place.stack, CONNECTIONS_OF_STRANGERS),
        ThreadPoolExecutor(1) as threads,
    ):
        going = threads.submit(uvloop.run, all_closed(place.gateway.port, contexts))
        while not going.done():
            with place.link_of(TENANT) as link:
                assert link.greet().type == "READY"
        going.result()
