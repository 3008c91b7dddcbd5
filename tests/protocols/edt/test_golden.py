"""Each golden file against what it says: written, read whole, and read in pieces of any size; and
what is told of one that is wrong all over.
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from messaging.domain.redeclarations import RateParameter
from messaging.domain.rules import Circumstances
from messaging.domain.submissions import BidOfferRecord, LevelRecord, RateRecord, Submission
from messaging.protocols.base import Envelope, Parcel, RemoteProtocolError, Stamp
from messaging.protocols.edt.codec import UNTIMED
from messaging.protocols.edt.reading import apply_rules
from messaging.protocols.edt.replies import (
    Reply,
    ReplyKind,
    faults_of,
    read_reply,
    write_reply,
)
from tests.protocols.edt.rows import (
    CODEC,
    DAY,
    FILE,
    FILES,
    GOLDEN,
    HALF_HOUR,
    NAME,
    NOW,
    PROFILE,
    UNIT,
    faults,
    golden,
    read,
)

BAD = "a_file_with_a_fault_of_every_kind"
WRONG = (
    BAD,
    "a_file_that_was_cut_off",
    "a_file_with_a_byte_order_mark",
    "a_file_with_a_nul",
    "a_file_with_another_tenants_unit",
)
"""Each with the reply to it beside it."""

OTHERS = {"a_file_written_by_hand", *WRONG}
each = pytest.mark.parametrize(("name", "submission"), FILES.items(), ids=FILES)


def test_every_golden_file_is_tested() -> None:
    assert {path.stem for path in GOLDEN.glob("*.sub")} == FILES.keys() | OTHERS
    assert {path.stem for path in GOLDEN.glob("*.rej")} == set(WRONG)


@each
def test_it_is_written_byte_for_byte(name: str, submission: Submission) -> None:
    envelope = Envelope(Stamp("AGENT_000042", UNTIMED), (submission,))
    assert CODEC.encode(envelope) == Parcel(golden(f"{name}.sub"), FILE)
    assert CODEC.decode(Parcel(golden(f"{name}.sub"), FILE)) == envelope


@each
@pytest.mark.parametrize("by", [0, 1, 2, 7, 64])
def test_it_is_read_in_pieces_of_any_size(name: str, submission: Submission, by: int) -> None:
    for content in (golden(f"{name}.sub"), golden(f"{name}.sub").replace(b"\n", b"\r\n")):
        reading = read(content, by=by)
        assert reading.whole
        assert not reading.refused
        assert reading.submission == submission
        assert [*reading.lines] == [*range(1, len(submission.records) + 1)]
        assert reading.records_read == len(submission.records)


@each
def test_it_breaks_no_rule(name: str, submission: Submission) -> None:
    units = Circumstances(NOW, {UNIT: Decimal(9999)})
    assert not apply_rules(read(golden(f"{name}.sub")), units).refused


@pytest.mark.parametrize("by", [0, 1, 13])
def test_blanks_case_comments_and_either_way_to_write_a_time_make_no_difference(by: int) -> None:
    reading = read(golden("a_file_written_by_hand.sub"), by=by)
    assert not reading.refused
    assert [*reading.lines] == [3, 5, 7, 8]
    assert reading.submission.records == (
        *FILES["a_notification_for_two_half_hours"].records,
        RateRecord(RateParameter.RURE, UNIT, DAY, Decimal(5), -50, Decimal("0.5")),
        BidOfferRecord(UNIT, DAY, DAY + HALF_HOUR, 1, 50, 50, Decimal("60.5"), Decimal(9)),
    )


@pytest.mark.parametrize("by", [0, 1, 100])
def test_every_line_that_cannot_be_read_is_told_with_line_code_and_field(by: int) -> None:
    assert faults(golden(f"{BAD}.sub"), by=by) == [
        (3, "E001", ""),
        (4, "E005", "type"),
        (5, "E002", "agent"),
        (6, "E002", "bm_unit"),
        (7, "E003", "level_from"),
        (8, "E003", "level_from"),
        (9, "E004", "time_from"),
        (10, "E004", "time_from"),
        (11, "E003", "value"),
        (12, "E003", "offer_price"),
        (13, "E003", "rate1"),
        (14, "E003", "elbow2"),
        (15, "E001", ""),
        (17, "E003", "value"),
    ]


@pytest.mark.parametrize("name", WRONG)
def test_the_reply_to_it_names_line_code_field_and_value_and_is_read_back(name: str) -> None:
    reading = read(golden(f"{name}.sub"))
    found = apply_rules(reading, Circumstances(NOW, {UNIT: None}))
    told = faults_of(PROFILE, reading.submission.records, found.in_order())
    reply = Reply(ReplyKind.REJECTED, NAME, reading.records_read, 0, told)
    parcel = write_reply(PROFILE, reply)
    assert parcel == Parcel(golden(f"{name}.rej"), "AGENT_000042.rej")
    assert read_reply(PROFILE, parcel) == reply


def test_the_codec_raises_the_first_fault_with_its_line() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        CODEC.decode(Parcel(golden(f"{BAD}.sub"), FILE))
    assert caught.value.text.startswith("line 3: ")
    assert caught.value.reference == "AGENT_000042"


def test_equal_names_times_and_numbers_of_a_file_are_one_object() -> None:
    """Two hundred thousand records would not fit otherwise."""
    records = read(golden("every_scalar.sub") * 2).submission.records
    assert len({id(record.bm_unit) for record in records}) == 1
    notification, other = read(golden("a_notification_for_two_half_hours.sub")).submission.records
    assert isinstance(notification, LevelRecord)
    assert isinstance(other, LevelRecord)
    assert notification.time_to is other.time_from
