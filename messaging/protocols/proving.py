"""Holds a codec to its promise: whatever it writes, it reads back as the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from messaging.domain.messages import kind_of
from messaging.protocols.base import Codec, Envelope, LocalProtocolError, RemoteProtocolError


def broken_promises(codec: Codec, examples: Iterable[Envelope]) -> Iterator[str]:
    """What goes wrong with each example that is not written, not read, or read as another."""
    written: dict[bytes, str] = {}
    for number, envelope in enumerate(examples, start=1):
        name = f"example {number}, {kind_of(envelope.messages[0])}"
        try:
            parcel = codec.encode(envelope)
            read = codec.decode(parcel)
        except LocalProtocolError as error:
            yield f"{name}: cannot be written: {error}"
            continue
        except RemoteProtocolError as error:
            yield f"{name}: cannot be read back: {error.text}"
            continue
        if read != envelope:
            yield f"{name}: is read back as another: {parcel.content!r}"
        if parcel.content in written:
            yield f"{name}: has the same bytes as {written[parcel.content]}"
        written.setdefault(parcel.content, name)
