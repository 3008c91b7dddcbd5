"""Submissions as payloads: members that a record does not use are absent, what the operator points
at is found again, and the longest file there is fits.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from messaging.domain.messages import kind_of, unit_of
from messaging.domain.rules import violations
from messaging.domain.submissions import (
    TYPES,
    BidOfferRecord,
    LevelRecord,
    RateRecord,
    Record,
    SeriesParameter,
    Submission,
)
from messaging.protocols.base import Envelope, LocalProtocolError, Stamp
from messaging.protocols.neso.wa.codec import WaCodec
from messaging.protocols.neso.wa.examples import examples
from tests.protocols.neso.rows import (
    CODEC,
    MESSAGE,
    PROFILE,
    ROWS,
    SENT,
    SUBMISSION,
    UNIT,
    at,
    golden,
    opened,
)

# Any of them, to be given values that their types forbid.
PN: Any = SUBMISSION.records[0]
CURVE: Any = SUBMISSION.records[2]
LINE: Any = SUBMISSION.records[3]
SCALAR: Any = SUBMISSION.records[4]
NAME = "a_submission_of_every_form_of_record"
# The members of each form of record, as the interface lists them.
LEVELS = {"type", "bmUnit", "timeFrom", "levelFrom", "timeTo", "levelTo"}
MEMBERS = {
    "PN QPN MEL MIL MDO MDB": LEVELS,
    "BOD": LEVELS | {"pairNumber", "offerPrice", "bidPrice"},
    "RURE RURI RDRE RDRI": {
        *("type", "bmUnit", "effectiveTime", "rate1", "elbow2", "rate2", "elbow3", "rate3")
    },
    "NDZ NTO NTB MZT MNZT SEL SIL MDV MDP": {"type", "bmUnit", "effectiveTime", "value"},
}


def written(submission: Submission) -> dict[str, Any]:
    content = CODEC.encode(Envelope(Stamp(MESSAGE, SENT), (submission,))).content
    payload: dict[str, Any] = json.loads(content)
    return payload


def test_a_submission_is_about_no_single_unit() -> None:
    assert (kind_of(SUBMISSION), unit_of(SUBMISSION)) == ("SUBMISSION", "")


def test_every_type_has_the_members_it_uses_and_no_other() -> None:
    longest: dict[str, set[str]] = {}
    for envelope in examples(PROFILE):
        (message,) = envelope.messages
        for record in written(message)["records"] if isinstance(message, Submission) else ():
            longest.setdefault(record["type"], set()).update(record)
    wanted = {type_: members for types, members in MEMBERS.items() for type_ in types.split()}
    assert longest == wanted
    assert wanted.keys() == TYPES


def test_rates_that_are_not_there_are_absent_and_never_null() -> None:
    assert opened(NAME)["records"][3] == {
        "type": "RDRI",
        "bmUnit": UNIT,
        "effectiveTime": "2026-11-22T10:00:00Z",
        "rate1": 999.9,
    }
    assert b"null" not in golden(NAME)


def test_levels_are_integers_and_prices_numbers() -> None:
    pair = opened(NAME)["records"][1]
    assert isinstance(pair["levelFrom"], int)
    assert (pair["offerPrice"], pair["bidPrice"]) == (45.5, -99999.99)


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        (("records", 0, "level_from"), "/records/0/levelFrom"),
        (("records", 1, "offer_price"), "/records/1/offerPrice"),
        (("records", 2, "elbow3"), "/records/2/elbow3"),
        (("records", 4, "effective_time"), "/records/4/effectiveTime"),
        (("records", 4), "/records/4"),
        (("records",), "/records"),
        (("trading_agent",), "/tradingAgent"),
        ((), ""),
    ],
)
def test_a_path_and_its_pointer_lead_to_each_other(
    path: tuple[str | int, ...], pointer: str
) -> None:
    assert CODEC.pointer_of(SUBMISSION, path) == pointer
    assert CODEC.path_of(SUBMISSION, pointer) == path


@pytest.mark.parametrize(
    ("pointer", "path"),
    [
        ("/records/0/offerPrice", ("records", 0, "offerPrice")),
        ("/records/99/levelFrom", ("records", 99, "levelFrom")),
        ("/records/-1/levelFrom", ("records", "-1", "levelFrom")),
        ("/records/01/levelFrom", ("records", "01", "levelFrom")),
        ("/records/levelFrom", ("records", "levelFrom")),
        ("/records/1234567890", ("records", "1234567890")),
        ("/a~1b/~01", ("a/b", "~1")),
        ("levelFrom", ()),
        ("/", ("",)),
    ],
)
def test_whatever_the_operator_points_at_becomes_a_path(
    pointer: str, path: tuple[str | int, ...]
) -> None:
    assert CODEC.path_of(SUBMISSION, pointer) == path


def test_a_pointer_into_another_message_is_a_path_as_well() -> None:
    mel = ROWS["a_mel_of_100_mw_for_half_an_hour"][1].messages[0]
    assert CODEC.path_of(mel, "/levels/0/levelTo") == ("levels", 0, "level_to")


def test_every_path_of_a_broken_rule_points_at_a_member_that_is_there() -> None:
    start = at(9, 17)
    wrong: tuple[Record, ...] = (
        LevelRecord(SeriesParameter.PN, UNIT, start, 20000, start, -20000),
        LevelRecord(SeriesParameter.MEL, UNIT, start, -1, at(9, 18), -1),
        BidOfferRecord(UNIT, start, at(9, 0), 7, -10000, 1, Decimal(100000), Decimal(100001)),
        replace(CURVE, rate1=Decimal(0), elbow3=-60),
        replace(SCALAR, value=100000),
    )
    submission = replace(SUBMISSION, records=wrong)
    payload, seen = written(submission), set()
    for violation in violations(submission, at(12, 0)):
        held: Any = payload
        for step in CODEC.pointer_of(submission, violation.path).split("/")[1:]:
            held = held[int(step)] if isinstance(held, list) else held[step]
        seen.add(violation.rule)
    assert len(seen) > 10


def test_the_longest_file_there_is_fits_in_a_payload() -> None:
    until, price = SENT + timedelta(minutes=30), Decimal("-99999.99")
    longest = BidOfferRecord("T_BMU-999", SENT, until, -5, -9999, -9999, price, price)
    submission = Submission("TRADER-01", 999_999, (longest,) * 200_000)
    content = CODEC.encode(Envelope(Stamp(MESSAGE, SENT), (submission,))).content
    assert len(content) < PROFILE.services["Submission"].max_bytes


@pytest.mark.parametrize(
    "submission",
    [
        replace(SUBMISSION, records=()),
        replace(SUBMISSION, sequence=0),
        replace(SUBMISSION, trading_agent="agent"),
        replace(SUBMISSION, records=(replace(PN, level_to=1.5),)),
        replace(SUBMISSION, records=(replace(LINE, rate1=None),)),
        replace(SUBMISSION, records=(replace(SCALAR, bm_unit="X"),)),
    ],
)
def test_what_a_payload_cannot_say_is_our_own_fault(submission: Submission) -> None:
    with pytest.raises(LocalProtocolError):
        written(submission)


def test_a_rate_record_says_its_rates_as_a_redeclaration_does() -> None:
    record = SUBMISSION.records[2]
    assert isinstance(record, RateRecord)
    assert [(step.rate, step.from_mw) for step in record.rates] == [
        (Decimal("0.1"), None),
        (Decimal(12), -50),
        (Decimal("7.5"), 0),
    ]


def test_the_codec_keeps_no_state_between_submissions() -> None:
    codec = WaCodec(PROFILE)
    first = codec.encode(ROWS[NAME][1])
    assert codec.encode(ROWS[NAME][1]) == first
