"""What one party says became of another's message: receipts, results, free text, and the small talk
of a connection.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from messaging.domain.instructions import Instruction


class ReceiptStatus(StrEnum):
    """RECEIVED is no verdict; the other two are final."""

    RECEIVED = "RECEIVED"
    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"


@dataclass(frozen=True, slots=True)
class ReceiptError:
    """`path` is a JSON Pointer into the refused payload; `code` one of the refusal codes."""

    path: str
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class ReceiptOfMessage:
    status: ReceiptStatus
    errors: tuple[ReceiptError, ...] = ()


class ResultVerdict(StrEnum):
    OK = "OK"
    REFUSE = "REFUSE"
    HELD = "HELD"


@dataclass(frozen=True, slots=True)
class Result:
    """What the system operator said of a control point's message, carried to it after the fact.

    `bm_unit` tells the results of one message apart where it redeclared several BM units; it is
    empty where the protocol does not carry it.
    """

    control_point: str
    verdict: ResultVerdict
    code: str
    text: str
    bm_unit: str = ""


@dataclass(frozen=True, slots=True)
class FreeText:
    control_point: str
    text: str


class HealthStatus(StrEnum):
    OK = "OK"
    OUTAGE = "OUTAGE"


@dataclass(frozen=True, slots=True)
class Health:
    """A question when `status` is None, else the answer."""

    status: HealthStatus | None = None


@dataclass(frozen=True, slots=True)
class NormalizationRequest:
    """Asks what was sent to, and last taken from, a control point since a moment."""

    control_point: str
    since: datetime


@dataclass(frozen=True, slots=True)
class SentInstruction:
    """An instruction as Normalization repeats it, with the id it was first sent under."""

    message_id: str
    sent_at: datetime
    instruction: Instruction


@dataclass(frozen=True, slots=True)
class TakenRedeclaration:
    bm_unit: str
    parameter: str
    message_id: str


@dataclass(frozen=True, slots=True)
class NormalizationAnswer:
    instructions: tuple[SentInstruction, ...]
    redeclarations: tuple[TakenRedeclaration, ...]
