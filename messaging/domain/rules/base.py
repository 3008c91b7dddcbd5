"""What a rule is, what it finds, and the ranges that several rules share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from messaging.domain.messages import BmMessage
from messaging.domain.redeclarations import ScalarParameter
from messaging.domain.rules.filed import Filed
from messaging.domain.units import FileCode, RefusalCode

LEVEL_RANGE: Final = (-9999, 9999)
RATE_RANGE: Final = (Decimal("0.1"), Decimal("999.9"))
PRICE_RANGE: Final = (Decimal("-99999.99"), Decimal("99999.99"))
SCALAR_RANGE: Final[dict[ScalarParameter, tuple[int, int]]] = {
    ScalarParameter.NDZ: (0, 999),
    ScalarParameter.MZT: (0, 999),
    ScalarParameter.MNZT: (0, 999),
    ScalarParameter.MDP: (0, 999),
    ScalarParameter.NTO: (0, 99999),
    ScalarParameter.NTB: (0, 99999),
    ScalarParameter.SEL: (0, 9999),
    ScalarParameter.SIL: LEVEL_RANGE,
    ScalarParameter.MDV: LEVEL_RANGE,
}
"""Ranges by the field formats of the CVA data dictionary: minutes, MW, MWh for MDV."""


class Mark(StrEnum):
    """Where a rule comes from: a public fact, the overview documents, general knowledge of the
    field, or this project's choice.
    """

    FACT = "F"
    OVERVIEW = "S"
    KNOWLEDGE = "K"
    CHOICE = "C"


class Way(StrEnum):
    """How a message comes in."""

    EDL = "EDL"
    EDT = "EDT"
    API = "API"
    OPERATOR = "Wider Access"


@dataclass(frozen=True, slots=True)
class Fault:
    """What a rule found, before it is known under which name each protocol carries the field.

    `path` leads to the field through the typed message: ("levels", 0, "level_from").
    """

    path: tuple[str | int, ...]
    value: str
    text: str


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule broken: what a NACK, a reply line or a problem+json item is made of.

    `code` and `file_code` say it in the words of EDL and of EDT; `line` is that of the file it
    stands in, 0 where there is none or it is about the whole.
    """

    rule: str
    code: RefusalCode
    path: tuple[str | int, ...]
    value: str
    text: str
    warning: bool = False
    file_code: FileCode = FileCode.MALFORMED
    line: int = 0

    @property
    def field(self) -> str:
        """The name of the field at fault in the typed message, or an empty string."""
        last = self.path[-1] if self.path else ""
        return last if isinstance(last, str) else ""


MessageCheck = Callable[[BmMessage, datetime], Iterator[Fault]]
FileCheck = Callable[[Filed], Iterator[Fault]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of the table.

    `on_message` reads a message of real time, `on_file` all records of a submission at once; a rule
    with neither is applied where text is read, by the codec. A rule `across` records says nothing
    of a submission that could not be read whole. What `only_warns` never refuses.
    """

    id: str
    mark: Mark
    applies_to: str
    ways: frozenset[Way]
    code: RefusalCode
    file_code: FileCode
    explanation: str
    on_message: MessageCheck | None = None
    on_file: FileCheck | None = None
    across: bool = False
    only_warns: bool = False

    @property
    def may_warn(self) -> bool:
        """Whether an endpoint may turn it into a warning."""
        return self.mark is Mark.KNOWLEDGE


def fault(path: tuple[str | int, ...], value: object, text: str) -> Fault:
    return Fault(path, str(value), text)
