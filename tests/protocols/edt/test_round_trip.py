"""Any submission that a file can say, written and read back; and what none can say."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messaging.domain.acknowledgements import Health
from messaging.domain.redeclarations import RateParameter, ScalarParameter
from messaging.domain.submissions import (
    BidOfferRecord,
    LevelRecord,
    RateRecord,
    Record,
    ScalarRecord,
    SeriesParameter,
    Submission,
)
from messaging.domain.units import BM_UNIT_NAME, TRADING_AGENT_NAME
from messaging.protocols.base import Envelope, LocalProtocolError, Stamp
from messaging.protocols.edt.codec import UNTIMED
from tests.protocols.edt.rows import CODEC, DAY, FILES, UNIT

UNITS = st.from_regex(BM_UNIT_NAME, fullmatch=True)
TIMES = st.integers(0, 5_000_000).map(
    lambda minutes: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)
LEVELS = st.integers(-9999, 9999)
PRICES = st.decimals(Decimal("-99999.99"), Decimal("99999.99"), places=2)
RATES = st.decimals(Decimal("0.1"), Decimal("999.9"), places=1)
CURVES = st.builds(
    RateRecord, st.sampled_from(RateParameter), UNITS, TIMES, RATES, LEVELS, RATES, LEVELS, RATES
)
RECORDS: st.SearchStrategy[Record] = (
    st.builds(LevelRecord, st.sampled_from(SeriesParameter), UNITS, TIMES, LEVELS, TIMES, LEVELS)
    | st.builds(
        *(BidOfferRecord, UNITS, TIMES, TIMES, st.integers(-9, 9), LEVELS, LEVELS, PRICES, PRICES)
    )
    | CURVES
    | CURVES.map(lambda one: replace(one, elbow3=None, rate3=None))
    | CURVES.map(lambda one: replace(one, elbow2=None, rate2=None, elbow3=None, rate3=None))
    | st.builds(ScalarRecord, st.sampled_from(ScalarParameter), UNITS, TIMES, st.integers(-99, 999))
)
SUBMISSIONS = st.builds(
    Submission,
    st.from_regex(TRADING_AGENT_NAME, fullmatch=True),
    st.integers(1, 999_999),
    st.lists(RECORDS, min_size=1, max_size=6).map(tuple),
)


def enveloped(submission: Submission) -> Envelope:
    reference = f"{submission.trading_agent}_{submission.sequence:06d}"
    return Envelope(Stamp(reference, UNTIMED), (submission,))


@settings(max_examples=300)
@given(SUBMISSIONS)
def test_whatever_a_file_can_say_comes_back(submission: Submission) -> None:
    envelope = enveloped(submission)
    parcel = CODEC.encode(envelope)
    assert CODEC.decode(parcel) == envelope
    assert parcel.content.isascii()
    assert max(map(len, parcel.content.split(b"\n"))) < 120


# Any of them, to be given values that their types forbid.
PN: Any = FILES["a_notification_for_two_half_hours"].records[0]
BOD: Any = FILES["ten_bid_offer_pairs"].records[0]
RURE: Any = FILES["rates_with_no_one_and_two_elbows"].records[0]


@pytest.mark.parametrize(
    "submission",
    [
        Submission("AGENT", 42, ()),
        Submission("agent", 42, (PN,)),
        Submission("AGENT", 0, (PN,)),
        Submission("AGENT", 1_000_000, (PN,)),
        *(
            Submission("AGENT", 42, (record,))
            for record in (
                replace(PN, level_to=100_000),
                replace(PN, level_to=1.5),
                replace(PN, level_to=True),
                replace(PN, bm_unit="TBMU 1"),
                replace(PN, bm_unit="T"),
                replace(PN, time_from=DAY.replace(tzinfo=None)),
                replace(PN, time_from=DAY.replace(second=1)),
                replace(PN, time_from=DAY.astimezone(timezone(timedelta(hours=1)))),
                replace(BOD, pair_number=-10),
                replace(BOD, bid_price=Decimal("1.005")),
                replace(BOD, bid_price=Decimal("-100000")),
                replace(BOD, bid_price=Decimal("NaN")),
                replace(BOD, bid_price=1.5),
                replace(RURE, rate1=Decimal("0.05")),
                replace(RURE, rate1=None),
                ScalarRecord(ScalarParameter.NDZ, UNIT, DAY, 1000),
            )
        ),
    ],
)
def test_what_no_file_can_say_is_our_own_fault(submission: Submission) -> None:
    with pytest.raises(LocalProtocolError):
        CODEC.encode(enveloped(submission))


def test_only_submissions_travel_in_files() -> None:
    with pytest.raises(LocalProtocolError):
        CODEC.encode(Envelope(Stamp("AGENT_000042", UNTIMED), (Health(),)))


def test_a_number_of_no_value_has_no_sign() -> None:
    zero = replace(BOD, bid_price=Decimal("-0.00"), offer_price=Decimal("-0"))
    content = CODEC.encode(enveloped(Submission("AGENT", 42, (zero,)))).content
    assert content.endswith(b",0.00,0.00\n")
