"""What is wrong with assets and units: the form of a request, refused at once, and the rows, which
fail the transaction."""

from __future__ import annotations

import re
from decimal import Decimal

from messaging.simulator.checks.fields import Fields
from messaging.simulator.checks.findings import Code, Findings
from messaging.simulator.config import Tenant

MOST_ASSETS = 1000
_MPAN = re.compile(r"\d{13}", re.ASCII)
_PRIMES = (3, 5, 7, 13, 17, 19, 23, 29, 31, 37, 41, 43)
_MW = (Decimal(0), Decimal(100_000))
_NUMBERS: dict[str, tuple[Decimal, Decimal]] = {
    "latitude": (Decimal(-90), Decimal(90)),
    "longitude": (Decimal(-180), Decimal(180)),
    "generationCapacity": _MW,
    "demandCapacity": _MW,
}
_ASSET_TEXTS = ("postcode", "gspGroupId", "fuelType", "connectionVoltage", "meteringAccuracy")
_UNIT_TEXTS = ("nationalGridBmUnit", "elexonBmUnit", "eic", "leadPartyId")
_CONTACT_TEXTS = ("name", "telephone", "email")
_PLACES = 20


def check_assets(fields: Fields, tenant: Tenant) -> None:
    _check_count(fields, list(fields.objects("assets")))


def check_unit(fields: Fields, tenant: Tenant) -> None:
    if not isinstance(fields.members.get("unit"), dict):
        fields.note("unit", Code.MALFORMED, "missing or not an object")
    if fields.members.get("assets") != []:
        check_assets(fields, tenant)


def _check_count(fields: Fields, assets: list[Fields]) -> None:
    if len(assets) > MOST_ASSETS:
        fields.note("assets", Code.RANGE, f"more than {MOST_ASSETS} assets")


def check_status(fields: Fields, tenant: Tenant) -> None:
    fields.text("transactionId")


def find_row_errors(payload: dict[str, object]) -> list[dict[str, object]]:
    """As Get Transaction Status shows them: `index` counts assets from 0 and is null for the
    unit."""
    errors = []
    unit, assets = payload.get("unit"), payload.get("assets")
    if isinstance(unit, dict):
        errors += _errors_of(None, unit)
    for index, asset in enumerate(assets if isinstance(assets, list) else []):
        errors += _errors_of(index, asset)
    return errors


def _errors_of(index: int | None, members: dict[str, object]) -> list[dict[str, object]]:
    findings = Findings()
    fields = Fields(members, (), findings)
    if index is None:
        _check_unit_row(fields)
    else:
        _check_asset_row(fields)
    return [
        {"index": index, "field": item.path[1:], "code": item.code, "text": item.text}
        for item in findings.violations
    ]


def _check_asset_row(fields: Fields) -> None:
    _check_name(fields, "assetName")
    if not fields.has("importMpan") and not fields.has("exportMpan"):
        fields.note("importMpan", Code.MALFORMED, "neither importMpan nor exportMpan is given")
    for name in ("importMpan", "exportMpan"):
        if fields.has(name):
            _check_mpan(fields, name)
    for name, (low, high) in _NUMBERS.items():
        if fields.has(name):
            fields.number(name, low, high, _PLACES)
    _check_texts(fields, _ASSET_TEXTS)


def _check_unit_row(fields: Fields) -> None:
    _check_name(fields, "unitName")
    _check_texts(fields, _UNIT_TEXTS)
    services = fields.members.get("services", [])
    if not isinstance(services, list) or not all(isinstance(item, str) for item in services):
        fields.note("services", Code.MALFORMED, "not a list of strings")
    contact = fields.members.get("controlPointContact", {})
    if isinstance(contact, dict):
        _check_texts(Fields(contact, ("controlPointContact",), fields.findings), _CONTACT_TEXTS)
    else:
        fields.note("controlPointContact", Code.MALFORMED, "not an object")


def _check_name(fields: Fields, name: str) -> None:
    if fields.text(name) == "":
        fields.note(name, Code.RANGE, "empty")


def _check_texts(fields: Fields, names: tuple[str, ...]) -> None:
    for name in names:
        if fields.has(name):
            fields.text(name)


def _check_mpan(fields: Fields, name: str) -> None:
    value = fields.text(name)
    if value is None:
        return
    if not _MPAN.fullmatch(value):
        fields.note(name, Code.RANGE, "not 13 digits")
    elif sum(
        int(digit) * prime for digit, prime in zip(value, _PRIMES, strict=False)
    ) % 11 % 10 != int(value[12]):
        fields.note(name, Code.RANGE, "wrong check digit")
