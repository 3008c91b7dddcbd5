"""The API's JSON is read back exactly as it is written, and strictly: what is not as described is
told, and nothing is guessed.
"""

from __future__ import annotations

import json
from contextlib import suppress
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.domain.instructions import InstructionAnswer, InstructionKind, Verdict
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
from messaging.protocols.base import RemoteProtocolError
from messaging.protocols.rest import codec
from messaging.protocols.rest.reading import MOST_ITEMS, MOST_TOLD, Unreadable, read
from messaging.protocols.rest.writing import as_json

START = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
END = START + timedelta(minutes=30)
MEL = LevelRedeclaration("CP1", "TBMU-1", LevelParameter.MEL, (Segment(START, 1, END, 2),))
STEPS = (RateStep(Decimal("12.5"), None), RateStep(Decimal("3"), 40))
EXAMPLES: tuple[BmMessage, ...] = (
    MEL,
    RateRedeclaration("CP1", "TBMU-1", RateParameter.RURE, STEPS),
    *(ScalarRedeclaration("CP1", "TBMU-1", one, 7) for one in ScalarParameter),
    InstructionAnswer("CP1", "TBMU-1", 3, Verdict.ACCEPTED),
    InstructionAnswer(
        *("CP1", "", 3, Verdict.REJECTED, "R1", "no"),
        kind=InstructionKind.EMERGENCY,
        responded_at=START + timedelta(seconds=3, microseconds=7),
    ),
)
RECORDS = (
    LevelRecord(SeriesParameter.PN, "TBMU-1", START, 1, END, -2),
    BidOfferRecord("TBMU-1", START, END, -1, 0, -5, Decimal("10.25"), Decimal("-3")),
    RateRecord(RateParameter.RURE, "TBMU-1", START, Decimal("1.5"), 10, Decimal("2")),
    ScalarRecord(ScalarParameter.NDZ, "TBMU-1", START, 5),
)


@pytest.mark.parametrize("message", EXAMPLES, ids=repr)
def test_what_is_written_is_read_back(message: BmMessage) -> None:
    assert codec.decode(codec.encode(message)) == message


def test_a_submission_is_read_with_every_kind_of_record() -> None:
    submission = Submission("AGENT", 7, RECORDS)
    assert read(json.loads(json.dumps(as_json(submission))), Submission) == submission


def test_what_a_class_has_a_default_for_may_be_left_out() -> None:
    written = as_json(
        Submission("AGENT", 7, (RateRecord(RateParameter.RURE, "U", START, Decimal(1)),))
    )
    for name in ("elbow2", "rate2", "elbow3", "rate3"):
        del written["records"][0][name]
    assert read(written, Submission).records[0].rate2 is None


def changed(path: tuple[str | int, ...], value: Any) -> Any:
    written = deepcopy(as_json(MEL))
    at = written
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return written


FIRST = ("levels", 0)


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        (("type",), "BidOfferAcceptance", "record-type"),
        (("type",), ["LevelRedeclaration"], "record-type"),
        (("colour",), "red", "json-shape"),
        (("bm_unit",), None, "json-shape"),
        (("bm_unit",), 7, "json-shape"),
        (("bm_unit",), "T\x00", "json-shape"),
        (("bm_unit",), "\ud800", "json-shape"),
        (("bm_unit",), "x" * 201, "json-shape"),
        (("parameter",), "PN", "json-shape"),
        (("parameter",), "mel", "json-shape"),
        (("levels",), [], "json-shape"),
        (("levels",), {}, "json-shape"),
        (("levels",), [None] * (MOST_ITEMS["levels"] + 1), "json-shape"),
        ((*FIRST, "type"), "RateStep", "record-type"),
        ((*FIRST, "level_from"), 1.0, "json-shape"),
        ((*FIRST, "level_from"), True, "json-shape"),
        ((*FIRST, "level_from"), "1", "json-shape"),
        ((*FIRST, "level_from"), None, "json-shape"),
        ((*FIRST, "time_from"), "2026-11-22T10:00:00", "json-time"),
        ((*FIRST, "time_from"), "2026-11-22", "json-time"),
        ((*FIRST, "time_from"), "2026-11-22T10:00:01Z", "json-time"),
        ((*FIRST, "time_from"), "2026-11-22T10:00:00.5Z", "json-time"),
        ((*FIRST, "time_from"), "2026-02-30T10:00:00Z", "json-time"),
        ((*FIRST, "time_from"), "0001-01-01T00:00:00+23:59", "json-time"),
        ((*FIRST, "time_from"), 1763805600, "json-time"),
    ],
    ids=str,
)
def test_whatever_is_not_as_described_is_told_by_its_place(
    path: tuple[str | int, ...], value: Any, rule: str
) -> None:
    with pytest.raises(Unreadable) as refused:
        read(changed(path, value), *codec.REDECLARED)
    (found,) = refused.value.found
    assert (found.path, found.rule) == (path, rule)
    assert found.text


@pytest.mark.parametrize("rate", [12.5, 12, "12,5", "1e3", "NaN", "12.55", " 1", "", "1."])
def test_a_rate_is_a_decimal_as_text_with_one_place(rate: Any) -> None:
    written = as_json(RateRedeclaration("C", "U", RateParameter.RURE, STEPS))
    written["rates"][0]["rate"] = rate
    with pytest.raises(Unreadable) as refused:
        read(written, *codec.REDECLARED)
    assert refused.value.found[0].path == ("rates", 0, "rate")


def test_an_offset_is_turned_into_utc() -> None:
    message = read(changed((*FIRST, "time_from"), "2026-11-22T11:00:00+01:00"), *codec.REDECLARED)
    assert message == MEL


def test_every_finding_is_told_within_bounds() -> None:
    with pytest.raises(Unreadable) as refused:
        read({"type": "LevelRedeclaration", "levels": [{}] * 200}, *codec.REDECLARED)
    assert len(refused.value.found) == MOST_TOLD
    missing = {found.path[0] for found in refused.value.found if found.text == "is missing"}
    assert {"control_point", "bm_unit", "parameter"} <= missing


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"{",
        b'{"a":1,"a":2}',
        b"NaN",
        b"[" * 100_000,
        b"1" * 5_000,
        b"null",
        b"[]",
        b'"\\ud800"',
    ],
    ids=range(10),
)
def test_bytes_that_are_no_message_are_a_remote_error_and_nothing_else(content: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        codec.decode(content)


names = st.sampled_from(sorted({*as_json(MEL), *as_json(STEPS[0]), "rates", "value", "x"}))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["", "MEL", "7"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(names, values, max_size=6), st.sampled_from(codec.REDECLARED))
def test_no_value_gets_past_the_reader_but_as_the_class_it_names(value: Any, kind: type) -> None:
    value["type"] = kind.__name__
    try:
        message = read(value, kind)
    except Unreadable:
        return
    assert read(as_json(message), kind) == message


@given(st.binary(max_size=200), st.integers(min_value=0), st.sampled_from(EXAMPLES))
def test_mangled_bytes_are_read_or_refused(noise: bytes, at: int, message: BmMessage) -> None:
    content = codec.encode(message)
    at %= len(content)
    mangled = content[:at] + noise + content[at + len(noise) :]
    with suppress(RemoteProtocolError):
        codec.decode(mangled)
