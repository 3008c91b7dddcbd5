"""The contract of a protocol: what a codec and a profile are, and the two errors that say whose
fault it is.

Nothing here knows a particular protocol, and nothing in a protocol touches a socket, a file, a
clock or the database.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol as Shape

from messaging.domain.messages import BmMessage
from messaging.domain.units import RefusalCode
from messaging.protocols.pages import Page
from messaging.protocols.settings import Settings


class RemoteProtocolError(Exception):
    """Their bytes break the protocol. `code` is the refusal the sender is told; `field` names what
    could not be read.

    `reference` is the sender's own reference of the message where that much could be read.
    """

    def __init__(
        self,
        text: str,
        *,
        code: RefusalCode = RefusalCode.MALFORMED,
        field: str = "",
        reference: str | None = None,
    ) -> None:
        super().__init__(text)
        self.text = text
        self.code = code
        self.field = field
        self.reference = reference


class LocalProtocolError(Exception):
    """We tried to write what the protocol cannot say: a bug on this side, never answered to a
    peer.
    """


@dataclass(frozen=True, slots=True)
class Parcel:
    """Opaque bytes as carried. `name` is what travels beside them: a file name, a service, a
    message type.
    """

    content: bytes
    name: str = ""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a protocol writes around a message to tell it from others.

    `reference` is the sender's own (an EDL log number as digits, a WA messageId), empty where the
    protocol has none for this message; `sent_at` is UTC; `in_reply_to` is the reference of the
    peer's message that this one answers.
    """

    reference: str
    sent_at: datetime
    in_reply_to: str = ""


@dataclass(frozen=True, slots=True)
class Envelope:
    """Typed messages with the stamp they travelled, or will travel, under."""

    stamp: Stamp
    messages: tuple[BmMessage, ...]


class Codec(Shape):
    """Between bytes and typed messages; holds a profile and no other state.

    `decode` raises RemoteProtocolError and nothing else, whatever the bytes. `encode` raises
    LocalProtocolError where the protocol has no words for a message. `decode(encode(envelope))`
    gives the envelope back, but for what the protocol does not carry. `divide` splits a message too
    long for one parcel into those that carry it whole.
    """

    def decode(self, parcel: Parcel) -> Envelope: ...
    def encode(self, envelope: Envelope) -> Parcel: ...
    def divide(self, message: BmMessage) -> tuple[BmMessage, ...]: ...


@dataclass(frozen=True, slots=True)
class Reading:
    """A profile file as its protocol understands it: a codec, envelopes that it can write, and what
    it says as a page. `further` is what else documents it, by the endings of files' names.
    """

    name: str
    title: str
    codec: Codec
    examples: tuple[Envelope, ...]
    page: Page
    further: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Shelf:
    """The profile files of a protocol.

    `own` is the folder of those that come along. `read` gives what one file says, and raises an
    UnknownProfile that tells its faults. `beside` is the same protocol with the profiles of a
    vendor's folder as well.
    """

    own: Path
    read: Callable[[Path], Reading]
    beside: Callable[[Path], Protocol]


@dataclass(frozen=True, slots=True)
class Protocol:
    """One folder's entry in the registry.

    `codec(profile)` builds the codec of a profile by name and raises UnknownProfile;
    `examples(profile)` yields envelopes the contract test writes, reads back and mangles;
    `transports` names what may carry it; `settings` reads those of an endpoint of this protocol,
    with defaults for what is not given, and raises BadSettings; `shelf` leads to the files of its
    profiles.
    """

    name: str
    title: str
    codec: Callable[[str], Codec]
    profiles: Callable[[], tuple[str, ...]]
    examples: Callable[[str], tuple[Envelope, ...]]
    transports: tuple[str, ...]
    settings: Callable[[Mapping[str, object]], Settings]
    shelf: Shelf | None = None


class UnknownProfile(Exception):
    """No profile of that name is installed for the protocol."""
