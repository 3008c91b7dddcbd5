"""What a profile says, as values; how it is found and read from TOML, and what may be wrong with
it, is in `loading`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from messaging.domain.units import RefusalCode
from messaging.protocols.layouts import Field, Layout
from messaging.protocols.times import TimeFormat

SEVERAL: Final = "units"
"""The field of a layout that carries several typed messages, each of another BM unit."""


class Role(StrEnum):
    """Which end of the link speaks."""

    HOST = "host"
    CONTROL_POINT = "control point"


class Form(StrEnum):
    """What the program takes a message for, whatever a profile calls it."""

    HELLO = "hello"
    READY = "ready"
    HEARTBEAT = "heartbeat"
    ACK = "ack"
    NACK = "nack"
    LEVELS = "levels"
    RATES = "rates"
    SCALAR = "scalar"
    ACCEPTANCE = "acceptance"
    ANCILLARY = "ancillary"
    EMERGENCY = "emergency"
    TEXT = "text"
    ANSWER = "answer"
    RESULT = "result"


class StyleName(StrEnum):
    """How a message is told apart into its fields; the class of each is in `head`."""

    FIXED = "fixed"
    DELIMITED = "delimited"


@dataclass(frozen=True, slots=True)
class Framing:
    """How messages follow one another in the stream, and their parts in a message.

    `mark` ends each part, or each field where the style says so; `message_end` follows the last.
    `checksum` names a function of `checksums`, "" for none.
    """

    source: str
    style: StyleName
    mark: str
    message_end: str
    tolerated_before_end: str
    replacement: str
    max_bytes: int
    checksum: str = ""

    def clean(self, text: str) -> str:
        """`text` with what may not be written replaced, character for character."""
        if text.isascii() and text.isprintable() and self.mark not in text:
            return text
        return re.sub(rf"[^ -~]|{re.escape(self.mark)}", lambda _: self.replacement, text)


@dataclass(frozen=True, slots=True)
class Formats:
    """How market times, and the stamps of sending, are written."""

    source: str
    time: TimeFormat
    stamp: TimeFormat


@dataclass(frozen=True, slots=True)
class Limits:
    """`gap_text` leads the number expected in the refusal of a gap."""

    source: str
    window: int
    answer: timedelta
    silence: timedelta
    heartbeat: timedelta
    repeat_memory: int
    number_modulus: int
    gap_text: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """How a refusal is written, and what it says when nothing more exact is known."""

    code: str
    text: str
    source: str


@dataclass(frozen=True, slots=True)
class MessageLayout:
    """One message type. `about` tells it from others of its form: a parameter, or a verdict."""

    code: str
    form: Form
    about: str
    senders: frozenset[Role]
    numbered: bool
    source: str
    data: Layout

    @property
    def one(self) -> Layout:
        """What one typed message is made of: the group, where the message carries several."""
        return self.several.group or self.data if self.several else self.data

    @property
    def several(self) -> Field | None:
        """The series of typed messages, of as many BM units, that it carries; None where it is
        one.
        """
        return next((field for field in self.data.fields if field.name == SEVERAL), None)


@dataclass(frozen=True, eq=False)
class EdlProfile:
    """Everything that is not the same in every EDL: two profiles are equal only if they are one
    object.
    """

    name: str
    title: str
    sources: Mapping[str, str]
    framing: Framing
    formats: Formats
    limits: Limits
    refusals: Mapping[RefusalCode, Refusal]
    prefix: Layout
    header: Layout
    messages: Mapping[str, MessageLayout]
    by_meaning: Mapping[tuple[Form, str], MessageLayout]
    codes: Mapping[str, RefusalCode]

    def message(self, form: Form, about: str = "") -> MessageLayout:
        """The type that carries `form`; KeyError where the profile has none."""
        return self.by_meaning[form, about]

    def is_sent_by(self, code: str, role: Role) -> bool:
        """Whether the profile knows the type and lets `role` send it."""
        found = self.messages.get(code)
        return found is not None and role in found.senders

    def number_text(self, number: int) -> str:
        """A log number as it is written, and as a Stamp holds it."""
        return f"{number:0{self.header.field('number').size}d}"
