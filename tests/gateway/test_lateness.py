"""Whenever a gateway comes to it, it puts nothing on a link whose time has passed: its process may
have been stopped between a number and the first byte.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import pytest
from django.db import connections

from messaging.gateway.identity import Caller
from messaging.gateway.link import Gateway, LinkConnection
from messaging.models import Delivery, Due
from messaging.protocols.edl.events import Event, Ready, Received
from messaging.protocols.edl.profile import Role
from messaging.protocols.edl.session import Session
from messaging.relay.codecs import legacy_codec
from messaging.relay.register import find_control_point
from messaging.relay.rows import NewDelivery, Numbered
from messaging.states import DeliveryState
from tenants.clock import now
from tenants.models import Environment
from tenants.scope import in_tenant, tenant_scope
from tests.people import Person
from tests.relay.test_from_operator import acceptance, numbers, post

PATIENCE = 10.0


@dataclass
class Ends:
    """The gateway's end of a link, and the control point's."""

    link: LinkConnection
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    session: Session

    async def hear(self) -> list[Event]:
        """What comes next, acknowledged where it is a message."""
        data = await asyncio.wait_for(self.reader.read(65536), PATIENCE)
        self.session.receive_data(data, now())
        heard = list(self.session.events())
        for event in heard:
            if isinstance(event, Received):
                self.writer.write(self.session.ack(event.number, now()))
        return heard

    async def hear_messages(self, count: int) -> list[Received]:
        found: list[Received] = []
        while len(found) < count:
            found += [event for event in await self.hear() if isinstance(event, Received)]
        return found


@asynccontextmanager
async def connected(person: Person, threads: ThreadPoolExecutor) -> AsyncIterator[Ends]:
    name, profile = person.control_points[0], legacy_codec({}).profile
    loop, served = asyncio.get_running_loop(), asyncio.Queue[LinkConnection]()
    find = partial(find_control_point, name, Environment.SIMULATOR)
    point = await loop.run_in_executor(threads, in_tenant, person.tenant_id, find)
    gateway = Gateway(lambda: 7, lambda: True, threads, threads, lambda _: None, lambda _: None)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        caller = Caller(b"its certificate", "127.0.0.1:1", person.tenant_id, point)
        link = LinkConnection(gateway, reader, writer, caller, profile)
        served.put_nowait(link)
        await link.serve()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    reader, writer = await asyncio.open_connection(host, port)
    session = Session(Role.CONTROL_POINT, profile, now(), name)
    writer.write(session.hello("host-1", 0, now()))
    ends = Ends(await served.get(), reader, writer, session)
    while not any(isinstance(event, Ready) for event in await ends.hear()):
        pass
    try:
        yield ends
    finally:
        writer.close()
        server.close()
        await server.wait_closed()


def instruct(person: Person, respond_by: datetime | None = None) -> NewDelivery:
    by = f"{respond_by:%Y-%m-%dT%H:%M:%S.%fZ}" if respond_by else None
    (made,) = post(person, acceptance(numbers(), respondBy=by)).deliveries
    return made


def offered(link: LinkConnection, numbered: Numbered) -> None:
    link.offer(numbered)


def found_by_itself(link: LinkConnection, numbered: Numbered) -> None:
    link.wake()


@pytest.mark.parametrize("comes_to_it", [offered, found_by_itself])
def test_what_was_numbered_in_time_and_is_late_by_now_expires_and_leaves_its_number_to_others(
    alice: Person, comes_to_it: Callable[[LinkConnection, Numbered], None]
) -> None:
    with tenant_scope(alice.tenant_id):
        Delivery.objects.update(state=DeliveryState.ABANDONED)
    Due.objects.all().delete()
    threads = ThreadPoolExecutor(1)

    async def play() -> tuple[NewDelivery, NewDelivery, list[Received]]:
        loop = asyncio.get_running_loop()
        async with connected(alice, threads) as ends:
            until = now() + timedelta(seconds=0.7)
            late = await loop.run_in_executor(threads, instruct, alice, until)
            assert late.numbered is not None
            await asyncio.sleep((until - now()).total_seconds())
            comes_to_it(ends.link, late.numbered)
            (told,) = await ends.hear_messages(1)
            after = await loop.run_in_executor(threads, instruct, alice)
            ends.link.wake()
            return late, after, [told, *await ends.hear_messages(1)]

    try:
        late, after, heard = asyncio.run(play())
    finally:
        threads.submit(connections.close_all).result(PATIENCE)
        threads.shutdown()
    assert late.numbered is not None
    assert [one.type for one in heard] == ["TEXT", "BOAI"]
    assert heard[0].number == late.numbered.number
    with tenant_scope(alice.tenant_id):
        rows = {row.id: row.state for row in Delivery.objects.filter(id__in=[late.id, after.id])}
    assert rows[late.id] == DeliveryState.EXPIRED
    assert rows[after.id] in (DeliveryState.CLAIMED, DeliveryState.DELIVERED)
