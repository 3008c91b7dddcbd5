"""Profiles as files: what ours says, that it drives the bytes, and what is wrong with bad ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import FrozenInstanceError
from datetime import timedelta
from pathlib import Path

import pytest

from messaging.domain.redeclarations import ScalarParameter, ScalarRedeclaration
from messaging.domain.units import RefusalCode
from messaging.protocols.base import Envelope, RemoteProtocolError, Stamp, UnknownProfile
from messaging.protocols.edl import PROTOCOL, edl_protocol
from messaging.protocols.edl.codec import EdlCodec
from messaging.protocols.edl.events import Broken, Gap
from messaging.protocols.edl.loading import (
    OWN_FOLDER,
    find_profiles,
    load_profile,
    read_profile,
)
from messaging.protocols.edl.profile import EdlProfile, Form, Role
from messaging.protocols.edl.session import Session
from messaging.protocols.loading import FaultyProfile
from tests.protocols.edl.rows import NAME, NOW, PROFILE, UNIT, drawn, numbered, small

BUNDLED = (OWN_FOLDER / "host-1.toml").read_text()
SEL = Envelope(Stamp("00000001", NOW), (ScalarRedeclaration(NAME, UNIT, ScalarParameter.SEL, 7),))
WIDER = (
    '{ name = "value", type = "number", size = 6',
    '{ name = "value", type = "number", size = 10',
)

Changing = Callable[..., EdlProfile]


@pytest.fixture
def changed(tmp_path: Path) -> Changing:
    """The bundled profile with some of its text replaced, read again."""

    def change(*replacements: tuple[str, str]) -> EdlProfile:
        text = BUNDLED.replace('name = "host-1"', 'name = "host-x"', 1)
        for before, after in replacements:
            assert before in text
            text = text.replace(before, after, 1)
        path = tmp_path / "host-x.toml"
        path.write_text(text)
        return read_profile(path)

    return change


def faults_of(changed: Changing, *replacements: tuple[str, str]) -> list[str]:
    with pytest.raises(FaultyProfile) as caught:
        changed(*replacements)
    return [str(fault) for fault in caught.value.faults]


def test_the_limits_are_those_of_the_interface() -> None:
    limits = PROFILE.limits
    assert (limits.window, limits.repeat_memory, limits.number_modulus) == (100, 10_000, 99_999_999)
    assert (limits.answer, limits.silence, limits.heartbeat) == (
        timedelta(seconds=30),
        timedelta(seconds=90),
        timedelta(seconds=30),
    )
    assert PROFILE.framing.max_bytes == 262_144


def test_every_refusal_has_the_code_of_the_interface_and_a_text() -> None:
    for meaning in RefusalCode:
        assert PROFILE.refusals[meaning].code == meaning
        assert PROFILE.refusals[meaning].text or meaning is RefusalCode.OK


@pytest.mark.parametrize(
    ("code", "size"),
    [
        ("HELLO", 20),
        ("READY", 20),
        ("HBEAT", 0),
        ("MEL", 13),
        ("RURE", 39),
        ("NDZ", 15),
        ("BOAI", 39),
        ("ASI", 61),
        ("EMRI", 219),
        ("TEXT", 200),
        ("ACCEPT", 83),
        ("REJECT", 83),
        ("ACK", 4),
        ("NACK", 84),
        ("RESULT", 90),
    ],
)
def test_the_fixed_part_of_each_message_has_the_size_of_the_interface(code: str, size: int) -> None:
    assert PROFILE.messages[code].data.size == size


def test_every_message_of_the_interface_is_there_and_says_who_sends_it() -> None:
    both = {"HBEAT", "TEXT", "ACK", "NACK"}
    host = both | {"READY", "BOAI", "ASI", "EMRI", "RESULT"}
    control_point = both | {"HELLO", "ACCEPT", "REJECT", "MEL", "MIL", "MDO", "MDB"}
    control_point |= {"RURE", "RURI", "RDRE", "RDRI"}
    control_point |= {"NDZ", "NTO", "NTB", "MZT", "MNZT", "SEL", "SIL", "MDV", "MDP"}
    codes = PROFILE.messages.keys()
    assert {code for code in codes if PROFILE.is_sent_by(code, Role.HOST)} == host
    assert {code for code in codes if PROFILE.is_sent_by(code, Role.CONTROL_POINT)} == control_point
    assert not PROFILE.is_sent_by("PN", Role.HOST)
    unnumbered = {code for code, message in PROFILE.messages.items() if not message.numbered}
    assert unnumbered == {"HELLO", "READY", "HBEAT", "ACK", "NACK"}


def test_every_entry_says_where_it_comes_from() -> None:
    fields = [*PROFILE.prefix.fields, *PROFILE.header.fields]
    for message in PROFILE.messages.values():
        fields += message.data.fields
    fields += [one for field in fields if field.group for one in field.group.fields]
    sources = {field.source for field in fields}
    sources |= {message.source for message in PROFILE.messages.values()}
    sources |= {refusal.source for refusal in PROFILE.refusals.values()}
    assert sources == {"public fact", "assumed"}
    assert PROFILE.prefix.fields[0].source == "public fact"


def test_a_profile_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        PROFILE.name = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        PROFILE.messages["X"] = PROFILE.messages["MEL"]  # type: ignore[index]


def test_our_own_profile_is_found_and_read_once() -> None:
    assert PROTOCOL.profiles() == ("delimited-1", "host-1")
    assert load_profile("host-1") is load_profile("host-1")
    assert isinstance(PROTOCOL.codec("host-1"), EdlCodec)


@pytest.mark.parametrize("name", ["host-9", "", "../profiles/host-1"])
def test_a_profile_that_is_not_there_is_unknown(name: str) -> None:
    with pytest.raises(UnknownProfile):
        PROTOCOL.codec(name)


def test_a_profile_in_another_folder_is_found(changed: Changing, tmp_path: Path) -> None:
    changed(WIDER)
    protocol = edl_protocol(tmp_path)
    assert protocol.profiles() == ("delimited-1", "host-1", "host-x")
    assert find_profiles(tmp_path)["host-x"] == tmp_path / "host-x.toml"
    for example in protocol.examples("host-x"):
        codec = protocol.codec("host-x")
        assert codec.decode(codec.encode(example)) == example


# The profile drives the bytes.


def test_another_width_is_written_and_read(changed: Changing) -> None:
    codec = EdlCodec(changed(WIDER))
    parcel = codec.encode(SEL)
    assert parcel.content.endswith(b"^TBMU-1            7^\n")
    assert codec.decode(parcel) == SEL
    with pytest.raises(RemoteProtocolError):
        EdlCodec(PROFILE).decode(parcel)


def test_another_start_leaves_blanks_before_a_field(changed: Changing) -> None:
    later = (
        '{ name = "value", type = "number", size = 6',
        '{ name = "value", type = "number", start = 13, size = 6',
    )
    codec = EdlCodec(changed(later))
    parcel = codec.encode(SEL)
    assert parcel.content.endswith(b"^TBMU-1           7^\n")
    assert codec.decode(parcel) == SEL


def test_other_codes_and_words_are_written_and_read(changed: Changing) -> None:
    profile = changed(
        ("\nSEL = {", "\nSTEXLM = {"),
        ('code = "R001"', 'code = "E999"'),
        ('part_end = "^"', 'part_end = "|"'),
        ('gap_text = "expected "', 'gap_text = "want "'),
    )
    parcel = EdlCodec(profile).encode(SEL)
    assert parcel.name == "STEXLM"
    assert parcel.content.startswith(b"CPALFA|STEXLM00000001")
    assert EdlCodec(profile).decode(parcel) == SEL
    (broken,) = drawn(Session(Role.HOST, profile, NOW), b"nonsense\n")
    assert isinstance(broken, Broken)
    assert broken.code is RefusalCode.MALFORMED
    assert b"|E999" in broken.answer


def test_other_limits_are_kept(changed: Changing) -> None:
    profile = changed(
        ("window = 100 ", "window = 1 "),
        ("heartbeat_seconds = 30 ", "heartbeat_seconds = 5 "),
        ("number_modulus = 99999999 ", "number_modulus = 49999 "),
        ("max_bytes = 262144", "max_bytes = 400"),
    )
    session = Session(Role.HOST, profile, NOW)
    drawn(session, small("HELLO", "host-x      00000000"))
    session.ready(49_999, NOW)
    assert session.expected == 1
    assert session.next_tick(NOW) == 5
    session.transmit(1, numbered(1), NOW)
    assert session.window_left == 0
    (gap,) = drawn(session, numbered(9))
    assert isinstance(gap, Gap)
    (broken,) = drawn(session, b"x" * 400)
    assert isinstance(broken, Broken)


# Faults.


FAULTS = [
    ('title = "EDL', 'titel = "EDL', "title: is missing"),
    ('title = "EDL', 'titel = "EDL', "titel: is not known here"),
    ("window = 100 ", "window = 0 ", "limits.window: must be a whole number from 1 to"),
    ("window = 100 ", "window = true ", "limits.window: must be a whole number from 1 to"),
    ("= 99999999 ", "= 15000 ", "limits.repeat_memory: must be less than half of number_modulus"),
    ('part_end = "^"', 'part_end = "^^"', "framing.part_end: must be one ASCII character"),
    ('= "?"', '= "^"', "framing.replacement: must be printable, and not what"),
    ('message_end = "\\n"', 'message_end = "$"', "framing.message_end: must be one or two ASCII"),
    (
        'OK = { code = "OK"',
        'OK = { code = "R001"',
        "refusals.MALFORMED.code: R001 is the code of OK",
    ),
    ("MALFORMED = {", "MISFORMED = {", "refusals.MALFORMED: is missing"),
    ("MALFORMED = {", "MISFORMED = {", "refusals.MISFORMED: is not known here"),
    ('yes = "Y"', 'yes = "N"', "words.flags.yes: another meaning is written N"),
    (
        'yes = "Y"',
        'yes = "YES"',
        "layouts.acceptance.fields[3].words: YES is longer than 1",
    ),
    ('yes = "Y"', 'yea = "Y"', "layouts.acceptance.fields[3].words: a flag takes the words yes"),
    (
        'words = "verdicts"',
        'words = "v"',
        "layouts.result.fields[0].words: no table of words is called v",
    ),
    ('HELD = "H', 'KEPT = "H', "messages.RESULT.layout: result: verdict takes words for HELD, OK"),
    ('"text", size = 80', '"txt", size = 80', "layouts.nack.fields[1].type: must be one of text"),
    ("size = 80", "size = 0", "layouts.nack.fields[1].size: must be a whole number from 1 to"),
    ("size = 12, source", "size = 13, source", "groups.segment.fields[0].size: a time has 12"),
    ("start = 15", "start = 14", "header.fields[2].start: 14 overlaps number, which ends at 14"),
    ('"last_taken"', '"profile"', "layouts.hello.fields[1].name: profile stands twice"),
    ('"last_taken"', '"last"', "messages.HELLO.layout: hello must have a field last_taken of type"),
    ('"last_taken"', '"last"', "messages.HELLO.layout: hello has a field last that nothing"),
    ('group = "segment"', 'group = "x"', "layouts.levels.fields[1].group: no group that"),
    ('"level_to"', '"level_at"', "messages.MEL.layout: segment must have a field level_to of type"),
    ('"digits", start = 7', '"number", start = 7', "header: header must have a field number of"),
    ("start = 15", "required = false, start = 15", "header.fields[2].required: sent_at can never"),
    ('"value",', '"value", required = false,', "messages.NDZ.layout: scalar: value can never be"),
    ('"scalar", about', '"scaler", about', "messages.NDZ.form: must be one of hello, ready"),
    ('about = "NDZ"', 'about = "NTO"', "messages.NTO: NDZ has the same form and about"),
    ('about = "NDZ"', 'about = "XYZ"', "messages.NDZ.about: must be one of MDP, MDV, MNZT"),
    ('sender = "both"', 'sender = "all"', "messages.HBEAT.sender: must be one of host, control"),
    ('layout = "ancillary"', 'layout = "x"', "messages.ASI.layout: no layout is called x"),
    ("numbered = false", "numbered = true", "messages.HELLO.numbered: a hello is not numbered"),
    ("\nTEXT = {", "\nFREETEXT = {", "messages.FREETEXT: is longer than the 6 characters"),
    (
        'RESULT = { form = "result"',
        'RESULT = { form = "text"',
        "messages: none has the form result",
    ),
    ("[prefix]", "[prefixes]", "prefix: is missing"),
    ('name = "host-x"', 'name = "host-y"', "name: must be the file's, host-x"),
    ("= 99999999 ", "= 999999999 ", "limits.number_modulus: has more digits than the header's"),
    ('"profile", type = "text", size = 12', '"profile", type = "text", size = 5', "name: does not"),
    ("size = 80", "size = 16", "refusals.UNKNOWN_UNIT.text: is longer than the 16 characters"),
    ("fields = []", "fields = 1", "layouts.nothing.fields: must be a list of tables"),
    ("fields = []", "fields = [1]", "layouts.nothing.fields[0]: must be a table"),
]


@pytest.mark.parametrize(("before", "after", "fault"), FAULTS, ids=[row[2] for row in FAULTS])
def test_a_fault_is_named_with_its_place(
    changed: Changing, before: str, after: str, fault: str
) -> None:
    assert any(found.startswith(fault) for found in faults_of(changed, (before, after)))


def test_every_fault_is_reported_at_once(changed: Changing) -> None:
    faults = faults_of(
        changed,
        ("window = 100 ", "window = 0 "),
        ('name = "text", type = "text", size = 80', 'name = "text", type = "text", size = -1'),
        ("MALFORMED = {", "MISFORMED = {"),
    )
    places = [fault.split(":")[0] for fault in faults]
    assert {"limits.window", "layouts.nack.fields[1].size", "refusals.MISFORMED"} <= set(places)


@pytest.mark.parametrize("content", [b"name = ", b"\xff\xfe"])
def test_a_file_that_is_no_toml_is_a_faulty_profile(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(FaultyProfile) as caught:
        read_profile(path)
    assert caught.value.faults[0].place == "file"


def test_an_empty_file_is_a_faulty_profile(tmp_path: Path) -> None:
    path = tmp_path / "empty.toml"
    path.write_text("")
    with pytest.raises(FaultyProfile) as caught:
        read_profile(path)
    assert {"name", "framing", "messages"} <= {fault.place for fault in caught.value.faults}


@pytest.mark.parametrize("form", Form)
def test_each_form_is_found_by_its_meaning(form: Form) -> None:
    message = next(m for m in PROFILE.messages.values() if m.form is form)
    assert PROFILE.message(form, message.about) is message


def test_the_codec_of_another_folder_does_not_leak_into_ours(
    changed: Changing, tmp_path: Path
) -> None:
    changed()
    edl_protocol(tmp_path).codec("host-x")
    with pytest.raises(UnknownProfile):
        PROTOCOL.codec("host-x")
