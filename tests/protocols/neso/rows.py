"""What the golden payloads hold, typed, and the small tools that the Wider Access tests share."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from messaging.domain.acknowledgements import (
    Health,
    HealthStatus,
    NormalizationAnswer,
    NormalizationRequest,
    ReceiptError,
    ReceiptOfMessage,
    ReceiptStatus,
    SentInstruction,
    TakenRedeclaration,
)
from messaging.domain.instructions import (
    AncillaryInstruction,
    BidOfferAcceptance,
    EmergencyInstruction,
    InstructionAnswer,
    InstructionKind,
    Verdict,
)
from messaging.domain.messages import BmMessage
from messaging.domain.profile import Segment
from messaging.domain.redeclarations import (
    LevelParameter,
    LevelRedeclaration,
    RateParameter,
    RateRedeclaration,
    RateStep,
    ScalarParameter,
    ScalarRedeclaration,
)
from messaging.domain.submissions import (
    BidOfferRecord,
    LevelRecord,
    RateRecord,
    ScalarRecord,
    SeriesParameter,
    Submission,
)
from messaging.protocols.base import Envelope, Stamp
from messaging.protocols.neso.wa.codec import WaCodec
from messaging.protocols.neso.wa.loading import load_profile

GOLDEN = Path(__file__).parent.parent / "golden" / "neso"
PROFILE = load_profile("host-1")
CODEC = WaCodec(PROFILE)
NAME = "CPALFA"
UNIT = "TBMU-1"
MESSAGE = "018f3d6e-7b00-7c3a-9a41-0123456789ab"
OTHER = "018f3d6e-7b00-7c3a-9a41-ba9876543210"


def golden(name: str) -> bytes:
    """The payload, without the line feed that ends its file."""
    return (GOLDEN / f"{name}.json").read_bytes().removesuffix(b"\n")


def opened(name: str) -> dict[str, Any]:
    """A golden payload to change before it is read."""
    payload: dict[str, Any] = json.loads(golden(name))
    return payload


def at(hour: int, minute: int, second: int = 0, micro: int = 0) -> datetime:
    return datetime(2026, 11, 22, hour, minute, second, micro, tzinfo=UTC)


SENT = at(10, 0)
ANSWERED = at(10, 0, 59, 123456)

BOA = BidOfferAcceptance(
    NAME,
    UNIT,
    12345,
    at(9, 58),
    emergency_flag=False,
    so_flag=True,
    stor_flag=False,
    rr_flag=False,
    levels=(Segment(at(10, 0), 100, at(10, 5), 40), Segment(at(10, 5), 40, at(10, 30), -40)),
)

SUBMISSION = Submission(
    "AGENT",
    42,
    (
        LevelRecord(SeriesParameter.PN, UNIT, at(23, 0), -5, at(23, 30), 100),
        BidOfferRecord(
            UNIT, at(23, 0), at(23, 30), -1, -50, 0, Decimal("45.5"), Decimal("-99999.99")
        ),
        RateRecord(
            RateParameter.RURE, UNIT, SENT, Decimal("0.1"), -50, Decimal("12.0"), 0, Decimal("7.5")
        ),
        RateRecord(RateParameter.RDRI, UNIT, SENT, Decimal("999.9")),
        ScalarRecord(ScalarParameter.NTB, UNIT, SENT, 99999),
    ),
)

_QUESTIONS: dict[str, tuple[str, BmMessage]] = {
    "a_health_question": ("Health", Health()),
    "a_normalization_question": (
        "Normalization",
        NormalizationRequest(NAME, SENT - timedelta(hours=10, microseconds=1)),
    ),
    "a_boa_that_ramps_down": ("Instruction", BOA),
    "an_emergency_boa_with_every_flag": (
        "Instruction",
        BidOfferAcceptance(
            NAME,
            UNIT,
            9_999_999_999,
            at(9, 58),
            emergency_flag=True,
            so_flag=True,
            stor_flag=True,
            rr_flag=True,
            levels=(Segment(at(10, 0), -9999, at(10, 1), 9999),),
            respond_by=at(10, 2),
        ),
    ),
    "an_ancillary_instruction_with_end_and_target": (
        "Instruction",
        AncillaryInstruction(NAME, UNIT, 1, "FFR", "ARM", SENT, at(11, 0), -20, at(10, 2)),
    ),
    "an_ancillary_instruction_without_end_or_target": (
        "Instruction",
        AncillaryInstruction(NAME, UNIT, 2, "FFR", "ARM", SENT, None, None),
    ),
    "an_emergency_instruction": (
        "Instruction",
        EmergencyInstruction(NAME, UNIT, 7, "Reduce to 0 MW at once"),
    ),
    "an_emergency_instruction_to_the_whole_control_point": (
        "Instruction",
        EmergencyInstruction(NAME, "", 8, "D\u00e9synchronise \u2013 all units \U0001f6d1"),
    ),
    "a_reject_with_reason": (
        "Instruction",
        InstructionAnswer(
            NAME,
            UNIT,
            1,
            Verdict.REJECTED,
            "SAFE",
            "Unit has tripped",
            InstructionKind.ANCILLARY,
            ANSWERED,
        ),
    ),
    "an_accept_for_the_whole_control_point": (
        "Instruction",
        InstructionAnswer(
            NAME,
            "",
            8,
            Verdict.ACCEPTED,
            kind=InstructionKind.EMERGENCY,
            responded_at=ANSWERED,
        ),
    ),
    "a_submission_of_every_form_of_record": ("Submission", SUBMISSION),
    "a_mel_of_100_mw_for_half_an_hour": (
        "Redeclaration",
        LevelRedeclaration(NAME, UNIT, LevelParameter.MEL, (Segment(SENT, 100, at(10, 30), 100),)),
    ),
    "a_mil_with_two_segments_and_a_gap": (
        "Redeclaration",
        LevelRedeclaration(
            NAME,
            UNIT,
            LevelParameter.MIL,
            (Segment(SENT, -1, at(10, 30), -9999), Segment(at(12, 0), 0, at(12, 1), 0)),
        ),
    ),
    "a_notice_to_deliver_bids_of_99999_minutes": (
        "Redeclaration",
        ScalarRedeclaration(NAME, UNIT, ScalarParameter.NTB, 99999),
    ),
    "an_mdv_of_minus_50_mwh": (
        "Redeclaration",
        ScalarRedeclaration(NAME, UNIT, ScalarParameter.MDV, -50),
    ),
    "a_run_down_rate_without_elbows": (
        "Redeclaration",
        RateRedeclaration(NAME, UNIT, RateParameter.RDRE, (RateStep(Decimal("0.1"), None),)),
    ),
    "run_up_rates_with_two_elbows": (
        "Redeclaration",
        RateRedeclaration(
            NAME,
            UNIT,
            RateParameter.RURI,
            (
                RateStep(Decimal("999.9"), None),
                RateStep(Decimal("12.0"), -50),
                RateStep(Decimal("7.5"), 0),
            ),
        ),
    ),
}

_ANSWERS: dict[str, tuple[str, BmMessage]] = {
    "a_health_answer": ("", Health(HealthStatus.OK)),
    "a_health_answer_in_an_outage": ("", Health(HealthStatus.OUTAGE)),
    "an_accept_of_acceptance_12345": (
        "Instruction",
        InstructionAnswer(
            NAME,
            UNIT,
            12345,
            Verdict.ACCEPTED,
            kind=InstructionKind.BOA,
            responded_at=ANSWERED,
        ),
    ),
    "a_receipt_that_is_received": ("", ReceiptOfMessage(ReceiptStatus.RECEIVED)),
    "a_receipt_that_is_accepted": ("", ReceiptOfMessage(ReceiptStatus.ACCEPTED)),
    "a_receipt_that_rejects": (
        "",
        ReceiptOfMessage(
            ReceiptStatus.REJECTED,
            (
                ReceiptError("/levels/0/levelFrom", "R003", "above the registered capacity"),
                ReceiptError("", "R999", ""),
            ),
        ),
    ),
    "a_normalization_answer": (
        "",
        NormalizationAnswer(
            (SentInstruction(OTHER, at(9, 59), BOA),),
            (TakenRedeclaration(UNIT, "MEL", OTHER),),
        ),
    ),
    "a_normalization_answer_with_nothing": ("", NormalizationAnswer((), ())),
}

ROWS: dict[str, tuple[str, Envelope]] = {
    name: (service, Envelope(Stamp(MESSAGE, SENT, reply), (message,)))
    for rows, reply in ((_QUESTIONS, ""), (_ANSWERS, OTHER))
    for name, (service, message) in rows.items()
}
"""Golden file to the service that `encode` names, and what it says."""
