"""What a Wider Access profile says, as values; how it is found and read from TOML, and what may be
wrong with it, is in `loading`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """How a member is written in JSON, and what it may hold."""

    TEXT = "text"
    CONTROL_POINT = "control point"
    TRADING_AGENT = "trading agent"
    BM_UNIT = "bm unit"
    ID = "id"
    WORD = "word"
    WHOLE = "whole"
    NUMBER = "number"
    FLAG = "flag"
    TIME = "time"
    STAMP = "stamp"
    LIST = "list"
    PAYLOADS = "payloads"
    RECORDS = "records"


class Form(StrEnum):
    """What the program takes a payload for, whatever a profile calls it."""

    HEALTH_QUESTION = "health question"
    HEALTH_ANSWER = "health answer"
    NORMALIZATION_QUESTION = "normalization question"
    NORMALIZATION_ANSWER = "normalization answer"
    ACCEPTANCE = "acceptance"
    ANCILLARY = "ancillary"
    EMERGENCY = "emergency"
    RESPONSE = "response"
    LEVELS = "levels"
    RATES = "rates"
    SCALAR = "scalar"
    SUBMISSION = "submission"
    RECEIPT = "receipt"


class Outcome(StrEnum):
    """What an HTTP status makes of a delivery: the answer's content decides, refused, held, or to
    be tried again.
    """

    VERDICT = "verdict"
    REFUSED = "refused"
    HELD = "held"
    FAILED = "failed"


class Sealing(StrEnum):
    """Whether an answer of a status counts only under a seal."""

    ALWAYS = "always"
    EITHER = "either"
    NEVER = "never"


class Direction(StrEnum):
    """Who asks."""

    TO_SO = "host to SO"
    FROM_SO = "SO to host"
    BOTH = "both"


class ReceiptMode(StrEnum):
    """How the receiver says what became of a payload.

    NONE: it answers with a payload of its own. AT_ONCE: its first receipt ends the exchange. LATER:
    a receipt that only says RECEIVED is followed by a final one, which it posts itself.
    """

    NONE = "none"
    AT_ONCE = "at once"
    LATER = "later"


@dataclass(frozen=True, slots=True)
class Words:
    """The words a member may hold: what is written for each meaning, and back."""

    written: Mapping[str, str]
    meant: Mapping[str, str]

    @classmethod
    def of(cls, written: Mapping[str, str]) -> Words:
        return cls(written, {word: meaning for meaning, word in written.items()})


@dataclass(frozen=True, slots=True)
class Member:
    """One member of an object. `meaning` is the field of the typed message that it becomes.

    `least` and `most` bound a whole number, the length of a text or the items of a list. `group` is
    what a list holds; `types` are the payload types that a list of whole payloads holds, `records`
    what a list of records does. A member that may be `absent` is never null. `source` says where we
    know the member from.
    """

    name: str
    meaning: str
    kind: Kind
    source: str
    null: bool = False
    least: int | None = None
    most: int | None = None
    alphabet: str = ""
    words: Words | None = None
    group: Layout | None = None
    types: frozenset[str] = frozenset()
    records: RecordSet | None = None
    absent: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """The members of an object, in the order they are written."""

    name: str
    members: tuple[Member, ...]

    def find(self, meaning: str) -> Member | None:
        return next((member for member in self.members if member.meaning == meaning), None)


@dataclass(frozen=True, slots=True)
class RecordLayout:
    """One type of record: `word` is what the telling member holds, `about` what the typed record
    says it is.
    """

    word: str
    about: str
    source: str
    group: Layout


@dataclass(frozen=True, slots=True)
class RecordSet:
    """The objects of a list that are told apart by the word in the member `told_by` of each."""

    told_by: Member
    by_word: Mapping[str, RecordLayout]
    by_about: Mapping[str, RecordLayout]


@dataclass(frozen=True, slots=True)
class Envelope:
    """The members around every payload; `in_reply_to` only where it answers another."""

    type: Member
    message_id: Member
    sent_at: Member
    profile: Member
    in_reply_to: Member

    @property
    def members(self) -> tuple[Member, ...]:
        return self.type, self.message_id, self.sent_at, self.profile, self.in_reply_to


@dataclass(frozen=True, slots=True)
class MessageLayout:
    """One payload. `word` is what the type's telling member holds, and `about` tells it from others
    of its form.
    """

    type: str
    word: str
    form: Form
    about: str
    answer: bool
    source: str
    body: Layout


@dataclass(frozen=True, slots=True)
class PayloadType:
    """A value of the member `type`. `told_by` is the member whose word tells the layouts apart,
    None where there is one.
    """

    name: str
    told_by: Member | None
    source: str
    questions: Mapping[str, MessageLayout]
    answers: Mapping[str, MessageLayout]


@dataclass(frozen=True, slots=True)
class Service:
    """One address at the peer. `path` is appended to the endpoint's base URL; `max_bytes` bounds
    the payload.
    """

    name: str
    path: str
    method: str
    max_bytes: int
    source: str


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question that a service carries and what answers it.

    `answer` is the payload type of an answer that is no refusal; every refusal is a receipt.
    `correlation` is the member of an answer that names the question's messageId.
    """

    service: Service
    type: str
    direction: Direction
    answer: str
    receipt: ReceiptMode
    correlation: str
    source: str


@dataclass(frozen=True, slots=True)
class Ruling:
    """What an HTTP status means, and whether such an answer must be sealed to count."""

    outcome: Outcome
    sealing: Sealing
    source: str


@dataclass(frozen=True, slots=True)
class Rulings:
    """By exact status, else by its hundred (4 for 4xx), else `other`."""

    exact: Mapping[int, Ruling]
    hundreds: Mapping[int, Ruling]
    other: Ruling


@dataclass(frozen=True, eq=False)
class WaProfile:
    """Everything that is not the same in every Wider Access API: two profiles are equal only if
    they are one object.
    """

    name: str
    title: str
    sources: Mapping[str, str]
    envelope: Envelope
    types: Mapping[str, PayloadType]
    by_meaning: Mapping[tuple[Form, str], MessageLayout]
    services: Mapping[str, Service]
    exchanges: tuple[Exchange, ...]
    rulings: Rulings

    @property
    def refusal(self) -> str:
        """The payload type of every sealed refusal."""
        return self.by_meaning[Form.RECEIPT, ""].type
