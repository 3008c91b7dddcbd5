"""The rules of a registration, one named entry each: what a row of an uploaded file, and the unit
it is for, must be before anything is sent to the Single Markets Platform.

`read_asset` and `read_unit` take what a file says, by the names of our fields, as text or as JSON
has it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from messaging.domain.registrations import (
    ASSET_FIELDS,
    CONTACT_FIELDS,
    UNIT_FIELDS,
    Asset,
    Shape,
    Unit,
    Value,
    compact_postcode,
)
from messaging.domain.rules.base import Fault, Mark, fault
from messaging.domain.units import BM_UNIT_NAME, RefusalCode

LONGEST_TEXT: Final = 200
SHOWN: Final = 80
"""Characters of a wrong value that are told again."""

LATITUDES: Final = (Decimal("49.8"), Decimal("60.9"))
LONGITUDES: Final = (Decimal("-8.7"), Decimal("1.8"))
"""Great Britain with its islands, from Scilly to Shetland and from St Kilda to Lowestoft."""

MOST_MW: Final = Decimal(100_000)
MOST_PLACES: Final = 6
GSP_GROUPS: Final = frozenset(f"_{letter}" for letter in "ABCDEFGHJKLMNP")

_NUMBER = re.compile(r"[+-]?(\d{1,9}(\.\d{0,12})?|\.\d{1,12})", re.ASCII)
_MPAN = re.compile(r"\d{13}", re.ASCII)
_PRIMES = (3, 5, 7, 13, 17, 19, 23, 29, 31, 37, 41, 43)
_POSTCODE = re.compile(
    r"(GIR0AA|[A-PR-UWYZ]([0-9]{1,2}|[A-HK-Y][0-9]{1,2}|[0-9][A-HJKPSTUW]"
    r"|[A-HK-Y][0-9][ABEHMNPRVWXY])[0-9][ABD-HJLNP-UW-Z]{2})",
    re.ASCII,
)
_NOT_GB = ("BT", "GY", "IM", "JE")
_EIC = re.compile(r"[0-9A-Z-]{15}[0-9A-Z]", re.ASCII)
_EIC_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-"
_ELEXON_UNIT = re.compile(r"[0-9A-Z_-]{3,11}", re.ASCII)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")

AssetCheck = Callable[[Asset], Iterator[Fault]]
UnitCheck = Callable[[Unit], Iterator[Fault]]


@dataclass(frozen=True, slots=True)
class RegistrationRule:
    """One entry of the table. A rule with neither check is applied where the file is read, or
    against what is registered.
    """

    id: str
    mark: Mark
    applies_to: str
    code: RefusalCode
    explanation: str
    on_asset: AssetCheck | None = None
    on_unit: UnitCheck | None = None


@dataclass(frozen=True, slots=True)
class Broken:
    """A rule broken: by which field, of what value."""

    rule: str
    code: RefusalCode
    field: str
    value: str
    text: str


def read_asset(given: Mapping[str, object]) -> tuple[Asset, tuple[Broken, ...]]:
    """The asset as far as it can be read, and all that is wrong with it."""
    fields, unread = _read(given, ASSET_FIELDS)
    asset = Asset(fields)
    found = (_broken(rule, one) for rule, check in _ON_ASSET for one in check(asset))
    return asset, (*unread, *_beside(unread, found))


def read_unit(given: Mapping[str, object]) -> tuple[Unit, tuple[Broken, ...]]:
    """The unit as far as it can be read, and all that is wrong with it."""
    fields, unread = _read(given, UNIT_FIELDS)
    unit = Unit(fields)
    found = (_broken(rule, one) for rule, check in _ON_UNIT for one in check(unit))
    return unit, (*unread, *_beside(unread, found))


def broken(rule: str, field: str, value: object, text: str) -> Broken:
    """A rule of the table that something else than a check has found broken."""
    return Broken(rule, BY_ID[rule].code, shown(field), shown(value), shown(text, LONGEST_TEXT))


def is_storable(text: str) -> bool:
    """Whether JSON text can be kept: neither NUL nor half of a surrogate pair stands in it."""
    return "\\u0000" not in text and not any("\ud800" <= one <= "\udfff" for one in text)


def shown(value: object, most: int = SHOWN) -> str:
    """As much of it as is told again; what cannot be shown or stored is written as an escape."""
    text = str(value)[:most]
    if text.isprintable():
        return text
    escaped = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)
    return escaped[:most]


def check_digit(core: str) -> str:
    """Of the first twelve digits of an MPAN core."""
    total = sum(int(digit) * prime for digit, prime in zip(core, _PRIMES, strict=True))
    return str(total % 11 % 10)


def _beside(unread: list[Broken], found: Iterator[Broken]) -> Iterator[Broken]:
    """Without those of a field that could not be read: it is not missing, it is wrong."""
    told = {one.field for one in unread}
    return (one for one in found if one.field not in told)


def _broken(rule: RegistrationRule, one: Fault) -> Broken:
    field = "/".join(map(str, one.path))
    return Broken(rule.id, rule.code, field, shown(one.value), one.text)


def _read(
    given: Mapping[str, object], shapes: Mapping[str, Shape]
) -> tuple[dict[str, Value], list[Broken]]:
    fields: dict[str, Value] = {}
    unread: list[Broken] = []
    for name, value in given.items():
        if value is None or value == "" or (isinstance(value, str) and not value.strip()):
            continue
        shape = shapes.get(name)
        if shape is None:
            unread.append(broken("known-field", name, value, "no such field"))
            continue
        read = _READERS[shape](value)
        if isinstance(read, _Wrong):
            unread.append(broken(read.rule, name, value, read.text))
        else:
            fields[name] = read
    return fields, unread


@dataclass(frozen=True, slots=True)
class _Wrong:
    rule: str
    text: str


def _text(value: object) -> Value | _Wrong:
    if not isinstance(value, str):
        return _Wrong("text", "it must be text")
    text = value.strip()
    if len(text) > LONGEST_TEXT:
        return _Wrong("text", f"longer than {LONGEST_TEXT} characters")
    return (
        text if text.isprintable() else _Wrong("text", "it holds characters that cannot be shown")
    )


def _number(value: object) -> Value | _Wrong:
    if isinstance(value, str):
        text = value.strip()
        if len(text) > 24 or not _NUMBER.fullmatch(text):
            return _Wrong("number", "not a number with a decimal point")
        number = Decimal(text)
    elif isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        number = Decimal(str(value))
    else:
        return _Wrong("number", "it must be a number")
    if not number.is_finite() or len(number.as_tuple().digits) > 15:
        return _Wrong("number", "not a number of at most 15 digits")
    return number


def _texts(value: object) -> Value | _Wrong:
    items = value if isinstance(value, list | tuple) else str(value).split(";")
    read = [_text(one) for one in items]
    wrong = next((one for one in read if isinstance(one, _Wrong)), None)
    if wrong is not None or isinstance(value, bool | int | Decimal | Mapping):
        return wrong or _Wrong("text", "it must be a list of texts")
    return tuple(str(one) for one in read if one)


def _contact(value: object) -> Value | _Wrong:
    if not isinstance(value, Mapping) or value.keys() - set(CONTACT_FIELDS):
        return _Wrong("text", f"it must be an object of {', '.join(CONTACT_FIELDS)}")
    read = {name: _text(one) for name, one in value.items() if one not in (None, "")}
    wrong = next((one for one in read.values() if isinstance(one, _Wrong)), None)
    return wrong or {name: str(one) for name, one in read.items()}


_READERS: Final[Mapping[Shape, Callable[[object], Value | _Wrong]]] = {
    Shape.TEXT: _text,
    Shape.NUMBER: _number,
    Shape.TEXTS: _texts,
    Shape.CONTACT: _contact,
}


def _has_name(asset: Asset) -> Iterator[Fault]:
    if not asset.name:
        yield fault(("assetName",), "", "the asset has no name")


def _has_mpan(asset: Asset) -> Iterator[Fault]:
    if not asset.mpans:
        yield fault(("importMpan",), "", "neither an import nor an export MPAN is given")


def _mpans(asset: Asset) -> Iterator[Fault]:
    for name in ("importMpan", "exportMpan"):
        text = asset.text(name)
        if text and not _MPAN.fullmatch(text):
            yield fault((name,), text, "not 13 digits")
        elif text and check_digit(text[:12]) != text[12]:
            yield fault((name,), text, f"wrong check digit: it would be {check_digit(text[:12])}")


def _coordinates(asset: Asset) -> Iterator[Fault]:
    for name, other, (low, high) in (
        ("latitude", "longitude", LATITUDES),
        ("longitude", "latitude", LONGITUDES),
    ):
        value = asset.number(name)
        if value is not None and not low <= value <= high:
            yield fault((name,), value, f"not within Great Britain, {low} to {high}")
        if value is None and asset.number(other) is not None:
            yield fault((name,), "", f"the {other} is given and the {name} is not")


def _postcode(asset: Asset) -> Iterator[Fault]:
    text = asset.text("postcode")
    if text and not _POSTCODE.fullmatch(compact_postcode(text)):
        yield fault(("postcode",), text, "not a postcode")
    elif compact_postcode(text).startswith(_NOT_GB):
        yield fault(("postcode",), text, "not a postcode of Great Britain")


def _gsp_group(asset: Asset) -> Iterator[Fault]:
    text = asset.text("gspGroupId")
    if text and text not in GSP_GROUPS:
        yield fault(("gspGroupId",), text, f"none of {' '.join(sorted(GSP_GROUPS))}")


def _capacities(asset: Asset) -> Iterator[Fault]:
    for name in ("generationCapacity", "demandCapacity"):
        value = asset.number(name)
        if value is None:
            continue
        if not 0 <= value <= MOST_MW:
            yield fault((name,), value, f"not within 0 to {MOST_MW} MW")
        exponent = value.normalize().as_tuple().exponent
        if isinstance(exponent, int) and exponent < -MOST_PLACES:
            yield fault((name,), value, f"more than {MOST_PLACES} decimal places")


def _unit_has_name(unit: Unit) -> Iterator[Fault]:
    if not unit.name:
        yield fault(("unitName",), "", "the unit has no name")


def _bm_unit(unit: Unit) -> Iterator[Fault]:
    text = unit.text("nationalGridBmUnit")
    if text and not BM_UNIT_NAME.fullmatch(text):
        yield fault(("nationalGridBmUnit",), text, "not 5 to 9 of A-Z 0-9 - _")


def _elexon_unit(unit: Unit) -> Iterator[Fault]:
    text = unit.text("elexonBmUnit")
    if text and not _ELEXON_UNIT.fullmatch(text):
        yield fault(("elexonBmUnit",), text, "not 3 to 11 of A-Z 0-9 - _")


def _eic(unit: Unit) -> Iterator[Fault]:
    text = unit.text("eic")
    if text and not _EIC.fullmatch(text):
        yield fault(("eic",), text, "not 16 of A-Z 0-9 -")
    elif text:
        total = sum((16 - at) * _EIC_DIGITS.index(one) for at, one in enumerate(text[:15]))
        wanted = _EIC_DIGITS[36 - (total - 1) % 37]
        if text[15] != wanted:
            yield fault(("eic",), text, f"wrong check character: it would be {wanted}")


def _email(unit: Unit) -> Iterator[Fault]:
    text = unit.contact.get("email", "")
    if text and not _EMAIL.fullmatch(text):
        yield fault(("controlPointContact", "email"), text, "not an e-mail address")


_FILE: Final = "file"
_ROW: Final = "row"
_ASSET: Final = "asset"
_UNIT: Final = "unit"
_MALFORMED: Final = RefusalCode.MALFORMED
_RANGE: Final = RefusalCode.OUT_OF_RANGE

REGISTRATION_RULES: Final[tuple[RegistrationRule, ...]] = (
    RegistrationRule(
        "file-format",
        Mark.CHOICE,
        _FILE,
        _MALFORMED,
        "A file is UTF-8 text, CSV with a heading or a JSON list of objects, and holds a row.",
    ),
    RegistrationRule(
        "columns",
        Mark.CHOICE,
        _FILE,
        _MALFORMED,
        "Each heading is one of the fields, none is there twice, and the required ones are there.",
    ),
    RegistrationRule(
        "row-format",
        Mark.CHOICE,
        _ROW,
        _MALFORMED,
        "A row has as many cells as the heading, quotes are closed, and no cell is endless.",
    ),
    RegistrationRule(
        "known-field", Mark.CHOICE, _ROW, _MALFORMED, "Every member of an object is a field."
    ),
    RegistrationRule(
        "text",
        Mark.CHOICE,
        "every text",
        _MALFORMED,
        f"A text is printable and has no more than {LONGEST_TEXT} characters.",
    ),
    RegistrationRule(
        "number",
        Mark.CHOICE,
        "every number",
        _MALFORMED,
        "A number has a decimal point if any, no separators and no unit, and at most 15 digits.",
    ),
    RegistrationRule(
        "asset-name", Mark.CHOICE, _ASSET, _MALFORMED, "An asset has a name.", on_asset=_has_name
    ),
    RegistrationRule(
        "asset-mpan-given",
        Mark.CHOICE,
        _ASSET,
        _MALFORMED,
        "An asset has an import MPAN, an export MPAN, or both.",
        on_asset=_has_mpan,
    ),
    RegistrationRule(
        "mpan-check-digit",
        Mark.FACT,
        _ASSET,
        _RANGE,
        "An MPAN core is 13 digits, the last of them the check digit: the first twelve times"
        " 3 5 7 13 17 19 23 29 31 37 41 43, the sum modulo 11 modulo 10.",
        on_asset=_mpans,
    ),
    RegistrationRule(
        "coordinates-in-gb",
        Mark.CHOICE,
        _ASSET,
        _RANGE,
        f"Latitude and longitude come together, within {LATITUDES[0]} to {LATITUDES[1]} and"
        f" {LONGITUDES[0]} to {LONGITUDES[1]} degrees.",
        on_asset=_coordinates,
    ),
    RegistrationRule(
        "postcode",
        Mark.FACT,
        _ASSET,
        _RANGE,
        "A postcode has the form of one, and is none of Northern Ireland, the Isle of Man or the"
        " Channel Islands.",
        on_asset=_postcode,
    ),
    RegistrationRule(
        "gsp-group",
        Mark.FACT,
        _ASSET,
        _RANGE,
        "A GSP group is one of the fourteen from _A to _P; there is no _I and no _O.",
        on_asset=_gsp_group,
    ),
    RegistrationRule(
        "capacity",
        Mark.CHOICE,
        _ASSET,
        _RANGE,
        f"Capacities are 0 to {MOST_MW} MW with at most {MOST_PLACES} decimal places.",
        on_asset=_capacities,
    ),
    RegistrationRule(
        "unit-name", Mark.CHOICE, _UNIT, _MALFORMED, "A unit has a name.", on_unit=_unit_has_name
    ),
    RegistrationRule(
        "unit-ngc-name",
        Mark.FACT,
        _UNIT,
        _RANGE,
        "The NGC name of a BM unit is 5 to 9 of A-Z 0-9 - _.",
        on_unit=_bm_unit,
    ),
    RegistrationRule(
        "unit-elexon-name",
        Mark.FACT,
        _UNIT,
        _RANGE,
        "The Elexon name of a BM unit is 3 to 11 of A-Z 0-9 - _.",
        on_unit=_elexon_unit,
    ),
    RegistrationRule(
        "unit-eic",
        Mark.FACT,
        _UNIT,
        _RANGE,
        "An EIC is 16 characters, the last of them its check character.",
        on_unit=_eic,
    ),
    RegistrationRule(
        "contact-email",
        Mark.CHOICE,
        _UNIT,
        _RANGE,
        "The contact's e-mail address has the form of one.",
        on_unit=_email,
    ),
    RegistrationRule(
        "unit-size",
        Mark.OVERVIEW,
        _UNIT,
        _RANGE,
        "No more than 1000 assets are aligned with one unit: more are refused, and not split.",
    ),
    RegistrationRule(
        "once-in-file",
        Mark.CHOICE,
        _ASSET,
        _RANGE,
        "No two rows have the same name, letters of either case, or the same MPAN.",
    ),
    RegistrationRule(
        "not-registered",
        Mark.CHOICE,
        "asset, unit",
        _RANGE,
        "No asset or unit of the name, and no asset with the MPAN, is registered already, or is"
        " being registered by another job. An asset that is registered may be aligned with a unit.",
    ),
)

BY_ID: Final[Mapping[str, RegistrationRule]] = {rule.id: rule for rule in REGISTRATION_RULES}
_ON_ASSET: Final = [(rule, rule.on_asset) for rule in REGISTRATION_RULES if rule.on_asset]
_ON_UNIT: Final = [(rule, rule.on_unit) for rule in REGISTRATION_RULES if rule.on_unit]
