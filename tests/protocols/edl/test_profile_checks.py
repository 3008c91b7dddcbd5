"""What is found to be wrong between the parts of an EDL profile: what would be read in two ways,
what has no room, what nobody can account for; each with its line.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from messaging.protocols.edl.loading import OWN_FOLDER, find_profiles, read_profile
from messaging.protocols.loading import FaultyProfile, find_shadowing

TEXTS = {name: (OWN_FOLDER / f"{name}.toml").read_text() for name in ("host-1", "delimited-1")}


def line_of(own: str, start: str) -> int:
    lines = enumerate(TEXTS[own].splitlines(), start=1)
    return next(number for number, line in lines if line.startswith(start))


def faults_of(folder: Path, own: str, *changes: tuple[str, str]) -> dict[str, int]:
    """Faults and their lines, of one of our profiles with some of its text replaced."""
    text = TEXTS[own].replace(f'name = "{own}"', 'name = "mine"', 1)
    for before, after in changes:
        assert before in text
        text = text.replace(before, after, 1)
    path = folder / "mine.toml"
    path.write_text(text)
    with pytest.raises(FaultyProfile) as caught:
        read_profile(path)
    return {str(fault): fault.line for fault in caught.value.faults}


FLAG = '{ name = "x", type = "flag", size = 1, words = "flags", source = "assumed" }'
UNIT = '{ name = "bm_unit", type = "text", size = 9, required = false, source = "assumed" }'
SERIES = (
    '{ name = "s", type = "series", size = 2, least = 1, group = "segment", source = "assumed" }'
)

FAULTS = [
    # Who can account for it.
    (
        "host-1",
        'text = "malformed", source = "assumed"',
        'text = "malformed", source = "asumed"',
        "refusals.MALFORMED.source: begins with none of the words of [sources]: asumed",
    ),
    (
        "host-1",
        'text = "malformed", source = "assumed"',
        'text = "malformed"',
        "refusals.MALFORMED.source: is missing",
    ),
    ("host-1", '"assumed" = "This', '"guess" = "This', "framing.source: begins with none of"),
    # What would be read in two ways.
    ("host-1", 'part_end = "^"', 'part_end = "-"', "framing.part_end: - may stand in numbers"),
    ("host-1", 'part_end = "^"', 'part_end = "_"', "framing.part_end: _ may stand in names of"),
    ("host-1", 'gap_text = "exp', 'gap_text = "^', "framing.part_end: ^ may stand in gap_text"),
    ("host-1", 'yes = "Y"', 'yes = "^"', "framing.part_end: ^ may stand in the words of flags"),
    ("host-1", "\nSEL = {", '\n"S^L" = {', "framing.part_end: ^ may stand in the message type S^L"),
    (
        "delimited-1",
        'field_end = "|"',
        'field_end = ":"',
        "framing.field_end: : may stand in times like DD-MMM-YYYY HH:MM",
    ),
    ("host-1", 'HELD = "HELD"', 'HELD = " HELD"', "words.verdicts.HELD: must be printable ASCII"),
    ("host-1", 'code = "R005"', 'code = "R5 "', "refusals.UNKNOWN_TYPE.code: must be printable"),
    ("host-1", "\nSEL = {", '\n"SEL " = {', "messages.SEL : must be printable ASCII without"),
    ("host-1", 'HELD = "HELD"', 'HELD = ""', "words.verdicts.HELD: is empty"),
    (
        "delimited-1",
        'message_end = "\\r\\n"',
        'message_end = "\\r;"',
        "framing.message_end: must be",
    ),
    # What has no room.
    (
        "host-1",
        '"level_to", type = "number", size = 6',
        '"level_to", type = "number", size = 4',
        "groups.segment.fields[3]: cannot hold -9999, which is allowed there",
    ),
    (
        "host-1",
        '"rate_2", type = "decimal", places = 1',
        '"rate_2", type = "decimal", places = 0',
        "layouts.rates.fields[3]: cannot hold 0.1, which is allowed there",
    ),
    (
        "host-1",
        '{ name = "value", type = "number", size = 6',
        '{ name = "value", type = "number", size = 4',
        "layouts.scalar.fields[1]: cannot hold 99999, which is allowed there",
    ),
    (
        "delimited-1",
        '{ name = "value", type = "number", size = 5',
        '{ name = "value", type = "number", size = 3',
        "groups.unit-value.fields[1]: cannot hold -9999, which is allowed there",
    ),
    (
        "host-1",
        'name = "bm_unit", type = "text", size = 9',
        'name = "bm_unit", type = "text", size = 8',
        "layouts.levels.fields[0]: cannot hold T_BMU-999, which is allowed there",
    ),
    (
        "host-1",
        'alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"',
        'alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"',
        "layouts.ancillary.fields[2]: cannot hold YZ0123, which is allowed there",
    ),
    ("host-1", "max_bytes = 262144", "max_bytes = 200", "framing.max_bytes: a EMRI may have"),
    (
        "host-1",
        '"last_taken", type = "digits", size = 8',
        '"last_taken", type = "digits", size = 7',
        "limits.number_modulus: does not fit last_taken of hello",
    ),
    ("host-1", "heartbeat_seconds = 30 ", "heartbeat_seconds = 90 ", "limits.heartbeat_seconds"),
    # What does not go together.
    ("host-1", 'style = "fixed"', 'style = "fixd"', "framing.style: must be one of fixed, delim"),
    ("host-1", 'style = "fixed"', 'style = "delimited"', "framing.part_end: is not known here"),
    ("delimited-1", 'checksum = "crc-16"', 'checksum = "md5"', "framing.checksum: must be one of"),
    ("delimited-1", 'time = "DD-MMM-', 'time = "D-MMM-', "formats.time: must be one of YYYYMMDD"),
    ("delimited-1", "size = 17", "size = 16", "groups.segment.fields[0].size: a time has 17"),
    (
        "delimited-1",
        '"bm_unit", type = "text"',
        '"bm_unit", start = 1, type = "text"',
        "groups.unit-levels.fields[0].start: is not known here",
    ),
    (
        "delimited-1",
        "[groups.segment]",
        "[groups.segments]",
        "groups.unit-levels.fields[1].group: no group that stands before is called segment",
    ),
    (
        "delimited-1",
        "[layouts.value]\nfields = [",
        f"[layouts.value]\nfields = [ {FLAG},",
        "messages.SET-NDZ.layout: value: units must be a series, and the only field",
    ),
    (
        "delimited-1",
        f"{UNIT},   # which",
        "# which",
        "messages.FINAL.layout: SET-MEL carries several BM units, so final must have a bm_unit",
    ),
    (
        "host-1",
        "[layouts.hello]",
        f"[groups.g]\nfields = [ {SERIES} ]\n[layouts.hello]",
        "groups.g.fields[0].type: a series within a group needs fields that are delimited",
    ),
]


@pytest.mark.parametrize(
    ("own", "before", "after", "fault"), FAULTS, ids=[row[3] for row in FAULTS]
)
def test_what_does_not_fit_is_told(
    tmp_path: Path, own: str, before: str, after: str, fault: str
) -> None:
    told = faults_of(tmp_path, own, (before, after))
    assert any(found.startswith(fault) for found in told), told
    assert all(line > 0 for line in told.values())


def test_faults_come_with_the_lines_they_stand_on_in_the_order_of_the_file(tmp_path: Path) -> None:
    told = faults_of(
        tmp_path,
        "delimited-1",
        ('verdict", type = "text", size = 8', 'verdict", type = "text", size = 6'),
        ("window = 20", "windows = 20"),
        ('type = "stamp", size = 20, source = "assumed"', 'type = "stamp", size = 20'),
    )
    lines = (tmp_path / "mine.toml").read_text().splitlines()
    by_place = {fault.partition(":")[0]: line for fault, line in told.items()}
    assert lines[by_place["limits.windows"] - 1] == "windows = 20"
    assert by_place["limits.window"] == lines.index("[limits]") + 1
    assert '"sent_at"' in lines[by_place["header.fields[3].source"] - 1]
    assert '"verdict"' in lines[by_place["layouts.final.fields[1].words"] - 1]
    assert list(told.values()) == sorted(told.values())


def test_a_shared_fault_is_told_once(tmp_path: Path) -> None:
    """Nine parameters are written by one layout."""
    value = '{ name = "value", type = "number", size = 6'
    told = faults_of(tmp_path, "host-1", (value, value.replace("6", "4")))
    assert len([fault for fault in told if "99999" in fault]) == 1


def test_without_its_sources_nothing_of_a_profile_can_be_accounted_for(tmp_path: Path) -> None:
    told = faults_of(tmp_path, "host-1", ("\n[sources]", "\n[provenance]"))
    assert told["sources: is missing"] == 0
    assert len([fault for fault in told if "none of the words of [sources]" in fault]) > 80


def test_a_syntax_fault_comes_with_its_line(tmp_path: Path) -> None:
    told = faults_of(tmp_path, "host-1", ("window = 100", "window = = 100"))
    assert list(told.values()) == [line_of("host-1", "window = 100")]


def test_a_file_that_is_not_there_is_a_fault_and_no_traceback(tmp_path: Path) -> None:
    with pytest.raises(FaultyProfile):
        read_profile(tmp_path / "none.toml")


def test_none_may_stand_in_for_a_profile_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "host-1.toml"
    path.write_text(TEXTS["host-1"])
    assert find_profiles(tmp_path)["host-1"] == OWN_FOLDER / "host-1.toml"
    assert find_shadowing(OWN_FOLDER, tmp_path) == (path,)
    with pytest.raises(FaultyProfile) as caught:
        read_profile(path)
    lines = [fault.line for fault in caught.value.faults]
    assert lines == [line_of("host-1", 'name = "host-1"')]
    assert "none may stand in for it" in str(caught.value)


def test_a_source_may_name_a_place_in_what_the_file_explains(tmp_path: Path) -> None:
    text = TEXTS["host-1"].replace('name = "host-1"', 'name = "mine"', 1)
    text = text.replace("[sources]\n", '[sources]\nspec = "The real document, issue 4"\n')
    text = text.replace(
        'size = 80, required = false, source = "assumed"',
        'size = 80, required = false, source = "spec: 4.2"',
        1,
    )
    (tmp_path / "mine.toml").write_text(text)
    field = read_profile(tmp_path / "mine.toml").messages["NACK"].data.field("text")
    assert field.source == "spec: 4.2"
