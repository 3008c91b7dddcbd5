"""Any typed message that the payloads can say, written and read back, and what another reader makes
of the bytes.
"""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

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
    Record,
    ScalarRecord,
    SeriesParameter,
    Submission,
)
from messaging.domain.units import BM_UNIT_NAME, CONTROL_POINT_NAME, TRADING_AGENT_NAME
from messaging.protocols.base import Envelope, Stamp
from messaging.protocols.neso.wa.forms import FORMS, form_of
from tests.protocols.neso import enveloped_rows
from tests.protocols.neso.rows import CODEC

NAMES = st.from_regex(CONTROL_POINT_NAME, fullmatch=True)
UNITS = st.from_regex(BM_UNIT_NAME, fullmatch=True)
IDS = st.uuids().map(str)
STAMPS = st.datetimes(timezones=st.just(UTC))
TIMES = STAMPS.map(lambda moment: moment.replace(second=0, microsecond=0))
WHOLE = st.integers(-(10**15) + 1, 10**15 - 1)
NUMBERS = st.integers(0, 10**10 - 1)
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)
WORDS = st.text("ABCXYZ0189", min_size=1, max_size=6)
SEGMENTS = st.builds(Segment, TIMES, WHOLE, TIMES, WHOLE)
LEVELS = st.lists(SEGMENTS, min_size=1, max_size=4).map(tuple)
STEPS = st.builds(
    RateStep, st.decimals(Decimal(-99999), Decimal(99999), places=1), st.none() | WHOLE
)

INSTRUCTIONS = (
    st.builds(
        BidOfferAcceptance,
        control_point=NAMES,
        bm_unit=UNITS,
        number=NUMBERS,
        accepted_at=TIMES,
        levels=LEVELS,
        respond_by=st.none() | STAMPS,
    )
    | st.builds(
        AncillaryInstruction,
        NAMES,
        UNITS,
        NUMBERS,
        WORDS,
        WORDS,
        TIMES,
        st.none() | TIMES,
        st.none() | WHOLE,
        st.none() | STAMPS,
    )
    | st.builds(
        EmergencyInstruction,
        NAMES,
        st.just("") | UNITS,
        NUMBERS,
        TEXTS.filter(bool),
        st.none() | STAMPS,
    )
)
RESPONSES = st.builds(
    InstructionAnswer,
    NAMES,
    UNITS,
    NUMBERS,
    st.sampled_from(Verdict),
    st.none() | TEXTS,
    st.none() | TEXTS,
    st.sampled_from(InstructionKind),
    STAMPS,
)
REDECLARATIONS = (
    st.builds(LevelRedeclaration, NAMES, UNITS, st.sampled_from(LevelParameter), LEVELS)
    | st.builds(
        RateRedeclaration,
        NAMES,
        UNITS,
        st.sampled_from(RateParameter),
        st.lists(STEPS, min_size=1, max_size=3).map(tuple),
    )
    | st.builds(ScalarRedeclaration, NAMES, UNITS, st.sampled_from(ScalarParameter), WHOLE)
)
RECEIPTS = st.builds(
    ReceiptOfMessage,
    st.sampled_from(ReceiptStatus),
    st.lists(st.builds(ReceiptError, TEXTS, TEXTS, TEXTS), max_size=3).map(tuple),
)
NORMALIZATIONS = st.builds(NormalizationRequest, NAMES, STAMPS) | st.builds(
    NormalizationAnswer,
    st.lists(st.builds(SentInstruction, IDS, STAMPS, INSTRUCTIONS), max_size=2).map(tuple),
    st.lists(st.builds(TakenRedeclaration, UNITS, TEXTS, IDS), max_size=2).map(tuple),
)
PRICES = st.decimals(Decimal("-99999.99"), Decimal("99999.99"), places=2)
RATES = st.decimals(Decimal("0.1"), Decimal("999.9"), places=1)
RECORDS: st.SearchStrategy[Record] = (
    st.builds(LevelRecord, st.sampled_from(SeriesParameter), UNITS, TIMES, WHOLE, TIMES, WHOLE)
    | st.builds(BidOfferRecord, UNITS, TIMES, TIMES, WHOLE, WHOLE, WHOLE, PRICES, PRICES)
    | st.builds(
        RateRecord,
        st.sampled_from(RateParameter),
        UNITS,
        TIMES,
        RATES,
        st.none() | WHOLE,
        st.none() | RATES,
        st.none() | WHOLE,
        st.none() | RATES,
    )
    | st.builds(ScalarRecord, st.sampled_from(ScalarParameter), UNITS, TIMES, WHOLE)
)
SUBMISSIONS = st.builds(
    Submission,
    st.from_regex(TRADING_AGENT_NAME, fullmatch=True),
    st.integers(1, 999_999),
    st.lists(RECORDS, min_size=1, max_size=4).map(tuple),
)
MESSAGES: st.SearchStrategy[BmMessage] = (
    REDECLARATIONS
    | SUBMISSIONS
    | INSTRUCTIONS
    | RESPONSES
    | RECEIPTS
    | NORMALIZATIONS
    | st.builds(Health, st.none() | st.sampled_from(HealthStatus))
)


def stamped(message: BmMessage, message_id: str, sent_at: datetime, other_id: str) -> Envelope:
    answer = FORMS[form_of(message)[0]].answer
    return Envelope(Stamp(message_id, sent_at, other_id if answer else ""), (message,))


ENVELOPES = st.builds(stamped, MESSAGES, IDS, STAMPS, IDS)


@settings(max_examples=300)
@given(ENVELOPES)
def test_every_message_is_read_back_as_it_was_written(envelope: Envelope) -> None:
    assert CODEC.decode(CODEC.encode(envelope)) == envelope


@settings(max_examples=100)
@given(ENVELOPES)
def test_the_second_profile_keeps_all_but_the_last_of_a_stamp(envelope: Envelope) -> None:
    """Stamps since 1970, to the millisecond; an answer's reference is that of its question."""
    kept: Envelope = _coarse(envelope)
    if kept.stamp.in_reply_to:
        kept = replace(kept, stamp=replace(kept.stamp, reference=kept.stamp.in_reply_to))
    assert enveloped_rows.CODEC.decode(enveloped_rows.CODEC.encode(kept)) == kept


def _coarse(value: Any) -> Any:
    if isinstance(value, datetime):
        micro = value.microsecond // 1000 * 1000
        return max(value.replace(microsecond=micro), datetime(1970, 1, 1, tzinfo=UTC))
    if isinstance(value, tuple):
        return tuple(map(_coarse, value))
    if is_dataclass(value) and not isinstance(value, type):
        told = {one.name: _coarse(getattr(value, one.name)) for one in fields(value) if one.init}
        return type(value)(**told)
    return value


@settings(max_examples=100)
@given(ENVELOPES)
def test_every_payload_is_plain_json_to_another_reader(envelope: Envelope) -> None:
    content = CODEC.encode(envelope).content
    payload = json.loads(content)
    assert json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode() == content
    assert UUID(payload["messageId"]) == UUID(envelope.stamp.reference)
    assert payload["profile"] == "host-1"
