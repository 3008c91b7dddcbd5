"""The profile that comes along, profiles beside it, and every fault of a profile file with its
place.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from messaging.protocols.base import Envelope, Parcel, RemoteProtocolError, UnknownProfile
from messaging.protocols.loading import FaultyProfile
from messaging.protocols.neso import neso_wa_protocol
from messaging.protocols.neso.wa.codec import WaCodec
from messaging.protocols.neso.wa.loading import (
    OWN_FOLDER,
    find_profiles,
    load_profile,
    read_profile,
)
from tests.protocols.neso.rows import PROFILE, ROWS

HOST_1 = (OWN_FOLDER / "host-1.toml").read_text(encoding="utf-8")


def faults_of(folder: Path, text: str) -> set[str]:
    path = folder / "real-2.toml"
    path.write_text(text.replace('name = "host-1"', 'name = "real-2"', 1), encoding="utf-8")
    with pytest.raises(FaultyProfile) as caught:
        read_profile(path)
    assert all(str(fault) in str(caught.value) for fault in caught.value.faults)
    return {fault.place for fault in caught.value.faults}


def test_two_profiles_come_along() -> None:
    names = ("enveloped-1", "host-1")
    assert find_profiles() == {name: OWN_FOLDER / f"{name}.toml" for name in names}
    assert load_profile("host-1") is PROFILE


def test_every_entry_of_the_profile_says_where_it_comes_from() -> None:
    sources = list(_sources(tomllib.loads(HOST_1)))
    assert len(sources) > 120
    assert set(sources) == {"public fact", "assumed"}


def _sources(value: object) -> Iterator[object]:
    """The source of every entry that wants one; None where it has none."""
    if isinstance(value, dict):
        if value.keys() & {"meaning", "form", "outcome", "path", "direction", "told_by"}:
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
        PROFILE.types["x"] = PROFILE.types["health"]  # type: ignore[index]


def test_a_profile_of_a_vendors_folder_stands_beside_ours_and_replaces_none(
    tmp_path: Path,
) -> None:
    other = HOST_1.replace('name = "host-1"', 'name = "real-2"').replace(
        "acceptanceNumber", "boaNo"
    )
    (tmp_path / "real-2.toml").write_text(other, encoding="utf-8")
    (tmp_path / "host-1.toml").write_text(HOST_1.replace('"/NESO_', '"/SO_'), encoding="utf-8")
    protocol = neso_wa_protocol(tmp_path)
    assert protocol.profiles() == ("enveloped-1", "host-1", "real-2")
    assert load_profile("host-1", tmp_path).services["Health"].path == "/NESO_Health"
    with pytest.raises(FaultyProfile) as caught:
        read_profile(tmp_path / "host-1.toml")
    assert "none may stand in for it" in str(caught.value)
    codec = protocol.codec("real-2")
    for envelope in protocol.examples("real-2"):
        assert codec.decode(codec.encode(envelope)) == envelope


def test_a_vendors_names_words_and_nulls_are_data(tmp_path: Path) -> None:
    text = HOST_1.replace('name = "host-1"', 'name = "real-2"')
    text = text.replace('"acceptanceNumber"', '"boa/no"').replace(
        'BOA = { form = "a', 'B = { form = "a'
    )
    text = text.replace('ACCEPTED = "ACCEPTED"', 'ACCEPTED = "Y"').replace('"messageId"', '"id"')
    (tmp_path / "real-2.toml").write_text(text, encoding="utf-8")
    codec = WaCodec(load_profile("real-2", tmp_path))
    boa = ROWS["a_boa_that_ramps_down"][1]
    content = codec.encode(boa).content
    assert b'"kind":"B"' in content
    assert b'"boa/no":12345' in content
    assert b'"id":' in content
    assert codec.decode(Parcel(content)) == boa
    assert codec.pointer_of(boa.messages[0], ("number",)) == "/boa~1no"
    with pytest.raises(RemoteProtocolError) as caught:
        codec.decode(Parcel(content.replace(b":12345,", b":null,")))
    assert caught.value.field == "/boa~1no"
    answer: Envelope = ROWS["an_accept_of_acceptance_12345"][1]
    assert b'"verdict":"Y"' in codec.encode(answer).content


@pytest.mark.parametrize("name", ["host-9", "", "../host-1"])
def test_a_profile_that_is_not_there_is_unknown(name: str, tmp_path: Path) -> None:
    for folder in (None, tmp_path, tmp_path / "missing"):
        with pytest.raises(UnknownProfile):
            load_profile(name, folder)


NAME = 'name = "host-1"'
SENT_AT = 'sent_at = { name = "sentAt", source = "assumed" }'
SINCE = '{ name = "since", meaning = "since", type = "stamp", source = "assumed" }'
UNTIL = SINCE.replace('name = "since"', 'name = "until"')
UNTIL_WHEN = UNTIL.replace('meaning = "since"', 'meaning = "until"')
SINCE_PLACE = "layouts.normalization-question.members[1]"
ASKED = "types.normalization.payloads.question"
ORDER = "types.instruction.payloads"
STATUS = 'type = "word", words = "health"'
SERVICE = 'type = "text", alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", least = 1, most = 6'
BOA = 'BOA = { form = "acceptance", layout = "acceptance", source = "assumed" }'
PATH = 'path = "/NESO_Health", method = "POST", max_bytes = 1048576'
FIRST = 'type = "health"\ndirection = "both"\nanswer = "health"\nreceipt = "none"'
VALUE = 'source = "public fact" },\n    { name = "value"'
PAIR_GROUP = 'BOD = { about = "BOD", group = "pair-record", source = "public fact" }'
ELBOW = 'name = "elbow2", meaning = "elbow2", type = "whole", absent = true'
RECORDS = 'type = "records", records = "submission"'
FILE = "types.submission.payloads.file.layout"
CODE_401 = '401 = { outcome = "failed", sealed = "never"'

FAULTS = [
    # the file
    (NAME, "name = ", "file"),
    (NAME, 'name = "host-2"', "name"),
    (NAME, "", "name"),
    (NAME, "name = 1", "name"),
    (NAME, f"{NAME}\ncolour = 1", "colour"),
    # the envelope
    (SENT_AT, "", "envelope.sent_at"),
    (SENT_AT, "sent_at = 1", "envelope.sent_at"),
    (SENT_AT, SENT_AT.replace("sentAt", "type"), "envelope"),
    (SENT_AT, 'sent_at = { name = "sentAt" }', "envelope.sent_at.source"),
    (SENT_AT, f"{SENT_AT}\nuntil = 1", "envelope.until"),
    # members
    (SINCE, SINCE.replace('"stamp"', '"instant"'), f"{SINCE_PLACE}.type"),
    (SINCE, SINCE.replace(', source = "assumed"', ""), f"{SINCE_PLACE}.source"),
    (SINCE, SINCE.replace(" }", ', when = "kind == BOA" }'), f"{SINCE_PLACE}.when"),
    (SINCE, SINCE.replace(" }", ', null = "yes" }'), f"{SINCE_PLACE}.null"),
    (SINCE, SINCE.replace(" }", ", least = 1 }"), f"{SINCE_PLACE}.least"),
    (SINCE, f"{SINCE}, {SINCE}", "layouts.normalization-question.members[2].name"),
    (SINCE, f"{SINCE}, {UNTIL}", "layouts.normalization-question.members[2].meaning"),
    (STATUS, 'type = "word"', "layouts.health-answer.members[0].words"),
    (STATUS, STATUS.replace("health", "sickness"), "layouts.health-answer.members[0].words"),
    (SERVICE, SERVICE.replace("least = 1", "least = 7"), "layouts.ancillary.members[3].least"),
    (SERVICE, SERVICE.replace("least = 1", "least = -1"), "layouts.ancillary.members[3].least"),
    (SERVICE, SERVICE.replace("most = 6", 'most = "6"'), "layouts.ancillary.members[3].most"),
    ('group = "taken"', 'group = "given"', "layouts.normalization-answer.members[1].group"),
    ('types = ["instruction"]', "types = []", "layouts.normalization-answer.members[0].types"),
    ('types = ["instruction"]', 'types = ["response"]', "types.response"),
    ('types = ["instruction"]', 'types = ["nothing"]', "types.nothing"),
    (
        "[layouts.health-question]\nmembers = []",
        "[layouts.health-question]",
        "layouts.health-question.members",
    ),
    ("[groups.taken]", "[groups.token]", "layouts.normalization-answer.members[1].group"),
    # words
    ('OUTAGE = "OUTAGE"', 'OUTAGE = "OK"', "words.health"),
    ('OUTAGE = "OUTAGE"', "", "types.health.payloads.answer.layout"),
    ('OUTAGE = "OUTAGE"', "OUTAGE = 1", "words.health.OUTAGE"),
    # a layout against its form
    (f"{SINCE},", "", f"{ASKED}.layout"),
    (SINCE, SINCE.replace(" }", ", null = true }"), f"{ASKED}.layout"),
    (SINCE, SINCE.replace('"stamp"', '"time"'), f"{ASKED}.layout"),
    (SINCE, SINCE.replace('name = "since"', 'name = "sentAt"'), f"{ASKED}.layout"),
    (
        SINCE,
        f"{SINCE}, {UNTIL_WHEN}",
        f"{ASKED}.layout",
    ),
    (VALUE, VALUE.replace('"value"', '"parameter"'), "types.redeclaration.payloads.NDZ.layout"),
    (
        'name = "rate", meaning = "rate", type = "number"',
        'name = "rate", meaning = "rate", type = "number", null = true',
        "types.redeclaration.payloads.RURE.layout",
    ),
    # types
    (
        BOA,
        BOA.replace('form = "acceptance"', 'form = "order"'),
        f"{ORDER}.BOA.form",
    ),
    (
        BOA,
        BOA.replace('layout = "acceptance"', 'layout = "x"'),
        f"{ORDER}.BOA.layout",
    ),
    (BOA, BOA.replace(" }", ', about = "MEL" }'), f"{ORDER}.BOA.about"),
    (BOA, BOA.replace(', source = "assumed"', ""), f"{ORDER}.BOA.source"),
    (BOA, f"{BOA}\nBOB{BOA.removeprefix('BOA')}", f"{ORDER}.BOB"),
    (BOA, "", "types"),
    ('told_by = "parameter"\n', "", "types.redeclaration.payloads.MIL"),
    ("[types.receipt]", '[types.x]\nsource = "assumed"\n[types.receipt]', "types.x.payloads"),
    (
        "[types.receipt]",
        '[types.x]\nsource = "assumed"\npayloads = {}\n[types.receipt]',
        "types.x.payloads",
    ),
    # records
    (
        RECORDS,
        RECORDS.replace('"submission"', '"admission"'),
        "layouts.submission.members[2].records",
    ),
    (PAIR_GROUP, "", FILE),
    (PAIR_GROUP, PAIR_GROUP.replace('"BOD"', '"BOB"'), FILE),
    (PAIR_GROUP, PAIR_GROUP.replace('"BOD"', '"PN"'), "records.submission.types"),
    (PAIR_GROUP, PAIR_GROUP.replace("pair-", "level-"), FILE),
    (PAIR_GROUP, PAIR_GROUP.replace("pair-", "trio-"), "records.submission.types.BOD.group"),
    (PAIR_GROUP, PAIR_GROUP.replace(" }", ", x = 1 }"), "records.submission.types.BOD.x"),
    (
        'name = "effectiveTime", meaning',
        'name = "type", meaning',
        "records.submission.types.RURE.group",
    ),
    (ELBOW, ELBOW.replace("absent", "null"), FILE),
    (ELBOW, f"{ELBOW}, null = true", "groups.rate-record.members[3].absent"),
    (
        'meaning = "rate1", type = "number"',
        'meaning = "rate1", type = "number", absent = true',
        FILE,
    ),
    # the exchange table
    (PATH, PATH.replace("/NESO_Health", "NESO_Health"), "services.Health.path"),
    (PATH, PATH.replace("/NESO_Health", "/NESO_Health?x=1"), "services.Health.path"),
    (PATH, PATH.replace("NESO_Health", "NESO_Submission"), "services"),
    (PATH, PATH.replace("POST", "GET"), "services.Health.method"),
    (PATH, PATH.replace("1048576", "0"), "services.Health.max_bytes"),
    (FIRST, FIRST.replace('"both"', '"sideways"'), "exchanges[0].direction"),
    (FIRST, FIRST.replace('"none"', '"never"'), "exchanges[0].receipt"),
    (FIRST, FIRST.replace('answer = "health"', 'answer = "redeclaration"'), "exchanges[0].answer"),
    (FIRST, FIRST.replace('type = "health"', 'type = "wealth"'), "exchanges"),
    (f'service = "Health"\n{FIRST}', f'service = "Wealth"\n{FIRST}', "exchanges[0].service"),
    (
        f'{FIRST}\ncorrelation = "inReplyTo"',
        f'{FIRST}\ncorrelation = "messageId"',
        "exchanges[0].correlation",
    ),
    ('type = "submission"', 'type = "receipt"', "exchanges[7].type"),
    (CODE_401, CODE_401.replace("failed", "lost"), "statuses.401.outcome"),
    (CODE_401, CODE_401.replace("never", "maybe"), "statuses.401.sealed"),
    (CODE_401, CODE_401.replace("401", "601"), "statuses.601"),
    ('200 = { outcome = "verdict"', '200 = { outcome = "held"', "statuses"),
    ("other = {", "another = {", "statuses.other"),
]


@pytest.mark.parametrize(("old", "new", "place"), FAULTS)
def test_a_fault_is_told_with_its_place(old: str, new: str, place: str, tmp_path: Path) -> None:
    assert old in HOST_1
    assert place in faults_of(tmp_path, HOST_1.replace(old, new, 1))


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    text = HOST_1.replace(SENT_AT, "sent_at = 1").replace(CODE_401, CODE_401.replace("never", "x"))
    text = text.replace(SINCE, SINCE.replace('"stamp"', '"instant"'))
    places = faults_of(tmp_path, text)
    assert {"envelope.sent_at", f"{SINCE_PLACE}.type", "statuses.401.sealed"} <= places


@pytest.mark.parametrize("content", [b"\xff", b"[[]]\x00", b"=", b"a = 1\na = 2"])
def test_a_file_that_is_no_toml_is_one_fault(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "host-1.toml"
    path.write_bytes(content)
    with pytest.raises(FaultyProfile) as caught:
        read_profile(path)
    assert [fault.place for fault in caught.value.faults] == ["file"]


@pytest.mark.parametrize("part", range(60))
def test_a_file_cut_short_is_faulty_and_nothing_worse(part: int, tmp_path: Path) -> None:
    lines = HOST_1.splitlines(keepends=True)
    faults_of(tmp_path, "".join(lines[: len(lines) * part // 60]))


def test_a_file_with_any_line_left_out_is_read_or_faulty(tmp_path: Path) -> None:
    lines = HOST_1.splitlines(keepends=True)
    lines = [line.replace('name = "host-1"', 'name = "real-2"') for line in lines]
    path = tmp_path / "real-2.toml"
    faulty = [_faults(path, lines, index) for index, line in enumerate(lines) if line.strip()]
    assert all(place for places in faulty for place in places)
    assert sum(map(bool, faulty)) > 150


def _faults(path: Path, lines: list[str], left_out: int) -> list[str]:
    path.write_text("".join(lines[:left_out] + lines[left_out + 1 :]), encoding="utf-8")
    try:
        read_profile(path)
    except FaultyProfile as error:
        return [fault.place for fault in error.faults]
    return []
