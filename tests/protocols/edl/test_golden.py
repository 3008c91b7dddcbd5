"""Each golden file against what it says: written, read whole, and read byte by byte off a link."""

from __future__ import annotations

import pytest

from messaging.domain.units import RefusalCode
from messaging.protocols.base import Envelope, Parcel
from messaging.protocols.edl.events import (
    Acknowledged,
    Gap,
    Heard,
    Hello,
    Ready,
    Received,
    Refused,
)
from messaging.protocols.edl.profile import Role
from messaging.protocols.edl.session import Session
from tests.protocols.edl.rows import (
    CODEC,
    GOLDEN,
    NAME,
    NOW,
    PROFILE,
    ROWS,
    drawn,
    drawn_bytewise,
    golden,
    numbered,
    ready_control_point,
    ready_host,
)

SMALL_TALK = {
    "hello_of_a_control_point_that_knows_nothing",
    "ready_after_number_6",
    "a_heartbeat",
    "an_ack_of_number_7",
    "a_nack_of_a_gap",
}

each = pytest.mark.parametrize(("name", "envelope"), ROWS.items(), ids=ROWS)


def test_every_golden_file_is_tested() -> None:
    assert {path.stem for path in GOLDEN.glob("*.edl")} == ROWS.keys() | SMALL_TALK


def test_the_example_of_the_interface_is_written_as_it_is_printed() -> None:
    printed = (
        "CPALFA^MEL___000000072026112210000000000000^"
        "TBMU-1______1202611221000___100202611221030___100^\n"
    )
    assert golden("a_mel_of_100_mw_for_half_an_hour").decode() == printed.replace("_", " ")


@each
def test_it_is_written(name: str, envelope: Envelope) -> None:
    content = golden(name)
    assert CODEC.encode(envelope) == Parcel(content, content[7:13].decode().strip())


@each
def test_it_is_read(name: str, envelope: Envelope) -> None:
    assert CODEC.decode(Parcel(golden(name))) == envelope


@each
def test_it_is_read_with_a_carriage_return(name: str, envelope: Envelope) -> None:
    assert CODEC.decode(Parcel(golden(name).replace(b"\n", b"\r\n"))) == envelope


@each
def test_it_comes_off_a_link_whole_and_byte_by_byte(name: str, envelope: Envelope) -> None:
    before = int(envelope.stamp.reference) - 1
    expected = Received(
        before + 1,
        golden(name)[7:13].decode().strip(),
        NOW,
        int(envelope.stamp.in_reply_to or 0),
        golden(name),
    )
    assert drawn(ready_host(before), golden(name)) == [expected]
    assert drawn_bytewise(ready_host(before), golden(name)) == [expected]


def test_a_hello_is_written_and_read() -> None:
    content = golden("hello_of_a_control_point_that_knows_nothing")
    assert Session(Role.CONTROL_POINT, PROFILE, NOW, NAME).hello("host-1", 0, NOW) == content
    assert drawn(Session(Role.HOST, PROFILE, NOW), content) == [Hello(NAME, "host-1", 0)]


def test_a_ready_is_written_and_read() -> None:
    host = Session(Role.HOST, PROFILE, NOW)
    drawn(host, golden("hello_of_a_control_point_that_knows_nothing"))
    assert host.ready(6, NOW) == golden("ready_after_number_6")
    control_point = Session(Role.CONTROL_POINT, PROFILE, NOW, NAME)
    control_point.hello("host-1", 0, NOW)
    assert drawn(control_point, golden("ready_after_number_6")) == [Ready("host-1", 6)]


def test_a_heartbeat_is_written_and_read() -> None:
    host = ready_host()
    beat = host.tick(NOW + PROFILE.limits.heartbeat)
    assert beat == golden("a_heartbeat").replace(b"20261122100000", b"20261122100030")
    assert drawn(ready_control_point(), golden("a_heartbeat")) == [Heard()]


def test_an_ack_is_written_and_read() -> None:
    host, control_point = ready_host(6), ready_control_point()
    sent = control_point.transmit(7, numbered(7), NOW)
    assert [type(event) for event in drawn(host, sent)] == [Received]
    assert host.ack(7, NOW) == golden("an_ack_of_number_7")
    assert drawn(control_point, golden("an_ack_of_number_7")) == [Acknowledged(7)]


def test_a_nack_is_written_and_read() -> None:
    host, control_point = ready_host(7), ready_control_point()
    (gap,) = drawn(host, control_point.transmit(9, numbered(9), NOW))
    assert gap == Gap(9, 8, "expected 00000008", numbered(9))
    assert host.nack(9, RefusalCode.NUMBER_GAP, "", NOW) == golden("a_nack_of_a_gap")
    assert drawn(control_point, golden("a_nack_of_a_gap")) == [
        Refused(9, "R011", "expected 00000008", 8)
    ]
