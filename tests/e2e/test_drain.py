"""SIGTERM: each kind of process ends with what it has in hand, within ten seconds, and leaves
nothing in doubt. And a control point whose tenant has too much waiting is slowed down.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from messaging.domain.acknowledgements import ResultVerdict
from messaging.gateway.link import HELD_BACK
from tenants.clock import now
from tests.e2e.processes import beside
from tests.e2e.rig import Rig, mel, run
from tests.e2e.test_gateways import GATEWAY, link_at, ndz, ready
from tests.e2e.test_main_job import at_the_operator

pytestmark = pytest.mark.xdist_group("stack")

TENANT, POINT, UNIT, OTHER = "alder", "ALDR2", "ALDR-F01", "ALDR-F02"
KINDS = ("run_gateway", "run_inbound", "run_file_server", "hostsvc.asgi", "-A hostsvc worker")
ENDS_WITHIN = 10.0

_ORPHANED = """
SELECT count(*) FROM messaging_due d WHERE owner IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM pg_locks l WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
    AND ((l.classid::bigint << 32) | l.objid::bigint) = d.owner)
"""
_OUTCOMES = """
SELECT DISTINCT a.outcome FROM messaging_attempt a JOIN messaging_delivery d ON d.id = a.delivery_id
WHERE d.lane = 'operator' AND d.queue = ANY(%s) AND a.settled_at > %s
"""
_IN_HAND = "SELECT count(*) FROM messaging_delivery WHERE state = 'CLAIMED' AND queue = ANY(%s)"


def is_alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_processes_that_are_told_to_stop_leave_nothing_in_doubt(stack: Rig) -> None:
    """All kinds at once, in the middle of exchanges with an operator that takes its time."""
    units, began, level = [UNIT, OTHER], now(), 431

    async def work() -> None:
        async with stack.control_point(TENANT) as point:
            await point.wait_ready()
            faults = {"faults": [{"fault": "latency", "path": "*", "ms": 2_500}]}
            stack.control("POST", "/faults", faults)
            numbers = [await point.redeclare(mel(POINT, unit, level)) for unit in units]
            await asyncio.to_thread(
                stack.until, lambda: stack.query(_IN_HAND, units) == [(len(units),)]
            )
            pids = [pid for kind in KINDS for pid in stack.pids(kind)]
            assert len(pids) >= len(KINDS)
            for pid in pids:
                os.kill(pid, signal.SIGTERM)
            await asyncio.to_thread(stack.until, lambda: not any(map(is_alive, pids)), ENDS_WITHIN)
            assert stack.query(_ORPHANED) == [(0,)], "a claim of a process that is gone"
            stack.control("DELETE", "/faults")
            numbers.append(await point.redeclare(mel(POINT, UNIT, level + 1, 5)))
            for number in numbers:
                assert (await point.result(number, final=True)).verdict is ResultVerdict.OK

    run(work)
    assert stack.query(_OUTCOMES, units, began) == [("DELIVERED",)]
    for unit, levels in ((UNIT, [level, level + 1]), (OTHER, [level])):
        got = at_the_operator(stack, type="redeclaration", bmUnit=unit)
        found = [one["levels"][0]["levelFrom"] for one in got if "levels" in one]
        assert [one for one in found if one in levels] == levels, "once each, in order"
    stack.until(lambda: all(stack.pids(kind) for kind in KINDS), 60)
    stack.until(lambda: _is_served(stack), 60)


def _is_served(stack: Rig) -> bool:
    try:
        return bool(stack.api(TENANT, "GET", "endpoints")["results"])
    except OSError:
        return False


def test_a_control_point_is_slowed_down_while_too_much_waits(stack: Rig) -> None:
    """And refused nothing: each of its messages is taken, so much later."""
    faults = {"faults": [{"fault": "latency", "path": "*", "ms": 3_000}]}
    stack.control("POST", "/faults", faults)
    with (
        beside(stack, *GATEWAY, HOSTSVC_HOST_BACKLOG=1) as gateway,
        ready(link_at(stack, gateway.port)) as link,
    ):
        assert link.say_next(*ndz(1)).type == "ACK"
        began = time.monotonic()
        assert [link.say_next(*ndz(value)).type for value in (2, 3, 4)] == ["ACK"] * 3
        assert time.monotonic() - began >= 3 * HELD_BACK
    stack.control("DELETE", "/faults")
