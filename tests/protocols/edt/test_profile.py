"""The profile that comes along, profiles beside it, and every fault of a profile file with its
place.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from messaging.domain.submissions import TYPES
from messaging.domain.units import FileCode
from messaging.protocols.base import Parcel, UnknownProfile
from messaging.protocols.edt import edt_protocol
from messaging.protocols.edt.codec import EdtCodec
from messaging.protocols.edt.loading import (
    OWN_FOLDER,
    find_profiles,
    load_profile,
    read_profile,
)
from messaging.protocols.edt.replies import Reply, ReplyKind, whole_file, write_reply
from messaging.protocols.loading import FaultyProfile
from tests.protocols.edt.rows import CODEC, FILE, NAME, PROFILE, golden

HOST_1 = (OWN_FOLDER / "host-1.toml").read_text(encoding="utf-8")


def test_host_1_is_the_profile_that_comes_along() -> None:
    assert find_profiles() == {"host-1": OWN_FOLDER / "host-1.toml"}
    assert load_profile("host-1") is PROFILE


def test_it_has_every_record_type_and_every_code_of_the_interface() -> None:
    assert PROFILE.records.keys() == PROFILE.by_about.keys() == TYPES
    assert len(TYPES) == 20
    assert {code: refusal.code for code, refusal in PROFILE.refusals.items()} == {
        code: code.value for code in FileCode
    }


def test_every_entry_of_the_profile_says_where_it_comes_from() -> None:
    sources = list(_sources(tomllib.loads(HOST_1)))
    assert len(sources) > 60
    assert set(sources) == {"public fact", "assumed"}


def _sources(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        if value.keys() & {"meaning", "form", "code", "max_bytes", "digits", "most_faults"}:
            yield value.get("source")
        for inner in value.values():
            yield from _sources(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _sources(inner)


def test_a_profile_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        PROFILE.name = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        PROFILE.records["x"] = PROFILE.records["PN"]  # type: ignore[index]


@pytest.mark.parametrize("name", ["host-9", "", "../host-1"])
def test_a_profile_that_is_not_there_is_unknown(name: str, tmp_path: Path) -> None:
    for folder in (None, tmp_path, tmp_path / "missing"):
        with pytest.raises(UnknownProfile):
            load_profile(name, folder)


def test_a_vendors_words_order_and_codes_are_data(tmp_path: Path) -> None:
    level = next(line for line in HOST_1.splitlines() if '"level from"' in line)
    begin = next(line for line in HOST_1.splitlines() if '"time from"' in line)
    text = HOST_1.replace('name = "host-1"', 'name = "real-2"').replace(
        f"{begin}\n{level}", f"{level}\n{begin}", 1
    )
    text = text.replace('\nPN = { form = "l', '\nFPN = { form = "l').replace('".sub"', '".dat"')
    text = text.replace('"E006"', '"L999"').replace('separator = ","', 'separator = ";"')
    text = text.replace('fault = "REJ"', 'fault = "NO"').replace('comments = "*#"', 'comments = ""')
    (tmp_path / "real-2.toml").write_text(text, encoding="utf-8")
    protocol = edt_protocol(tmp_path)
    assert protocol.profiles() == ("host-1", "real-2")
    profile = load_profile("real-2", tmp_path)
    codec = EdtCodec(profile)
    envelope = CODEC.decode(Parcel(golden("a_notification_for_two_half_hours.sub"), FILE))
    parcel = codec.encode(envelope)
    assert parcel.name == "AGENT_000042.dat"
    assert parcel.content.startswith(b"FPN;AGENT;TBMU-1;0;2026-11-23 05:00;2026-11-23 05:30;100\n")
    for example in (envelope, *protocol.examples("real-2")):
        assert codec.decode(codec.encode(example)) == example
    reply = Reply(ReplyKind.REJECTED, NAME, 0, 0, (whole_file(profile, FileCode.SIZE, "empty"),))
    assert write_reply(profile, reply).content.split(b"\n")[1] == b"NO,0,L999,,empty"


NAME_LINE = 'name = "host-1"'
VALUE = '{ name = "value", meaning = "value", type = "whole", size = 3, source = "public fact" }'
PLACE = "layouts.scalar-3.fields[3]"
RATE_2 = 'meaning = "rate2", type = "decimal", places = 1, size = 6, required = false'
PN = 'PN = { form = "levels", about = "PN", layout = "levels", source = "public fact" }'
SIZE = 'SIZE = { code = "E006"'

FAULTS = [
    (NAME_LINE, "name = ", "file"),
    (NAME_LINE, 'name = "host-3"', "name"),
    (NAME_LINE, f"{NAME_LINE}\ncolour = 1", "colour"),
    ('separator = ","', 'separator = ",,"', "lines.separator"),
    ('separator = ","', 'separator = "x"', "lines.separator"),
    ('separator = ","', 'separator = " "', "lines.blanks"),
    ('blanks = " \\t"', 'blanks = "_"', "lines.blanks"),
    ('comments = "*#"', 'comments = "*P"', "lines.comments"),
    ("last_line_must_end = false", 'last_line_must_end = "yes"', "lines.last_line_must_end"),
    ("max_line = 1000", "max_line = 10", "lines.max_line"),
    ("max_bytes = 10000000", "", "lines.max_bytes"),
    ('accepted = ".acc"', 'accepted = ".ack"', "names"),
    ('accepted = ".acc"', 'accepted = "acc"', "names"),
    ("repeat_memory = 10000 ", "repeat_memory = 500000 ", "names.repeat_memory"),
    ("digits = 6 ", "digits = 0 ", "names.digits"),
    ("most_faults = 1000", "most_faults = 1", "replies.most_faults"),
    ('end = "END"', 'end = "REJ"', "replies.end"),
    (SIZE, SIZE.replace("E006", "E007"), "refusals"),
    (SIZE, SIZE.replace("SIZE", "SIZES"), "refusals.SIZE"),
    (SIZE, SIZE.replace("SIZE", "SIZES"), "refusals.SIZES"),
    (VALUE, VALUE.replace("whole", "number"), f"{PLACE}.type"),
    (VALUE, VALUE.replace("size = 3", "size = 0"), f"{PLACE}.size"),
    (VALUE, VALUE.replace("public fact", "hearsay"), f"{PLACE}.source"),
    (VALUE, VALUE.replace(', source = "public fact"', ""), f"{PLACE}.source"),
    (VALUE, VALUE.replace("size = 3", "size = 3, places = 1"), f"{PLACE}.places"),
    (VALUE, VALUE.replace('name = "value"', 'name = "a,b"'), f"{PLACE}.name"),
    (VALUE, VALUE.replace('name = "value"', 'name = "BMU"'), f"{PLACE}.name"),
    (VALUE, VALUE.replace('meaning = "value"', 'meaning = "agent"'), f"{PLACE}.meaning"),
    (VALUE, VALUE.replace('meaning = "value"', 'meaning = "level"'), "records.NDZ.layout"),
    (VALUE, VALUE.replace("size = 3", "size = 3, required = false"), "records.NDZ.layout"),
    (f"{VALUE},", "", "records.NDZ.layout"),
    (RATE_2, RATE_2.replace(", required = false", ""), "records.RURE.layout"),
    (PN, PN.replace('layout = "levels"', 'layout = "x"'), "records.PN.layout"),
    (PN, PN.replace('about = "PN"', 'about = "QPN"'), "records"),
    (PN, PN.replace('about = "PN"', 'about = "X"'), "records.PN.about"),
    (PN, PN.replace('form = "levels"', 'form = "pair"'), "records.PN.layout"),
    (PN, f"pn{PN.removeprefix('PN')}", "records.pn"),
    (PN, "", "records"),
]


@pytest.mark.parametrize(("old", "new", "place"), FAULTS)
def test_a_fault_is_told_with_its_place(old: str, new: str, place: str, tmp_path: Path) -> None:
    assert old in HOST_1
    path = tmp_path / "host-2.toml"
    faulty = HOST_1.replace(old, new, 1).replace(NAME_LINE, 'name = "host-2"')
    path.write_text(faulty, encoding="utf-8")
    with pytest.raises(FaultyProfile) as caught:
        read_profile(path)
    assert place in {fault.place for fault in caught.value.faults}
    assert all(str(fault) in str(caught.value) for fault in caught.value.faults)
