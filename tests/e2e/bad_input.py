"""What the tests of bad input share: a raw EDL client, the memory of a process, the refusals in a
chain, and another tenant's traffic meanwhile. None of it uses the host's own codecs or seals.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import psycopg

from messaging.domain.instructions import BidOfferAcceptance
from tests.e2e.rig import Rig, mel

VICTIM, VICTIM_POINT, VICTIM_UNIT = "alder", "ALDR2", "ALDR-F03"
HOUSE = "00000000-0000-0000-0000-000000000000"
MOST_GROWTH = 160 * 1024
"""Kilobytes that a process may have grown by after bad input of any size."""


@dataclass(frozen=True, slots=True)
class Said:
    """One message of the host's."""

    type: str
    number: int
    reply: int
    data: str

    @property
    def code(self) -> str:
        return self.data[:4].strip()


@dataclass(slots=True)
class RawLink:
    """A socket to the gateway that says whatever it is told to; `number` is the last one used."""

    link: socket.socket
    name: str
    number: int = 0
    line: bytes = b""
    _rest: bytes = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.link.close()

    def say(self, type_: str, data: str, number: int = 0, reply: int = 0) -> None:
        self.send(message(self.name, type_, data, number, reply))

    def send(self, content: bytes) -> None:
        self.link.sendall(content)

    def say_next(self, type_: str, data: str, reply: int = 0) -> Said:
        """Under the next number, and what the host answers to it."""
        self.number += 1
        self.say(type_, data, self.number, reply)
        return self.answer(self.number)

    def answer(self, number: int) -> Said:
        while (said := self.hear()).type not in ("ACK", "NACK") or said.reply != number:
            if said.number:
                self.say("ACK", "OK  ", 0, said.number)
        return said

    def hear(self) -> Said:
        while b"\n" not in self._rest:
            piece = self.link.recv(65536)
            if not piece:
                raise ConnectionResetError("the host closed the link")
            self._rest += piece
        self.line, _, self._rest = self._rest.partition(b"\n")
        _, header, data, _ = self.line.decode("ascii").split("^")
        return Said(header[:6].strip(), int(header[6:14]), int(header[28:36]), data)

    def greet(self) -> Said:
        """HELLO; what comes back is READY, or a refusal."""
        self.say("HELLO", f"{'host-1':12}{0:08d}")
        said = self.hear()
        if said.type == "READY":
            self.number = int(said.data[12:20])
        return said

    def leave(self) -> None:
        """Ends it once the host has taken all that was said. Closed with something unread, it would
        be reset, and what was said last lost on its way.
        """
        self.link.shutdown(socket.SHUT_WR)
        self.is_closed()

    def is_closed(self) -> bool:
        """Waits until the host closes it, at most the socket's own time-out."""
        try:
            while self.link.recv(65536):
                pass
        except TimeoutError:
            return False
        except OSError:
            pass
        return True


def message(name: str, type_: str, data: str, number: int = 0, reply: int = 0) -> bytes:
    sent_at = datetime.now(UTC).strftime("%Y%m%d%H%M%S")
    return f"{name:6}^{type_:6}{number:08d}{sent_at}{reply:08d}^{data}^\n".encode("latin-1")


def connect(
    stack: Rig,
    context: ssl.SSLContext | None,
    name: str = "",
    wait: float = 20,
    port: int | None = None,
) -> RawLink:
    """To the stack's gateway, or another of its gateways."""
    edl = stack.service["edl"]
    plain = socket.create_connection((edl["host"], port or edl["port"]), wait)
    link = context.wrap_socket(plain, server_hostname=edl["host"]) if context else plain
    return RawLink(link, name)


def context_of(
    stack: Rig, certificate: str | None = None, key: str | None = None
) -> ssl.SSLContext:
    """Trusts the host; shows a certificate where there is one."""
    context = ssl.create_default_context(cafile=stack.path(stack.service["inbound"]["ca"]))
    if certificate and key:
        context.load_cert_chain(stack.path(certificate), stack.path(key))
    return context


def link_of(stack: Rig, tenant: str, name: str = "", wait: float = 20) -> RawLink:
    """Connected with the certificate of a tenant's free control point, under any name."""
    point = stack.tenant(tenant)["controlPoints"][1]
    context = context_of(stack, point["certificate"], point["key"])
    return connect(stack, context, name or point["name"], wait)


# What is seen of it in the host.


def tenant_id(stack: Rig, name: str) -> str:
    return str(stack.query("SELECT id FROM tenants_tenant WHERE name = %s", name)[0][0])


def chain_id(stack: Rig, chain: str) -> str:
    return HOUSE if chain == "house" else tenant_id(stack, chain)


def refusals(stack: Rig) -> Counter[str]:
    """Entries of refusals, by chain. What was only counted is not among them."""
    statement = "SELECT tenant_id, count(*) FROM audit_entry WHERE event = 'refused' GROUP BY 1"
    return Counter({str(chain): int(count) for chain, count in stack.query(statement)})


def last_refusals(stack: Rig, chain: str, many: int = 1) -> list[dict[str, Any]]:
    """What the last entries of refusals in a chain tell, the last one last."""
    rows = stack.query(
        "SELECT record FROM audit_entry WHERE event = 'refused' AND tenant_id = %s"
        " ORDER BY seq DESC LIMIT %s",
        chain_id(stack, chain),
        many,
    )
    return [json.loads(bytes(record))["detail"] for (record,) in reversed(rows)]


def suppressed(stack: Rig) -> int:
    """How many refusals the house's chain tells of that have no entry of their own."""
    rows = stack.query("SELECT record FROM audit_entry WHERE tenant_id = %s", HOUSE)
    told = (json.loads(bytes(record))["detail"] for (record,) in rows)
    return sum(detail.get("suppressed_before", 0) for detail in told)


@contextmanager
def refused(stack: Rig, chain: str, entries: int = 1) -> Iterator[None]:
    """So many refusals more are in the chain afterwards, and none in any other."""
    with refused_in(stack, {chain: entries}):
        yield


@contextmanager
def refused_in(stack: Rig, wanted: Mapping[str, int]) -> Iterator[None]:
    """The same in several chains."""
    before = refusals(stack)
    more = +Counter({chain_id(stack, chain): entries for chain, entries in wanted.items()})
    yield
    stack.until(lambda: (refusals(stack) - before).total() >= more.total(), 30)
    assert refusals(stack) - before == more


@contextmanager
def refused_or_counted(stack: Rig, times: int) -> Iterator[None]:
    """So many refusals nobody can be named for: each is an entry, or is told of in the count."""

    def known() -> int:
        return refusals(stack)[HOUSE] + suppressed(stack)

    before, elsewhere = known(), refusals(stack)
    yield
    stack.until(lambda: known() >= before + times, 30)
    assert known() == before + times
    assert set(refusals(stack) - elsewhere) == {HOUSE}


@contextmanager
def bounded_memory(stack: Rig, part: str) -> Iterator[None]:
    """The same process serves on, and has not grown by more than a bounded size."""
    (pid,) = _oldest(stack, part)
    before = _resident(pid)
    yield
    assert _oldest(stack, part) == [pid], "it was started anew"
    grown = _resident(pid) - before
    assert grown < MOST_GROWTH, f"{part} has grown by {grown} kB"


def _oldest(stack: Rig, part: str) -> list[int]:
    """Its own process, not a launcher of it."""
    return sorted(stack.pids(part))[-1:]


def _resident(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


@contextmanager
def traffic_beside(stack: Rig, least: int = 5) -> Iterator[None]:
    """Another tenant's messages go up and down for as long as the block lasts: all of them arrive,
    once, in order and as they were sent, and each gets its exact answer.
    """
    ends = threading.Event()
    with ThreadPoolExecutor(1) as threads:
        going = threads.submit(asyncio.run, _converse(stack, least, ends))
        try:
            yield
        finally:
            ends.set()
        going.result(120)


async def _converse(stack: Rig, least: int, ends: threading.Event) -> None:
    levels: list[int] = []
    numbers: list[int] = []
    async with stack.control_point(VICTIM) as point:
        await point.wait_ready()
        while len(levels) < least or not ends.is_set():
            levels.append(40 + len(levels))
            number = await point.redeclare(mel(VICTIM_POINT, VICTIM_UNIT, levels[-1]))
            assert (await point.answered(number)).code == "OK"
            assert (await point.result(number, final=True)).verdict == "OK"
            told = await asyncio.to_thread(
                stack.dispatch, VICTIM_UNIT, VICTIM_POINT, wait=30, level=len(levels)
            )
            assert told["answer"]["payload"]["status"] == "RECEIVED", told
            assert told["response"]["verdict"] == "ACCEPTED", told
            numbers.append(told["acceptanceNumber"])
        came = [a.message for a in point.received if isinstance(a.message, BidOfferAcceptance)]
        sent = [(number, level + 1) for level, number in enumerate(numbers)]
        assert [(boa.number, boa.levels[-1].level_to) for boa in came] == sent
        assert point.links == 1, "its link was broken"
        assert not point.refusals
    told_so_far = stack.control("GET", "/messages?since=0")["messages"]
    payloads = [row.get("payload") or {} for row in told_so_far]
    ups = [
        p for p in payloads if p.get("bmUnit") == VICTIM_UNIT and p.get("type") == "redeclaration"
    ]
    assert [up["levels"][0]["levelFrom"] for up in ups[-len(levels) :]] == levels


NOTICED_AFTER = 1.5
"""Seconds: every process acts on a change of the register within one."""


@contextmanager
def changed_row(stack: Rig, tenant: str, table: str, where: str, **values: Any) -> Iterator[None]:
    """A tenant's row as the vendor's staff could have changed it, and back."""
    columns = ", ".join(f"{name} = %s" for name in values)
    with psycopg.connect(stack.environment["DATABASE_STAFF_URL"], autocommit=True) as session:
        session.execute("SELECT set_config('app.tenant_id', %s, false)", [tenant_id(stack, tenant)])
        names = ", ".join(values)
        before = session.execute(f"SELECT {names} FROM {table} WHERE {where}".encode()).fetchone()
        assert before is not None
        statement = f"UPDATE {table} SET {columns} WHERE {where}".encode()
        assert session.execute(statement, list(values.values())).rowcount == 1
        time.sleep(NOTICED_AFTER)
        try:
            yield
        finally:
            session.execute(statement, before)
            time.sleep(NOTICED_AFTER)
