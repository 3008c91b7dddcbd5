"""What a Wider Access profile says, as values; how it is found and read from TOML, and what may be
wrong with it, is in `loading`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any


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
class Spelling:
    """How values of a kind stand in JSON, where that is not the kind's plain way; `spellings` has
    all there are.

    `read` raises members.Unreadable for what is not so spelt, and `write` for what cannot be;
    `schema` is what JSON Schema can say of it. A moment is kept to the `tick`; a number needs a
    member's `places` where `has_places`.
    """

    name: str
    read: Callable[[Member, object], object]
    write: Callable[[Member, object], object]
    schema: Callable[[Member], dict[str, Any]]
    tick: timedelta = timedelta(microseconds=1)
    has_places: bool = False


@dataclass(frozen=True, slots=True)
class Member:
    """One member of an object. `meaning` is the field of the typed message that it becomes.

    It stands in the objects that `within` names, outermost first; in none, right in the object that
    the layout is of. `least` and `most` bound a whole number, the length of a text or the items of
    a list. `group` is what a list holds; `types` are the payload types that a list of whole
    payloads holds, `records` what a list of records does. A member that may be `absent` is never
    null. Without a `spelling` it is written in its kind's plain way. `source` says where we know
    the member from.
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
    within: tuple[str, ...] = ()
    spelling: Spelling | None = None
    places: int = 0

    @property
    def steps(self) -> tuple[str, ...]:
        """Where it stands, and its name."""
        return (*self.within, self.name)

    @property
    def path(self) -> str:
        """As a profile names it where it must be told from others: `header/id`."""
        return "/".join(self.steps)


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
    """The members around every payload; `in_reply_to` only where it answers another.

    Without `in_reply_to` an answer has no messageId of its own: it bears that of the question.
    """

    type: Member
    message_id: Member
    sent_at: Member
    profile: Member
    in_reply_to: Member | None

    @property
    def members(self) -> tuple[Member, ...]:
        always = self.type, self.message_id, self.sent_at, self.profile
        return (*always, self.in_reply_to) if self.in_reply_to else always

    @property
    def correlation(self) -> Member:
        """The member of an answer that names the messageId of what it answers."""
        return self.in_reply_to or self.message_id


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


MESSAGE_ID = "{messageId}"
"""Stands in a path for the messageId of the question that is asked there."""

_A_MESSAGE_ID = "(?P<id>[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})"


@dataclass(frozen=True, slots=True)
class Service:
    """One address at the peer. `path` is appended to the endpoint's base URL, with the question's
    messageId where it says MESSAGE_ID; `max_bytes` bounds the payload.
    """

    name: str
    path: str
    method: str
    max_bytes: int
    source: str

    def path_for(self, message_id: str) -> str:
        return self.path.replace(MESSAGE_ID, message_id)

    def is_at(self, path: str) -> bool:
        if MESSAGE_ID in self.path:
            return self.message_id_in(path) is not None
        return self.path == path

    def message_id_in(self, path: str) -> str | None:
        """The messageId that a path to this service names; None where it names none, or leads
        elsewhere.
        """
        if MESSAGE_ID not in self.path:
            return None
        found = _pattern_of(self.path).fullmatch(path)
        return found["id"] if found else None


@lru_cache(maxsize=256)
def _pattern_of(path: str) -> re.Pattern[str]:
    return re.compile(re.escape(path).replace(re.escape(MESSAGE_ID), _A_MESSAGE_ID), re.ASCII)


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


@dataclass(frozen=True, slots=True)
class Answering:
    """The HTTP status of the host's own sealed answers: what was taken, and what is refused for
    what it says.
    """

    taken: int = 200
    refused: int = 422
    source: str = "assumed"


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
    answering: Answering

    @property
    def answers_echo(self) -> bool:
        """Whether an answer bears the messageId of its question."""
        return self.envelope.in_reply_to is None

    @property
    def refusal(self) -> str:
        """The payload type of every sealed refusal."""
        return self.by_meaning[Form.RECEIPT, ""].type
