"""The bytes of one link: reads them with patience, writes each send between its two crash points,
and cuts off a peer that does not read. What they mean is not known here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import cast

from messaging.relay.crash_points import Step
from tenants.crash import sending

READ_BYTES = 64 * 1024
UNREAD_LIMIT = 64 * 1024
"""Bytes that wait for a control point when no more is read from it, until they have left."""

UNREAD_WITHIN = 30.0
"""Seconds for that."""

UNWRITTEN_LIMIT = 1024 * 1024
"""Bytes that may wait for a control point that does not read, before its link is closed."""

GOODBYE_WITHIN = 5.0
"""Seconds for what was written to leave, and for a goodbye."""

NOT_READING = "the control point does not read"


class Wire:
    """`reason` says why it ends, in the words of whoever said so last."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, first: bytes
    ) -> None:
        """`first` is what was read of it already."""
        self._reader = reader
        self._writer = writer
        self._first = first
        self.reason = "closed by the control point"

    @property
    def is_closing(self) -> bool:
        return self._writer.is_closing()

    async def read(self, patience: Callable[[], float]) -> bytes | None:
        """Bytes, b"" at the end of the stream, or None when nothing came in time: in the seconds
        that `patience` says when asked, which is once the peer has read enough. Raises OSError.
        """
        if self._first:
            first, self._first = self._first, b""
            return first
        await self._until_read()
        seconds = patience()
        try:
            return await asyncio.wait_for(self._reader.read(READ_BYTES), seconds)
        except TimeoutError:
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

    def write(self, content: bytes, step: Step) -> None:
        if not content:
            return
        with sending(step):
            self._writer.write(content)
        if self._writer.transport.get_write_buffer_size() > UNWRITTEN_LIMIT:
            self.close(NOT_READING)

    def close(self, reason: str) -> None:
        """Cuts it off: `read` then comes to the end of the stream."""
        self.reason = reason
        self._writer.transport.abort()

    def finish(self, reason: str) -> None:
        """Reads no more than came already; what is said to that still leaves."""
        self.reason = reason
        with suppress(RuntimeError):  # The transport is closed already.
            cast(asyncio.Transport, self._writer.transport).pause_reading()
        self._reader.feed_eof()

    async def end(self) -> None:
        """Closes it once what was written has left, or cuts it off."""
        with suppress(ConnectionError, TimeoutError, OSError):
            # Closed twice, a TLS transport of Python 3.11.2 (Debian 12's) cannot be aborted.
            if not self._writer.is_closing():
                self._writer.close()
            await asyncio.wait_for(self._writer.wait_closed(), GOODBYE_WITHIN)
        # Else a peer that goes on sending is read from until TLS gives up waiting for its goodbye.
        self._writer.transport.abort()
