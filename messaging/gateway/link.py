"""One link's life: who calls, what it hears, the time it keeps, and its end.

What comes with a number is `taking`'s, what goes out with one `giving`'s, bytes are the `wire`'s.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

import structlog
from django.db import Error as DatabaseError
from structlog.contextvars import bind_contextvars

from messaging.domain.units import RefusalCode
from messaging.gateway.giving import Giving
from messaging.gateway.identity import Caller
from messaging.gateway.taking import Taking
from messaging.gateway.threads import Threads
from messaging.gateway.wire import Wire
from messaging.measures import LINKS
from messaging.protocols.edl import events as ev
from messaging.protocols.edl.profile import EdlProfile, Role
from messaging.protocols.edl.session import Session
from messaging.protocols.edl.states import State
from messaging.relay import links
from messaging.relay.crash_points import Step
from messaging.relay.hold import LinkReplaced
from messaging.relay.rows import Numbered
from tenants.clock import now

HELLO_WITHIN = 10.0
"""Seconds a peer may hold a connection without a HELLO that is taken."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Gateway:
    """What all links of a process share. `owner` is its number at present, and `counts` whether no
    other can have found it lapsed; `up` and `down` tell it which link holds a control point now.
    What `threads` and `wakers` are for, `Threads` says.
    """

    owner: Callable[[], int]
    counts: Callable[[], bool]
    threads: Executor
    wakers: Executor
    up: Callable[[LinkConnection], None]
    down: Callable[[LinkConnection], None]


class LinkConnection:
    """Serves one connection until it ends; never raises to whoever accepted it."""

    def __init__(
        self,
        gateway: Gateway,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        caller: Caller,
        profile: EdlProfile,
        first: bytes = b"",
    ) -> None:
        """`first` is what was read of it already."""
        self._gateway = gateway
        self._caller = caller
        self._session = Session(Role.HOST, profile, now())
        self._wire = Wire(reader, writer, first)
        self._threads = Threads(gateway.threads, gateway.wakers)
        self._taking = Taking(self._session, self._wire, self._threads)
        self._giving: Giving | None = None
        self._greeting_ends = time.monotonic() + HELLO_WITHIN

    @property
    def endpoint_id(self) -> UUID | None:
        return self._giving.hold.endpoint_id if self._giving else None

    @property
    def tenant_id(self) -> UUID | None:
        return self._giving.hold.tenant_id if self._giving else None

    @property
    def epoch(self) -> int:
        return self._giving.hold.epoch if self._giving else 0

    @property
    def caller(self) -> Caller:
        return self._caller

    def wake(self) -> None:
        """Something may wait for this link."""
        if self._giving is not None:
            self._giving.wake()

    def offer(self, numbered: Numbered) -> None:
        """Another process numbered a message for this link."""
        if self._giving is not None:
            self._giving.offer(numbered)

    def close(self, reason: str) -> None:
        """Ends the link; `serve` then tidies up."""
        self._wire.close(reason)

    def finish(self, reason: str) -> None:
        """Ends the link once what came of it is taken and answered; nothing more is read."""
        if self._giving is None:
            self._wire.close(reason)
        else:
            self._wire.finish(reason)

    async def serve(self) -> None:
        try:
            await self._converse()
        except (OSError, asyncio.IncompleteReadError) as error:
            self._wire.reason = f"connection lost: {type(error).__name__}"
        except LinkReplaced:
            self._wire.reason = "replaced by another link"
        except DatabaseError as error:
            self._wire.reason = "the database is out of reach"
            _log.error("link closed", reason=self._wire.reason, error=str(error))
        finally:
            await self._tidy_up()

    async def _converse(self) -> None:
        while self._session.state is not State.CLOSED:
            data = await self._wire.read(self._patience)
            if data is None and self._giving is None:
                self._wire.reason = "no HELLO in time"
                self._caller.note_refusal(self._wire.reason)
                return
            if data == b"":
                return
            moment = now()
            if data is None:
                self._wire.write(self._session.tick(moment), Step.LINK_BEAT)
            else:
                self._session.receive_data(data, moment)
            await self._listen()

    def _patience(self) -> float:
        """Seconds until it is time for a tick, or too late for a HELLO."""
        seconds = self._session.next_tick(now())
        if self._giving is None:
            seconds = min(seconds, max(self._greeting_ends - time.monotonic(), 0.0))
        return seconds

    async def _listen(self) -> None:
        """Nothing more is taken of what came once the link is closed: it could not be answered."""
        for event in self._session.events():
            await self._on(event)
            if self._wire.is_closing:
                return
        if self._session.state is State.READY:
            for event in self._session.events():
                await self._on(event)
                if self._wire.is_closing:
                    return

    async def _on(self, event: ev.Event) -> None:
        match event:
            case ev.Hello():
                await self._on_hello(event)
            case ev.Received() | ev.Repeated():
                await self._taking.take(self._ready().hold, event)
            case ev.Gap():
                await self._taking.refuse_gap(self._ready().hold, event)
            case ev.Acknowledged() | ev.Refused():
                await self._ready().answered(event)
            case ev.Broken():
                await self._on_broken(event)
            case ev.Silent() | ev.Unanswered():
                is_silent = isinstance(event, ev.Silent)
                self._wire.reason = "nothing was heard" if is_silent else "no answer"
            case ev.Stray() | ev.Heard() | ev.Ready():
                pass

    def _ready(self) -> Giving:
        assert self._giving is not None, "only a link that is ready has messages"
        return self._giving

    async def _on_hello(self, event: ev.Hello) -> None:
        control_point = self._caller.control_point
        if control_point is None or control_point.name != event.control_point:
            text = self._caller.refusal
            self._caller.note_refusal(text, event.control_point)
            refusal = self._session.refuse_hello(RefusalCode.MALFORMED, text, now())
            self._wire.write(refusal, Step.LINK_ANSWER)
            self._wire.reason = text
            return
        tenant_id = self._caller.tenant_id
        assert tenant_id is not None
        bind_contextvars(tenant_id=str(tenant_id), control_point=control_point.name)
        owner = self._gateway.owner()
        opened = await self._threads.run(
            links.open_link,
            tenant_id,
            control_point,
            owner,
            self._caller.address,
            event.last_taken,
        )
        self._open(opened, owner)

    def _open(self, opened: links.Opened, owner: int) -> None:
        """`owner` is the number of this gateway that it was opened under."""
        gateway = self._gateway
        self._taking.last_taken = opened.last_taken
        self._giving = Giving(
            self._session,
            self._wire,
            self._threads,
            opened,
            lambda: gateway.counts() and gateway.owner() == owner,
        )
        gateway.up(self)
        LINKS.labels("up").inc()
        self._wire.write(self._session.ready(opened.last_taken, now()), Step.LINK_READY)
        for outgoing in opened.repeat:
            repeat = self._session.transmit(outgoing.number, outgoing.content, now())
            self._wire.write(repeat, Step.LINK_GIVE)
        self._giving.start()

    async def _on_broken(self, event: ev.Broken) -> None:
        self._wire.write(event.answer, Step.LINK_ANSWER)
        self._wire.reason = f"{event.code.value}: {event.text}"
        if self._giving is None:
            self._caller.note_refusal(event.text)
            return
        hold = self._giving.hold
        await self._taking.store_refused(
            hold, event.reference, event.content, event.code, event.text
        )

    async def _tidy_up(self) -> None:
        if self._giving is not None:
            self._giving.stop()
        self._gateway.down(self)
        await self._wire.end()
        if self._giving is not None:
            LINKS.labels("down").inc()
            hold, left_at = self._giving.hold, self._giving.left_at
            with suppress(DatabaseError):
                await self._threads.run(links.close_link, hold, self._wire.reason, left_at)
