"""What the host says with a number: what waits for a link is written by a pump that is woken, as
far as the window has room and no later than it may leave; and what the control point answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog
from django.db import Error as DatabaseError

from messaging.gateway.threads import Threads
from messaging.gateway.wire import Wire
from messaging.protocols.base import LocalProtocolError
from messaging.protocols.edl import events as ev
from messaging.protocols.edl.numbers import is_after
from messaging.protocols.edl.session import Session
from messaging.protocols.edl.states import State
from messaging.relay import links
from messaging.relay.crash_points import Step
from messaging.relay.hold import Hold, LinkReplaced
from messaging.relay.numbering import Outgoing
from messaging.relay.rows import Numbered
from tenants.clock import now

GO_BACK_LIMIT = 300
"""Refusals for a gap in a row, with nothing taken between: three windows full."""

_log = structlog.get_logger(__name__)


class Giving:
    """One link's, from when it is opened. `hold` is what it has in hand at present: going back
    renews that. `left_at` is when what has no answer was first given to the socket here: stored
    with its answer, or as the link ends.
    """

    def __init__(
        self,
        session: Session,
        wire: Wire,
        threads: Threads,
        opened: links.Opened,
        counts: Callable[[], bool],
    ) -> None:
        """`counts`: whether this gateway is still the one that opened the link, in all eyes."""
        self._session = session
        self._wire = wire
        self._threads = threads
        self._counts = counts
        self.hold = opened.hold
        self.left_at: dict[int, datetime] = {}
        self._written = opened.last_given
        self._go_back_to: int | None = None
        self._is_going_back = False
        self._gone_back = 0
        self._is_full = False
        self._waiting = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._pump = asyncio.create_task(self._keep_giving())
        self.wake()

    def stop(self) -> None:
        if self._pump is not None:
            self._pump.cancel()

    def wake(self) -> None:
        """Something may wait for this link."""
        self._waiting.set()

    # What goes out.

    def offer(self, numbered: Numbered) -> None:
        """Another process numbered a message for this link: it is written now if it is the next
        one, else the pump finds it in the database, in its turn.
        """
        is_next = numbered.number == self._session.next_number(self._written)
        if (
            numbered.epoch == self.hold.epoch
            and is_next
            and self._may_give()
            and self._session.window_left
        ):
            try:
                self._transmit_in_time(numbered)
            except LocalProtocolError as error:
                # Written in another profile than this link began in: the endpoint's was changed.
                _log.error("link closed", reason="not of this link's profile", error=str(error))
                self._wire.close("the endpoint's profile has changed")
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
                await self._give(self.hold)
        except LinkReplaced:
            self._wire.close("replaced by another link")
        except DatabaseError as error:
            _log.error("link closed", reason="the database is out of reach", error=str(error))
            self._wire.close("the database is out of reach")
        except Exception:
            _log.exception("the pump of a link failed")
            self._wire.close("an error of the host's")
            raise

    async def _give(self, hold: Hold) -> None:
        while self._may_give():
            room = self._session.window_left
            if not room:
                self._is_full = True
                return
            try:
                given = await self._threads.run(links.give, hold, room, self._written)
            except LinkReplaced:
                if hold is self.hold:
                    self._wire.close("replaced by another link")
                return
            if not self._may_give() or hold is not self.hold:
                return
            self._write_given(given.outgoing)
            self._threads.wake_others(given.deliveries)
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
        self._wire.write(self._session.transmit(number, content, now()), Step.LINK_GIVE)
        self.left_at[number] = now()
        self._written = number

    def _may_give(self) -> bool:
        """Not once this gateway has lapsed: one that was frozen would write what was numbered for
        it before, however late, until it hears of that.
        """
        if self._session.state is not State.READY or self._go_back_to is not None:
            return False
        return self._counts()

    # What comes of it.

    async def answered(self, event: ev.Acknowledged | ev.Refused) -> None:
        """Raises LinkReplaced and DatabaseError: then the answer is not stored."""
        if isinstance(event, ev.Refused) and event.expected is not None:
            await self._expected(event.expected, event.number)
            return
        left_at = self.left_at.pop(event.number, None)
        if isinstance(event, ev.Acknowledged):
            made = await self._threads.run(
                links.acknowledge, self.hold, event.number, now(), left_at
            )
        else:
            made = await self._threads.run(
                links.refused, self.hold, event.number, event.code, event.text, now(), left_at
            )
        self._threads.wake_others(made)
        self._gone_back = 0
        await self._go_back_if_quiet()
        if self._is_full:
            self.wake()

    async def _expected(self, expected: int, refused: int) -> None:
        self._session.withdraw(expected, refused)
        self._go_back_to = expected
        self._gone_back += 1
        if self._gone_back > GO_BACK_LIMIT:
            self._wire.close("the control point never gets the number it expects")
        await self._go_back_if_quiet()

    async def _go_back_if_quiet(self) -> None:
        """Goes back to the number expected once nothing awaits an answer: until then an answer
        could mean either of two messages that had the same number.
        """
        if self._go_back_to is None or self._session.awaiting or self._is_going_back:
            return
        self._is_going_back = True
        try:
            gone = await self._threads.run(links.go_back, self.hold, self._go_back_to)
        finally:
            self._is_going_back = False
        self.hold, self._written = gone.hold, gone.last_given
        self._go_back_to = None
        self.left_at.clear()
        self.wake()
