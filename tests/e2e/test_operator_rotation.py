"""The system operator changes its certificates on the running stack: what it sends under pinned
ones is taken, and nothing under others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from cryptography import x509

from tenants.certificates import fingerprint_of
from tenants.ids import new_id
from tests.e2e.rig import Rig

pytestmark = pytest.mark.xdist_group("stack")

TENANT = "birch"
PIN = """
INSERT INTO tenants_peercertificate (id, peer_id, purpose, state, fingerprint, pem, not_after,
                                     held_since)
SELECT %s, id, %s, 'ACTIVE', %s, %s, %s, now() FROM tenants_peer WHERE name = 'simulator'
"""
UNPIN = "DELETE FROM tenants_peercertificate WHERE id = ANY(%s)"
PURPOSES = {"tls": "TLS_CLIENT", "signing": "SIGNING"}


class Pins:
    """What the vendor's staff pins for the operator during a test."""

    def __init__(self, stack: Rig) -> None:
        self._url = stack.environment["DATABASE_STAFF_URL"]
        self._ids: list[object] = []

    def add(self, part: str, pem: str) -> None:
        leaf = x509.load_pem_x509_certificate(pem.encode())
        row = new_id()
        values = (row, PURPOSES[part], fingerprint_of(leaf), pem, leaf.not_valid_after_utc)
        with psycopg.connect(self._url) as session:
            session.execute(PIN, values)
        self._ids.append(row)

    def remove(self) -> None:
        with psycopg.connect(self._url) as session:
            session.execute(UNPIN, [self._ids])


@pytest.fixture
def pins(stack: Rig) -> Iterator[Pins]:
    pins = Pins(stack)
    try:
        yield pins
    finally:
        stack.control("DELETE", "/certificates")
        pins.remove()


def dispatched(stack: Rig) -> Any:
    point = stack.tenant(TENANT)["controlPoints"][1]["name"]
    sent = stack.dispatch(stack.units(TENANT)[0], point, wait=0)
    return sent["answer"]


def refused(stack: Rig) -> Any:
    """One attempt, as the operator would go on trying."""
    point, unit = stack.tenant(TENANT)["controlPoints"][1]["name"], stack.units(TENANT)[0]
    text = {"kind": "EMERGENCY", "controlPoint": point, "bmUnit": unit, "text": "rehearsed"}
    answer = stack.control("POST", "/dispatch?wait=0&persist=0", text)["answer"]
    return answer["status"], answer["verified"]


def test_announced_certificates_that_were_pinned_carry_on_and_others_are_refused(
    stack: Rig, pins: Pins
) -> None:
    async def linked() -> None:
        async with stack.control_point(TENANT):
            await asyncio.to_thread(rotate)

    def rotate() -> None:
        assert dispatched(stack)["verified"]
        told = stack.control("POST", "/certificates", {"do": "announce", "what": "both"})
        for part, one in told["next"].items():
            pins.add(part, one["pem"])
        stack.control("POST", "/certificates", {"do": "switch"})
        stack.until(lambda: refused(stack) == (200, True))
        assert dispatched(stack)["verified"], "under the new certificates"
        for what in ("signing", "tls"):
            stack.control("POST", "/certificates", {"do": "rotate", "what": what})
            assert refused(stack) == (401, False), f"nobody pinned this {what} certificate"
        stack.control("DELETE", "/certificates")
        assert dispatched(stack)["verified"], "the configured ones are pinned still"

    asyncio.run(linked())
