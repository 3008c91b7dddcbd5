"""Cuts a stream of bytes into messages; reads none of them."""

from __future__ import annotations

from messaging.protocols.edl.profile import Framing


class TooLong(Exception):
    """A message has no end within the limit; `content` is all of it that may be kept."""

    def __init__(self, content: bytes) -> None:
        super().__init__(f"longer than {len(content)} bytes")
        self.content = content


class Splitter:
    """Collects bytes and gives whole messages, end included; looks at each byte once, however it
    comes.
    """

    __slots__ = ("_buffer", "_end", "_looked", "_most")

    def __init__(self, framing: Framing) -> None:
        self._buffer = bytearray()
        self._looked = 0
        self._end = framing.message_end.encode()
        self._most = framing.max_bytes

    def __len__(self) -> int:
        return len(self._buffer)

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def next_message(self) -> bytes | None:
        """The next message, None while it is incomplete; TooLong where it has no end within the
        limit.
        """
        found = self._buffer.find(self._end, self._looked, self._most)
        if found < 0:
            if len(self._buffer) >= self._most:
                raise TooLong(self.clear())
            # An end of several bytes may have come in part.
            self._looked = max(len(self._buffer) - len(self._end) + 1, 0)
            return None
        end = found + len(self._end)
        message = bytes(self._buffer[:end])
        del self._buffer[:end]
        self._looked = 0
        return message

    def clear(self) -> bytes:
        """Forgets everything; gives back as much as one message may hold."""
        kept = bytes(self._buffer[: self._most])
        self._buffer = bytearray()
        self._looked = 0
        return kept
