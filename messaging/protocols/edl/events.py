"""What a session reports, as values; who reports them, and when, is in `session`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from messaging.domain.units import RefusalCode


@dataclass(frozen=True, slots=True)
class Hello:
    """The control point opened the link; nothing more is read until `ready` or `refuse_hello`.

    `last_taken` is the last number it took from the host, 0 where it knows none.
    """

    control_point: str
    profile: str
    last_taken: int


@dataclass(frozen=True, slots=True)
class Ready:
    """The host took the HELLO; `last_taken` is the last number it took from us, 0 where it knows
    none.
    """

    profile: str
    last_taken: int


@dataclass(frozen=True, slots=True)
class Received:
    """A numbered message with the number expected; it has used that number whatever comes of it.

    `type` may be unknown and the data unreadable: both are for the codec to say. `content` is the
    whole wire message. `in_reply_to` is 0 where there is none.
    """

    number: int
    type: str
    sent_at: datetime
    in_reply_to: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Repeated:
    """A number taken before: answered again if the bytes are the same, else refused with
    NUMBER_REUSED.
    """

    number: int
    type: str
    sent_at: datetime
    in_reply_to: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Gap:
    """A number neither expected nor remembered; `text` is what the refusal NUMBER_GAP must say."""

    number: int
    expected: int
    text: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Acknowledged:
    number: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The peer said no to our message `number`, or (0) to the HELLO or to the whole link, which is
    then closed.

    `code` is a RefusalCode where the profile knows it, else as it was written. `expected` is the
    number to go back to, and only given for a gap.
    """

    number: int
    code: str
    text: str
    expected: int | None = None


@dataclass(frozen=True, slots=True)
class Stray:
    """An ACK or NACK for a number that awaits no answer on this link. Harmless, but worth a line in
    the log.
    """

    number: int
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Heard:
    """A heartbeat."""


@dataclass(frozen=True, slots=True)
class Broken:
    """Their bytes broke the link: write `answer` (the NACK, in reply to `reference`), then close.
    The session is closed.
    """

    code: RefusalCode
    text: str
    content: bytes
    reference: int
    answer: bytes


@dataclass(frozen=True, slots=True)
class Silent:
    """Nothing was received for too long: close. The session is closed."""


@dataclass(frozen=True, slots=True)
class Unanswered:
    """Our message (0: our HELLO) got no answer in time: close. The session is closed."""

    number: int


Event = (
    Hello
    | Ready
    | Received
    | Repeated
    | Gap
    | Acknowledged
    | Refused
    | Stray
    | Heard
    | Broken
    | Silent
    | Unanswered
)
