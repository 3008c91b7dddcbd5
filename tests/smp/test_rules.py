"""The rules of a registration: what each takes and refuses, and what the table says of itself."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from messaging.domain.registrations import Asset
from messaging.domain.rules.registrations import (
    BY_ID,
    REGISTRATION_RULES,
    RegistrationRule,
    check_digit,
    read_asset,
    read_unit,
)
from tests.smp.assets import asset, mpan


def test_what_is_right_is_read_whole() -> None:
    given = asset(1, latitude="51.50", connectionVoltage=" 33 kV ", exportMpan="")
    read, found = read_asset(given)
    assert found == ()
    assert read.fields["latitude"] == Decimal("51.50")
    assert read.fields["connectionVoltage"] == "33 kV"
    assert "exportMpan" not in read.fields


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"assetName": None}, "assetName", "asset-name"),
    ({"assetName": "  "}, "assetName", "asset-name"),
    ({"assetName": "A\0B"}, "assetName", "text"),
    ({"assetName": "A" * 201}, "assetName", "text"),
    ({"assetName": 7}, "assetName", "text"),
    ({"importMpan": None}, "importMpan", "asset-mpan-given"),
    ({"importMpan": "123"}, "importMpan", "mpan-check-digit"),
    ({"importMpan": mpan(1)[:12] + "x"}, "importMpan", "mpan-check-digit"),
    ({"exportMpan": "\u0661" * 13}, "exportMpan", "mpan-check-digit"),
    ({"importMpan": 1200000000001}, "importMpan", "text"),
    ({"latitude": 61}, "latitude", "coordinates-in-gb"),
    ({"latitude": "49.7"}, "latitude", "coordinates-in-gb"),
    ({"longitude": "2.35"}, "longitude", "coordinates-in-gb"),
    ({"longitude": None}, "longitude", "coordinates-in-gb"),
    ({"latitude": "51,5"}, "latitude", "number"),
    ({"latitude": "NaN"}, "latitude", "number"),
    ({"latitude": True}, "latitude", "number"),
    ({"latitude": [51.5]}, "latitude", "number"),
    ({"generationCapacity": -1}, "generationCapacity", "capacity"),
    ({"generationCapacity": "0.0000001"}, "generationCapacity", "capacity"),
    ({"demandCapacity": "5 MW"}, "demandCapacity", "number"),
    ({"demandCapacity": 100_001}, "demandCapacity", "capacity"),
    ({"postcode": "SW1A"}, "postcode", "postcode"),
    ({"postcode": "BT1 1AA"}, "postcode", "postcode"),
    ({"gspGroupId": "_I"}, "gspGroupId", "gsp-group"),
    ({"gspGroupId": "C"}, "gspGroupId", "gsp-group"),
    ({"colour": "red"}, "colour", "known-field"),
]


@pytest.mark.parametrize(("changes", "field", "rule"), BAD)
def test_what_is_wrong_is_told_by_rule_and_field(
    changes: dict[str, Any], field: str, rule: str
) -> None:
    _, found = read_asset(asset(1, **changes))
    assert [(one.field, one.rule) for one in found] == [(field, rule)]
    assert found[0].text


@pytest.mark.parametrize("digit", range(10))
def test_one_check_digit_alone_is_right(digit: int) -> None:
    core = "130000123456"
    _, found = read_asset(asset(1, importMpan=f"{core}{digit}"))
    assert bool(found) == (str(digit) != check_digit(core))


@pytest.mark.parametrize("text", ["SW1A 1AA", "m11ae", "B33 8TH", "CR2 6XH", "DN55 1PT", "EC1A1BB"])
def test_postcodes_of_every_form_are_taken(text: str) -> None:
    assert read_asset(asset(1, postcode=text))[1] == ()


UNIT = {
    "unitName": "Unit 1",
    "nationalGridBmUnit": "ALFA-1",
    "elexonBmUnit": "T_ALFA-1",
    "eic": "10YGB----------A",
    "services": ["BM", "DC"],
    "controlPointContact": {"name": "N", "telephone": "020", "email": "n@example.com"},
}


def test_a_unit_that_is_right_is_read_whole() -> None:
    read, found = read_unit(UNIT)
    assert found == ()
    assert (read.name, read.fields["services"]) == ("Unit 1", ("BM", "DC"))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"unitName": ""}, "unitName"),
        ({"nationalGridBmUnit": "alfa"}, "nationalGridBmUnit"),
        ({"elexonBmUnit": "x"}, "elexonBmUnit"),
        ({"eic": "10YGB----------B"}, "eic"),
        ({"eic": "10YGB"}, "eic"),
        ({"services": [1]}, "services"),
        ({"services": 5}, "services"),
        ({"controlPointContact": "N"}, "controlPointContact"),
        ({"controlPointContact": {"name": 1}}, "controlPointContact"),
        ({"controlPointContact": {"email": "nobody"}}, "controlPointContact/email"),
    ],
)
def test_what_is_wrong_with_a_unit_is_told_by_its_field(
    changes: dict[str, Any], field: str
) -> None:
    _, found = read_unit({**UNIT, **changes})
    assert [one.field for one in found] == [field]


@pytest.mark.parametrize(
    ("changes", "site"),
    [
        ({}, "SW1A1AA"),
        ({"postcode": "sw1a1aa"}, "SW1A1AA"),
        ({"postcode": None}, "51.500,-0.100"),
        ({"postcode": None, "latitude": None, "longitude": None}, "asset Battery 1"),
    ],
)
def test_a_site_is_the_postcode_else_the_point_else_the_asset(
    changes: dict[str, Any], site: str
) -> None:
    assert read_asset(asset(1, **changes))[0].site == site


def test_the_larger_capacity_counts() -> None:
    assert Asset({"generationCapacity": Decimal(2), "demandCapacity": Decimal(3)}).capacity == 3
    assert Asset({}).capacity == 0


def test_what_cannot_be_stored_is_told_as_escapes() -> None:
    _, found = read_asset({"a\0b": "\ud800"})
    told = next(one for one in found if one.rule == "known-field")
    assert (told.field, told.value) == ("a\\x00b", "\\ud800")


@pytest.mark.parametrize("rule", REGISTRATION_RULES, ids=BY_ID)
def test_a_rule_says_what_it_is_for(rule: RegistrationRule) -> None:
    assert rule.explanation.endswith(".")
    assert rule.applies_to
    assert rule.id == rule.id.lower()
    assert len(BY_ID) == len(REGISTRATION_RULES)
