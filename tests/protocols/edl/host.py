"""A small host over a real socket for the control point to speak to: it takes and answers."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Self

from messaging.domain.units import RefusalCode
from messaging.protocols.edl import events as ev
from messaging.protocols.edl.head import restamp
from messaging.protocols.edl.profile import EdlProfile, Role
from messaging.protocols.edl.session import Session
from messaging.protocols.edl.states import State
from tests.protocols.edl.rows import PROFILE


def now() -> datetime:
    return datetime.now(UTC)


class Host:
    """`taken` is what it took, by number; `answers` what was said to its own messages.

    With `answering` off it takes and says nothing; `verdicts` are refusals for the next messages.
    """

    def __init__(
        self,
        context: ssl.SSLContext | None = None,
        last_taken: int = 0,
        profile: EdlProfile = PROFILE,
    ) -> None:
        self.taken: dict[int, bytes] = {}
        self.repeated: list[bytes] = []
        self.answers: list[ev.Acknowledged | ev.Refused] = []
        self.hellos: list[ev.Hello] = []
        self.heard: list[ev.Event] = []
        self.verdicts: list[tuple[RefusalCode, str]] = []
        self.answering = True
        self.refuse_hello: RefusalCode | None = None
        self.last_taken = last_taken
        self.last_given = 0
        self.port = 0
        self._context = context
        self._profile = profile
        self._session: Session | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._changed = asyncio.Condition()

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def listen(self) -> None:
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, ssl=self._context
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        self.hang_up()
        self._server.close()

    def hang_up(self) -> None:
        if self._writer:
            self._writer.transport.abort()

    def say(self, content: bytes) -> int:
        """Sends a message under the next number."""
        assert self._session is not None
        self.last_given = self._session.next_number(self.last_given)
        content = restamp(self._profile, content, self.last_given, now())
        self.write(self._session.transmit(self.last_given, content, now()))
        return self.last_given

    def write(self, content: bytes) -> None:
        assert self._writer is not None
        self._writer.write(content)

    async def until(self, wanted: Callable[[], bool]) -> None:
        """Waits until something the host knows has become true."""
        async with self._changed:
            await self._changed.wait_for(wanted)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = Session(Role.HOST, self._profile, now())
        self._session, self._writer = session, writer
        with suppress(ConnectionError):
            while session.state is not State.CLOSED and (data := await reader.read(65536)):
                session.receive_data(data, now())
                while events := list(session.events()):
                    writer.writelines(self._react(session, event) for event in events)
                async with self._changed:
                    self._changed.notify_all()
            await writer.drain()
        if not writer.is_closing():
            writer.close()

    def _react(self, session: Session, event: ev.Event) -> bytes:
        self.heard.append(event)
        match event:
            case ev.Hello():
                self.hellos.append(event)
                if self.refuse_hello:
                    return session.refuse_hello(self.refuse_hello, "not today", now())
                return session.ready(self.last_taken, now(), len(self.taken))
            case ev.Received():
                return self._take(session, event)
            case ev.Repeated():
                self.repeated.append(event.content)
                if self.taken.get(event.number) == event.content:
                    return session.ack(event.number, now())
                return session.nack(event.number, RefusalCode.NUMBER_REUSED, "", now())
            case ev.Gap():
                return session.nack(event.number, RefusalCode.NUMBER_GAP, event.text, now())
            case ev.Acknowledged() | ev.Refused():
                self.answers.append(event)
            case ev.Broken():
                return event.answer
        return b""

    def _take(self, session: Session, event: ev.Received) -> bytes:
        self.taken[event.number] = event.content
        self.last_taken = event.number
        if not self.answering:
            return b""
        if self.verdicts:
            return session.nack(event.number, *self.verdicts.pop(0), now())
        return session.ack(event.number, now())
