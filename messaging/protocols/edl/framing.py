"""Cuts a stream of bytes into messages and a message into its three parts, and joins them again;
reads no field.
"""

from __future__ import annotations

from dataclasses import dataclass

from messaging.protocols.base import RemoteProtocolError
from messaging.protocols.edl.profile import Framing


@dataclass(frozen=True, slots=True)
class Parts:
    """A message's three parts as text. `data` is None where the message does not end its data as it
    must.
    """

    prefix: str
    header: str
    data: str | None


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
            self._looked = min(len(self._buffer), self._most)
            if self._looked == self._most:
                raise TooLong(self.clear())
            return None
        message = bytes(self._buffer[: found + 1])
        del self._buffer[: found + 1]
        self._looked = 0
        return message

    def clear(self) -> bytes:
        """Forgets everything; gives back as much as one message may hold."""
        kept = bytes(self._buffer[: self._most])
        self._buffer = bytearray()
        self._looked = 0
        return kept


def split_parts(framing: Framing, content: bytes) -> Parts:
    """Prefix, header and data of a whole message; RemoteProtocolError where the first two can't be
    told apart or read, or where there is no third.

    What is wrong within the data, or behind them, does not hide the header.
    """
    text = content.decode("latin-1").removesuffix(framing.message_end)
    if framing.tolerated_before_end:
        text = text.removesuffix(framing.tolerated_before_end)
    prefix, _, rest = text.partition(framing.part_end)
    header, ended, rest = rest.partition(framing.part_end)
    if not ended or not _is_printable(prefix + header):
        raise RemoteProtocolError("prefix and header cannot be read")
    data, ended, rest = rest.partition(framing.part_end)
    if not ended and not data:
        raise RemoteProtocolError("there is no third part")
    whole = ended and not rest and content.endswith(framing.message_end.encode())
    return Parts(prefix, header, data if whole and _is_printable(data) else None)


def join_parts(framing: Framing, prefix: str, header: str, data: str) -> bytes:
    """The whole message; in its data, what may not be written is replaced."""
    end = framing.part_end
    return f"{prefix}{end}{header}{end}{framing.clean(data)}{end}{framing.message_end}".encode(
        "ascii"
    )


def _is_printable(text: str) -> bool:
    return text.isascii() and text.isprintable()
