"""What the tests of bad input share: a raw EDL client, the memory of a process, the refusals in a
chain, and another tenant's traffic meanwhile. None of it uses the host's own codecs or seals.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import psycopg

from tests.e2e.rig import Rig, mel, run

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
        line, _, self._rest = self._rest.partition(b"\n")
        _, header, data, _ = line.decode("ascii").split("^")
        return Said(header[:6].strip(), int(header[6:14]), int(header[28:36]), data)

    def greet(self) -> Said:
        """HELLO; what comes back is READY, or a refusal."""
        self.say("HELLO", f"{'host-1':12}{0:08d}")
        said = self.hear()
        if said.type == "READY":
            self.number = int(said.data[12:20])
        return said

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
    stack: Rig, context: ssl.SSLContext | None, name: str = "", wait: float = 20
) -> RawLink:
    edl = stack.service["edl"]
    plain = socket.create_connection((edl["host"], edl["port"]), wait)
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


def refusals(stack: Rig, chain: str) -> int:
    """Entries of refusals in a tenant's chain, or in the house's."""
    chain_id = HOUSE if chain == "house" else tenant_id(stack, chain)
    statement = "SELECT count(*) FROM audit_entry WHERE event = 'refused' AND tenant_id = %s"
    return int(stack.query(statement, chain_id)[0][0])


@contextmanager
def refused_once(stack: Rig, chain: str) -> Iterator[None]:
    """Exactly one refusal more is in the chain afterwards."""
    before = refusals(stack, chain)
    yield
    stack.until(lambda: refusals(stack, chain) > before, 10)
    assert refusals(stack, chain) == before + 1


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


@dataclass(slots=True)
class Traffic:
    """Another tenant's redeclarations while a test goes on; `said` are the host's answers."""

    said: list[str] = field(default_factory=list)


@contextmanager
def traffic_beside(stack: Rig) -> Iterator[Traffic]:
    """A redeclaration of the victim's is taken and answered during the block, by another link."""
    traffic = Traffic()

    async def work() -> None:
        async with stack.control_point(VICTIM) as point:
            await point.wait_ready()
            for level in range(5):
                number = await point.redeclare(mel(VICTIM_POINT, VICTIM_UNIT, 40 + level))
                traffic.said.append((await point.result(number, final=True)).verdict)

    with ThreadPoolExecutor(1) as threads:
        going = threads.submit(run, work)
        yield traffic
        going.result(60)
    assert traffic.said == ["OK"] * 5


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
        try:
            yield
        finally:
            session.execute(statement, before)
