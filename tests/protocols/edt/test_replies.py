"""Reply files to the byte, read back; what the operator points at found in the file again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messaging.domain.units import FileCode
from messaging.protocols.base import LocalProtocolError, Parcel, RemoteProtocolError
from messaging.protocols.edt.names import gap_text
from messaging.protocols.edt.replies import (
    Place,
    Reply,
    ReplyFault,
    ReplyKind,
    operators_faults,
    out_of_turn_name,
    place_of,
    read_reply,
    whole_file,
    write_reply,
)
from tests.protocols.edt.rows import NAME, PROFILE, golden, read

RECEIVED, ACCEPTED, REJECTED = ReplyKind
AT = datetime(2026, 11, 22, 9, 8, 7, tzinfo=UTC)
FAULT = ReplyFault(17, FileCode.VALUE, "level from", "-10000: too low, by far")

WRITTEN = [
    (Reply(RECEIVED, NAME, 3), "ack", "END,3,0\n"),
    (Reply(ACCEPTED, NAME, 3, 3), "acc", "END,3,3\n"),
    (
        Reply(REJECTED, NAME, 3, 0, (FAULT, whole_file(PROFILE, FileCode.EXPIRED))),
        "rej",
        "REJ,17,E003,level from,-10000: too low, by far\n"
        "REJ,0,E031,,expired before it could be delivered\nEND,3,0\n",
    ),
    (Reply(REJECTED, NAME, 0, 0, (whole_file(PROFILE, FileCode.SIZE, "no records"),)),
     "rej", "REJ,0,E006,,no records\nEND,0,0\n"),
]  # fmt: skip


@pytest.mark.parametrize(("reply", "ending", "rest"), WRITTEN)
def test_a_reply_is_written_to_the_byte_and_read_back(reply: Reply, ending: str, rest: str) -> None:
    parcel = write_reply(PROFILE, reply)
    text = f"* reply to AGENT_000042.sub\n{rest}"
    assert parcel == Parcel(text.encode("ascii"), f"AGENT_000042.{ending}")
    assert read_reply(PROFILE, parcel) == reply
    assert read_reply(PROFILE, Parcel(text.replace("\n", "\r\n").encode(), parcel.name)) == reply


def test_a_number_out_of_turn_is_refused_under_a_name_that_is_nobody_elses() -> None:
    fault = whole_file(PROFILE, FileCode.NUMBER_GAP, gap_text(PROFILE.names, 41))
    name = out_of_turn_name(PROFILE, NAME, AT)
    parcel = write_reply(PROFILE, Reply(REJECTED, NAME, 0, 0, (fault,)), name)
    assert parcel.name == "AGENT_000042.20261122T090807Z.rej"
    assert parcel.content == (
        b"* reply to AGENT_000042.sub\nREJ,0,E011,,expected 000041\nEND,0,0\n"
    )
    assert read_reply(PROFILE, parcel).faults == (fault,)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(REJECTED, NAME, 3),
        Reply(RECEIVED, NAME, 3, 0, (FAULT,)),
        Reply(ACCEPTED, NAME, 3, 2),
        Reply(RECEIVED, NAME, 3, 3),
        Reply(REJECTED, NAME, 3, 1, (FAULT,)),
    ],
)
def test_a_reply_that_contradicts_itself_is_our_own_fault(reply: Reply) -> None:
    with pytest.raises(LocalProtocolError):
        write_reply(PROFILE, reply)


@pytest.mark.parametrize("count", [999, 1000, 1001, 5000])
def test_more_faults_than_are_listed_are_said_to_be_there(count: int) -> None:
    faults = tuple(replace(FAULT, line=line + 1) for line in range(count))
    lines = write_reply(PROFILE, Reply(REJECTED, NAME, 9000, 0, faults)).content.split(b"\n")
    told = [line for line in lines if line.startswith(b"REJ,")]
    assert len(told) == min(count, 1000)
    last = b"REJ,0,E003,,there are more faults, which are not listed"
    assert (told[-1] == last) == (count > 1000)
    assert lines[-2:] == [b"END,9000,0", b""]


def test_nothing_in_a_text_can_make_another_line_of_it() -> None:
    sly = ReplyFault(1, FileCode.REFUSED_BY_SO, "a,b", "\u00a3\nEND,1,1\r" + "x" * 5000)
    content = write_reply(PROFILE, Reply(REJECTED, NAME, 1, 0, (sly,))).content
    assert content.count(b"\n") == 3
    assert b"REJ,1,E030,a?b,??END,1,1?xxx" in content
    assert len(content) < 1200


# What the operator says.

READING = read(golden("a_file_written_by_hand.sub"))
RECORDS, LINES = READING.submission.records, READING.lines


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (("records", 0, "level_from"), Place(3, "level from")),
        (("records", 1, "bm_unit"), Place(5, "BMU")),
        (("records", 2, "elbow2"), Place(7, "elbow 2")),
        (("records", 3, "offer_price"), Place(8, "offer price")),
        (("records", 3, "whatever"), Place(8, "whatever")),
        (("records", 3), Place(8, "")),
        (("records", 4, "level_from"), Place(0, "")),
        (("records", -1, "level_from"), Place(0, "")),
        (("records", "x", "level_from"), Place(0, "")),
        (("records",), Place(0, "")),
        (("trading_agent",), Place(0, "")),
        ((), Place(0, "")),
    ],
)
def test_a_path_leads_to_a_line_and_a_field(path: tuple[str | int, ...], place: Place) -> None:
    assert place_of(PROFILE, RECORDS, LINES, path) == place


def test_the_operators_refusal_names_lines_and_fields_and_its_own_code() -> None:
    errors = [(("records", 1, "level_to"), "R003", "above capacity"), ((), "R020", "")]
    faults = operators_faults(PROFILE, RECORDS, LINES, errors)
    reply = write_reply(PROFILE, Reply(REJECTED, NAME, 4, 0, faults))
    assert reply.content.split(b"\n")[1:3] == [
        b"REJ,5,E030,level to,R003 above capacity",
        b"REJ,0,E030,,R020",
    ]


def test_a_refusal_without_reasons_is_still_one() -> None:
    (fault,) = operators_faults(PROFILE, RECORDS, LINES, ())
    assert (fault.line, fault.code, fault.text) == (0, "E030", "refused by the SO")


# Replies that are none.

GOOD = write_reply(PROFILE, WRITTEN[2][0])


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (GOOD.content, "AGENT_000043.rej"),
        (GOOD.content, "AGENT_000042.acc"),
        (GOOD.content, "AGENT_000042.sub"),
        (GOOD.content, "AGENT_000042.20261122Z.rej"),
        (GOOD.content, "AGENT_000042.20261122T090807Z.ack"),
        (GOOD.content, ""),
        (b"", "AGENT_000042.ack"),
        (b"* reply to AGENT_000042.sub\n", "AGENT_000042.ack"),
        (b"* reply to AGENT_000042.sub\nEND,3,3\n", "AGENT_000042.ack"),
        (b"* reply to AGENT_000042.sub\nEND,3,0\n", "AGENT_000042.rej"),
        (b"* reply to AGENT_000042.sub\nEND,3,2\n", "AGENT_000042.acc"),
        (b"* reply to AGENT_000042.sub\nEND,3\n", "AGENT_000042.acc"),
        (b"* reply to AGENT_000042.sub\nEND,-3,-3\n", "AGENT_000042.acc"),
        (b"* reply to AGENT_000042.sub\nREJ,1,E003,x\nEND,3,0\n", "AGENT_000042.rej"),
        (b"* reply to AGENT_000042.sub\nREJ,1,E999,x,y\nEND,3,0\n", "AGENT_000042.rej"),
        (b"* reply to AGENT_000042.sub\nREJ,?,E003,x,y\nEND,3,0\n", "AGENT_000042.rej"),
        (b"\xff" + GOOD.content, GOOD.name),
    ],
)
def test_what_is_no_reply_is_refused(content: bytes, name: str) -> None:
    with pytest.raises(RemoteProtocolError):
        read_reply(PROFILE, Parcel(content, name))


def test_a_reply_that_is_only_half_there_is_never_taken_for_one() -> None:
    for end in range(len(GOOD.content)):
        with pytest.raises(RemoteProtocolError):
            read_reply(PROFILE, Parcel(GOOD.content[:end], GOOD.name))


@settings(max_examples=200)
@given(st.binary(max_size=40), st.integers(0, 150), st.integers(0, 150))
def test_whatever_the_bytes_a_reply_is_read_or_refused(middle: bytes, at: int, to: int) -> None:
    content = GOOD.content[:at] + middle + GOOD.content[to:]
    try:
        reply = read_reply(PROFILE, Parcel(content, GOOD.name))
    except RemoteProtocolError:
        return
    assert write_reply(PROFILE, reply).content.count(b"\n") == content.count(b"\n")
