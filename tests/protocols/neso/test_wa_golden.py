"""Each golden payload against what it says, written and read; and the same said in other bytes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from messaging.protocols.base import Envelope, Parcel
from tests.protocols.neso.rows import CODEC, GOLDEN, OTHER, ROWS, golden, opened

each = pytest.mark.parametrize(
    ("name", "service", "envelope"), [(name, *row) for name, row in ROWS.items()], ids=ROWS
)


def test_every_golden_payload_is_tested() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == ROWS.keys()


@each
def test_it_is_written_byte_for_byte(name: str, service: str, envelope: Envelope) -> None:
    assert CODEC.encode(envelope) == Parcel(golden(name), service)


@each
def test_it_is_read_whole(name: str, service: str, envelope: Envelope) -> None:
    assert CODEC.decode(Parcel(golden(name), service)) == envelope


@each
def test_blanks_and_the_order_of_members_do_not_matter(
    name: str, service: str, envelope: Envelope
) -> None:
    other = json.dumps(_reversed(opened(name)), indent=3).encode("ascii")
    assert CODEC.decode(Parcel(b"\r\n\t " + other + b" \n")) == envelope


@each
def test_unknown_members_are_ignored_wherever_they_stand(
    name: str, service: str, envelope: Envelope
) -> None:
    payload = json.dumps(_widened(opened(name))).encode("ascii")
    assert CODEC.decode(Parcel(payload)) == envelope


def _reversed(value: Any) -> Any:
    return _mapped(value, lambda members: dict(reversed(members.items())))


def _widened(value: Any) -> Any:
    """Among the unknown is much that would be refused in a member we read."""
    extra = {"x-half": "\ud800", "x-huge": 10**400, "x-deep": [[[{"a": None}]]], "": 1e300}
    return _mapped(value, lambda members: {**extra, **members})


def _mapped(value: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    if isinstance(value, dict):
        return change({name: _mapped(inner, change) for name, inner in value.items()})
    return [_mapped(inner, change) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-11-22T10:00:00Z", 0),
        ("2026-11-22T10:00:00.000001Z", 1),
        ("2026-11-22T10:00:00.999999Z", 999_999),
    ],
)
def test_a_stamp_is_read_with_and_without_its_fraction(written: str, read: int) -> None:
    payload = {**opened("a_health_question"), "sentAt": written}
    stamp = CODEC.decode(Parcel(json.dumps(payload).encode())).stamp
    assert stamp.sent_at.microsecond == read


def test_a_market_time_may_have_a_fraction_of_zeros() -> None:
    text = golden("a_mel_of_100_mw_for_half_an_hour").replace(b":30:00Z", b":30:00.000000Z")
    _, envelope = ROWS["a_mel_of_100_mw_for_half_an_hour"]
    assert CODEC.decode(Parcel(text)) == envelope


@pytest.mark.parametrize("rate", ["7.5", "7.50", "75e-1", "0.75E1", "7.500000000000"])
def test_a_rate_is_read_exactly_however_it_is_spelt(rate: str) -> None:
    text = golden("run_up_rates_with_two_elbows").replace(b"7.5", rate.encode())
    _, envelope = ROWS["run_up_rates_with_two_elbows"]
    assert CODEC.decode(Parcel(text)) == envelope


def test_a_request_may_name_what_it_answers_where_its_type_is_never_an_answer() -> None:
    payload = {**opened("a_reject_with_reason"), "inReplyTo": OTHER}
    assert CODEC.decode(Parcel(json.dumps(payload).encode())).stamp.in_reply_to == OTHER
