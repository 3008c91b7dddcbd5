"""The delimited-1 profile: its golden files, its messages of several BM units, and what is refused
where fields are delimited.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from messaging.domain.acknowledgements import FreeText
from messaging.domain.redeclarations import ScalarParameter, ScalarRedeclaration
from messaging.domain.units import RefusalCode
from messaging.protocols.base import (
    Envelope,
    LocalProtocolError,
    Parcel,
    RemoteProtocolError,
    Stamp,
)
from messaging.protocols.edl.events import (
    Acknowledged,
    Broken,
    Gap,
    Heard,
    Hello,
    Ready,
    Received,
    Refused,
)
from messaging.protocols.edl.head import restamp
from messaging.protocols.edl.profile import Role
from messaging.protocols.edl.session import Session
from tests.protocols.edl.delimited_rows import (
    CODEC,
    GOLDEN,
    PROFILE,
    ROWS,
    golden,
    numbered,
    small,
    wire,
)
from tests.protocols.edl.rows import NAME, NOW, UNIT, drawn, drawn_bytewise

SMALL_TALK = {
    "hello_of_a_control_point_that_knows_nothing",
    "ready_after_number_6",
    "a_heartbeat",
    "an_ack_of_number_7",
    "a_nack_of_a_gap",
}
HELLO = small("LOGON", "0|delimited-1|")

each = pytest.mark.parametrize(("name", "envelope"), ROWS.items(), ids=ROWS)


def ready_host(last_taken: int = 0) -> Session:
    session = Session(Role.HOST, PROFILE, NOW)
    drawn(session, HELLO)
    session.ready(last_taken, NOW)
    return session


def ready_control_point() -> Session:
    session = Session(Role.CONTROL_POINT, PROFILE, NOW, NAME)
    session.hello("delimited-1", 0, NOW)
    drawn(session, small("WELCOME", "0|delimited-1|"))
    return session


def ndz(unit: str, value: int = 5) -> ScalarRedeclaration:
    return ScalarRedeclaration(NAME, unit, ScalarParameter.NDZ, value)


def refusal_of(content: bytes) -> RemoteProtocolError:
    with pytest.raises(RemoteProtocolError) as caught:
        CODEC.decode(Parcel(content))
    return caught.value


# Golden files.


def test_every_golden_file_is_tested() -> None:
    assert {path.stem for path in GOLDEN.glob("*.edl")} == ROWS.keys() | SMALL_TALK


def test_a_message_is_what_a_reader_of_the_profile_would_write() -> None:
    written = (
        "CPALFA|20|SET-MEL|0|22-NOV-2026 10:00:00|2|"
        "TBMU-1|2|22-NOV-2026 10:00|100|22-NOV-2026 10:30|100|"
        "22-NOV-2026 10:30|100|22-NOV-2026 11:00|0|"
        "T_BMU-999|1|22-NOV-2026 10:00|100|22-NOV-2026 10:30|100|"
    )
    assert golden("a_mel_of_two_bm_units") == wire(written)


@each
def test_it_is_written(name: str, envelope: Envelope) -> None:
    content = golden(name)
    assert CODEC.encode(envelope) == Parcel(content, content.split(b"|")[2].decode())


@each
def test_it_is_read(name: str, envelope: Envelope) -> None:
    assert CODEC.decode(Parcel(golden(name))) == envelope


@each
def test_it_comes_off_a_link_whole_and_byte_by_byte(name: str, envelope: Envelope) -> None:
    before = int(envelope.stamp.reference) - 1
    content = golden(name)
    reply = int(envelope.stamp.in_reply_to or 0)
    expected = Received(before + 1, content.split(b"|")[2].decode(), NOW, reply, content)
    assert drawn(ready_host(before), content) == [expected]
    assert drawn_bytewise(ready_host(before), content) == [expected]


def test_the_small_talk_is_written_and_read() -> None:
    hello, ready = golden("hello_of_a_control_point_that_knows_nothing"), "ready_after_number_6"
    control_point = Session(Role.CONTROL_POINT, PROFILE, NOW, NAME)
    assert control_point.hello("delimited-1", 0, NOW) == hello
    host = Session(Role.HOST, PROFILE, NOW)
    assert drawn(host, hello) == [Hello(NAME, "delimited-1", 0)]
    assert host.ready(6, NOW) == golden(ready)
    assert drawn(control_point, golden(ready)) == [Ready("delimited-1", 6)]
    control_point.transmit(7, numbered(7), NOW)
    drawn(host, numbered(7))
    assert host.ack(7, NOW) == golden("an_ack_of_number_7")
    assert drawn(control_point, golden("an_ack_of_number_7")) == [Acknowledged(7)]
    assert drawn(control_point, golden("a_heartbeat")) == [Heard()]


def test_a_gap_is_refused_with_the_number_expected() -> None:
    host, control_point = ready_host(7), ready_control_point()
    (gap,) = drawn(host, control_point.transmit(9, numbered(9), NOW))
    assert gap == Gap(9, 8, "next is 000008", numbered(9))
    assert host.nack(9, RefusalCode.NUMBER_GAP, "", NOW) == golden("a_nack_of_a_gap")
    assert drawn(control_point, golden("a_nack_of_a_gap")) == [
        Refused(9, "R011", "next is 000008", 8)
    ]


# Several BM units.


def test_a_bm_unit_stands_in_a_message_once() -> None:
    error = refusal_of(numbered(3, "SET-NDZ", "2|TBMU-1|5|TBMU-1|6|"))
    assert (error.code, error.field) == (RefusalCode.MALFORMED, "units[1].bm_unit")
    assert error.reference == "000003"
    with pytest.raises(LocalProtocolError, match="carries a BM unit once"):
        CODEC.encode(Envelope(Stamp("", NOW), (ndz(UNIT), ndz(UNIT, 6))))


def test_messages_of_other_kinds_or_control_points_do_not_travel_together() -> None:
    other = replace(ndz("TBMU-2"), control_point="CPBETA")
    nto = replace(ndz("TBMU-2"), parameter=ScalarParameter.NTO)
    for messages in ((ndz(UNIT), other), (ndz(UNIT), nto), (FreeText(NAME, "a"), ndz(UNIT)), ()):
        with pytest.raises(LocalProtocolError):
            CODEC.encode(Envelope(Stamp("", NOW), messages))


def test_two_texts_are_no_message() -> None:
    with pytest.raises(LocalProtocolError, match="carries one message"):
        CODEC.encode(Envelope(Stamp("", NOW), (FreeText(NAME, "a"), FreeText(NAME, "b"))))


def test_a_fault_within_a_bm_units_part_names_the_part() -> None:
    error = refusal_of(numbered(3, "SET-RURE", "2|TBMU-1|5.0|||||TBMU-2|5.0|7||||"))
    assert error.field == "units[1].elbow_2"
    assert "units[1]" in error.text


# What is refused.


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ("1|TBMU-1|", "units"),
        ("1|TBMU-1||", "units[0].value"),
        ("1|TBMU-1|5|6|", ""),
        ("2|TBMU-1|5|", "units"),
        ("0|", "units"),
        ("99|TBMU-1|5|", "units"),
        ("1|TBMU-1|123456|", "units[0].value"),
        ("1|TBMU-1|5.5|", "units[0].value"),
        ("1|TBMU-1-XX-Y|5|", "units[0].bm_unit"),
        ("", "units"),
        ("1|TBMU-1|5", "data"),
        ("1|TBMU-\x01|5|", "data"),
        ("1|TBMU-\xe9|5|", "data"),
    ],
)
def test_data_that_do_not_hold_the_layout_are_refused_under_their_number(
    data: str, field: str
) -> None:
    error = refusal_of(numbered(3, "SET-NDZ", data))
    assert (error.code, error.field, error.reference) == (RefusalCode.MALFORMED, field, "000003")


@pytest.mark.parametrize(
    "day", ["2-NOV-2026 10:00", "22-Nov-2026 10:00", "31-NOV-2026 10:00", "22-11-2026 10:00", "now"]
)
def test_a_time_in_another_format_is_refused(day: str) -> None:
    data = f"1|TBMU-1|1|{day}|5|22-NOV-2026 10:30|5|"
    assert refusal_of(numbered(3, "SET-MEL", data)).field == "units[0].levels[0].time_from"


@pytest.mark.parametrize("at", range(len(numbered(3)) - 6))
def test_whatever_byte_is_garbled_the_message_is_not_read(at: int) -> None:
    content = numbered(3)
    garbled = content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :]
    error = refusal_of(garbled)
    assert (error.text, error.reference) == ("the checksum does not hold", None)


def test_a_checksum_that_does_not_hold_breaks_the_link() -> None:
    """The number may be what was garbled, so there is none to answer: the link starts again."""
    host = ready_host()
    (broken,) = drawn(host, numbered(1).replace(b"|1|", b"|2|"))
    assert isinstance(broken, Broken)
    assert broken.answer == small("REFUSED", "100|the checksum does not hold|")


def test_a_small_letter_in_a_checksum_is_not_read() -> None:
    content = small("ALIVE", "")
    assert content.endswith(b"F64B\r\n")
    (broken,) = drawn(ready_host(), content.replace(b"F64B", b"f64b"))
    assert isinstance(broken, Broken)


def test_what_ends_a_field_is_replaced_in_a_text_and_nowhere_else() -> None:
    parcel = CODEC.encode(Envelope(Stamp("", NOW), (FreeText(NAME, "a|b\r\nc\xe9"),)))
    assert parcel.content.split(b"|")[5] == b"a?b??c?"
    assert CODEC.decode(parcel).messages == (FreeText(NAME, "a?b??c?"),)


def test_an_end_that_comes_in_two_pieces_is_found() -> None:
    host = ready_host()
    first, second = numbered(1), numbered(2)
    assert drawn(host, first[:-1]) == []
    events = drawn(host, first[-1:] + second)
    assert [event.number for event in events if isinstance(event, Received)] == [1, 2]


def test_a_line_feed_alone_ends_nothing() -> None:
    host = ready_host()
    assert drawn(host, numbered(1).replace(b"\r\n", b"\n")) == []
    (broken,) = drawn(host, b"\r\n")
    assert isinstance(broken, Broken)


def test_a_message_without_an_end_is_cut_off_at_the_limit() -> None:
    host = ready_host()
    (broken,) = drawn(host, b"x" * PROFILE.framing.max_bytes)
    assert isinstance(broken, Broken)
    assert broken.text == "message too long"


def test_a_message_under_another_number_has_another_checksum() -> None:
    moved = restamp(PROFILE, golden("a_mel_of_two_bm_units"), 99, NOW)
    read = CODEC.decode(Parcel(moved))
    assert read.stamp.reference == "000099"
    assert read.messages == ROWS["a_mel_of_two_bm_units"].messages


def test_a_text_that_is_too_long_goes_on_in_messages_of_its_own() -> None:
    pieces = CODEC.divide(FreeText(NAME, "x" * 900))
    assert [len(piece.text) for piece in pieces if isinstance(piece, FreeText)] == [400, 400, 100]


def test_a_control_point_of_another_profile_is_told_so() -> None:
    host = Session(Role.HOST, PROFILE, NOW)
    (broken,) = drawn(host, small("LOGON", "0|delimited-2|"))
    assert isinstance(broken, Broken)
    assert broken.code is RefusalCode.UNKNOWN_PROFILE
    assert b"|102|" in broken.answer
