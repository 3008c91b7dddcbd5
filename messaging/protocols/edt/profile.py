"""What an EDT profile says, as values; how it is found and read from TOML, and what may be wrong
with it, is in `loading`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from messaging.domain.units import FileCode


class Kind(StrEnum):
    """How a field is written."""

    AGENT = "agent"
    UNIT = "unit"
    TIME = "time"
    WHOLE = "whole"
    DECIMAL = "decimal"


class Form(StrEnum):
    """What the program takes a record for, whatever a profile calls its type."""

    LEVELS = "levels"
    PAIR = "pair"
    RATES = "rates"
    SCALAR = "scalar"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a line. `size` counts characters, 0 where the kind has its own; a line may end
    after a field that says `may_end`. `source` says where we know it from.
    """

    name: str
    meaning: str
    kind: Kind
    source: str
    size: int = 0
    places: int = 0
    zero_decimal: bool = False
    required: bool = True
    may_end: bool = False


@dataclass(frozen=True, slots=True)
class RecordLayout:
    """One record type: the word a line of it begins with, and the fields after that."""

    code: str
    form: Form
    about: str
    source: str
    fields: tuple[Field, ...]

    def name_of(self, meaning: str) -> str:
        """What a reply calls the field of this meaning; the meaning itself where there is none."""
        return next((one.name for one in self.fields if one.meaning == meaning), meaning)


@dataclass(frozen=True, slots=True)
class Lines:
    """How a file is made of lines, and how much of it is read."""

    source: str
    separator: str
    comments: str
    blanks: str
    last_line_must_end: bool
    max_line: int
    max_bytes: int
    max_records: int


@dataclass(frozen=True, slots=True)
class Names:
    """How files are named and numbered. `gap_text` leads the number expected in the refusal of
    another.
    """

    source: str
    submission: str
    received: str
    accepted: str
    rejected: str
    digits: int
    first: int
    repeat_memory: int
    gap_text: str


@dataclass(frozen=True, slots=True)
class ReplyWords:
    """What reply files are made of, and how long they may become."""

    source: str
    title: str
    fault: str
    end: str
    most_faults: int
    more_text: str
    max_text: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """How a refusal is written, and what it says when nothing more exact is known."""

    code: str
    text: str
    source: str


@dataclass(frozen=True, eq=False)
class EdtProfile:
    """Everything that is not the same in every EDT: two profiles are equal only if they are one
    object.
    """

    name: str
    title: str
    sources: Mapping[str, str]
    lines: Lines
    names: Names
    replies: ReplyWords
    refusals: Mapping[FileCode, Refusal]
    records: Mapping[str, RecordLayout]
    by_about: Mapping[str, RecordLayout]
    codes: Mapping[str, FileCode]
