"""What the codec writes, what it has no words for, and the pointers and contents it tells."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.domain.acknowledgements import (
    FreeText,
    Health,
    HealthStatus,
    NormalizationAnswer,
    ReceiptOfMessage,
    ReceiptStatus,
    Result,
    ResultVerdict,
)
from messaging.domain.instructions import (
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
from messaging.domain.rules import violations
from messaging.protocols.base import (
    Envelope,
    LocalProtocolError,
    Parcel,
    RemoteProtocolError,
    Stamp,
)
from tests.protocols.neso.rows import (
    ANSWERED,
    BOA,
    CODEC,
    MESSAGE,
    NAME,
    OTHER,
    ROWS,
    SENT,
    UNIT,
    at,
    golden,
    opened,
)

STAMP = Stamp(MESSAGE, SENT)
SCALAR = ScalarRedeclaration(NAME, UNIT, ScalarParameter.MDV, -50)
RESPONSE = InstructionAnswer(
    NAME, UNIT, 1, Verdict.ACCEPTED, kind=InstructionKind.BOA, responded_at=ANSWERED
)
SEGMENT = Segment(SENT, 1, at(10, 30), 1)


def written(message: BmMessage, stamp: Stamp = STAMP) -> dict[str, Any]:
    payload: dict[str, Any] = json.loads(CODEC.encode(Envelope(stamp, (message,))).content)
    return payload


def rates(*steps: RateStep) -> RateRedeclaration:
    return RateRedeclaration(NAME, UNIT, RateParameter.RURE, steps)


def levels(*segments: Segment) -> LevelRedeclaration:
    return LevelRedeclaration(NAME, UNIT, LevelParameter.MEL, segments)


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        ("0", "0"),
        ("-0.0", "0"),
        ("12.0", "12"),
        ("1E+3", "1000"),
        ("999.9", "999.9"),
        ("0.0001", "0.0001"),
        ("75E-1", "7.5"),
        ("99999999999999.9", "99999999999999.9"),
        ("999999999999999", "999999999999999"),
    ],
)
def test_a_rate_is_a_plain_number(rate: str, text: str) -> None:
    parcel = CODEC.encode(Envelope(STAMP, (rates(RateStep(Decimal(rate), None)),)))
    assert f'"rate":{text},'.encode() in parcel.content


@given(st.decimals(-(10**11), 10**11, places=3))
def test_every_rate_that_is_written_is_read_back_equal(rate: Decimal) -> None:
    envelope = Envelope(STAMP, (rates(RateStep(rate, None)),))
    parcel = CODEC.encode(envelope)
    assert b"e" not in parcel.content.partition(b'"rate":')[2].partition(b",")[0].lower()
    assert CODEC.decode(parcel) == envelope


@given(st.datetimes(timezones=st.just(UTC)))
def test_every_moment_that_is_written_is_read_back_equal(moment: datetime) -> None:
    minute = moment.replace(second=0, microsecond=0)
    segment = Segment(minute, 0, minute, 0)
    envelope = Envelope(Stamp(MESSAGE, moment), (levels(segment),))
    assert CODEC.decode(CODEC.encode(envelope)) == envelope


def test_a_market_time_has_no_fraction_and_a_stamp_has_six_places() -> None:
    payload = written(levels(SEGMENT))
    assert payload["levels"][0]["timeFrom"] == "2026-11-22T10:00:00Z"
    assert payload["sentAt"] == "2026-11-22T10:00:00.000000Z"


@pytest.mark.parametrize(
    "message",
    [
        FreeText(NAME, "hello"),
        Result(NAME, ResultVerdict.OK, "OK", ""),
        replace(RESPONSE, kind=None),
        replace(RESPONSE, responded_at=None),
        replace(RESPONSE, bm_unit=""),
        replace(RESPONSE, number=-1),
        replace(RESPONSE, number=10**10),
        replace(RESPONSE, reason_text="\x00"),
        replace(RESPONSE, reason_text="\ud800"),
        replace(SCALAR, bm_unit="tbmu"),
        replace(SCALAR, control_point=""),
        replace(SCALAR, value=10**15),
        replace(SCALAR, value=True),
        levels(),
        levels(replace(SEGMENT, time_from=at(10, 0, 1))),
        levels(replace(SEGMENT, time_from=at(10, 0, 0, 1))),
        levels(replace(SEGMENT, time_from=datetime(2026, 11, 22, 10))),  # noqa: DTZ001 - the point
        levels(replace(SEGMENT, time_from=SENT.astimezone(timezone(timedelta(hours=1))))),
        rates(),
        rates(*[RateStep(Decimal(1), None)] * 4),
        rates(RateStep(Decimal("NaN"), None)),
        rates(RateStep(Decimal("Infinity"), None)),
        rates(RateStep(Decimal("1E+15"), None)),
        rates(RateStep(Decimal("0.00001"), None)),
        rates(RateStep(Decimal("0.12345678901234567890"), None)),
        EmergencyInstruction(NAME, UNIT, 1, ""),
    ],
    ids=repr,
)
def test_what_has_no_words_is_our_own_fault(message: BmMessage) -> None:
    with pytest.raises(LocalProtocolError):
        written(message)


@pytest.mark.parametrize(
    ("message", "reply"),
    [
        (Health(HealthStatus.OK), ""),
        (ReceiptOfMessage(ReceiptStatus.RECEIVED), ""),
        (NormalizationAnswer((), ()), ""),
        (Health(), OTHER),
    ],
    ids=repr,
)
def test_an_answer_names_what_it_answers_and_a_question_of_its_type_does_not(
    message: BmMessage, reply: str
) -> None:
    with pytest.raises(LocalProtocolError):
        written(message, Stamp(MESSAGE, SENT, reply))


@pytest.mark.parametrize(
    "stamp",
    [
        Stamp("", SENT),
        Stamp("7", SENT),
        Stamp(MESSAGE, SENT, "x" * 201),
        Stamp(MESSAGE, SENT, "\x00"),
        Stamp(MESSAGE, datetime(2026, 11, 22)),  # noqa: DTZ001 - the point
    ],
    ids=repr,
)
def test_a_stamp_that_does_not_fit_is_our_own_fault(stamp: Stamp) -> None:
    with pytest.raises(LocalProtocolError):
        written(RESPONSE, stamp)


@pytest.mark.parametrize("called", ["7", "x" * 200, "no UUID, and told so"])
def test_a_message_is_answered_whatever_it_calls_itself(called: str) -> None:
    envelope = Envelope(Stamp(MESSAGE, SENT, called), (ReceiptOfMessage(ReceiptStatus.REJECTED),))
    assert CODEC.decode(CODEC.encode(envelope)) == envelope


def test_a_payload_carries_one_message() -> None:
    for messages in ((), (SCALAR, SCALAR)):
        with pytest.raises(LocalProtocolError):
            CODEC.encode(Envelope(STAMP, messages))


def test_no_message_is_divided() -> None:
    assert CODEC.divide(BOA) == (BOA,)


@pytest.mark.parametrize(
    ("message", "path", "pointer"),
    [
        (levels(SEGMENT), (), ""),
        (levels(SEGMENT), ("levels", 0, "level_from"), "/levels/0/levelFrom"),
        (levels(SEGMENT), ("levels", 12, "time_to"), "/levels/12/timeTo"),
        (levels(SEGMENT), ("bm_unit",), "/bmUnit"),
        (levels(SEGMENT), ("control_point",), "/controlPoint"),
        (levels(SEGMENT), ("parameter",), "/parameter"),
        (rates(), ("rates", 2, "from_mw"), "/rates/2/fromMw"),
        (SCALAR, ("value",), "/value"),
        (BOA, ("number",), "/acceptanceNumber"),
        (BOA, ("accepted_at",), "/acceptanceTime"),
        (BOA, ("kind",), "/kind"),
        (EmergencyInstruction(NAME, "", 1, "x"), ("number",), "/instructionNumber"),
        (RESPONSE, ("number",), "/acceptanceNumber"),
        (RESPONSE, ("in_reply_to",), "/inReplyTo"),
        (BOA, ("message_id",), "/messageId"),
        (BOA, ("a/b~c", "kind"), "/a~1b~0c/kind"),
    ],
)
def test_a_path_through_a_message_is_a_pointer_into_its_payload(
    message: BmMessage, path: tuple[str | int, ...], pointer: str
) -> None:
    assert CODEC.pointer_of(message, path) == pointer


def test_every_path_of_a_broken_rule_points_at_a_member_that_is_there() -> None:
    wrong = levels(Segment(at(9, 0), -20000, at(8, 0), -1), Segment(SENT, 0, SENT, 0))
    steps = (RateStep(Decimal(0), 5), RateStep(Decimal(1000), None), RateStep(Decimal(1), -99999))
    boa = replace(BOA, levels=(*BOA.levels, Segment(at(9, 0), 1, at(8, 0), 10000)))
    seen = 0
    for message in (wrong, rates(*steps), replace(SCALAR, value=99999), boa):
        payload = written(message)
        for violation in violations(message, at(12, 0)):
            held: Any = payload
            for step in CODEC.pointer_of(message, violation.path).split("/")[1:]:
                held = held[int(step)] if isinstance(held, list) else held[step]
            seen += 1
    assert seen > 10


def test_the_same_content_is_the_same_whatever_its_id_and_times() -> None:
    payload = opened("a_boa_that_ramps_down")
    again = {**payload, "messageId": OTHER, "sentAt": "2026-11-22T10:01:00Z", "x": 1}
    again["respondBy"] = "2026-11-22T10:03:00Z"
    content = CODEC.content_of(golden("a_boa_that_ramps_down"))
    assert CODEC.content_of(json.dumps(again, indent=1).encode()) == content
    assert CODEC.content_of_instruction(BOA) == content


@pytest.mark.parametrize(
    "other",
    [
        replace(BOA, number=12346),
        replace(BOA, control_point="CPBETA"),
        replace(BOA, bm_unit="TBMU-2"),
        replace(BOA, accepted_at=at(9, 59)),
        replace(BOA, rr_flag=True),
        replace(BOA, levels=BOA.levels[:1]),
        replace(BOA, levels=(replace(BOA.levels[0], level_to=41), BOA.levels[1])),
    ],
    ids=repr,
)
def test_other_content_is_not_the_same(other: BidOfferAcceptance) -> None:
    assert CODEC.content_of_instruction(other) != CODEC.content_of_instruction(BOA)


def test_instructions_of_two_kinds_are_never_the_same() -> None:
    names = [name for name, (_, row) in ROWS.items() if opened(name)["type"] == "instruction"]
    contents = {CODEC.content_of(golden(name)) for name in names}
    assert len(contents) == len(names) == 6


def test_only_an_instruction_has_content_to_compare() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        CODEC.content_of(golden("a_health_question"))
    assert caught.value.code == "R005"
    with pytest.raises(RemoteProtocolError):
        CODEC.content_of(b"{")


def test_a_parcel_of_an_answer_has_no_service_of_its_own() -> None:
    receipt = Envelope(Stamp(MESSAGE, SENT, OTHER), (ReceiptOfMessage(ReceiptStatus.RECEIVED),))
    assert CODEC.encode(receipt) == Parcel(golden("a_receipt_that_is_received"), "")
