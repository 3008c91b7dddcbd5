"""One envelope at least of every payload, for the contract test and for readers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

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
    Instruction,
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
    Record,
    ScalarRecord,
    SeriesParameter,
    Submission,
)
from messaging.protocols.base import Envelope, Stamp
from messaging.protocols.neso.wa.forms import FORMS, form_of
from messaging.protocols.neso.wa.profile import WaProfile

_NAME: Final = "CPALFA"
_UNIT: Final = "TBMU-1"
_START: Final = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
_ANSWERED: Final = "018f3d6e-7b00-7c3a-9a41-ffffffffffff"


def examples(profile: WaProfile) -> tuple[Envelope, ...]:
    """Envelopes that the profile can write and keeps whole, each with a messageId and a moment of
    its own.
    """
    return tuple(
        Envelope(_stamp(index, message, profile), (message,))
        for index, message in enumerate(_messages(profile))
    )


def _tick(profile: WaProfile) -> timedelta:
    spelling = profile.envelope.sent_at.spelling
    return spelling.tick if spelling else timedelta(microseconds=1)


def _stamp(index: int, message: BmMessage, profile: WaProfile) -> Stamp:
    form, _ = form_of(message)
    answered = FORMS[form].answer
    sent_at = _START + timedelta(seconds=index) + index * _tick(profile)
    if profile.answers_echo:
        return Stamp(_message_id(index), sent_at, _message_id(index) if answered else "")
    answered = answered or (isinstance(message, InstructionAnswer) and index % 2 == 1)
    return Stamp(_message_id(index), sent_at, _ANSWERED if answered else "")


def _message_id(index: int) -> str:
    return f"018f3d6e-7b00-7c3a-9a41-{index:012x}"


def _messages(profile: WaProfile) -> Iterator[BmMessage]:
    yield from _redeclarations()
    yield from _submissions()
    yield from _instructions()
    yield from _responses(_START + timedelta(minutes=1) - _tick(profile))
    yield from _receipts()
    yield from _small_talk()


def _redeclarations() -> Iterator[BmMessage]:
    for level in LevelParameter:
        yield LevelRedeclaration(_NAME, _UNIT, level, _series(1, 100))
    yield LevelRedeclaration("A", "T_BMU-999", LevelParameter.MIL, _series(60, -9999))
    for rate in RateParameter:
        steps = (
            RateStep(Decimal("999.9"), None),
            RateStep(Decimal("0.1"), -9999),
            RateStep(Decimal(12), 9999),
        )
        for count in (1, 2, 3):
            yield RateRedeclaration(_NAME, _UNIT, rate, steps[:count])
    for scalar in ScalarParameter:
        yield ScalarRedeclaration(_NAME, _UNIT, scalar, 0)
    yield ScalarRedeclaration(_NAME, _UNIT, ScalarParameter.SIL, -9999)


def _submissions() -> Iterator[Submission]:
    """One of each type of record, and one of all together."""
    records = tuple(_records())
    for index, record in enumerate(records):
        yield Submission("AGENT", index + 1, (record,))
    yield Submission("A-9", 999_999, records)


def _records() -> Iterator[Record]:
    until = _START + timedelta(minutes=30)
    for series in SeriesParameter:
        yield LevelRecord(series, _UNIT, _START, -9999, until, 9999)
    low, high = Decimal("-99999.99"), Decimal("99999.99")
    yield BidOfferRecord(_UNIT, _START, until, -5, -50, 0, high, low)
    for rate in RateParameter:
        first, second, third = Decimal("999.9"), Decimal("0.1"), Decimal(12)
        yield RateRecord(rate, _UNIT, _START, first)
        yield RateRecord(rate, _UNIT, _START, first, -9999, second)
        yield RateRecord(rate, _UNIT, _START, first, -9999, second, 9999, third)
    for scalar in ScalarParameter:
        yield ScalarRecord(scalar, "T_BMU-999", _START, 0)


def _series(count: int, level: int) -> tuple[Segment, ...]:
    step = timedelta(minutes=30)
    return tuple(
        Segment(_START + step * index, level, _START + step * (index + 1), -level)
        for index in range(count)
    )


def _instructions() -> Iterator[Instruction]:
    hour = timedelta(hours=1)
    by = _START + timedelta(minutes=2)
    for raised in range(5):
        yield BidOfferAcceptance(
            _NAME,
            _UNIT,
            number=9_999_999_995 + raised,
            accepted_at=_START,
            emergency_flag=raised == 1,
            so_flag=raised == 2,
            stor_flag=raised == 3,
            rr_flag=raised == 4,
            levels=_series(raised + 1, 40),
            respond_by=by if raised % 2 else None,
        )
    yield AncillaryInstruction(_NAME, _UNIT, 1, "FFR", "ARM", _START, _START + hour, -20, by)
    yield AncillaryInstruction(_NAME, _UNIT, 2, "MVAR01", "A", _START, None, None)
    yield EmergencyInstruction(_NAME, _UNIT, 1, "Reduce to 0 MW at once", by)
    yield EmergencyInstruction(_NAME, "", 0, 'All units: "desynchronise" \u2013 \U0001f6d1\n')


def _responses(at: datetime) -> Iterator[InstructionAnswer]:
    for kind in InstructionKind:
        for verdict in Verdict:
            yield InstructionAnswer(_NAME, _UNIT, 12345, verdict, None, None, kind, at)
        yield InstructionAnswer(
            _NAME, _UNIT, 12345, Verdict.REJECTED, "SAFE", "Unit has tripped", kind, at
        )
    whole = InstructionKind.EMERGENCY
    yield InstructionAnswer(_NAME, "", 1, Verdict.ACCEPTED, None, None, whole, at)


def _receipts() -> Iterator[ReceiptOfMessage]:
    for status in ReceiptStatus:
        yield ReceiptOfMessage(status)
    errors = (
        ReceiptError("/levels/0/levelFrom", "R003", "above the registered capacity"),
        ReceiptError("", "R001", ""),
    )
    yield ReceiptOfMessage(ReceiptStatus.REJECTED, errors)


def _small_talk() -> Iterator[BmMessage]:
    yield Health()
    for status in HealthStatus:
        yield Health(status)
    yield NormalizationRequest(_NAME, _START - timedelta(days=1))
    yield NormalizationAnswer((), ())
    sent = tuple(
        SentInstruction(_message_id(1000 + index), _START, instruction)
        for index, instruction in enumerate(_instructions())
    )
    taken = (TakenRedeclaration(_UNIT, "MEL", _ANSWERED),)
    yield NormalizationAnswer(sent, taken)
