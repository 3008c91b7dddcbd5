"""Drives one EDL session over one asyncio connection: reads, writes, keeps time."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from datetime import datetime

from messaging.protocols.edl.events import Broken, Event
from messaging.protocols.edl.session import Session
from messaging.protocols.edl.states import State

Hearing = Callable[[Event, datetime, float], None]
"""An event, and when its bytes came: UTC, and on time.perf_counter's clock."""


class Link(asyncio.Protocol):
    """Lives from the connection's start to its end, which `lost` tells.

    `greet` gives the first bytes to write, if any. Whatever `hear` has to say it says by `write`.
    """

    def __init__(
        self,
        session: Session,
        clock: Callable[[], datetime],
        greet: Callable[[], bytes],
        hear: Hearing,
    ) -> None:
        self.session = session
        self.silent = False
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._clock = clock
        self._greet = greet
        self._hear = hear
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.write(self._greet())

    def data_received(self, data: bytes) -> None:
        at, moment = self._clock(), time.perf_counter()
        self.session.receive_data(data, at)
        self._draw(at, moment)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        if not self.lost.done():
            self.lost.set_result(None)

    def write(self, data: bytes) -> None:
        if self._transport and data:
            self._transport.write(data)
        self._wind()

    def draw(self) -> None:
        """Reports what the session has found meanwhile."""
        self._draw(self._clock(), time.perf_counter())

    def go_silent(self) -> None:
        self.silent = True
        self._stop_timer()
        if self._transport:
            self._transport.pause_reading()

    def speak_again(self) -> None:
        self.silent = False
        if self._transport and not self._transport.is_closing():
            self._transport.resume_reading()
            self._wind()

    async def close(self) -> None:
        """Ends the connection when what was written has left, within a second."""
        if self._transport:
            self._close()
            await asyncio.wait({self.lost}, timeout=1.0)

    def abort(self) -> None:
        """Ends the connection without a goodbye."""
        if self._transport:
            self._transport.abort()

    def _close(self) -> None:
        """Once: closed twice, a TLS transport of Python 3.11.2 can be neither aborted nor written
        to.
        """
        if self._transport and not self._transport.is_closing():
            self._transport.close()

    def _draw(self, at: datetime, moment: float) -> None:
        for event in self.session.events():
            if isinstance(event, Broken):
                self.write(event.answer)
            self._hear(event, at, moment)
        if self.session.state is State.CLOSED:
            self._close()
        self._wind()

    def _tick(self) -> None:
        self.write(self.session.tick(self._clock()))
        self.draw()

    def _wind(self) -> None:
        self._stop_timer()
        seconds = self.session.next_tick(self._clock())
        if not self.silent and not self.lost.done() and seconds < math.inf:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._tick)

    def _stop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
