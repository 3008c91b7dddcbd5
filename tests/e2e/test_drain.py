"""SIGTERM: each kind of process ends with what it has in hand, within ten seconds, and leaves
nothing in doubt. And a control point whose tenant has too much waiting is slowed down.
"""

from __future__ import annotations

import asyncio
import ftplib
import http.client
import itertools
import json
import os
import signal
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import asyncssh
import psycopg
import pytest

from hostsvc.supervisor import free_ports, tcp_ready
from messaging.domain.acknowledgements import ResultVerdict
from messaging.gateway.taking import HELD_BACK
from tenants.clock import now
from tests.e2e.processes import beside
from tests.e2e.rig import Rig, mel, run
from tests.e2e.test_gateways import GATEWAY, link_at, ndz, ready
from tests.e2e.test_main_job import at_the_operator
from tests.e2e.trading_point import tomorrow
from tests.smp.assets import asset, table
from tests.webs import Answer, answer_to, headers_of, post

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
_PARTS_WAIT = """
SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'messaging_smppart'::regclass
"""
_values = itertools.count(431)
TOO_SLOW, HELD_UP = "slow.csv", "held.csv"

_IN_HAND = "SELECT count(*) FROM messaging_delivery WHERE state = 'CLAIMED' AND queue = ANY(%s)"


def is_alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def ended(stack: Rig, pids: Sequence[int]) -> None:
    """In the time that there is for it. Says who did not."""
    commands = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids if is_alive(pid)}
    with suppress(AssertionError):
        stack.until(lambda: not any(map(is_alive, pids)), ENDS_WITHIN)
    assert [command for pid, command in commands.items() if is_alive(pid)] == []


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
            await asyncio.to_thread(ended, stack, pids)
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


@dataclass(frozen=True, slots=True)
class Slow:
    """A request of which half has been sent."""

    asking: http.client.HTTPConnection
    rest: bytes

    def go_on(self) -> Answer | None:
        with suppress(ConnectionError):
            self.asking.send(self.rest)
        return answer_to(self.asking)


@contextmanager
def half_sent(
    port: int, api_key: str, path: str, content: bytes, media: str, key: str
) -> Iterator[Slow]:
    asking, half = http.client.HTTPConnection("127.0.0.1", port, timeout=30), len(content) // 2
    asking.putrequest("POST", path)
    headers = {**headers_of(api_key, media, key), "Content-Length": str(len(content))}
    for name, value in headers.items():
        asking.putheader(name, value)
    asking.endheaders(content[:half])
    try:
        yield Slow(asking, content[half:])
    finally:
        asking.close()


def test_a_web_process_that_is_told_to_stop_ends_its_requests_or_leaves_them_to_be_repeated(
    stack: Rig,
) -> None:
    """One is answered in the time there is; an upload that is too slow and one that is held up
    while it is stored are broken off, and done once when they are repeated.
    """
    url = urlsplit(stack.service["api"]["url"])
    port, api_key = int(url.port or 0), stack.tenant(TENANT)["apiKey"]
    (pid,) = stack.pids(f"hostsvc.asgi:application --host=127.0.0.1 --port={port}")
    table_of = {name: table([asset(n)]) for n, name in enumerate((TOO_SLOW, HELD_UP), 7_700)}
    message = json.dumps(
        {
            "type": "ScalarRedeclaration",
            "control_point": POINT,
            "bm_unit": UNIT,
            "parameter": "NDZ",
            "value": next(_values),
        }
    ).encode()
    quick = (f"{url.path}/messages", message, "application/json", str(uuid4()))
    asked = {
        name: (
            f"{url.path}/smp/uploads?check_only=true&file_name={name}",
            *(content, "text/csv", str(uuid4())),
        )
        for name, content in table_of.items()
    }
    with (
        psycopg.connect(stack.environment["DATABASE_OWNER_URL"]) as lock,
        ThreadPoolExecutor(1) as threads,
        half_sent(port, api_key, *quick) as in_time,
        half_sent(port, api_key, *asked[TOO_SLOW]) as too_slow,
    ):
        lock.execute("LOCK TABLE messaging_smppart IN EXCLUSIVE MODE")
        held_up = threads.submit(post, port, api_key, *asked[HELD_UP])
        stack.until(lambda: stack.query(_PARTS_WAIT))
        os.kill(pid, signal.SIGTERM)
        stack.until(lambda: not tcp_ready("127.0.0.1", port))
        answered = in_time.go_on()
        ended(stack, [pid])
        lock.rollback()
        assert (too_slow.go_on(), held_up.result()) == (None, None)
    assert answered is not None
    assert answered.status == 202
    again = _repeated(stack, port, api_key, *quick)
    assert (again.told, again.is_repeat) == (answered.told, True)
    for name, question in asked.items():
        told = _repeated(stack, port, api_key, *question)
        assert told.status == 202, told.told
        whole = "SELECT id FROM messaging_smpjob WHERE file_name = %s AND digest IS NOT NULL"
        assert [str(one) for (one,) in stack.query(whole, name)] == [told.told["id"]]


def _repeated(stack: Rig, port: int, *question: Any) -> Answer:
    found: list[Answer] = []

    def is_answered() -> bool:
        answer = post(port, *question)
        found.extend([answer] if answer is not None and answer.status != 409 else [])
        return bool(found)

    stack.until(is_answered, 60)
    return found[0]


@dataclass(frozen=True, slots=True)
class Submission:
    """A trading point's next, under the name that it is taken by as soon as it is closed."""

    rig: Rig
    tenant: str
    name: str
    lines: tuple[bytes, bytes]

    @property
    def login(self) -> dict[str, str]:
        told = self.rig.tenant(self.tenant)["fileLogin"]
        return {"username": told["username"], "password": told["password"]}

    def found(self, place: str) -> list[Path]:
        """Files of this name below the directories of trading points."""
        return list((self.rig.var / "files").rglob(place.format(self.name.removesuffix(".sub"))))

    def is_half_there(self) -> bool:
        return [path.stat().st_size for path in self.found("outgoing/{}.sub")] == [
            len(self.lines[0])
        ]


def next_of(stack: Rig, tenant: str) -> Submission:
    agent, unit = stack.tenant(tenant)["tradingAgent"], stack.units(tenant, 0)[0]
    endpoint = stack.endpoint(tenant, agent)["id"]
    rows = stack.api(tenant, "GET", f"endpoints/{endpoint}/next-sequence")
    number = next((row["next"] for row in rows if row["agent"] == agent), 1)
    first, second = (
        f"NDZ,{agent},{one},{tomorrow():%Y-%m-%d %H:%M},{next(_values)}\n".encode()
        for one in (unit, stack.units(tenant, 0)[1])
    )
    return Submission(stack, tenant, f"{agent}_{number:06d}.sub", (first, second))


@asynccontextmanager
async def sftp_to(port: int, file: Submission) -> AsyncIterator[asyncssh.SFTPClient]:
    options: dict[str, Any] = {**file.login, "known_hosts": None}
    async with (
        asyncssh.connect("127.0.0.1", port, **options) as connection,
        connection.start_sftp_client() as client,
    ):
        yield client


def ftps_to(port: int, file: Submission) -> ftplib.FTP_TLS:
    context = ssl.create_default_context(cafile=file.rig.path(file.rig.service["ftps"]["ca"]))
    client = ftplib.FTP_TLS(context=context, timeout=20)
    client.connect("localhost", port)
    client.login(file.login["username"], file.login["password"])
    client.prot_p()
    return client


def goes_on(client: ftplib.FTP_TLS, data: socket.socket, rest: bytes) -> None:
    """To the end of the upload, and hears what came of it."""
    data.sendall(rest)
    data.close()
    client.voidresp()


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL], ids=["told to stop", "killed"])
def test_a_file_server_that_ends_in_the_middle_of_uploads_has_no_half_file_taken(
    stack: Rig, end: signal.Signals
) -> None:
    """Both clients see that it broke off, and what they send again is taken, whole and once."""
    by_sftp, by_ftps = next_of(stack, "alder"), next_of(stack, "birch")
    (sftp,) = free_ports(1)

    async def break_off() -> None:
        own = {"HOSTSVC_SFTP_LISTEN": f"127.0.0.1:{sftp}"}
        with beside(stack, "run_file_server", "HOSTSVC_FTPS_LISTEN", **own) as server:
            async with sftp_to(sftp, by_sftp) as client:
                opened = await client.open(f"outgoing/{by_sftp.name}", "wb")
                await opened.write(by_sftp.lines[0])
                ftps = ftps_to(server.port, by_ftps)
                data = ftps.transfercmd(f"STOR outgoing/{by_ftps.name}")
                data.sendall(by_ftps.lines[0])
                stack.until(lambda: by_sftp.is_half_there() and by_ftps.is_half_there())
                server.process.send_signal(end)
                await asyncio.to_thread(server.process.wait, ENDS_WITHIN)
                with pytest.raises((asyncssh.Error, OSError)):
                    await opened.write(by_sftp.lines[1])
                with pytest.raises((EOFError, OSError, ftplib.Error)):
                    goes_on(ftps, data, by_ftps.lines[1])

    async def send_again() -> None:
        told = stack.service
        async with (
            sftp_to(told["sftp"]["port"], by_sftp) as client,
            client.open(f"outgoing/{by_sftp.name}", "wb") as opened,
        ):
            await opened.write(b"".join(by_sftp.lines))
        with ftps_to(told["ftps"]["port"], by_ftps) as ftps:
            ftps.storbinary(f"STOR outgoing/{by_ftps.name}", BytesIO(b"".join(by_ftps.lines)))

    run(break_off)
    for file in (by_sftp, by_ftps):
        (aside,) = stack.until(partial(file.found, "outgoing/{}.sub.broken.tmp"))
        assert aside.read_bytes() == file.lines[0]
        aside.unlink()
        assert not file.found("outgoing/{}.sub")
    run(send_again)
    for file in (by_sftp, by_ftps):
        stack.until(partial(file.found, "incoming/{}.acc"))
        (taken,) = stack.until(partial(file.found, "archive/{}.*sub"))
        assert taken.read_bytes() == b"".join(file.lines)


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
