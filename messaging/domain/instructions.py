"""What the system operator tells a control point to do, and the control point's accept or
reject.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from messaging.domain.profile import Segment


class InstructionKind(StrEnum):
    BOA = "BOA"
    ANCILLARY = "ANCILLARY"
    EMERGENCY = "EMERGENCY"


class Verdict(StrEnum):
    """A control point's answer to an instruction."""

    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"


@dataclass(frozen=True, slots=True)
class BidOfferAcceptance:
    """A BOA: absolute levels in MW. `respond_by` None means two minutes after receipt."""

    control_point: str
    bm_unit: str
    number: int
    accepted_at: datetime
    emergency_flag: bool
    so_flag: bool
    stor_flag: bool
    rr_flag: bool
    levels: tuple[Segment, ...]
    respond_by: datetime | None = None

    @property
    def kind(self) -> InstructionKind:
        return InstructionKind.BOA


@dataclass(frozen=True, slots=True)
class AncillaryInstruction:
    """An instruction to a balancing service other than bids and offers; `time_to` and `target_mw`
    may be open.
    """

    control_point: str
    bm_unit: str
    number: int
    service: str
    action: str
    time_from: datetime
    time_to: datetime | None
    target_mw: int | None
    respond_by: datetime | None = None

    @property
    def kind(self) -> InstructionKind:
        return InstructionKind.ANCILLARY


@dataclass(frozen=True, slots=True)
class EmergencyInstruction:
    """Free text that must be answered; `bm_unit` is empty where it is for the whole control
    point.
    """

    control_point: str
    bm_unit: str
    number: int
    text: str
    respond_by: datetime | None = None

    @property
    def kind(self) -> InstructionKind:
        return InstructionKind.EMERGENCY


Instruction = BidOfferAcceptance | AncillaryInstruction | EmergencyInstruction


@dataclass(frozen=True, slots=True)
class InstructionAnswer:
    """Accept or reject. EDL carries neither `kind` nor `responded_at`; the relay fills them from
    the instruction answered.

    `bm_unit` is empty for an emergency instruction to a whole control point.
    """

    control_point: str
    bm_unit: str
    number: int
    verdict: Verdict
    reason_code: str | None = None
    reason_text: str | None = None
    kind: InstructionKind | None = None
    responded_at: datetime | None = None
