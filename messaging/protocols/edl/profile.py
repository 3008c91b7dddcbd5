"""What a profile says, as values; how it is found and read from TOML, and what may be wrong with
it, is in `loading`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from messaging.domain.units import RefusalCode
from messaging.protocols.layouts import Layout


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


@dataclass(frozen=True, slots=True)
class Framing:
    """How messages follow one another in the stream: three parts with `part_end` each, then
    `message_end`.
    """

    source: str
    part_end: str
    message_end: str
    tolerated_before_end: str
    replacement: str
    max_bytes: int

    def clean(self, text: str) -> str:
        """`text` with what may not be written replaced, character for character."""
        if text.isascii() and text.isprintable() and self.part_end not in text:
            return text
        return re.sub(rf"[^ -~]|{re.escape(self.part_end)}", lambda _: self.replacement, text)


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


@dataclass(frozen=True, eq=False)
class EdlProfile:
    """Everything that is not the same in every EDL: two profiles are equal only if they are one
    object.
    """

    name: str
    title: str
    framing: Framing
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
