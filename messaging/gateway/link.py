"""One link: reads what the control point says, writes what the host answers and what waits for it,
and keeps time.

Messages are taken one after the other, each acknowledged after its commit; what goes out is written
by a pump that is woken. Calls that reach the database run on threads, so that no link waits for
another's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, cast
from uuid import UUID

import structlog
from django.db import Error as DatabaseError
from structlog.contextvars import bind_contextvars

from messaging.domain.units import RefusalCode
from messaging.gateway.identity import Caller
from messaging.measures import ACKNOWLEDGEMENTS, LINKS
from messaging.protocols.base import LocalProtocolError
from messaging.protocols.edl import events as ev
from messaging.protocols.edl.numbers import is_after
from messaging.protocols.edl.profile import EdlProfile, Form, Role
from messaging.protocols.edl.session import Session
from messaging.protocols.edl.states import State
from messaging.relay import backlog, from_control_point, links
from messaging.relay.crash_points import Step
from messaging.relay.from_control_point import Arrival
from messaging.relay.hold import Hold, LinkReplaced
from messaging.relay.numbering import Outgoing
from messaging.relay.rows import NewDelivery, Numbered
from messaging.relay.wake import wake
from tenants.clock import now
from tenants.crash import sending

T = TypeVar("T")

HELLO_WITHIN = 10.0
"""Seconds a peer may hold a connection without a HELLO that is taken."""

GO_BACK_LIMIT = 300
"""Refusals for a gap in a row, with nothing taken between: three windows full."""

READ_BYTES = 64 * 1024
UNREAD_LIMIT = 64 * 1024
"""Bytes that wait for a control point when no more is read from it, until they have left."""

UNREAD_WITHIN = 30.0
"""Seconds for that."""

UNWRITTEN_LIMIT = 1024 * 1024
"""Bytes that may wait for a control point that does not read, before its link is closed."""

HELD_BACK = 0.25
"""Seconds for each message while too much waits: a hundred of them may wait for an answer that must
come within thirty.
"""

NOT_READING = "the control point does not read"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Gateway:
    """What all links of a process share. `owner` is its number at present, and `counts` whether no
    other can have found it lapsed; `up` and `down` tell it
    which link holds a control point now. `wakers` are threads of their own, for a broker that does
    not answer must not keep `threads` from taking messages.
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
        self._first = first
        self._gateway = gateway
        self._reader = reader
        self._writer = writer
        self._caller = caller
        self._session = Session(Role.HOST, profile, now())
        self._hold: Hold | None = None
        self._last_taken = self._written = self._owner = 0
        self._greeting_ends = time.monotonic() + HELLO_WITHIN
        self._go_back_to: int | None = None
        self._is_going_back = False
        self._gone_back = 0
        self._is_full = False
        # When what has no answer was first given to the socket here: stored with its answer.
        self._left_at: dict[int, datetime] = {}
        self._waiting = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None
        self._background: set[asyncio.Future[None]] = set()
        self._reason = "closed by the control point"

    @property
    def endpoint_id(self) -> UUID | None:
        return self._hold.endpoint_id if self._hold else None

    @property
    def tenant_id(self) -> UUID | None:
        return self._hold.tenant_id if self._hold else None

    @property
    def epoch(self) -> int:
        return self._hold.epoch if self._hold else 0

    @property
    def caller(self) -> Caller:
        return self._caller

    def wake(self) -> None:
        """Something may wait for this link."""
        self._waiting.set()

    def close(self, reason: str) -> None:
        """Ends the link; `serve` then tidies up."""
        self._reason = reason
        self._writer.transport.abort()

    def finish(self, reason: str) -> None:
        """Ends the link once what came of it is taken and answered; nothing more is read."""
        self._reason = reason
        if self._hold is None:
            self.close(reason)
            return
        with suppress(RuntimeError):  # The transport is closed already.
            cast(asyncio.Transport, self._writer.transport).pause_reading()
        self._reader.feed_eof()

    async def serve(self) -> None:
        try:
            await self._converse()
        except (OSError, asyncio.IncompleteReadError) as error:
            self._reason = f"connection lost: {type(error).__name__}"
        except LinkReplaced:
            self._reason = "replaced by another link"
        except DatabaseError as error:
            self._reason = "the database is out of reach"
            _log.error("link closed", reason=self._reason, error=str(error))
        finally:
            await self._tidy_up()

    # Listening.

    async def _converse(self) -> None:
        while self._session.state is not State.CLOSED:
            data = await self._read()
            if data == b"":
                return
            moment = now()
            if data is None:
                self._write(self._session.tick(moment), Step.LINK_BEAT)
            else:
                self._session.receive_data(data, moment)
            await self._listen()

    async def _read(self) -> bytes | None:
        """Bytes, b"" at the end of the stream, or None when it is time for a tick."""
        if self._first:
            first, self._first = self._first, b""
            return first
        await self._until_read()
        seconds = self._session.next_tick(now())
        if self._hold is None:
            seconds = min(seconds, max(self._greeting_ends - time.monotonic(), 0.0))
        try:
            return await asyncio.wait_for(self._reader.read(READ_BYTES), seconds)
        except TimeoutError:
            if self._hold is None:
                self._reason = "no HELLO in time"
                self._caller.note_refusal(self._reason)
                return b""
            return None

    async def _until_read(self) -> None:
        """A control point that does not read its answers is not read from: it is TCP that slows it
        down. For a while: then it is gone, for all one can tell.
        """
        if self._writer.transport.get_write_buffer_size() <= UNREAD_LIMIT:
            return
        try:
            await asyncio.wait_for(self._writer.drain(), UNREAD_WITHIN)
        except TimeoutError:
            self.close(NOT_READING)

    async def _listen(self) -> None:
        """Nothing more is taken of what came once the link is closed: it could not be answered."""
        for event in self._session.events():
            await self._on(event)
            if self._writer.is_closing():
                return
        if self._session.state is State.READY:
            for event in self._session.events():
                await self._on(event)
                if self._writer.is_closing():
                    return

    async def _on(self, event: ev.Event) -> None:
        match event:
            case ev.Hello():
                await self._on_hello(event)
            case ev.Received() | ev.Repeated():
                await self._on_message(event)
            case ev.Gap():
                await self._on_gap(event)
            case ev.Acknowledged():
                left_at = self._left_at.pop(event.number, None)
                await self._settled(links.acknowledge, event.number, now(), left_at)
            case ev.Refused():
                await self._on_refused(event)
            case ev.Broken():
                await self._on_broken(event)
            case ev.Silent() | ev.Unanswered():
                self._reason = "nothing was heard" if isinstance(event, ev.Silent) else "no answer"
            case ev.Stray() | ev.Heard() | ev.Ready():
                pass

    async def _on_hello(self, event: ev.Hello) -> None:
        control_point = self._caller.control_point
        if control_point is None or control_point.name != event.control_point:
            text = self._caller.refusal
            self._caller.note_refusal(text, event.control_point)
            refusal = self._session.refuse_hello(RefusalCode.MALFORMED, text, now())
            self._write(refusal, Step.LINK_ANSWER)
            self._reason = text
            return
        assert self._caller.tenant_id is not None
        bind_contextvars(tenant_id=str(self._caller.tenant_id), control_point=control_point.name)
        self._owner = self._gateway.owner()
        opened = await self._run(
            links.open_link,
            self._caller.tenant_id,
            control_point,
            self._owner,
            self._caller.address,
            event.last_taken,
        )
        self._hold, self._last_taken = opened.hold, opened.last_taken
        self._written = opened.last_given
        self._gateway.up(self)
        LINKS.labels("up").inc()
        self._write(self._session.ready(opened.last_taken, now()), Step.LINK_READY)
        for outgoing in opened.repeat:
            repeat = self._session.transmit(outgoing.number, outgoing.content, now())
            self._write(repeat, Step.LINK_GIVE)
        self._pump = asyncio.create_task(self._keep_giving())
        self.wake()

    async def _on_message(self, event: ev.Received | ev.Repeated) -> None:
        hold = self._ready_hold()
        if isinstance(event, ev.Received) and not self._answers(event):
            await self._hold_back()
        arrival = self._arrival(event.number, event.type, event.in_reply_to, event.content)
        if isinstance(event, ev.Received):
            answer = await self._run(from_control_point.take, hold, arrival, self._last_taken)
            self._last_taken = event.number
        else:
            answer = await self._run(from_control_point.take_again, hold, arrival)
        if answer.code is RefusalCode.OK:
            said = self._session.ack(event.number, now())
        else:
            said = self._session.nack(event.number, answer.code, answer.text, now())
        self._write(said, Step.LINK_ANSWER)
        self._measure(arrival, answer.code)
        self._wake_others(answer.deliveries)

    def _answers(self, event: ev.Received) -> bool:
        found = self._session.profile.messages.get(event.type)
        return found is not None and found.form is Form.ANSWER

    async def _hold_back(self) -> None:
        """While too much waits, a message is taken so much later, and nothing is read meanwhile:
        TCP slows the control point down. A window of messages is still answered in time.
        """
        if backlog.seemed_full(self._ready_hold().tenant_id):
            await asyncio.sleep(HELD_BACK)

    def _measure(self, arrival: Arrival, code: RefusalCode) -> None:
        took = (now() - arrival.at).total_seconds()
        ACKNOWLEDGEMENTS.labels("ACK" if code is RefusalCode.OK else "NACK").observe(took)

    async def _on_gap(self, event: ev.Gap) -> None:
        arrival = self._arrival(event.number, "", 0, event.content)
        code = RefusalCode.NUMBER_GAP
        await self._run(
            from_control_point.refuse_unnumbered, self._ready_hold(), arrival, code, event.text
        )
        self._write(self._session.nack(event.number, code, event.text, now()), Step.LINK_ANSWER)

    async def _on_refused(self, event: ev.Refused) -> None:
        if event.expected is None:
            left_at = self._left_at.pop(event.number, None)
            await self._settled(links.refused, event.number, event.code, event.text, now(), left_at)
            return
        self._session.withdraw(event.expected, event.number)
        self._go_back_to = event.expected
        self._gone_back += 1
        if self._gone_back > GO_BACK_LIMIT:
            self.close("the control point never gets the number it expects")
        await self._go_back_if_quiet()

    async def _go_back_if_quiet(self) -> None:
        """Goes back to the number expected once nothing awaits an answer: until then an answer
        could mean either of two messages that had the same number.
        """
        if self._go_back_to is None or self._session.awaiting or self._is_going_back:
            return
        self._is_going_back = True
        try:
            gone = await self._run(links.go_back, self._ready_hold(), self._go_back_to)
        finally:
            self._is_going_back = False
        self._hold, self._written = gone.hold, gone.last_given
        self._go_back_to = None
        self._left_at.clear()
        self.wake()

    async def _on_broken(self, event: ev.Broken) -> None:
        self._write(event.answer, Step.LINK_ANSWER)
        self._reason = f"{event.code.value}: {event.text}"
        if self._hold is None:
            self._caller.note_refusal(event.text)
            return
        arrival = self._arrival(event.reference, "", 0, event.content)
        await self._run(
            from_control_point.refuse_unnumbered, self._hold, arrival, event.code, event.text
        )

    async def _settled(self, work: Callable[..., tuple[NewDelivery, ...]], *details: Any) -> None:
        self._wake_others(await self._run(work, self._ready_hold(), *details))
        self._gone_back = 0
        await self._go_back_if_quiet()
        if self._is_full:
            self.wake()

    def _arrival(self, number: int, type_: str, in_reply_to: int, content: bytes) -> Arrival:
        text = self._session.profile.number_text
        return Arrival(
            number, text(number), type_, text(in_reply_to) if in_reply_to else "", content, now()
        )

    def _ready_hold(self) -> Hold:
        assert self._hold is not None, "only a link that is ready has messages"
        return self._hold

    # Speaking.

    def offer(self, numbered: Numbered) -> None:
        """Another process numbered a message for this link: it is written now if it is the next
        one, else the pump finds it in the database, in its turn.
        """
        hold = self._hold
        is_next = numbered.number == self._session.next_number(self._written)
        if (
            hold is not None
            and numbered.epoch == hold.epoch
            and is_next
            and self._may_give()
            and self._session.window_left
        ):
            try:
                self._transmit_in_time(numbered)
            except LocalProtocolError as error:
                # Written in another profile than this link began in: the endpoint's was changed.
                _log.error("link closed", reason="not of this link's profile", error=str(error))
                self.close("the endpoint's profile has changed")
        else:
            self.wake()

    async def _keep_giving(self) -> None:
        """The pump: writes what waits for this link whenever it is woken and the window has
        room.
        """
        try:
            while True:
                await self._waiting.wait()
                self._waiting.clear()
                await self._go_back_if_quiet()
                await self._give(self._ready_hold())
        except LinkReplaced:
            self.close("replaced by another link")
        except DatabaseError as error:
            _log.error("link closed", reason="the database is out of reach", error=str(error))
            self.close("the database is out of reach")
        except Exception:
            _log.exception("the pump of a link failed")
            self.close("an error of the host's")
            raise

    async def _give(self, hold: Hold) -> None:
        while self._may_give():
            room = self._session.window_left
            if not room:
                self._is_full = True
                return
            try:
                given = await self._run(links.give, hold, room, self._written)
            except LinkReplaced:
                if hold is self._hold:
                    self.close("replaced by another link")
                return
            if not self._may_give() or hold is not self._hold:
                return
            self._write_given(given.outgoing)
            self._wake_others(given.deliveries)
            self._is_full = given.is_full
            if not self._is_full:
                return

    def _write_given(self, given: tuple[Outgoing, ...]) -> None:
        """All but those that were offered meanwhile. What the window has no room for any more stays
        numbered, and is found again.
        """
        modulus = self._session.profile.limits.number_modulus
        for outgoing in given:
            if not self._session.window_left:
                self.wake()
                return
            is_new = is_after(outgoing.number, self._written, modulus)
            if is_new and not self._transmit_in_time(outgoing):
                return

    def _transmit_in_time(self, one: Numbered | Outgoing) -> bool:
        """What was numbered in time and is too late by now, as after this process was stopped for a
        moment, is not written: its number is taken back, and it expires as what waits does.
        """
        if now() >= one.deadline:
            self._go_back_to = one.number
            self.wake()
            return False
        self._transmit(one.number, one.content)
        return True

    def _transmit(self, number: int, content: bytes) -> None:
        self._write(self._session.transmit(number, content, now()), Step.LINK_GIVE)
        self._left_at[number] = now()
        self._written = number

    def _may_give(self) -> bool:
        """Not once this gateway has lapsed: one that was frozen would write what was numbered for
        it before, however late, until it hears of that.
        """
        if self._session.state is not State.READY or self._go_back_to is not None:
            return False
        return self._gateway.counts() and self._gateway.owner() == self._owner

    def _write(self, content: bytes, step: Step) -> None:
        if not content:
            return
        with sending(step):
            self._writer.write(content)
        if self._writer.transport.get_write_buffer_size() > UNWRITTEN_LIMIT:
            self.close(NOT_READING)

    def _wake_others(self, deliveries: tuple[NewDelivery, ...]) -> None:
        if deliveries:
            loop = asyncio.get_running_loop()
            task = asyncio.ensure_future(
                loop.run_in_executor(self._gateway.wakers, wake, deliveries)
            )
            self._background.add(task)
            task.add_done_callback(self._background.discard)

    async def _run(self, work: Callable[..., T], *details: Any) -> T:
        loop, context = asyncio.get_running_loop(), copy_context()
        return await loop.run_in_executor(self._gateway.threads, context.run, work, *details)

    async def _tidy_up(self) -> None:
        if self._pump is not None:
            self._pump.cancel()
        self._gateway.down(self)
        with suppress(ConnectionError, TimeoutError, OSError):
            # Closed twice, a TLS transport of Python 3.11.2 (Debian 12's) cannot be aborted.
            if not self._writer.is_closing():
                self._writer.close()
            await asyncio.wait_for(self._writer.wait_closed(), 5)
        # Else a peer that goes on sending is read from until TLS gives up waiting for its goodbye.
        self._writer.transport.abort()
        if self._hold is not None:
            LINKS.labels("down").inc()
            with suppress(DatabaseError):
                await self._run(links.close_link, self._hold, self._reason, self._left_at)
