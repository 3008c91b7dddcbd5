"""Files of any kind: what is refused, on which line, and how much of it is read at all."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messaging.domain.rules import Circumstances, Violation
from messaging.protocols.base import Parcel, RemoteProtocolError
from messaging.protocols.edt.codec import EdtCodec
from messaging.protocols.edt.fields import MOST_REMEMBERED
from messaging.protocols.edt.names import FileName
from messaging.protocols.edt.profile import EdtProfile
from messaging.protocols.edt.reading import FileReader, apply_rules, read_file
from tests.protocols.edt.rows import FILE, FILES, NAME, NOW, PROFILE, faults, golden, read

PN = b"PN,AGENT,TBMU-1,2026-11-23 05:00,100,2026-11-23 05:30,100\n"
NDZ = b"NDZ,AGENT,TBMU-1,2026-11-23 05:00,10\n"
RURE = b"RURE,AGENT,TBMU-1,2026-11-23 05:00"
BOD = b"BOD,AGENT,TBMU-1,2026-11-23 05:00,2026-11-23 05:30,"


def with_lines(**changes: object) -> EdtProfile:
    """The profile with other bounds."""
    said = {name: getattr(PROFILE, name) for name in PROFILE.__dataclass_fields__}
    said["lines"] = replace(PROFILE.lines, **changes)  # type: ignore[arg-type]
    return EdtProfile(**said)


def after(line: bytes) -> bytes:
    """A file whose second line it is."""
    return NDZ + line + NDZ


UNREADABLE = [
    (b"\xef\xbb\xbf" + NDZ, [(1, "E001", "")]),
    (NDZ.decode().encode("utf-16"), [(1, "E001", ""), (2, "E001", "")]),
    (after(b"NDZ,AGENT,TBMU-1,2026-11-23 05:00,\x0010\n"), [(2, "E001", "")]),
    (after(b"\x00" * 50 + b"\n"), [(2, "E001", "")]),
    (after(b"* na\xc3\xafve comment\n"), [(2, "E001", "")]),
    (after(b"PN,\xffGENT\n"), [(2, "E001", "")]),
    (after(b"* a bell \x07\n"), [(2, "E001", "")]),
    (after(b"NDZ,AGENT,TBMU-1,2026-11-23\r05:00,10\n"), [(2, "E001", "")]),
    (after(NDZ.replace(b"\n", b"\r\r\n")), [(2, "E001", "")]),
    (NDZ.replace(b"\n", b"\r") * 3, [(1, "E001", "")]),
    (after(b"NDZ\n"), [(2, "E001", "")]),
    (after(b"NDZ,AGENT,TBMU-1,2026-11-23 05:00,10,\n"), [(2, "E001", "")]),
    (after(b"NDZ;AGENT;TBMU-1;2026-11-23 05:00;10\n"), [(2, "E005", "type")]),
    (after(b",AGENT,TBMU-1\n"), [(2, "E005", "type")]),
    (after(b"x" * 1001 + b"\n"), [(2, "E001", "")]),
    (after(b"*" * 1001 + b"\n"), [(2, "E001", "")]),
    (after(b"x" * 1001 + b"\r\n"), [(2, "E001", "")]),
    (after(b"*" * 1000 + b"\r\n"), []),
    (after(b"*" * 999 + b"\r\r\n"), [(2, "E001", "")]),
    (NDZ + b"x" * 5_000_000, [(2, "E001", "")]),
    (NDZ + NDZ[:-8], [(2, "E001", "")]),
    (after(b"NDZ,,TBMU-1,2026-11-23 05:00,10\n"), [(2, "E002", "agent")]),
    (after(b"NDZ,AGENT1,TBMU-1,2026-11-23 05:00,10\n"), [(2, "E002", "agent")]),
    (after(b"NDZ,AGENT,,2026-11-23 05:00,10\n"), [(2, "E002", "bm_unit")]),
    (after(b"NDZ,AGENT,TOO-LONG-1,2026-11-23 05:00,10\n"), [(2, "E002", "bm_unit")]),
    (
        after(b"NDZ,OTHER,T,2026-11-23,x\n"),
        [(2, "E002", "agent"), (2, "E002", "bm_unit"), (2, "E004", "effective_time"),
         (2, "E003", "value")],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("content", "told"), UNREADABLE)
@pytest.mark.parametrize("by", [0, 1, 50])
def test_a_line_that_cannot_be_read_is_named(
    content: bytes, told: list[tuple[int, str, str]], by: int
) -> None:
    if len(content) < 10_000 or by != 1:
        assert faults(content, by=by) == told


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"\r\n \n\t\n", b"* nothing but\n# comments\n", b"  ", b"\r"],
)
@pytest.mark.parametrize("by", [0, 1])
def test_a_file_without_records_is_empty(content: bytes, by: int) -> None:
    assert faults(content, by=by) == [(0, "E006", "")]


@pytest.mark.parametrize(
    "time",
    [
        *("", "2026-11-23", "2026-11-23T05:00", "2026-11-23 05:00:00", "2026-11-23  05:00"),
        *("2026-11-23 5:00", "23-11-2026 05:00", "2026-11-23 05.00", "20261123 0500"),
        *("20261123050000", "2026112305", "2026-11-31 05:00", "2026-02-29 05:00"),
        *("2026-11-23 24:00", "2026-11-23 05:60", "0000-01-01 00:00", "2026-11-23 05:00Z"),
    ],
)
def test_a_time_that_is_none_is_told(time: str) -> None:
    line = f"NDZ,AGENT,TBMU-1,{time},10\n".encode()
    assert faults(line) == [(1, "E004", "effective_time")]


@pytest.mark.parametrize("level", ["0", "-9999", "9999", "+100", "00100", "-0", " 7 ", "\t7"])
def test_a_level_is_a_whole_number(level: str) -> None:
    assert not faults(PN.replace(b",100,2026", f",{level},2026".encode(), 1))


@pytest.mark.parametrize(
    "level",
    [
        *("", "-", "+", "1.0", "100.", ".5", "1e3", "0x10", "1_000", "1 000", "--1", "ABC"),
        *("100000", "-10000", "+00100", "NaN", "Infinity", "9" * 900),
    ],
)
def test_what_is_no_level_is_told(level: str) -> None:
    line = PN.replace(b",100,2026", f",{level},2026".encode(), 1)
    assert faults(line) == [(1, "E003", "level_from")]


@pytest.mark.parametrize("price", ["0", "-99999.99", "1.5", "1.50", "+1", ".5", "-.5"])
def test_a_price_has_at_most_two_decimal_places(price: str) -> None:
    assert not faults(BOD + f"1,0,0,{price},-99999\n".encode())


@pytest.mark.parametrize(
    "price", ["", "1.", "1.505", "1.500", "1,5", "-100000.00", "1e2", ".", "£1"]
)
def test_what_is_no_price_is_told(price: str) -> None:
    found = faults(BOD + f"1,0,0,{price},0\n".encode("latin-1"))
    assert found in ([(1, "E003", "offer_price")], [(1, "E001", "")])


@pytest.mark.parametrize(
    ("rest", "told"),
    [
        (b",1.0", []),
        (b",999.9,-50,0.1", []),
        (b",1,-50.0,2,+9999.000,3", []),
        (b",1,,,,", []),
        (b",1,,", []),
        (b"", [(1, "E001", "")]),
        (b",", [(1, "E003", "rate1")]),
        (b",1.05", [(1, "E003", "rate1")]),
        (b",1000000", [(1, "E003", "rate1")]),
        (b",1,5", [(1, "E001", "")]),
        (b",1,5,1,5", [(1, "E001", "")]),
        (b",1,5.5,1", [(1, "E003", "elbow2")]),
        (b",1,5.,1", [(1, "E003", "elbow2")]),
        (b",1,1,1,1,1,1", [(1, "E001", "")]),
    ],
)
def test_a_line_of_rates_ends_after_any_of_them(
    rest: bytes, told: list[tuple[int, str, str]]
) -> None:
    assert faults(RURE + rest + b"\n") == told


def test_an_elbow_without_its_rate_is_left_to_the_rules() -> None:
    reading = read(RURE + b",1,5,\n")
    assert not reading.refused
    found = apply_rules(reading, Circumstances(NOW))
    assert [(one.rule, one.line) for one in found.in_order()] == [("elbow-where-rate", 1)]


def test_lines_are_counted_with_those_that_are_skipped() -> None:
    content = b"* title\n\n# more\n" + NDZ + b"\n" + b"XYZ\n"
    reading = read(content)
    assert faults(content) == [(6, "E005", "type")]
    assert ([*reading.lines], reading.records_read, reading.whole) == ([4], 2, False)


# Bounds.


def endless(chunk: bytes, asked: list[int]) -> Iterator[bytes]:
    while True:
        asked.append(len(chunk))
        yield chunk


def test_of_a_file_too_large_no_more_is_asked_for_than_is_allowed() -> None:
    profile = with_lines(max_bytes=500_000, max_records=2_000)
    for chunk in (NDZ * 1000, b"x" * 100_000, b"\0" * 100_000, b"\n" * 100_000, b"*\n" * 50_000):
        asked: list[int] = []
        reading = read_file(profile, NAME, endless(chunk, asked))
        assert reading.findings.in_order()[0].file_code == "E006"
        assert sum(asked) <= profile.lines.max_bytes + len(chunk)
        # It is refused for its size alone, whatever else might be found in it.
        before = len(reading.findings.refusals.listed)
        assert len(apply_rules(reading, Circumstances(NOW)).refusals.listed) == before


def test_a_file_may_have_ten_megabytes_and_two_hundred_thousand_records() -> None:
    assert (PROFILE.lines.max_bytes, PROFILE.lines.max_records) == (10_000_000, 200_000)


@pytest.mark.parametrize("more", [0, 1])
def test_the_size_that_is_allowed_is_allowed_to_the_byte(more: int) -> None:
    profile = with_lines(max_bytes=10 * len(NDZ))
    content = NDZ * 9 + NDZ.replace(b"NDZ,", b"NDZ," + b" " * more)
    reading = read_file(profile, NAME, (content,))
    assert [one.rule for one in reading.findings.in_order()] == ["file-size"] * more


@pytest.mark.parametrize("records", [10, 11])
def test_as_many_records_as_are_allowed_are_read(records: int) -> None:
    content = b"* title\n" + NDZ * records + b"\n"
    reading = read_file(with_lines(max_records=10), NAME, (content,))
    told = [(one.line, str(one.file_code)) for one in reading.findings.in_order()]
    assert told == ([] if records == 10 else [(0, "E006")])


def test_a_file_wrong_on_every_line_is_read_to_its_end_and_told_in_bounded_space() -> None:
    reading = read(b"NDZ,AGENT,TBMU-1,2026-11-23 05:00,x\n" * 5_000)
    found = reading.findings.refusals
    assert (len(found.listed), found.more, reading.records_read) == (1000, True, 5_000)


def test_what_is_remembered_of_a_file_is_bounded() -> None:
    reader = FileReader(PROFILE, FileName("AGENT", 1))
    count = MOST_REMEMBERED + 100
    lines = (b"NDZ,AGENT,%08d,2026-11-23 05:00,10\n" % number for number in range(count))
    assert sum(not isinstance(item, Violation) for _, item in reader.lines(lines)) == count
    assert max(len(memory) for memory in reader._memories.values()) <= MOST_REMEMBERED


def test_a_file_of_no_lines_at_all_takes_no_room() -> None:
    tracemalloc.start()
    try:
        read_file(PROFILE, NAME, (b"x" * 60_000 for _ in range(150)))
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(sorted(FILES)), st.integers(0, 400))
def test_any_bytes_in_any_pieces_are_read_alike(middle: bytes, name: str, at: int) -> None:
    content = golden(f"{name}.sub")
    changed = content[:at] + middle + content[at:]
    whole = read(changed)
    for by in (1, 3, 50):
        pieces = read(changed, by=by)
        assert pieces.submission == whole.submission
        assert [*pieces.lines] == [*whole.lines]
        assert pieces.findings.in_order() == whole.findings.in_order()
        assert pieces.records_read == whole.records_read


@pytest.mark.parametrize("must_end", [True, False])
def test_whether_the_last_line_needs_its_end_is_the_profiles_to_say(must_end: bool) -> None:
    profile = with_lines(last_line_must_end=must_end)
    reading = read_file(profile, NAME, (NDZ + NDZ[:-1],))
    assert reading.refused is must_end
    if not must_end:
        assert len(reading.submission.records) == 2
        assert [*reading.lines] == [1, 2]
        assert EdtCodec(profile).decode(Parcel(NDZ[:-1], FILE)).messages


@pytest.mark.parametrize("name", ["", "AGENT_42.sub", "agent_000042.sub", "AGENT_000042.tmp"])
def test_a_file_of_another_name_is_not_read(name: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        EdtCodec(PROFILE).decode(Parcel(NDZ, name))
    assert caught.value.field == "name"
