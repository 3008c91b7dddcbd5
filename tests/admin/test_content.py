"""Stored bytes as pages show them: EDL by its profile, EDT as tables, JSON, a signed form; all of
it escaped, whatever the bytes.
"""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from messaging.models import Message
from messaging.overview import content, signed
from messaging.overview.signed import Sent
from messaging.protocols.edl.shown import fields_of
from messaging.protocols.edt.shown import tables_of
from messaging.protocols.neso.seals import Sealed, SigningKey, get_seal
from messaging.protocols.registry import get_protocol
from messaging.relay.codecs import file_codec, legacy_codec
from messaging.relay.signing import signing_key
from tenants.clock import now
from tenants.scope import tenant_scope
from tests.api.carried import Carried
from tests.people import Person

MEL = (
    b"CPALFA^MEL   000000072026112210000000000000^"
    b"TBMU-1      1202611221000   100202611221030   100^\n"
)
EVIL = b"<script>alert(1)</script>\x00\xff"


def shown(protocol: str, data: bytes, profile: str = "host-1") -> dict[str, str]:
    return {name: str(text) for name, text in content.sections_of(protocol, profile, data)}


def test_edl_is_told_field_by_field_with_places_and_meanings() -> None:
    found = {one.name: one for one in fields_of(legacy_codec({}).profile, MEL)}
    assert (found["type"].raw, found["type"].value, found["type"].place) == ("MEL   ", "MEL", "1-6")
    assert (found["number"].value, found["number"].place) == ("7", "7-14")
    assert found["bm_unit"].value == "TBMU-1"
    level = found["levels[0].level_from"]
    assert (level.raw, level.value, level.fault) == ("   100", "100", "")
    assert {one.part for one in found.values()} == {"prefix", "header", "data"}


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (MEL.replace(b"   100202611", b"   1x0202611"), "levels[0].level_from"),
        (MEL.replace(b"20261122100000000", b"2026112210zz00000"), "sent_at"),
        (MEL.replace(b"TBMU-1   ", b"         "), "bm_unit"),
    ],
)
def test_what_cannot_be_read_is_told_at_its_field_and_the_others_are_read(
    data: bytes, field: str
) -> None:
    found = {one.name: one for one in fields_of(legacy_codec({}).profile, data)}
    assert found[field].fault
    assert found["type"].value == "MEL"


@pytest.mark.parametrize("profile", ["host-1", "delimited-1"])
@pytest.mark.parametrize(
    "data", [b"", b"^^^^", EVIL, MEL[:60], MEL[:-1] + b"more^\n", b"\xff" * 99]
)
def test_broken_edl_is_told_as_far_as_it_goes(profile: str, data: bytes) -> None:
    found = shown("edl", data, profile)
    assert any("field by field" in name.lower() for name in found)


def test_both_profiles_of_edl_tell_their_own_examples_without_a_fault() -> None:
    for profile in ("host-1", "delimited-1"):
        codec = legacy_codec({"profile": profile})
        for envelope in get_protocol("edl").examples(profile):
            data = codec.encode(envelope).content
            faults = [one for one in fields_of(codec.profile, data) if one.fault]
            assert not faults, data


def test_edt_is_shown_as_tables_by_record_type() -> None:
    data = (
        b"* a comment\r\n"
        b"PN,AGENT,TBMU-1,2026-11-22 10:00,100,2026-11-22 10:30,100\r\n"
        b"PN,AGENT,TBMU-1,2026-11-22 10:30,100,2026-11-22 11:00,<b>\r\n"
        b"\r\n"
        b"NDZ,AGENT,TBMU-1,2026-11-23 05:00,7,one too many\r\n"
    )
    comment, pn, ndz = tables_of(file_codec({}).profile, data)
    assert comment.rows == (("1", "* a comment"),)
    assert (pn.type, [row[0] for row in pn.rows]) == ("PN", ["2", "3"])
    assert pn.headings[0] == "line"
    assert len(pn.headings) == 7
    assert ndz.rows[0][0] == "5"
    assert ndz.rows[0][-1] == "one too many"
    page = "".join(shown("edt", data).values())
    assert "<b>" not in page
    assert "&lt;b&gt;" in page


@pytest.mark.parametrize("protocol", ["edl", "edt", "neso-wa", "no such"])
def test_nothing_in_the_bytes_becomes_part_of_the_page(protocol: str) -> None:
    page = "".join(shown(protocol, EVIL * 20).values())
    assert "<script" not in page
    assert "\x00" not in page


def test_json_is_indented_and_what_is_none_is_left_to_its_bytes() -> None:
    found = shown("neso-wa", b'{"a":[1,{"b":"<i>"}]}')
    assert "&lt;i&gt;" in found["As JSON"]
    assert found["As JSON"].count("\n") > 4
    assert "As JSON" not in shown("neso-wa", b"{")
    assert "As JSON" not in shown("neso-wa", b"[" * 100_000)


def test_no_more_is_shown_than_a_page_bears() -> None:
    found = shown("edt", b"PN,A\n" * 100_000)
    assert sum(map(len, found.values())) < 1_000_000
    assert any("first 500 of 100000 lines" in name for name in found)


@pytest.fixture
def sealed(alice: Person, carried: Carried) -> tuple[Person, SigningKey, Sealed]:
    """Signed by alice, as what she sends is."""
    with tenant_scope(alice.tenant_id):
        message = Message.objects.filter(origin=Message.Origin.OPERATOR)[0]
        key = signing_key(message.endpoint.environment)
    payload = json.dumps({"messageId": "m-1", "type": "health"}).encode()
    made = get_seal("jws-json").close(
        payload,
        key=key.signing,
        issuer=key.participant_id,
        audience="NGESO",
        reference="m-1",
        now=now() - timedelta(minutes=10),
    )
    return alice, key.signing, made


def opened(person: Person, made: Sealed) -> str:
    with tenant_scope(person.tenant_id):
        found = signed.sections_of(person.tenant_id, Sent(), made.record)
        return "".join(str(text) for _, text in found)


def test_a_signed_form_is_opened_with_its_signer_however_long_ago(
    sealed: tuple[Person, SigningKey, Sealed],
) -> None:
    alice, key, made = sealed
    page = opened(alice, made)
    assert '<b class="good">holds</b>' in page
    assert "tenant alice" in page
    assert key.thumbprint in page
    assert "&quot;messageId&quot;: &quot;m-1&quot;" in page


@pytest.mark.parametrize("at", [-3, 30])
def test_a_signed_form_that_was_changed_is_told_not_to_hold(
    sealed: tuple[Person, SigningKey, Sealed], at: int
) -> None:
    """Negative control of the above: one character of the signature, or of the payload."""
    alice, _, made = sealed
    members = json.loads(made.body)
    name = "signature" if at < 0 else "payload"
    text = members[name]
    members[name] = text[:4] + ("A" if text[4] != "A" else "B") + text[5:]
    page = opened(alice, Sealed(json.dumps(members).encode(), made.content_type))
    assert "holds</b>" not in page
    assert 'class="late"' in page


def test_a_signer_who_is_unknown_is_told_to_be(
    sealed: tuple[Person, SigningKey, Sealed], bob: Person
) -> None:
    _, _, made = sealed
    assert "nobody known here" in opened(bob, made)


@pytest.mark.parametrize("record", [b"", b"\r\n\r\n", b"content-type: text/html\r\n\r\n<b>", EVIL])
def test_what_is_no_signed_form_is_told_so(alice: Person, record: bytes) -> None:
    found = signed.sections_of(alice.tenant_id, Sent(), record)
    page = "".join(str(text) for _, text in found)
    assert "No seal that is known here" in page
    assert "<b>" not in page.replace('<b class="late">', "")
