"""Requests and answers of the Single Markets Platform, the profile, and mappings of names."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from messaging.protocols.base import RemoteProtocolError
from messaging.protocols.loading import FaultyProfile
from messaging.protocols.neso.smp import loading
from messaging.protocols.neso.smp.codec import PeerError, SmpCodec
from messaging.protocols.neso.smp.profile import NameMapping, Standing

AT = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
ASKED = UUID(int=7)
PLAIN = SmpCodec(loading.load_profile("host-1"), NameMapping())
MAPPING = """
name = "test"
[asset]
assetName = "asset.name"
latitude = "asset.location.lat"
longitude = "asset.location.lon"
importMpan = "mpans.import"
[unit]
unitName = "unit.name"
controlPointContact = "contact"
[contact]
email = "mail.address"
"""


def mapped(tmp_path: Path, text: str = MAPPING) -> SmpCodec:
    path = tmp_path / "test.toml"
    path.write_text(text)
    return SmpCodec(PLAIN.profile, loading.read_mapping(path))


def answer(**members: Any) -> bytes:
    return json.dumps({"inReplyTo": str(ASKED), **members}).encode()


def test_requests_are_as_the_interface_has_them() -> None:
    stamp = {"messageId": str(ASKED), "sentAt": "2026-11-22T10:00:00.000000Z", "profile": "host-1"}
    asset, unit = {"assetName": "Ä", "latitude": 51.5}, {"unitName": "U"}
    assert json.loads(PLAIN.create_assets(ASKED, AT, [asset])) == {**stamp, "assets": [asset]}
    whole = {**stamp, "unit": unit, "assets": [asset]}
    assert json.loads(PLAIN.create_unit(ASKED, AT, unit, [asset])) == whole
    assert json.loads(PLAIN.ask_status(ASKED, AT, "t")) == {**stamp, "transactionId": "t"}
    assert json.loads(PLAIN.login("u", "p")) == {"username": "u", "password": "p"}


def test_a_mapping_gives_real_names_at_any_depth_and_reads_them_back(tmp_path: Path) -> None:
    codec = mapped(tmp_path)
    asset = {"assetName": "A", "latitude": 51.5, "longitude": 0, "importMpan": "1", "fuelType": "x"}
    unit = {"unitName": "U", "controlPointContact": {"email": "e", "name": "n"}}
    told = json.loads(codec.create_unit(ASKED, AT, unit, [asset]))
    assert told["assets"] == [
        {
            "asset": {"name": "A", "location": {"lat": 51.5, "lon": 0}},
            "mpans": {"import": "1"},
            "fuelType": "x",
        }
    ]
    assert told["unit"] == {
        "unit": {"name": "U"},
        "contact": {"mail": {"address": "e"}, "name": "n"},
    }
    ours = codec.mapping
    for real in ("asset.location.lat", "/asset/location/lat", "lat"):
        assert ours.our_asset_field(real) == "latitude"
    assert ours.our_asset_field("import") == "importMpan"
    assert ours.our_asset_field("fuelType") == "fuelType"
    assert ours.our_asset_field("strange") == "strange"
    assert ours.our_unit_field("contact/mail/address") == "controlPointContact/email"
    assert ours.our_unit_field("unit.name") == "unitName"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('[asset]\nassetNam = "x"', "assetNam"),
        ('[asset]\nassetName = "x..y"', "dots"),
        ('[asset]\nassetName = "latitude"', "clashes"),
        ('[asset]\nassetName = "a"\nlatitude = "a.b"', "clashes"),
        ("[asset]\nassetName = 5", "text"),
        ("[colour]", "colour"),
    ],
)
def test_what_is_wrong_with_a_mapping_is_told(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(FaultyProfile, match=fault):
        mapped(tmp_path, 'name = "test"\n' + text)


def test_a_mapping_is_that_of_its_environment(tmp_path: Path) -> None:
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings" / "test.toml").write_text(MAPPING)
    assert loading.load_mapping(tmp_path, "test").asset["assetName"] == ("asset", "name")
    assert loading.load_mapping(tmp_path, "production") == NameMapping()


def test_answers_are_read() -> None:
    assert PLAIN.transaction(answer(transactionId="t"), ASKED) == "t"
    token = PLAIN.token(b'{"access_token": "a.b", "token_type": "Bearer", "expires_in": 60}')
    assert (token.text, token.seconds) == ("a.b", 60)
    assert "a.b" not in repr(token)
    errors = [
        {"index": 1, "field": "importMpan", "code": "R003", "text": "wrong"},
        {"index": None, "field": "controlPointContact/email", "code": "R001", "text": ""},
    ]
    told = PLAIN.status(answer(transactionId="t", status="FAILED", errors=errors), ASKED, "t")
    assert told.standing is Standing.FAILED
    assert told.errors == (
        PeerError(1, "importMpan", "R003", "wrong"),
        PeerError(None, "controlPointContact/email", "R001", ""),
    )
    refusal = [
        {"path": "/assets/3/latitude", "code": "R003", "text": "no"},
        {"path": "/unit/eic", "code": "R003", "text": "no"},
        {"path": "/assets", "code": "R003", "text": "many"},
    ]
    found = PLAIN.refusal(answer(status="REJECTED", errors=refusal), ASKED)
    assert [(one.index, one.field) for one in found] == [
        (3, "latitude"),
        (None, "eic"),
        (None, "/assets"),
    ]


def test_a_batch_return_may_name_what_it_answers() -> None:
    body = {"transactionId": "t", "status": "SUCCESS", "errors": []}
    assert PLAIN.returned(json.dumps(body).encode())[1] == ""
    result, answers = PLAIN.returned(json.dumps({**body, "inReplyTo": "m"}).encode())
    assert (result.standing, answers) == (Standing.CREATED, "m")


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        answer(),
        answer(transactionId=""),
        answer(transactionId=7),
        answer(transactionId="x" * 201),
        answer(transactionId="a\0"),
        json.dumps({"transactionId": "t", "inReplyTo": "other"}).encode(),
    ],
)
def test_what_names_no_transaction_is_no_answer(payload: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        PLAIN.transaction(payload, ASKED)


@pytest.mark.parametrize(
    "members",
    [
        {"status": "DONE"},
        {"status": None},
        {"transactionId": "other"},
        {"errors": {}},
        {"errors": ["x"]},
        {"errors": [{"index": "1"}]},
        {"errors": [{"index": True}]},
        {"errors": [{"index": -1}]},
    ],
)
def test_what_is_no_status_is_no_answer(members: dict[str, Any]) -> None:
    whole = {"transactionId": "t", "status": "FAILED", "errors": [], **members}
    with pytest.raises(RemoteProtocolError):
        PLAIN.status(answer(**whole), ASKED, "t")


@pytest.mark.parametrize(
    "changes",
    [
        {"access_token": None},
        {"access_token": "a b"},
        {"access_token": "a\r\nX: 1"},
        {"expires_in": "60"},
        {"expires_in": True},
        {"expires_in": 0},
    ],
)
def test_what_is_no_token_is_not_used(changes: dict[str, Any]) -> None:
    body = {"access_token": "a", "expires_in": 60, **changes}
    with pytest.raises(RemoteProtocolError):
        PLAIN.token(json.dumps(body).encode())
